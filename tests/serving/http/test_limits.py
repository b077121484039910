import asyncio
import logging
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest
from starlette.requests import ClientDisconnect

from crisol.serving.http.config import ConfigurationError, Settings
from crisol.serving.http.errors import ApiError
from crisol.serving.http.limits import read_body
from crisol.serving.http.rates import UNSHARED, RateLimit


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of these tests alone."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no redis-server")
    path = tmp_path_factory.mktemp("redis") / "s"
    command = [
        program,
        "--port",
        "0",
        "--unixsocket",
        str(path),
        "--save",
        "",
        "--appendonly",
        "no",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=path.parent)
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.01)
    yield f"unix://{path}"
    process.terminate()
    process.wait(10)


def test_a_window_fills_and_belongs_to_one_caller() -> None:
    async def body() -> None:
        limit = RateLimit(rate_per_s=2, burst=2)
        await limit.take("a")
        await limit.take("a")
        with pytest.raises(ApiError) as refused:
            await limit.take("a")
        assert refused.value.status == 429
        assert int(refused.value.headers["retry-after"]) in (1, 2)
        await limit.take("b")
        await asyncio.sleep(2.05)
        await limit.take("a")

    asyncio.run(body())


@pytest.mark.parametrize(
    ("rate", "burst", "window"),
    [
        (200, 400, (400, 2)),
        (0.5, 2, (2, 4)),
        (3, 4, (6, 2)),
        (200, 1, (200, 1)),
        (0.01, 2, (2, 200)),
    ],
)
def test_the_window_keeps_the_rate_and_lets_the_burst_pass(
    rate: float, burst: int, window: tuple[int, int]
) -> None:
    found = RateLimit(rate, burst)._window
    assert found is not None
    assert (found.amount, found.get_expiry()) == window


def test_zero_takes_the_limit_away() -> None:
    async def body() -> None:
        free = RateLimit(0, 1)
        for _ in range(100):
            await free.take("a")

    asyncio.run(body())


def test_processes_share_a_limit_in_redis(redis_url: str) -> None:
    async def body() -> None:
        one, other = RateLimit(1, 3, redis_url), RateLimit(1, 3, redis_url)
        caller = secrets.token_hex(8)
        await one.take(caller)
        await other.take(caller)
        await one.take(caller)
        with pytest.raises(ApiError) as refused:
            await other.take(caller)
        assert refused.value.status == 429
        assert 1 <= int(refused.value.headers["retry-after"]) <= 3

    asyncio.run(body())


def test_while_redis_is_away_each_process_counts_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def body() -> None:
        limit = RateLimit(1, 2, "redis://127.0.0.1:1/0")
        await limit.take("a")
        await limit.take("a")
        with pytest.raises(ApiError) as refused:
            await limit.take("a")
        assert refused.value.status == 429

    log = logging.getLogger("crisol.serving")
    log.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.WARNING, log.name):
            asyncio.run(body())
    finally:
        log.removeHandler(caplog.handler)
    # A record comes twice where the logger propagates.
    assert len({id(r) for r in caplog.records if r.getMessage() == UNSHARED}) == 1


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

    with pytest.raises(ClientDisconnect):
        asyncio.run(body())


def test_settings_name_the_variable_that_is_wrong_and_never_its_value() -> None:
    with pytest.raises(ConfigurationError) as error:
        Settings.from_environment({"CRISOL_MAX_BATCH": "minus-one", "CRISOL_TIMEOUT_S": "nan"})
    assert "CRISOL_MAX_BATCH" in str(error.value)
    assert "CRISOL_TIMEOUT_S" in str(error.value)
    assert "minus-one" not in str(error.value)
    assert Settings.from_environment({"CRISOL_MAX_BATCH": ""}).max_batch == 64
    assert "hidden" not in repr(Settings.from_environment({"CRISOL_API_KEYS": "hidden"}))
