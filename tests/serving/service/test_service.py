import asyncio
import copy
import io
import json
import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crisol.core.predictor import Predictor
from crisol.serving.http import logs
from crisol.serving.service.answering import MAX_QUICK_BYTES
from crisol.serving.service.model_service import ModelService

KEY = "a-key-that-only-the-tests-know"
Running = Callable[..., Any]
HEADERS = {"x-api-key": KEY}


def test_the_example_gets_the_answer_of_the_predictor(
    app: ModelService,
    predictor_dir: Path,
    example: dict[str, Any],
    running: Running,
    stamp: dict[str, str],
) -> None:
    from crisol.models.signals import Predictor as SignalsPredictor
    from crisol.models.signals import example_request

    expected = SignalsPredictor.load(predictor_dir).predict([example_request()])[0]

    async def body() -> None:
        async with running(app, predictor_dir) as client:
            answer = await client.post("/predict", json=example, headers=HEADERS)
            batch = await client.post(
                "/predict/batch", json={"requests": [example] * 3}, headers=HEADERS
            )
        assert answer.status_code == 200
        assert answer.headers["x-model-version"] == stamp["model_version"]
        assert float(answer.headers["x-process-time-ms"]) > 0
        content = answer.json()
        assert content["prediction"]["model_version"] == stamp["model_version"]
        for name, value in expected.prediction.probabilities.model_dump().items():
            assert content["prediction"]["probabilities"][name] == pytest.approx(value, abs=1e-6)
        assert content["risk"] == expected.risk.model_dump(mode="json")
        assert len(batch.json()["predictions"]) == 3

    asyncio.run(body())


def test_unusual_bodies_get_the_same_answer(
    app: ModelService, predictor_dir: Path, example: dict[str, Any], running: Running
) -> None:
    """They are read by the contract instead of the quick way: other times, or a large body."""
    text = json.dumps(example)
    bodies = [text, text.replace(":00:00Z", ":00:00.000000Z"), text + " " * MAX_QUICK_BYTES]

    async def body() -> None:
        async with running(app, predictor_dir) as client:
            contents = []
            for path, wrap in (("/predict", "{}"), ("/predict/batch", '{{"requests": [{}]}}')):
                for sent in bodies:
                    json_type = {"content-type": "application/json"}
                    answer = await client.post(
                        path, content=wrap.format(sent), headers=HEADERS | json_type
                    )
                    assert answer.status_code == 200
                    content = answer.json()
                    contents.append(content.get("predictions", [content])[0])
        for content in contents:
            assert content["prediction"].pop("inference_time_ms") >= 0
            assert content["prediction"].pop("timestamp")
            assert content == contents[0]

    asyncio.run(body())


def test_concurrent_requests_each_get_their_own_answer(
    app: ModelService, predictor_dir: Path, example: dict[str, Any], running: Running
) -> None:
    async def body() -> None:
        async with running(app, predictor_dir) as client:
            symbols = [f"C{number}/USDT" for number in range(40)]
            answers = await asyncio.gather(
                *(
                    client.post("/predict", json={**example, "symbol": s}, headers=HEADERS)
                    for s in symbols
                )
            )
            metrics = (await client.get("/metrics")).text
        assert [a.json()["prediction"]["symbol"] for a in answers] == symbols
        batches = float(re.search(r"crisol_batch_rows_count (\S+)", metrics)[1])  # type: ignore[index]
        rows = float(re.search(r"crisol_batch_rows_sum (\S+)", metrics)[1])  # type: ignore[index]
        assert rows == 40
        assert batches < 40

    asyncio.run(body())


def test_request_ids_are_echoed_when_sane(
    app: ModelService, predictor_dir: Path, running: Running
) -> None:
    async def body() -> None:
        async with running(app, predictor_dir) as client:
            for given, echoed in (("abc-1.2_3", True), ("a b", False), ("x" * 65, False)):
                answer = await client.get("/nowhere", headers={"x-request-id": given})
                assert (answer.headers["x-request-id"] == given) is echoed
                assert answer.json()["request_id"] == answer.headers["x-request-id"]

    asyncio.run(body())


