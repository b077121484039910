"""The runtimes of a predictor compared: size, speed, and distance from torch."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from crisol.core.metrics import accuracy
from crisol.models.signals.network_params import RUNTIMES
from crisol.models.signals.predictor import SignalsPredictor

_MAX_WINDOWS = 2000


def measure(
    predictor: SignalsPredictor,
    windows_BTF: np.ndarray,
    labels_B: np.ndarray,
) -> list[dict[str, Any]]:
    """One row per runtime that the predictor holds.

    Args:
        predictor: with or without exported networks.
        windows_BTF: held-out windows.
        labels_B: their true classes.

    Returns:
        ``runtime``, ``served`` (is it the one that answers), ``size_kb`` of the network,
        ``largest_difference`` of a probability from torch, ``accuracy`` and its change,
        ``latency_ms_1`` and ``latency_ms_64`` (median milliseconds per batch of that size).
    """
    x, truth = windows_BTF[:_MAX_WINDOWS], labels_B[:_MAX_WINDOWS]
    weights_kb = sum(value.nbytes for value in predictor.weights.values()) / 1024
    reference = predictor.runner("torch")(x)
    rows = []
    for runtime in RUNTIMES:
        if runtime != "torch" and runtime not in predictor.exported:
            continue
        run = predictor.runner(runtime)
        found = run(x)
        size = weights_kb if runtime == "torch" else len(predictor.exported[runtime]) / 1024
        reached = accuracy(truth, found.argmax(1))
        rows.append(
            {
                "runtime": runtime,
                "served": runtime == predictor.description.runtime,
                "size_kb": round(size, 1),
                "largest_difference": float(f"{np.abs(found - reference).max():.2e}"),
                "accuracy": round(reached, 4),
                "accuracy_change": round(reached - accuracy(truth, reference.argmax(1)), 4),
                "latency_ms_1": round(_median_ms(run, x[:1]), 3),
                "latency_ms_64": round(_median_ms(run, x[:64]), 3),
            }
        )
    return rows


def _median_ms(run: Callable[[np.ndarray], np.ndarray], x: np.ndarray, repeats: int = 15) -> float:
    run(x)
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        run(x)
        times.append(time.perf_counter() - started)
    return 1000 * float(np.median(times))
