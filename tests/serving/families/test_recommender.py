"""The service of `recommender` around a small real predictor of two communities."""

import asyncio
import json
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from crisol.models.recommender import contract
from crisol.models.recommender.predictor import RecommenderPredictor
from crisol.serving.families import recommender
from crisol.serving.service.app import ServiceApp

KEY = "a-key-that-only-the-tests-know"
HALF = 20
"""Items 0 … 19 are red, 20 … 39 are blue; a user has items of one colour."""
Serving = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


def item(index: int) -> str:
    return f"item-{index}"


@pytest.fixture
def serve(shop_dir: Path, tmp_path: Path, running: Callable[..., Any]) -> Serving:
    """``async with serve() as client``: a worker; all of one test share a state folder."""

    @asynccontextmanager
    async def worker(**environment: str) -> AsyncIterator[httpx.AsyncClient]:
        app = ServiceApp(
            "recommender",
            title="test",
            description="test",
            endpoints=recommender.app.endpoints,
            resources={"events": recommender.EventStore.of_family},
        )
        settings = {"CRISOL_API_KEYS": KEY, "CRISOL_STATE_DIR": str(tmp_path / "state")}
        async with running(app, shop_dir, {**settings, **environment}) as client:
            client.headers["x-api-key"] = KEY
            yield client

    return worker


async def ask(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def listed(answer: dict[str, Any]) -> list[str]:
    return [i["item_id"] for i in answer["items"]]


def colour(item_id: str) -> str:
    return "red" if int(item_id.removeprefix("item-")) < HALF else "blue"


def test_a_known_user_gets_items_of_the_users_community(serve: Serving) -> None:
    async def body() -> None:
        async with serve() as client:
            for user, wanted in (("user-0", "red"), ("user-1", "blue")):
                answer = await ask(client, "/recommendations", user_id=user, num_recs=5)
                assert answer["basis"] == "user"
                assert {colour(i) for i in listed(answer)} == {wanted}
                assert [i["rank"] for i in answer["items"]] == [1, 2, 3, 4, 5]

    asyncio.run(body())


def test_the_service_answers_as_the_predictor(serve: Serving, shop_dir: Path) -> None:
    predictor = RecommenderPredictor.load(shop_dir)
    request = {"history": [item(3), item(4)], "num_recs": 7, "diversity": 0.3}
    parsed = contract.RecommendationRequest.model_validate_json(json.dumps(request))
    expected = predictor.predict([parsed])[0].model_dump(mode="json")
    similar = predictor.similar(contract.SimilarItemsRequest(item_id=item(3)))

    async def body() -> None:
        async with serve() as client:
            answer = await ask(client, "/recommendations", **request)
            batch = await ask(client, "/recommendations/batch", requests=[request, request])
            near = await ask(client, "/similar-items", item_id=item(3))
        for got in (answer, *batch["responses"]):
            assert listed(got) == [i["item_id"] for i in expected["items"]]
            assert [i["explanation"] for i in got["items"]] == [
                i["explanation"] for i in expected["items"]
            ]
            assert got["model_version"] == "7"
        assert listed(near) == [i.item_id for i in similar.items]
        assert near["model_version"] == "7"

    asyncio.run(body())


def test_somebody_unknown_and_an_empty_history_get_what_is_popular(serve: Serving) -> None:
    async def body() -> None:
        async with serve() as client:
            nobody = await ask(client, "/recommendations", user_id="nobody")
            empty = await ask(client, "/recommendations", history=[])
            strange = await ask(client, "/recommendations", history=["no-such-item"])
        assert {a["basis"] for a in (nobody, empty, strange)} == {"popularity"}
        assert listed(nobody) == listed(empty) == listed(strange)
        assert len(listed(nobody)) == 10
        assert nobody["unknown"]["user_id"] == "nobody"
        assert strange["unknown"]["items"] == ["no-such-item"]

    asyncio.run(body())


def test_a_context_that_excludes_everything_is_an_empty_list(serve: Serving) -> None:
    async def body() -> None:
        async with serve() as client:
            for context in (
                {"allowed_items": []},
                {"excluded_categories": ["red", "blue"]},
                {"price_range": {"min": 1e6}},
                {"allowed_categories": ["no such"]},
            ):
                answer = await ask(client, "/recommendations", user_id="user-0", context=context)
                assert answer["items"] == []
                assert answer["novelty"] is None
                assert answer["notes"]

    asyncio.run(body())


def test_an_unknown_item_has_no_similar_items(serve: Serving) -> None:
    async def body() -> None:
        async with serve() as client:
            near = await ask(client, "/similar-items", item_id=item(3), num_items=100)
            far = await ask(client, "/similar-items", item_id="no-such-item")
        assert item(3) not in listed(near)
        assert colour(listed(near)[0]) == "red"
        assert far["items"] == []
        assert far["unknown"]["items"] == ["no-such-item"]

    asyncio.run(body())


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/recommendations", {"user_id": "u", "num_recs": 0}, "num_recs"),
        ("/recommendations", {"user_id": "u", "num_recs": 101}, "num_recs"),
        ("/recommendations", {"user_id": "u", "num_recs": "10"}, "num_recs"),
        ("/recommendations", {"user_id": "u", "num_recs": 2.5}, "num_recs"),
        ("/recommendations", {"user_id": 7}, "user_id"),
        ("/recommendations", {"user_id": ""}, "user_id"),
        ("/recommendations", {"history": "item-1"}, "history"),
        ("/recommendations", {"history": [1]}, "history.0"),
        ("/recommendations", {"history": ["x"] * 1001}, "history"),
        ("/recommendations", {"user_id": "u", "diversity": 1.1}, "diversity"),
        ("/recommendations", {"user_id": "u", "context": []}, "context"),
        ("/recommendations", {"user_id": "u", "context": {"price_range": {"min": 2, "max": 1}}},
         "context.price_range"),
        ("/recommendations", {"user_id": "u", "colour": "red"}, "colour"),
        ("/recommendations", {}, ""),
        ("/recommendations/batch", {"requests": []}, "requests"),
        ("/recommendations/batch", {"requests": [{"user_id": "u"}] * 101}, "requests"),
        ("/recommendations/batch",
         {"requests": [{"user_id": "u"}, {"user_id": "u", "num_recs": 0}]}, "requests.1.num_recs"),
        ("/similar-items", {}, "item_id"),
        ("/similar-items", {"item_id": "item-1", "num_items": 101}, "num_items"),
        ("/events", {"events": []}, "events"),
        ("/events", {"events": [{"user_id": "u", "item_id": "i"}] * 1001}, "events"),
        ("/events", {"events": [{"user_id": "u"}]}, "events.0.item_id"),
        ("/events", {"events": [{"user_id": "u", "item_id": "i", "weight": 0}]}, "events.0.weight"),
        ("/events", {"events": [{"user_id": "u", "item_id": "i", "timestamp": "2026-01-01T00:00"}]},
         "events.0.timestamp"),
    ],
)  # fmt: skip
def test_wrong_requests_are_refused_by_field(
    serve: Serving, path: str, body: dict[str, Any], field: str
) -> None:
    async def ask_wrongly() -> None:
        async with serve() as client:
            answer = await client.post(path, json=body)
        assert answer.status_code == 422, answer.text
        assert field in [d["field"] for d in answer.json()["details"]]

    asyncio.run(ask_wrongly())