@pytest.mark.parametrize(
    ("method", "path", "headers", "content", "status", "code"),
    [
        ("POST", "/predict", {"x-api-key": "no"}, b"{}", 401, "unauthorized"),
        ("POST", "/predict", {"x-api-key": ""}, b"{}", 401, "unauthorized"),
        ("GET", "/model", {"x-api-key": "no"}, b"", 401, "unauthorized"),
        ("POST", "/predict/", {}, b"{}", 404, "not_found"),
        ("GET", "/predict", {}, b"", 405, "method_not_allowed"),
        ("POST", "/livez", {}, b"", 405, "method_not_allowed"),
        ("POST", "/predict", {"content-type": "text/plain"}, b"{}", 415, "unsupported_media_type"),
        ("POST", "/predict", {"content-encoding": "gzip"}, b"{}", 415, "unsupported_media_type"),
        ("POST", "/predict", {}, b"", 400, "malformed_json"),
        ("POST", "/predict", {}, b'{"symbol": ', 400, "malformed_json"),
        ("POST", "/predict", {}, b"[" * 100_000, 400, "malformed_json"),
        ("POST", "/predict", {}, b'{"symbol": "\xff"}', 400, "malformed_json"),
        ("POST", "/predict", {}, b"[]", 422, "invalid_request"),
        ("POST", "/predict", {}, b" " * 200_000, 413, "body_too_large"),
    ],
)
def test_every_refusal_has_the_one_shape(
    app: ModelService,
    predictor_dir: Path,
    method: str,
    path: str,
    headers: dict[str, str],
    content: bytes,
    status: int,
    code: str,
    running: Running,
    stamp: dict[str, str],
) -> None:
    environment = {"CRISOL_API_KEYS": KEY, "CRISOL_MAX_BODY_BYTES": "150000"}

    async def body() -> None:
        async with running(app, predictor_dir, environment) as client:
            given = {**HEADERS, "content-type": "application/json", **headers}
            answer = await client.request(method, path, content=content, headers=given)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert set(answer.json()) == {"error", "code", "details", "request_id"}
        assert answer.headers["x-model-version"] == stamp["model_version"]
        if status == 405:
            assert answer.headers["allow"] in ("POST", "GET, HEAD")
        if status == 401:
            assert "www-authenticate" in answer.headers

    asyncio.run(body())


def test_details_name_the_field_and_nothing_sent_reaches_the_log(
    app: ModelService, predictor_dir: Path, example: dict[str, Any], running: Running
) -> None:
    stream = io.StringIO()
    app.access = logs.AccessLog(stream)
    bad = copy.deepcopy(example)
    bad["sequence"][12]["close"] = -4711.25
    bad["my-password-hunter2"] = 1

    async def body() -> None:
        async with running(app, predictor_dir) as client:
            answer = await client.post("/predict", json=bad, headers=HEADERS)
        fields = {d["field"]: d["type"] for d in answer.json()["details"]}
        assert answer.status_code == 422
        assert fields["sequence.12.close"] == "greater_than"
        assert fields["my-password-hunter2"] == "extra_forbidden"

    asyncio.run(body())
    line = json.loads(stream.getvalue())
    assert line["problems"] == {"greater_than": 1, "extra_forbidden": 1}
    for secret in ("4711", "hunter2", KEY, "42000"):
        assert secret not in stream.getvalue()


