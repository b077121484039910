import asyncio

import pytest

from crisol.serving.http.config import ConfigurationError, Settings
from crisol.serving.http.errors import ApiError
from crisol.serving.http.limits import MAX_CALLERS, ClientDisconnected, RateLimit, read_body


def test_a_bucket_empties_refills_and_belongs_to_one_caller() -> None:
    now = [0.0]
    limit = RateLimit(rate_per_s=0.5, burst=2, clock=lambda: now[0])
    limit.take("a")
    limit.take("a")
    with pytest.raises(ApiError) as refused:
        limit.take("a")
    assert refused.value.status == 429
    assert refused.value.headers["retry-after"] == "2"
    limit.take("b")
    now[0] = 1.9
    with pytest.raises(ApiError):
        limit.take("a")
    now[0] = 2.0
    limit.take("a")
    now[0] = 1000.0
    limit.take("a")
    limit.take("a")
    with pytest.raises(ApiError):
        limit.take("a")


def test_callers_are_forgotten_and_zero_takes_the_limit_away() -> None:
    limit = RateLimit(1, 1, clock=lambda: 0.0)
    for number in range(MAX_CALLERS + 5):
        limit.take(str(number))
    assert len(limit._buckets) == MAX_CALLERS
    free = RateLimit(0, 1)
    for _ in range(100):
        free.take("a")


def read(chunks: list[bytes], length: bytes | None = None, *, stall: bool = False) -> bytes:
    async def body() -> bytes:
        messages = [
            {"type": "http.request", "body": chunk, "more_body": index + 1 < len(chunks) or stall}
            for index, chunk in enumerate(chunks)
        ]

        async def receive() -> dict[str, object]:
            if not messages:
                await asyncio.sleep(30)
            return messages.pop(0)

        return await read_body(receive, length, 10, 0.05)

    return asyncio.run(body())


def test_bodies_are_joined_and_cut_off_at_the_limit() -> None:
    assert read([b"12345", b"67890"]) == b"1234567890"
    assert read([b""]) == b""
    for chunks, length in (([b"x" * 11], None), ([b"12345", b"678901"], None), ([b""], b"11")):
        with pytest.raises(ApiError) as refused:
            read(chunks, length)
        assert refused.value.status == 413
    for senseless in (b"-1", b"1e3", b"ten", b""):
        with pytest.raises(ApiError) as refused:
            read([b"1"], senseless)
        assert refused.value.status == 400
    with pytest.raises(ApiError) as refused:
        read([b"1"], b"9" * 5000)
    assert refused.value.status == 413


def test_a_body_that_never_ends_is_408() -> None:
    with pytest.raises(ApiError) as refused:
        read([b"1"], stall=True)
    assert refused.value.status == 408


def test_a_client_that_leaves_is_not_answered() -> None:
    async def body() -> None:
        async def receive() -> dict[str, object]:
            return {"type": "http.disconnect"}

        await read_body(receive, None, 10, 1)

    with pytest.raises(ClientDisconnected):
        asyncio.run(body())


def test_settings_name_the_variable_that_is_wrong_and_never_its_value() -> None:
    with pytest.raises(ConfigurationError) as error:
        Settings.from_environment({"CRISOL_MAX_BATCH": "minus-one", "CRISOL_TIMEOUT_S": "nan"})
    assert "CRISOL_MAX_BATCH" in str(error.value)
    assert "CRISOL_TIMEOUT_S" in str(error.value)
    assert "minus-one" not in str(error.value)
    assert Settings.from_environment({"CRISOL_MAX_BATCH": ""}).max_batch == 64
    assert "hidden" not in repr(Settings.from_environment({"CRISOL_API_KEYS": "hidden"}))
