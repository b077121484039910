"""The service of `tabular` answers what the predictor answers, under the model's own contract."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from tests.models.tabular import served

from crisol.models import load_predictor
from crisol.serving.service.model_service import ModelService
from crisol.serving.state.jobs import BackgroundJobStore

Running = Callable[..., Any]
HEADERS = {"x-api-key": "a-key-that-only-the-tests-know"}


@pytest.fixture(scope="module")
def table_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tabular")
    return served.model(max_iterations=20).save(folder / "predictor")


@pytest.fixture(scope="module")
def ask(
    table_dir: Path, running: Running, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., None]:
    """Runs a conversation with a service of the predictor."""
    from crisol.serving.families import tabular

    def run(
        body: Callable[[httpx.AsyncClient, ModelService], Any],
        environment: dict[str, str] | None = None,
    ) -> None:
        app = ModelService(
            "tabular",
            title="Crisol tabular",
            description="",
            routes=tabular.service.routes,
            resources={"jobs": BackgroundJobStore.of_family},
            workers={tabular.KIND: tabular.start_explaining},
        )
        state = {"CRISOL_STATE_DIR": str(tmp_path_factory.mktemp("state"))}
        keys = {"CRISOL_API_KEYS": HEADERS["x-api-key"]}

        async def converse() -> None:
            async with running(app, table_dir, {**keys, **state, **(environment or {})}) as client:
                client.headers.update(HEADERS)
                await body(client, app)

        asyncio.run(converse())

    return run


def test_the_service_answers_as_the_predictor(ask: Callable[..., None], table_dir: Path) -> None:
    predictor = load_predictor(table_dir)
    rows = predictor.encoder.requests(served.table(40, seed=5))  # type: ignore[attr-defined]
    bodies = [{"rows": rows[at : at + 7], "explain": at == 7} for at in range(0, 35, 7)]
    bodies.append({"rows": rows * 2})

    async def body(client: httpx.AsyncClient, _: ModelService) -> None:
        answers = await asyncio.gather(*(client.post("/predict", json=b) for b in bodies))
        requests = [predictor.request_type.model_validate(b) for b in bodies]
        for request, answer in zip(requests, answers, strict=True):
            assert answer.status_code == 200, answer.text
            expected = predictor.predict([request])[0].model_dump(mode="json")
            assert answer.json()["predictions"] == expected["predictions"]
            assert answer.json()["model_version"] == answer.headers["x-model-version"] == "7"

    ask(body)


def test_the_contract_is_that_of_the_loaded_model(
    ask: Callable[..., None], table_dir: Path
) -> None:
    from crisol.serving.families import tabular

    async def body(client: httpx.AsyncClient, _: ModelService) -> None:
        page = (await client.get("/openapi.json")).json()
        operation = page["paths"]["/predict"]["post"]
        request = operation["requestBody"]["content"]["application/json"]
        assert set(page["components"]["schemas"]["Row"]["properties"]) == set(served.ROW)
        Draft202012Validator({**request["schema"], "components": page["components"]}).validate(
            request["examples"]["example"]["value"]
        )
        again = await client.post("/predict", json=request["examples"]["example"]["value"])
        assert again.status_code == 200
        answer = operation["responses"]["200"]["content"]["application/json"]
        Draft202012Validator({**answer["schema"], "components": page["components"]}).validate(
            again.json()
        )
        shown = (await client.get("/schema")).json()
        assert [c["name"] for c in shown["columns"]] == list(served.ROW)
        assert shown["columns"][0]["low"] == 1
        assert shown["columns"][2]["words"][0] == "red"
        assert (shown["target"], shown["classes"]) == ("label", ["<=middle", "high", "low"])
        described = tabular.service.document_with(table_dir)["components"]["schemas"]
        assert described["Row"] == page["components"]["schemas"]["Row"]
        own = tabular.service.app.openapi()["components"]["schemas"]
        assert "Row" not in own, "no service changes another"

    ask(body)


@pytest.mark.parametrize(
    ("content", "status", "field"),
    [
        ('{"rows": [{"income": "1.5"}]}', 422, "rows.0.income"),
        ('{"rows": [{"income": NaN}]}', 422, "rows.0.income"),
        ('{"rows": [{"incme": 1}]}', 422, "rows.0.incme"),
        ('{"rows": [{"model_x": "soon"}]}', 422, "rows.0.model_x"),
        ('{"rows": [null]}', 422, "rows.0"),
        ('{"rows": [{}]}', 422, "rows.0"),
        ('{"rows": []}', 422, "rows"),
        ('{"rows": [' + ",".join(['{"income": 1}'] * 1001) + "]}", 422, "rows"),
        ('{"rows": [' + ",".join(['{"income": 1}'] * 21) + '], "explain": true}', 422, "explain"),
        ('{"rows": [{"income": 1}', 400, ""),
        ('{"rows": [{"schema": "' + "x" * 100_001 + '"}]}', 422, "rows.0.schema"),
    ],
)
def test_what_is_wrong_is_named(
    ask: Callable[..., None], content: str, status: int, field: str
) -> None:
    async def body(client: httpx.AsyncClient, _: ModelService) -> None:
        answer = await client.post(
            "/predict", content=content, headers={"content-type": "application/json"}
        )
        assert answer.status_code == status, answer.text
        assert field in [detail["field"] for detail in answer.json()["details"]]

    ask(body)


def test_odd_rows_are_answered_with_a_warning(ask: Callable[..., None]) -> None:
    async def body(client: httpx.AsyncClient, _: ModelService) -> None:
        rows = [{**served.ROW, "class": "violet", "education-num": 99}, dict.fromkeys(served.ROW)]
        answer = await client.post("/predict", json={"rows": rows})
        assert answer.status_code == 200
        first, empty = answer.json()["predictions"]
        assert [w["type"] for w in first["warnings"]] == ["out_of_range", "unknown_category"]
        assert {w["type"] for w in empty["warnings"]} == {"missing"}

    ask(body)


def test_reasons_hold_up_no_plain_question(ask: Callable[..., None]) -> None:
    async def body(client: httpx.AsyncClient, app: ModelService) -> None:
        explained = asyncio.create_task(
            client.post("/predict", json={"rows": [served.ROW] * 20, "explain": True})
        )
        await asyncio.sleep(0.05)
        plain = await client.post("/predict", json={"rows": [served.ROW]})
        assert plain.status_code == 200
        assert not explained.done()
        assert (await explained).status_code == 200
        text = json.dumps((await explained).json())
        assert text.count('"base"') == 20

    ask(body, {"CRISOL_API_KEYS": HEADERS["x-api-key"]})


def test_the_runtime_names_the_packages() -> None:
    from crisol.models.tabular.predictor import TabularPredictor

    assert TabularPredictor.packages("numpy") == ()
    assert TabularPredictor.packages("lightgbm+torch") == ("lightgbm", "torch")


async def explained(client: httpx.AsyncClient, rows: list[Any]) -> tuple[Any, list[Any]]:
    """A job's last state and its results, page by page."""
    made = await client.post("/explain/batch", json={"rows": rows})
    assert made.status_code == 202, made.text
    path = f"/explain/batch/{made.json()['job_id']}"
    job: dict[str, Any] = {}
    while job.get("state") not in ("done", "cancelled"):
        await asyncio.sleep(0.01)
        job = (await client.get(path)).json()
    results: list[Any] = []
    position: int | None = 0
    while position is not None:
        query = f"position={position}&limit=3"
        page = (await client.get(f"{path}/results?{query}")).json()
        results, position = results + page["results"], page["next_position"]
    return job, results


