"""Speed and memory of a saved predictor, measured in a process of its own.

``python -m crisol.registry.release.measuring DIR`` loads the predictor directory, answers its
golden requests and prints the measurements as JSON. It uses one thread, as a service's worker does.
"""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

BATCH = 64
"""Requests that are answered together for the throughput."""
TIMEOUT_S = 120.0
_CALLS, _LATENCY_S, _THROUGHPUT_S = 200, 2.0, 1.0
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class MeasuringError(RuntimeError):
    """A predictor that could not be measured; the message says why."""


def measure(directory: Path, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
    """Measure a predictor directory in a fresh process.

    Returns:
        ``load_s``; ``latency_ms`` with ``p50`` and ``p95``, of one golden request at a time;
        ``throughput_requests_per_s`` in batches of :data:`BATCH`; ``resident_mb`` of the process;
        ``cpu`` and ``threads``.

    Raises:
        MeasuringError: the process failed, or took longer than ``timeout_s``.
    """
    environment = {**os.environ, **dict.fromkeys(_ONE_THREAD, "1")}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "crisol.registry.release.measuring", str(directory)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise MeasuringError(f"it took longer than {timeout_s:g} s") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise MeasuringError(lines[-1] if lines else f"exit code {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure_here(directory: Path) -> dict[str, Any]:
    """Measure a predictor directory in this process; see :func:`measure`."""
    began = time.perf_counter()
    from crisol.models import load_predictor

    predictor = load_predictor(directory)
    load_s = time.perf_counter() - began
    requests = [predictor.request_type.model_validate(g.request) for g in predictor.golden]
    batch = [requests[i % len(requests)] for i in range(BATCH)]
    predictor.predict(requests[:1])  # the first call of some runtimes compiles
    seconds = sorted(
        _repeat(lambda i: predictor.predict([requests[i % len(requests)]]), _CALLS, _LATENCY_S)
    )
    batches = _repeat(lambda _: predictor.predict(batch), _CALLS, _THROUGHPUT_S)
    return {
        "load_s": round(load_s, 3),
        "latency_ms": {
            "p50": round(1000 * seconds[len(seconds) // 2], 3),
            "p95": round(1000 * seconds[min(int(0.95 * len(seconds)), len(seconds) - 1)], 3),
        },
        "throughput_requests_per_s": round(BATCH * len(batches) / sum(batches), 1),
        "resident_mb": round(psutil.Process().memory_info().rss / 1e6, 1),
        "cpu": _cpu(),
        "threads": 1,
    }


def _repeat(call: Callable[[int], object], most: int, limit_s: float) -> list[float]:
    """Seconds of each call, of at most ``most`` calls within about ``limit_s``."""
    seconds: list[float] = []
    while len(seconds) < most and sum(seconds) < limit_s:
        began = time.perf_counter()
        call(len(seconds))
        seconds.append(time.perf_counter() - began)
    return seconds


def _cpu() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure_here(Path(sys.argv[1]))) + "\n")
