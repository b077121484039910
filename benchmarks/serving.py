"""Requests per second of the bundle beside a plain FastAPI service of the same model.

    python benchmarks/serving.py [--predictor DIR] [--runtime torch|onnx] [--seconds 4] [--rounds 3]
        [--against BENTO]

The services run at the same time on this machine, each in one worker process, and are loaded by
the same client in alternation, so that other load on the machine affects all of them. Without
``--predictor`` an untrained network of the default size is used: speed does not depend on weights.

``--against`` names the folder of a bundle of an earlier commit: ``bentos/signals/VERSION`` in the
BentoML home it was built in, whose model store must hold its predictor. It is served by the
``crisol`` that it carries, and the new bundle is built from the same predictor.
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
TARGET_AGAINST = 0.9


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
        predictor = arguments.predictor
        if arguments.against is not None:
            predictor = predictor_of(arguments.against)
        elif predictor is None:
            predictor = make_predictor(work / "predictor", arguments.hidden)
        bento = build_bundle(predictor, work / "bentoml")
        plain = stack.enter_context(plain_service(predictor, arguments.plain_style))
        servers = {"plain": plain}
        for name, folder in (("against", arguments.against), ("bundle", bento)):
            if folder is not None:
                log = work / f"{name}.log"
                server = bundle_service(folder, log, arguments.runtime)
                servers[name] = stack.enter_context(server)
        rows = measure(servers, arguments.seconds, arguments.rounds)
    print(table(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2))
    return verdict(rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--predictor", type=Path, help="a predictor directory of signals")
    source.add_argument("--against", type=Path, help="the folder of an earlier bundle")
    parser.add_argument("--runtime", default="", help="torch, onnx or int8; default: as saved")
    parser.add_argument("--hidden", type=int, default=128, help="of the untrained network")
    parser.add_argument("--seconds", type=float, default=4.0, help="per window")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plain-style", choices=("def", "async"), default="async")
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


def build_bundle(predictor: Path, home: Path) -> Path:
    """Build the bundle of the working tree in a BentoML home of its own; its folder."""
    os.environ["BENTOML_HOME"] = str(home)
    from crisol.core.predictor import predictor_digest
    from crisol.serving.bundle import package

    stamp = dict.fromkeys(package.STAMP_KEYS, "benchmark")
    stamp["predictor_digest"] = predictor_digest(predictor)
    return package.build("signals", predictor, stamp).path


def predictor_of(bento: Path) -> Path:
    """The predictor directory of a bundle, in the model store of the home it was built in."""
    predictor = bento.resolve().parents[2] / "models" / bento.parent.name / bento.name
    if not predictor.is_dir():
        raise SystemExit(f"--against {bento}: its predictor is missing; expected {predictor}")
    return predictor


@contextmanager
def bundle_service(bento: Path, log: Path, runtime: str) -> Iterator["Server"]:
    """Serve a bundle with the ``crisol`` that it carries, not with the installed one."""
    port, key = _free_port(), secrets.token_urlsafe(24)
    environment = {
        "BENTOML_HOME": str(bento.resolve().parents[2]),
        "PYTHONPATH": str(bento.resolve() / "src"),
        "CRISOL_API_KEYS": key,
        "CRISOL_RATE_PER_S": "1000000",
        "CRISOL_RATE_BURST": "1000000",
        "CRISOL_RUNTIME": runtime,
    }
    command = ["bentoml", "serve", str(bento), "--host", "127.0.0.1", "--port", str(port)]
    with _process(command, environment, port, log) as pid:
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
    """The rows as Markdown, with the ratio of each service to the plain one."""
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

    def ratio(other: str, connections: int) -> float:
        bundle, base = at["bundle", connections], at[other, connections]
        return float(bundle["requests_per_s"] / base["requests_per_s"])

    p95_ms = at["bundle", 16]["p95_ms"]
    errors = sum(r["errors"] for r in rows if r["service"] == "bundle")
    checks = {
        f"ratio at 16 connections {ratio('plain', 16):.2f} (at least {TARGET_RATIO})":
            ratio("plain", 16) >= TARGET_RATIO,
        f"p95 at 16 connections {p95_ms:.1f} ms (below {TARGET_P95_MS:.0f})":
            p95_ms < TARGET_P95_MS,
        f"errors {errors} (none)": errors == 0,
    }  # fmt: skip
    for connections in CONNECTIONS if ("against", 1) in at else ():
        found = ratio("against", connections)
        text = f"ratio to the earlier bundle at {connections} {found:.2f} (at least"
        checks[f"{text} {TARGET_AGAINST})"] = found >= TARGET_AGAINST
    for text, reached in checks.items():
        print(f"{'reached' if reached else 'MISSED'}: {text}")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