def test_a_body_of_another_route_is_told_where_it_belongs(
    app: ModelService, predictor_dir: Path, example: dict[str, Any], running: Running
) -> None:
    async def body() -> None:
        async with running(app, predictor_dir) as client:
            single = await client.post("/predict/batch", json=example, headers=HEADERS)
            batch = await client.post("/predict", json={"requests": [example]}, headers=HEADERS)
            neither = await client.post("/predict/batch", json={"symbol": 1}, headers=HEADERS)
        assert [a.status_code for a in (single, batch, neither)] == [422, 422, 422]
        first = single.json()["details"][0]
        assert first["message"] == (
            "this is a body of /predict; /predict/batch takes an object with 'requests'"
        )
        assert "a body of /predict/batch" in batch.json()["details"][0]["message"]
        assert "other_route" not in [d["type"] for d in neither.json()["details"]]

    asyncio.run(body())


def test_strict_json_refuses_numbers_in_quotes_and_nan(
    app: ModelService, predictor_dir: Path, example: dict[str, Any], running: Running
) -> None:
    text = json.dumps(example)
    first = f'"volume": {example["sequence"][0]["volume"]}'

    async def body() -> None:
        async with running(app, predictor_dir) as client:
            for wrong in ('"volume": "1.0"', '"volume": NaN', '"volume": Infinity',
                          '"volume": true', '"volume": null', '"volume": 1e999'):  # fmt: skip
                content = text.replace(first, wrong, 1)
                assert content != text
                headers = {**HEADERS, "content-type": "application/json"}
                answer = await client.post("/predict", content=content, headers=headers)
                assert answer.status_code == 422, wrong
                assert answer.json()["details"][0]["field"] == "sequence.0.volume"

    asyncio.run(body())


def test_a_key_that_asks_too_often_is_held_back(
    app: ModelService, predictor_dir: Path, example: dict[str, Any], running: Running
) -> None:
    other = "another-key-of-the-tests"
    environment = {
        "CRISOL_API_KEYS": f"{KEY},{other}", "CRISOL_RATE_PER_S": "0.01", "CRISOL_RATE_BURST": "2"
    }  # fmt: skip

    async def body() -> None:
        async with running(app, predictor_dir, environment) as client:
            got = [(await client.post("/predict", json=example, headers=HEADERS)) for _ in range(3)]
            fresh = await client.post("/predict", json=example, headers={"x-api-key": other})
            open_page = await client.get("/livez")
        assert [a.status_code for a in got] == [200, 200, 429]
        assert int(got[2].headers["retry-after"]) >= 1
        assert fresh.status_code == open_page.status_code == 200

    asyncio.run(body())


def test_a_predictor_that_answers_otherwise_is_not_ready(
    app: ModelService,
    tmp_path: Path,
    example: dict[str, Any],
    running: Running,
    make_predictor: Callable[..., Any],
) -> None:
    predictor = make_predictor()
    golden = predictor.golden[0]
    golden.response["risk"]["risk_score"] += 1.0
    directory = predictor.save(tmp_path / "changed")

    async def body() -> None:
        async with running(app, directory) as client:
            ready, alive = await client.get("/readyz"), await client.get("/livez")
            answer = await client.post("/predict", json=example, headers=HEADERS)
        assert (ready.status_code, alive.status_code, answer.status_code) == (503, 200, 503)
        assert ready.json()["code"] == answer.json()["code"] == "not_ready"
        assert "golden[0].risk.risk_score" in ready.json()["details"][0]["message"]

    asyncio.run(body())


@pytest.mark.parametrize(
    ("runtime", "said"),
    [
        ("fpga", "no runtime 'fpga'; there are: torch, onnx, int8"),
        ("ONNX", "no runtime 'ONNX'"),
        ("int8", "this predictor holds no model.int8.onnx"),
        ("onnx", "'onnx' needs onnxruntime, which is not installed here"),
    ],
)
def test_a_wrong_runtime_is_told_without_a_traceback(
    app: ModelService,
    tmp_path: Path,
    running: Running,
    make_predictor: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    runtime: str,
    said: str,
) -> None:
    predictor = make_predictor()
    predictor.exported = {"onnx": b"never read"} if runtime == "onnx" else {}
    directory = predictor.save(tmp_path / "torch alone")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # its import fails

    async def body() -> None:
        environment = {"CRISOL_API_KEYS": KEY, "CRISOL_RUNTIME": runtime}
        async with running(app, directory, environment) as client:
            ready, alive = await client.get("/readyz"), await client.get("/livez")
        assert (ready.status_code, alive.status_code) == (503, 200)
        [reason] = ready.json()["details"]
        assert reason["message"].startswith("CRISOL_RUNTIME: ")
        assert said in reason["message"]

    asyncio.run(body())


