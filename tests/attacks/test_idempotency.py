"""Many at once: with one Idempotency-Key one object, beyond the rate 429, and nothing twice."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from tests.attacks.answering import JSON, KEYS, Target, Targets
from tests.attacks.wire import refused, stays_alive

MANY = 20
platform = pytest.mark.parametrize("target", ["platform"], indirect=True)
MAKING: dict[str, dict[str, Any]] = {
    "/v1/jobs": {"family": "linear", "start": False},
    "/v1/datasets": {"name": "raced"},
}


def at_once(target: Target, send: Callable[[httpx.Client, int], httpx.Response],
            count: int = MANY, who: str = "trainer") -> list[httpx.Response]:  # fmt: skip
    """The answers to requests that leave at the same moment, each on its own connection."""
    barrier = threading.Barrier(count)

    def one(number: int) -> httpx.Response:
        with target.client(who) as client:
            client.get("/livez")  # connected
            barrier.wait()
            return send(client, number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def count(target: Target, path: str, who: str = "trainer") -> int:
    with target.client(who) as client:
        return len(client.get(path, params={"owner": "me", "limit": 200}).json()["items"])


@platform
@pytest.mark.parametrize("path", MAKING)
def test_twenty_at_once_with_one_key_make_one(target: Target, path: str) -> None:
    before = count(target, path)
    headers = {"idempotency-key": f"twenty at {path}"}
    with stays_alive(target):
        answers = at_once(
            target, lambda client, _: client.post(path, json=MAKING[path], headers=headers)
        )
    made = [answer for answer in answers if answer.status_code == 201]
    assert len({answer.content for answer in made}) == 1
    assert len({answer.headers["location"] for answer in made}) == 1
    for answer in answers:
        if answer.status_code != 201:
            assert refused(answer, 409)["code"] == "request_in_progress"
            assert int(answer.headers["retry-after"]) >= 1
    assert count(target, path) == before + 1
    with target.client("trainer") as client:
        again = client.post(path, json=MAKING[path], headers=headers)
        assert (again.status_code, again.content) == (201, made[0].content)
        other = client.post(path, json={**MAKING[path], "description": "b"}, headers=headers)
        refused(other, 422)
    assert count(target, path) == before + 1


@platform
def test_a_key_is_its_callers_and_its_routes(target: Target) -> None:
    headers, places = {"idempotency-key": "shared"}, []
    for who in ("trainer", "another", "everything"):
        with target.client(who) as client:
            for path, body in MAKING.items():
                wish = {**body, "name": f"of_{who}"}
                answer = client.post(path, json=wish, headers=headers)
                assert answer.status_code == 201, answer.text
                places.append(answer.headers["location"])
    assert len(set(places)) == len(places)


@platform
@pytest.mark.parametrize("key", ["", "é", "a" * 201, "a" * 8000, "a\tb"])
def test_a_key_that_is_none_makes_nothing(target: Target, key: str) -> None:
    before = count(target, "/v1/datasets")
    with target.client("trainer") as client:
        answer = client.post(
            "/v1/datasets",
            content=b'{"name": "keyless"}',
            headers={**JSON, "idempotency-key": key.encode()},  # type: ignore[dict-item]
        )
    refused(answer, 400)
    assert count(target, "/v1/datasets") == before


@platform
def test_what_was_refused_did_not_use_its_key(target: Target) -> None:
    headers = {"idempotency-key": "refused first"}
    with target.client("trainer") as client:
        refused(client.post("/v1/datasets", json={"name": "A b"}, headers=headers), 422)
        made = client.post("/v1/datasets", json={"name": "a_b"}, headers=headers)
        assert made.status_code == 201, made.text


@platform
def test_twenty_versions_at_once_have_twenty_numbers(target: Target) -> None:
    answers = at_once(target, lambda client, _: client.post("/v1/datasets", json={"name": "many"}))
    assert [a.status_code for a in answers] == [201] * MANY
    assert sorted(a.json()["version"] for a in answers) == list(range(1, MANY + 1))


@pytest.mark.parametrize("target", ["recommender"], indirect=True)
def test_one_event_twenty_times_is_one_event(target: Target) -> None:
    event = {"user_id": "user-1", "item_id": "item-3", "timestamp": "2026-01-01T12:00:00Z"}
    answers = at_once(target, lambda client, _: client.post("/events", json={"events": [event]}))
    assert [a.status_code for a in answers] == [200] * MANY
    assert sum(a.json()["accepted"] for a in answers) == 1


@pytest.mark.parametrize("name", ["signals", "platform"])
def test_a_key_that_asks_too_often_waits_and_no_other(targets: Targets, name: str) -> None:
    target = targets(name, CRISOL_RATE_PER_S="0.05", CRISOL_RATE_BURST="5")
    answers = at_once(target, lambda client, _: client.get(target.guarded), who="viewer")
    held = [answer for answer in answers if answer.status_code == 429]
    assert len(held) == MANY - 5
    for answer in held:
        assert refused(answer, 429)["code"] == "rate_limited"
        assert 1 <= int(answer.headers["retry-after"]) <= 5 / 0.05
    with target.client("viewer") as client:
        refused(client.get(target.guarded), 429)
        refused(client.get(target.guarded, headers={"x-forwarded-for": "10.0.0.1"}), 429)
        refused(client.post(target.asking, json=dict(target.body)), 429)
        assert client.get("/livez").status_code == client.get("/readyz").status_code == 200
    with target.client("promoter") as client:
        assert client.get(target.guarded).status_code == 200
    with target.client(None) as client:
        for _ in range(MANY):
            refused(client.get(target.guarded, headers={"x-api-key": KEYS["viewer"] + "x"}), 401)
        headers = {"x-api-key": KEYS["trainer"]}
        assert client.get(target.guarded, headers=headers).status_code == 200
