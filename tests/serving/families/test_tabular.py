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

Running = Callable[..., Any]
HEADERS = {"x-api-key": "a-key-that-only-the-tests-know"}


@pytest.fixture(scope="module")
def table_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tabular")
    return served.model(max_iterations=20).save(folder / "predictor")


@pytest.fixture(scope="module")
def ask(table_dir: Path, running: Running) -> Callable[..., None]:
    """Runs a conversation with a service of the predictor."""
    from crisol.serving.families import tabular

    def run(
        body: Callable[[httpx.AsyncClient, ModelService], Any],
        environment: dict[str, str] | None = None,
    ) -> None:
        app = ModelService(
            "tabular", title="Crisol tabular", description="", routes=tabular.service.routes
        )

        async def converse() -> None:
            async with running(app, table_dir, environment) as client:
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