def test_without_a_key_the_service_is_not_ready_and_says_why(
    app: ModelService, predictor_dir: Path, example: dict[str, Any], running: Running
) -> None:
    async def body() -> None:
        async with running(app, predictor_dir, {}) as client:
            ready = await client.get("/readyz")
            answer = await client.post("/predict", json=example, headers=HEADERS)
            model = await client.get("/model", headers=HEADERS)
        assert [a.status_code for a in (ready, answer, model)] == [503, 503, 503]
        assert "CRISOL_API_KEYS" in ready.json()["details"][0]["message"]

    asyncio.run(body())


def test_switched_off_authentication_answers_everybody(
    app: ModelService, predictor_dir: Path, example: dict[str, Any], running: Running
) -> None:
    async def body() -> None:
        async with running(app, predictor_dir, {"CRISOL_AUTH": "disabled"}) as client:
            assert (await client.post("/predict", json=example)).status_code == 200
            assert (await client.get("/model")).status_code == 200
            page = (await client.get("/openapi.json")).json()
        assert page["paths"]["/predict"]["post"]["security"] == []

    asyncio.run(body())


def test_a_failure_inside_is_500_without_its_message(
    app: ModelService,
    predictor_dir: Path,
    example: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    running: Running,
) -> None:
    stream = io.StringIO()

    def fail(self: Any, request: Any) -> Any:
        raise ValueError(f"cannot encode {request.symbol}")

    async def body() -> None:
        async with running(app, predictor_dir) as client:
            logs.configure("INFO", stream)
            monkeypatch.setattr(type(app.predictor), "encode", fail)
            answer = await client.post("/predict", json=example, headers=HEADERS)
        assert answer.status_code == 500
        assert "BTC" not in answer.text
        line = json.loads(stream.getvalue().splitlines()[0])
        assert line["exception"] == "ValueError"
        assert line["request_id"] == answer.json()["request_id"]
        assert "BTC" not in stream.getvalue()

    asyncio.run(body())


def test_a_network_that_takes_too_long_is_504(
    app: ModelService,
    predictor_dir: Path,
    example: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    running: Running,
    make_predictor: Callable[..., Any],
) -> None:
    import time

    environment = {"CRISOL_API_KEYS": KEY, "CRISOL_TIMEOUT_S": "0.05"}

    async def body() -> None:
        monkeypatch.setattr(type(make_predictor()), "infer", lambda self, rows: time.sleep(0.3))
        async with running(app, predictor_dir, environment) as client:
            answer = await client.post("/predict", json=example, headers=HEADERS)
        assert (answer.status_code, answer.json()["code"]) == (504, "timeout")

    # the golden replay needs the real network: only the service's calls are slow
    monkeypatch.setattr(Predictor, "replay_golden", lambda self, tolerance=1e-4: [])
    monkeypatch.setattr(
        "crisol.serving.service.model_service._golden_answer", lambda predictor: None
    )
    asyncio.run(body())


def test_model_page_tells_the_lineage(
    app: ModelService, predictor_dir: Path, running: Running, stamp: dict[str, str]
) -> None:
    async def body() -> None:
        async with running(app, predictor_dir) as client:
            page = (await client.get("/model", headers=HEADERS)).json()
            health = (await client.get("/health")).json()
        assert page["lineage"] == stamp
        assert page["contract"]["/predict"]["request"] == "PredictionRequest"
        assert page["golden"] == {"examples": 1, "differences": []}
        assert health["status"] == "ready"
        assert health["model_version"] == stamp["model_version"]

    asyncio.run(body())