@pytest.mark.parametrize(
    ("path", "body", "meant"),
    [
        ("/recommendations/batch", {"user_id": "u"}, "a body of /recommendations;"),
        ("/recommendations", {"requests": [{"user_id": "u"}]}, "a body of /recommendations/batch"),
        ("/recommendations", {"item_id": "item-1"}, "a body of /similar-items"),
        ("/similar-items", {"events": [{"user_id": "u", "item_id": "i"}]}, "a body of /events"),
    ],
)
def test_a_body_of_another_route_is_told_where_it_belongs(
    serve: Serving, path: str, body: dict[str, Any], meant: str
) -> None:
    async def ask_elsewhere() -> None:
        async with serve() as client:
            answer = await client.post(path, json=body)
        first = answer.json()["details"][0]
        assert (answer.status_code, first["type"]) == (422, "other_route")
        assert meant in first["message"]

    asyncio.run(ask_elsewhere())


def bought(user: str, *indices: int, **more: Any) -> list[dict[str, Any]]:
    return [{"user_id": user, "item_id": item(i), **more} for i in indices]


def test_an_event_changes_the_next_answer_of_every_worker(serve: Serving) -> None:
    async def body() -> None:
        async with serve() as first, serve() as second:
            before = await ask(second, "/recommendations", user_id="visitor", num_recs=5)
            told = await ask(first, "/events", events=bought("visitor", 25, 26))
            assert told == {
                "accepted": 2, "duplicates": 0, "unknown_items": [], "model_version": "7"
            }  # fmt: skip
            for worker in (second, first):
                after = await ask(worker, "/recommendations", user_id="visitor", num_recs=5)
                assert after["basis"] == "history"
                assert listed(after) != listed(before)
                assert {colour(i) for i in listed(after)} == {"blue"}
                assert not {item(25), item(26)} & set(listed(after))
                reasons = [e["item_id"] for i in after["items"] for e in i["explanation"]["events"]]
                assert set(reasons) <= {item(25), item(26)}
            batch = await ask(second, "/recommendations/batch", requests=[{"user_id": "visitor"}])
            assert listed(batch["responses"][0])[:5] == listed(after)

    asyncio.run(body())


