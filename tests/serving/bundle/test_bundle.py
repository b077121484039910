"""One Bento, really built and really served."""

import copy
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from crisol.core.predictor import predictor_digest
from crisol.serving.bundle import package

Change = Callable[[dict[str, Any]], Any]


def full_stamp(stamp: dict[str, str], predictor_dir: Path) -> dict[str, str]:
    return {**stamp, "predictor_digest": predictor_digest(predictor_dir)}


@pytest.fixture(scope="session")
def bundle(
    predictor_dir: Path, stamp: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[package.Bundle]:
    home = tmp_path_factory.mktemp("bentoml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENTOML_HOME", str(home))
        yield package.build("signals", predictor_dir, full_stamp(stamp, predictor_dir))


@dataclass
class Served:
    url: str
    process: subprocess.Popen[bytes]
    log: Path


def start(bundle: package.Bundle, key: str, log: Path) -> Served:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "BENTOML_HOME": str(bundle.path.parents[2]),
        "CRISOL_API_KEYS": key,
        "CRISOL_RATE_PER_S": "0",
    }
    command = [sys.executable, "-m", "bentoml", "serve", bundle.tag, "--host", "127.0.0.1",
               "--port", str(port)]  # fmt: skip
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, cwd=log.parent
        )
    served = Served(f"http://127.0.0.1:{port}", process, log)
    for _ in range(240):
        try:
            if httpx.get(served.url + "/readyz").status_code == 200:
                return served
        except httpx.TransportError:
            assert process.poll() is None, log.read_text()
        time.sleep(0.25)
    process.terminate()
    raise AssertionError(log.read_text())


@pytest.fixture(scope="session")
def served(
    bundle: package.Bundle, key: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    one = start(bundle, key, tmp_path_factory.mktemp("served") / "log")
    yield one
    if one.process.poll() is None:
        one.process.send_signal(signal.SIGTERM)
        one.process.wait(30)


@pytest.fixture(scope="session")
def client(served: Served, key: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, headers={"x-api-key": key}, timeout=20) as one:
        yield one


def test_the_bundle_carries_its_stamp_and_only_what_serving_needs(
    bundle: package.Bundle, stamp: dict[str, str], predictor_dir: Path
) -> None:
    info = yaml.safe_load((bundle.path / "bento.yaml").read_text())
    whole = full_stamp(stamp, predictor_dir)
    for name in ("model_version", "run_id", "git_commit", "predictor_digest", "gate"):
        assert info["labels"][name] == whole[name]
    model = yaml.safe_load(
        (bundle.path.parents[2] / "models" / bundle.model_tag.replace(":", "/") / "model.yaml")
        .read_text()
    )  # fmt: skip
    assert model["metadata"] == whole
    packages = {p.name for p in (bundle.path / "src" / "crisol").iterdir()}
    assert packages == {"__init__.py", "core", "models", "serving"}
    assert {p.name for p in (bundle.path / "src/crisol/models").iterdir()} == {
        "__init__.py", "signals"
    }  # fmt: skip
    text = "\n".join(p.read_text() for p in bundle.path.rglob("*") if p.is_file())
    assert str(Path.home() / "x")[:-1] not in text
    assert bundle.size_bytes > sum(p.stat().st_size for p in predictor_dir.iterdir())
    assert "/predict/batch" in (bundle.path / "apis" / "openapi.yaml").read_text()


def test_the_dockerfile_runs_pinned_packages_as_a_plain_user(bundle: package.Bundle) -> None:
    text = bundle.dockerfile.read_text()
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE)[-1] == "bentoml"
    assert "requirements.txt" in text
    assert not re.search(r"KEY|SECRET|TOKEN|PASSWORD", text)
    assert "torch==2.13.0" in bundle.requirements
    names = {line.partition("==")[0] for line in bundle.requirements}
    assert not names & {"kedro", "mlflow", "pandas"}


def test_the_example_is_answered(
    client: httpx.Client, example: dict[str, Any], predictor_dir: Path, stamp: dict[str, str]
) -> None:
    golden = json.loads((predictor_dir / "golden.json").read_text())[0]["response"]
    answer = client.post("/predict", json=example)
    assert answer.status_code == 200
    assert answer.headers["x-model-version"] == stamp["model_version"]
    assert answer.json()["risk"] == golden["risk"]
    for name, value in golden["prediction"]["probabilities"].items():
        assert answer.json()["prediction"]["probabilities"][name] == pytest.approx(value, abs=1e-5)
    batch = client.post("/predict/batch", json={"requests": [example] * 20})
    assert len(batch.json()["predictions"]) == 20
    page = client.get("/model").json()
    assert page["lineage"]["run_id"] == stamp["run_id"]
    metrics = client.get("/metrics").text
    assert 'crisol_requests_total{method="POST",route="/predict",status="200"}' in metrics
    assert "crisol_model_info" in metrics


def put(*path: Any, value: Any) -> Change:
    def change(body: dict[str, Any]) -> None:
        node: Any = body
        for part in path[:-1]:
            node = node[part]
        node[path[-1]] = value

    return change


def drop(*path: Any) -> Change:
    def change(body: dict[str, Any]) -> None:
        node: Any = body
        for part in path[:-1]:
            node = node[part]
        del node[path[-1]]

    return change


def swap_bars(body: dict[str, Any]) -> None:
    bars = body["sequence"]
    bars[3], bars[4] = bars[4], bars[3]


