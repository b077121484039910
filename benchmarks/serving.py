"""Requests per second of the bundle beside a plain FastAPI service of the same model.

    python benchmarks/serving.py [--predictor DIR] [--runtime torch|onnx] [--seconds 4] [--rounds 3]

Both services run at the same time on this machine, each in one worker process, and are loaded by
the same client in alternation, so that other load on the machine affects both. Without
``--predictor`` an untrained network of the default size is used: speed does not depend on weights.
"""

import argparse
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

HERE = Path(__file__).resolve().parent
CONNECTIONS = (1, 16, 64)
TARGET_RATIO, TARGET_P95_MS = 2.5, 50.0


@dataclass(frozen=True)
class Server:
    """A running service: its port, its first process, a header every request carries."""

    port: int
    pid: int
    header: str = ""

    def cpu_seconds(self) -> float:
        """The processor seconds of the service and its children so far."""
        first = psutil.Process(self.pid)
        times = [p.cpu_times() for p in (first, *first.children(recursive=True))]
        return sum(t.user + t.system for t in times)


def main() -> int:
    """Measure, print a table and the targets; 1 when one is missed."""
    arguments = _arguments()
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        predictor = arguments.predictor or make_predictor(work / "predictor", arguments.hidden)
        key = secrets.token_urlsafe(24)
        bundle = stack.enter_context(bundle_service(predictor, work, key, arguments.runtime))
        plain = stack.enter_context(plain_service(predictor, arguments.plain_style))
        rows = measure({"plain": plain, "bundle": bundle}, arguments.seconds, arguments.rounds)
    print(table(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2))
    return verdict(rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--predictor", type=Path, help="a predictor directory of signals")
    parser.add_argument("--runtime", default="", help="torch, onnx or int8; default: as saved")
    parser.add_argument("--hidden", type=int, default=128, help="of the untrained network")
    parser.add_argument("--seconds", type=float, default=4.0, help="per window")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plain-style", choices=("def", "async"), default="def")
    parser.add_argument("--json", type=Path, help="also write the rows here")
    return parser.parse_args()


def make_predictor(directory: Path, hidden: int) -> Path:
    """An untrained network of `signals` at its default size."""
    import torch

    from crisol.models.signals import example_request
    from crisol.models.signals.answers.familiarity import fit_familiarity
    from crisol.models.signals.networks.export import export
    from crisol.models.signals.networks.network import SignalNetwork
    from crisol.models.signals.params import NetworkParams
    from crisol.models.signals.predictor import SignalsPredictor

    torch.manual_seed(0)
    params = NetworkParams(hidden=hidden)
    shape = (256, params.steps, len(params.features))
    windows = np.random.default_rng(0).normal(size=shape)
    network = SignalNetwork(params).eval()
    predictor = SignalsPredictor.from_networks([network], fit_familiarity(windows), study="none")
    predictor = predictor.with_runtime("onnx", export(predictor.ensemble()))
    predictor.record_golden([example_request()])
    return predictor.save(directory)


@contextmanager
def bundle_service(predictor: Path, work: Path, key: str, runtime: str) -> Iterator["Server"]:
    """Build the bundle and serve it."""
    home = work / "bentoml"
    os.environ["BENTOML_HOME"] = str(home)
    from crisol.core.predictor import predictor_digest
    from crisol.serving.bundle import package

    stamp = dict.fromkeys(package.STAMP_KEYS, "benchmark")
    stamp["predictor_digest"] = predictor_digest(predictor)
    bundle = package.build("signals", predictor, stamp)
    port = _free_port()
    environment = {
        "BENTOML_HOME": str(home),
        "CRISOL_API_KEYS": key,
        "CRISOL_RATE_PER_S": "1000000",
        "CRISOL_RATE_BURST": "1000000",
        "CRISOL_RUNTIME": runtime,
    }
    command = ["bentoml", "serve", bundle.tag, "--host", "127.0.0.1", "--port", str(port)]
    with _process(command, environment, port, work / "bundle.log") as pid:
        yield Server(port, pid, f"X-API-Key: {key}\r\n")


@contextmanager
def plain_service(predictor: Path, style: str) -> Iterator["Server"]:
    """Serve ``plain_service.py`` with uvicorn."""
    port = _free_port()
    environment = {"PLAIN_PREDICTOR": str(predictor), "PLAIN_STYLE": style}
    command = ["uvicorn", "plain_service:app", "--app-dir", str(HERE), "--port", str(port),
               "--log-level", "warning", "--no-access-log"]  # fmt: skip
    with _process(command, environment, port, None) as pid:
        yield Server(port, pid)


@contextmanager
def _process(
    command: list[str], environment: dict[str, str], port: int, log: Path | None
) -> Iterator[int]:
    program = [sys.executable, "-m", *command]
    output = log.open("wb") if log else None
    process = subprocess.Popen(
        program, env={**os.environ, **environment}, stdout=output, stderr=output
    )
    try:
        _wait_until_ready(process, port, log)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        if output is not None:
            output.close()


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path | None) -> None:
    for _ in range(240):
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    said = log.read_text(errors="replace")[-2000:] if log else ""
    raise SystemExit(f"the service on port {port} did not become ready\n{said}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def measure(servers: dict[str, Server], seconds: float, rounds: int) -> list[dict[str, Any]]:
    """One row per service and number of connections, over all rounds, after a warm-up."""
    from crisol.models.signals import example_request

    body = example_request().model_dump_json()
    windows: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for server in servers.values():
        _load(server, body, 4, 1.5)
    for _ in range(rounds):
        for connections in CONNECTIONS:
            for name, server in servers.items():
                window = _load(server, body, connections, seconds)
                windows.setdefault((name, connections), []).append(window)
    return [_row(name, n, windows[name, n]) for n in CONNECTIONS for name in servers]


def _load(server: Server, body: str, connections: int, seconds: float) -> dict[str, Any]:
    request = (
        "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"{server.header}Content-Length: {len(body)}\r\n\r\n{body}"
    )
    job = {"host": "127.0.0.1", "port": server.port, "request": request,
           "connections": connections, "seconds": seconds}  # fmt: skip
    before = server.cpu_seconds()
    done = subprocess.run(
        [sys.executable, str(HERE / "load.py")],
        input=json.dumps(job), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {**json.loads(done.stdout), "server_cpu_seconds": server.cpu_seconds() - before}


def _row(name: str, connections: int, windows: list[dict[str, Any]]) -> dict[str, Any]:
    latencies = 1000 * np.concatenate([np.array(w["latencies"]) for w in windows])
    rates = [len(w["latencies"]) / w["seconds"] for w in windows]
    p50, p95, p99 = np.percentile(latencies, [50, 95, 99])
    return {
        "service": name,
        "connections": connections,
        "requests_per_s": float(np.median(rates)),
        "p50_ms": float(p50),
        "p95_ms": float(p95),
        "p99_ms": float(p99),
        "errors": sum(w["errors"] for w in windows),
        "server_cpu_us": 1e6 * sum(w["server_cpu_seconds"] for w in windows) / len(latencies),
        "client_cpu_us": 1e6 * sum(w["cpu_seconds"] for w in windows) / len(latencies),
        "rates": rates,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown, with the ratio of the bundle to the plain service."""
    plain = {r["connections"]: r["requests_per_s"] for r in rows if r["service"] == "plain"}
    lines = [
        (
            "| connections | service | requests/s | p50 ms | p95 ms | p99 ms | errors "
            "| server CPU us/request | client CPU us/request | ratio |"
        ),
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for r in rows:
        ratio = r["requests_per_s"] / plain[r["connections"]]
        lines.append(
            f"| {r['connections']} | {r['service']} | {r['requests_per_s']:,.0f} "
            f"| {r['p50_ms']:.1f} | {r['p95_ms']:.1f} | {r['p99_ms']:.1f} | {r['errors']} "
            f"| {r['server_cpu_us']:.0f} | {r['client_cpu_us']:.0f} | {ratio:.2f} |"
        )
    return "\n".join(lines)


def verdict(rows: list[dict[str, Any]]) -> int:
    """Say which targets are reached; 0 when all are."""
    at = {(r["service"], r["connections"]): r for r in rows}
    bundle, plain = at["bundle", 16], at["plain", 16]
    ratio = bundle["requests_per_s"] / plain["requests_per_s"]
    errors = sum(r["errors"] for r in rows if r["service"] == "bundle")
    checks = {
        f"ratio at 16 connections {ratio:.2f} (at least {TARGET_RATIO})": ratio >= TARGET_RATIO,
        f"p95 at 16 connections {bundle['p95_ms']:.1f} ms (below {TARGET_P95_MS:.0f})":
            bundle["p95_ms"] < TARGET_P95_MS,
        f"errors {errors} (none)": errors == 0,
    }  # fmt: skip
    for text, reached in checks.items():
        print(f"{'reached' if reached else 'MISSED'}: {text}")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