def test_events_of_a_known_user_come_after_what_training_knew(serve: Serving) -> None:
    async def body() -> None:
        async with serve() as client:
            request = {"user_id": "user-0", "num_recs": 30}
            before = await ask(client, "/recommendations", **request)
            assert colour(listed(before)[0]) == "red"
            newly = list(range(HALF, HALF + 12))
            await ask(client, "/events", events=bought("user-0", *newly))
            after = await ask(client, "/recommendations", **request)
        assert after["basis"] == "user"
        assert colour(listed(after)[0]) == "blue"
        assert not {item(i) for i in newly} & set(listed(after))

    asyncio.run(body())


def test_events_survive_a_restart_and_are_nobody_elses(serve: Serving) -> None:
    async def body() -> None:
        async with serve() as client:
            await ask(client, "/events", events=bought("visitor", 25, 26))
            before = await ask(client, "/recommendations", user_id="visitor")
        async with serve() as client:
            after = await ask(client, "/recommendations", user_id="visitor")
            other = await ask(client, "/recommendations", user_id="visitor-2")
        assert listed(after) == listed(before)
        assert after["basis"] == "history"
        assert other["basis"] == "popularity"

    asyncio.run(body())


def test_the_same_events_again_are_duplicates(serve: Serving) -> None:
    events = bought("visitor", 1, 2, timestamp="2026-01-01T12:00:00+01:00", type="purchase")
    elsewhere = bought("visitor", 1, 2, timestamp="2026-01-01T11:00:00Z", type="purchase")

    async def body() -> None:
        async with serve() as client:
            first = await ask(client, "/events", events=events)
            again = await ask(client, "/events", events=elsewhere + bought("visitor", 3))
        assert (first["accepted"], first["duplicates"]) == (2, 0)
        assert (again["accepted"], again["duplicates"]) == (1, 2)

    asyncio.run(body())


def test_events_of_unknown_items_are_kept_and_told_once(serve: Serving, tmp_path: Path) -> None:
    events = [{"user_id": "visitor", "item_id": name} for name in ("new", "new", item(1), "newer")]

    async def body() -> None:
        async with serve() as client:
            told = await ask(client, "/events", events=events)
            answer = await ask(client, "/recommendations", user_id="visitor")
        assert told["unknown_items"] == ["new", "newer"]
        assert told["accepted"] == 4
        assert answer["unknown"]["items"] == []
        assert answer["basis"] == "history"

    asyncio.run(body())
    store = recommender.EventStore(tmp_path / "state" / "recommender" / "events.sqlite3")
    assert [e.item_id for e in store.newest("visitor", 10)] == ["new", "new", item(1), "newer"]
    store.close()


def test_events_that_training_had_do_not_count_twice(serve: Serving, shop_dir: Path) -> None:
    """Events stay in the store after a training took them; the same item again later is news."""
    predictor = RecommenderPredictor.load(shop_dir)
    had = predictor.interactions.histories.row(0).tolist()

    async def body() -> None:
        async with serve() as client:
            before = await ask(client, "/recommendations", user_id="user-0")
            trained = bought("user-0", *had, timestamp="2025-06-30T12:00:00.4Z")
            await ask(client, "/events", events=trained)
            after = await ask(client, "/recommendations", user_id="user-0")
            await ask(client, "/events", events=bought("user-0", had[0]))
            again = await ask(client, "/recommendations", user_id="user-0")
            elsewhere = bought("user-0", HALF, timestamp="2025-01-01T00:00:00Z")
            await ask(client, "/events", events=elsewhere)
            late = await ask(client, "/recommendations", user_id="user-0")
        assert after["items"] == before["items"]
        assert again["items"] != before["items"]
        assert late["items"] != again["items"]

    asyncio.run(body())