def test_metrics_count_what_happened(
    app: ModelService,
    predictor_dir: Path,
    example: dict[str, Any],
    running: Running,
    stamp: dict[str, str],
) -> None:
    async def body() -> None:
        async with running(app, predictor_dir) as client:
            await client.post("/predict", json=example, headers=HEADERS)
            await client.post("/predict", json={}, headers=HEADERS)
            await client.get("/made-up-path-1")
            text = (await client.get("/metrics")).text
        assert 'crisol_requests_total{method="POST",route="/predict",status="200"} 1.0' in text
        assert 'crisol_requests_total{method="POST",route="/predict",status="422"} 1.0' in text
        assert 'crisol_requests_total{method="any",route="unmatched",status="404"} 1.0' in text
        assert "made-up" not in text
        assert "crisol_inference_seconds_count 1.0" in text
        assert f'run_id="{stamp["run_id"]}"' in text
        assert "crisol_ready 1.0" in text

    asyncio.run(body())


def test_docs_page_takes_nothing_from_another_host(
    app: ModelService, predictor_dir: Path, running: Running
) -> None:
    async def body() -> None:
        async with running(app, predictor_dir) as client:
            page = await client.get("/docs")
            assert page.status_code == 200
            assert "http" not in page.text.replace("https-equiv", "")
            assert "default-src 'none'" in page.headers["content-security-policy"]
            for asset in re.findall(r'(?:src|href)="(/[^"]+)"', page.text):
                answer = await client.get(asset)
                assert answer.status_code == 200
                assert len(answer.content) > 100
            home = await client.get("/")
            assert home.headers["location"] == "/docs"

    asyncio.run(body())


def test_the_api_page_is_whole(app: ModelService, predictor_dir: Path, running: Running) -> None:
    from jsonschema import Draft202012Validator

    async def body() -> None:
        async with running(app, predictor_dir) as client:
            page = (await client.get("/openapi.json")).json()
            assert (await client.get("/docs.json")).json() == page
        assert page["openapi"].startswith("3.1")
        text = json.dumps(page)
        for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', text)):
            node: Any = page
            for part in reference.split("/"):
                node = node[part]
        operation = page["paths"]["/predict"]["post"]
        assert set(operation["responses"]) >= {
            "200", "400", "401", "403", "413", "415", "422", "429", "500", "503", "504"
        }  # fmt: skip
        assert operation["security"] == [{"ApiKey": []}, {"Bearer": []}]
        assert operation["tags"] == ["signals"]
        assert '"x-body"' not in text
        refused = operation["responses"]["401"]["content"]["application/json"]
        assert refused["example"]["code"] == "unauthorized"
        request = operation["requestBody"]["content"]["application/json"]
        schema = {**request["schema"], "components": page["components"]}
        Draft202012Validator(schema).validate(request["examples"]["example"]["value"])
        answer = operation["responses"]["200"]["content"]["application/json"]
        schema = {**answer["schema"], "components": page["components"]}
        Draft202012Validator(schema).validate(answer["example"])

    asyncio.run(body())


def test_log_lines_are_json_and_exceptions_lose_their_message() -> None:
    stream = io.StringIO()
    logs.configure("INFO", stream)
    logger = logging.getLogger("crisol.serving")
    try:
        raise ValueError("the secret value is 42")
    except ValueError:
        logger.exception("it failed", extra={"fields": {"request_id": "r"}})
    line = json.loads(stream.getvalue())
    assert line["exception"] == "ValueError"
    assert line["request_id"] == "r"
    assert "is 42" not in stream.getvalue()
    assert "secret" not in stream.getvalue()