def test_a_job_explains_as_one_by_one_and_each_bad_row_fails_alone(
    ask: Callable[..., None], table_dir: Path
) -> None:
    predictor = load_predictor(table_dir)
    good = predictor.encoder.requests(served.table(4, seed=9))  # type: ignore[attr-defined]
    rows = [*good, {**good[0], "income": "much"}, {"colour": 1}, {}, good[0]]

    async def body(client: httpx.AsyncClient, _: ModelService) -> None:
        job, results = await explained(client, rows)
        asked = {"rows": good, "explain": True}
        alone = (await client.post("/predict", json=asked)).json()["predictions"]
        again, _results = await explained(client, [dict(reversed(good[1].items()))])
        assert (job["state"], job["done"], job["failed"]) == ("done", 5, 3)
        assert [r["position"] for r in results] == list(range(8))
        for place, answer in ((0, 0), (1, 1), (2, 2), (3, 3), (7, 0)):
            found = results[place]["prediction"]
            assert found["prediction"] == alone[answer]["prediction"]
            assert found["explanation"]["contributions"] == pytest.approx(
                alone[answer]["explanation"]["contributions"], abs=1e-9
            )
        assert [r["field"] for r in results[4:7]] == ["income", "colour", ""]
        assert all((r["error"] is None) == (r["prediction"] is not None) for r in results)
        assert again["cached"] == 1

    ask(body)


def test_a_job_of_explanations_is_cancelled_and_refused_by_size(ask: Callable[..., None]) -> None:
    rows = [{**served.ROW, "income": at / 7} for at in range(1000)]

    async def body(client: httpx.AsyncClient, _: ModelService) -> None:
        made = (await client.post("/explain/batch", json={"rows": rows})).json()
        path = f"/explain/batch/{made['job_id']}"
        cancelled = (await client.delete(path)).json()
        assert (cancelled["state"], cancelled["total"]) == ("cancelled", 1000)
        assert cancelled["done"] < 1000
        for wrong in ([], [*rows, served.ROW], ["a"]):
            refused = await client.post("/explain/batch", json={"rows": wrong})
            assert refused.status_code == 422

    ask(body)