def test_what_the_request_names_comes_last_and_once(serve: Serving) -> None:
    """Stored a, b; asked with history a: as if b, a had been sent."""

    async def body() -> None:
        async with serve() as client:
            request = {"num_recs": 30, "context": {"excluded_items": [item(39)]}}
            await ask(client, "/events", events=bought("visitor", 1, 2))
            answer = await ask(
                client, "/recommendations", user_id="visitor", history=[item(1)], **request
            )
            plain = await ask(client, "/recommendations", history=[item(2), item(1)], **request)
        assert [(i["item_id"], i["score"]) for i in answer["items"]] == [
            (i["item_id"], pytest.approx(i["score"], abs=1e-5)) for i in plain["items"]
        ]

    asyncio.run(body())


def test_many_events_at_once_are_all_stored(serve: Serving) -> None:
    async def body() -> None:
        async with serve() as client:
            answers = await asyncio.gather(
                *(
                    ask(client, "/events", events=bought(f"v{n}", *range(n % 7 + 1)))
                    for n in range(60)
                )
            )
            assert sum(a["accepted"] for a in answers) == sum(n % 7 + 1 for n in range(60))
            metrics = (await client.get("/metrics")).text
        calls = next(
            float(line.rpartition(" ")[2])
            for line in metrics.splitlines()
            if line.startswith('crisol_lane_seconds_count{route="/events"}')
        )
        assert calls < 60  # some shared a commit

    asyncio.run(body())


def test_without_a_place_for_events_the_service_is_not_ready_and_says_why(
    serve: Serving, tmp_path: Path
) -> None:
    (tmp_path / "a-file").touch()

    async def body() -> None:
        async with serve(CRISOL_STATE_DIR=str(tmp_path / "a-file")) as client:
            ready = await client.get("/readyz")
            answer = await client.post("/recommendations", json={"user_id": "user-0"})
        assert (ready.status_code, answer.status_code) == (503, 503)
        message = ready.json()["details"][0]["message"]
        assert message.startswith("CRISOL_STATE_DIR: events cannot be kept there: ")
        assert str(tmp_path) not in ready.text

    asyncio.run(body())


def test_events_that_cannot_be_stored_are_503(
    serve: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    def full(*_: Any) -> Any:
        raise sqlite3.OperationalError("database or disk is full")

    async def body() -> None:
        async with serve() as client:
            monkeypatch.setattr("crisol.serving.state.events._row", full)
            answer = await client.post("/events", json={"events": bought("visitor", 1)})
            monkeypatch.undo()
            later = await ask(client, "/events", events=bought("visitor", 1))
        assert (answer.status_code, answer.json()["code"]) == (503, "state_unavailable")
        assert later["accepted"] == 1

    asyncio.run(body())


def test_the_api_page_tells_of_all_four_routes(serve: Serving) -> None:
    from jsonschema import Draft202012Validator

    async def body() -> None:
        async with serve() as client:
            page = (await client.get("/openapi.json")).json()
            model = (await client.get("/model")).json()
        for path in ("/recommendations", "/recommendations/batch", "/similar-items", "/events"):
            operation = page["paths"][path]["post"]
            request = operation["requestBody"]["content"]["application/json"]
            schema = {**request["schema"], "components": page["components"]}
            Draft202012Validator(schema).validate(request["example"])
            assert path in model["contract"]

    asyncio.run(body())


def test_the_examples_of_the_api_page_are_answered(serve: Serving) -> None:
    async def body() -> None:
        async with serve() as client:
            for endpoint in recommender.app.endpoints:
                await ask(client, endpoint.path, **endpoint.example().model_dump(mode="json"))

    asyncio.run(body())


def test_the_service_needs_neither_torch_nor_pandas(shop_dir: Path, tmp_path: Path) -> None:
    code = textwrap.dedent(
        f"""
        import sys

        class Refuse:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in ("torch", "torch_geometric", "pandas", "pandera",
                                              "sklearn", "mlflow", "kedro", "matplotlib"):
                    raise ImportError(name)

        sys.meta_path.insert(0, Refuse())
        from crisol.serving.families import recommender
        recommender.app.open({str(shop_dir)!r}, {{"model_version": "7"}},
                             {{"CRISOL_AUTH": "disabled", "CRISOL_STATE_DIR": {str(tmp_path)!r}}})
        assert recommender.app.ready, recommender.app.reasons
        assert recommender.app.predictor.packages("numpy") == ("scipy",)
        """
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