BAD: list[tuple[str, Change, str]] = [
    ("no symbol", drop("symbol"), "symbol"),
    ("no exchange", drop("exchange"), "exchange"),
    ("no sequence", drop("sequence"), "sequence"),
    ("empty symbol", put("symbol", value=""), "symbol"),
    ("symbol of another kind", put("symbol", value="btc usdt"), ""),
    ("symbol is a number", put("symbol", value=7), "symbol"),
    ("unknown exchange", put("exchange", value="mtgox"), "exchange"),
    ("59 bars", drop("sequence", 0), "sequence"),
    ("61 bars", lambda b: b["sequence"].append(b["sequence"][-1]), "sequence"),
    ("sequence is a word", put("sequence", value="bars"), "sequence"),
    ("a bar is null", put("sequence", 5, value=None), "sequence.5"),
    ("no close", drop("sequence", 12, "close"), "sequence.12.close"),
    ("close is 0", put("sequence", 12, "close", value=0), "sequence.12.close"),
    ("close is negative", put("sequence", 12, "close", value=-1.5), "sequence.12.close"),
    ("close is a string", put("sequence", 0, "close", value="42000"), "sequence.0.close"),
    ("close is a list", put("sequence", 0, "close", value=[1]), "sequence.0.close"),
    ("volume is negative", put("sequence", 59, "volume", value=-1), "sequence.59.volume"),
    ("high below low", put("sequence", 7, "high", value=1.0), "sequence.7"),
    ("close above high", put("sequence", 8, "close", value=1e9), "sequence.8"),
    ("time is a word", put("sequence", 9, "timestamp", value="noon"), "sequence.9.timestamp"),
    ("times out of order", swap_bars, "sequence"),
    ("a time twice", lambda b: b["sequence"][1].update(timestamp=b["sequence"][0]["timestamp"]),
     "sequence"),
    ("unknown field", put("leverage", value=3), "leverage"),
    ("unknown field in a bar", put("sequence", 2, "vwap", value=1.0), "sequence.2.vwap"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "field"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_bad_requests_are_refused_by_field(
    client: httpx.Client, example: dict[str, Any], change: Change, field: str
) -> None:
    body = copy.deepcopy(example)
    change(body)
    for path, content, prefix in (
        ("/predict", body, ""),
        ("/predict/batch", {"requests": [example, body]}, "requests.1."),
    ):
        answer = client.post(path, json=content)
        assert answer.status_code == 422, answer.text
        expected = (prefix + field).rstrip(".")
        assert expected in [d["field"] for d in answer.json()["details"]]
        assert answer.json()["code"] == "invalid_request"


@pytest.mark.parametrize("count", [0, 101])
def test_batches_are_1_to_100(client: httpx.Client, example: dict[str, Any], count: int) -> None:
    small = {**example, "sequence": []} if count else example
    answer = client.post("/predict/batch", json={"requests": [small] * count})
    assert answer.status_code == 422
    fields = {d["field"] for d in answer.json()["details"]}
    assert any(field.startswith("requests") for field in fields)


def test_large_bodies_are_refused_before_they_are_parsed(client: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 50_000

    headers = {"content-type": "application/json"}
    declared = client.post("/predict", content=b" " * 5_000_000, headers=headers)
    chunked = client.post("/predict", content=chunks(), headers=headers)
    assert (declared.status_code, chunked.status_code) == (413, 413)


def test_a_worker_bounds_headers_before_the_application_sees_them(served: Served) -> None:
    """Fails when BentoML or uvicorn no longer takes the protocol that bounds connections."""
    url = httpx.URL(served.url)
    with socket.create_connection((url.host, url.port), timeout=10) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nX-A: " + b"a" * 40_000)
        with connection.makefile("rb") as answer:
            head, _, body = answer.read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 Request Header Fields Too Large")
    assert json.loads(body)["code"] == "header_too_large"


def test_the_log_of_a_worker_is_json_without_payloads(
    client: httpx.Client, served: Served, example: dict[str, Any], key: str
) -> None:
    client.post("/predict", json={**example, "symbol": "SECRETCOIN/USDT"})
    client.post("/predict", json={**example, "symbol": "secret coin"})
    time.sleep(0.5)
    lines = served.log.read_text().splitlines()
    records = [json.loads(line) for line in lines if line.startswith("{")]
    assert [r for r in records if r["event"] == "request" and r.get("route") == "/predict"]
    plain = [line for line in lines if not line.startswith("{")]
    assert all("[cli]" in line for line in plain), plain
    for secret in ("SECRETCOIN", "secret coin", key, "42050"):
        assert secret not in "\n".join(lines)


def test_schemathesis_finds_no_failure(served: Served, key: str, tmp_path: Path) -> None:
    # Not positive_data_acceptance: a JSON schema cannot say that a high is not below its low.
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{served.url}/openapi.json",
        "--header", f"X-API-Key: {key}", "--checks", "all",
        "--exclude-checks", "positive_data_acceptance", "--max-examples", "8",
        "--phases", "examples,coverage,fuzzing", "--seed", "1", "--workers", "1",
        "--generation-deterministic", "--no-color",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_in_flight_requests_finish_when_the_service_is_asked_to_stop(
    served: Served, example: dict[str, Any], key: str
) -> None:
    """The last test of this file: it stops the service of the others."""
    url = httpx.URL(served.url)
    body = json.dumps(example).encode()
    head = (
        f"POST /predict HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    open_requests = [socket.create_connection((url.host, url.port), timeout=20) for _ in range(5)]
    for connection in open_requests:
        connection.sendall(head + body[:1000])
    time.sleep(0.3)
    served.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    for connection in open_requests:
        connection.sendall(body[1000:])
    for connection in open_requests:
        with connection, connection.makefile("rb") as answer:
            assert answer.readline().startswith(b"HTTP/1.1 200")
    assert served.process.wait(30) == 0
