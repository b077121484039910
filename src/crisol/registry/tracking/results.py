"""Logging of saved results, by the kind in their catalog name."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from crisol.catalog.results import FiguresDataset
from crisol.core.candidate import Report
from crisol.registry.tracking import provenance, scratch
from crisol.registry.tracking.run_log import RunLog, metric_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = ("metrics", "report", "history", "figures")
FOLDER = "results"
"""The folder of the final metrics in a run's artefacts, one JSON file per result."""

_TIME = re.compile(r"^progress\.|(seconds|per_second|_(s|ms|us))$")


def is_time(metric: str) -> bool:
    """Whether a metric measures time or progress, which no second run repeats.

    >>> is_time("onnx.latency_ms"), is_time("progress.epoch"), is_time("macro_f1")
    (True, True, False)
    """
    return _TIME.search(metric) is not None


def kind_of(dataset_name: str) -> tuple[str, str]:
    """Noun and kind of a catalog name.

    >>> kind_of("signals.training_history")
    ('training', 'history')
    """
    noun, _, kind = dataset_name.rpartition(".")[2].rpartition("_")
    return noun, kind


def log_result(log: RunLog, dataset_name: str, data: Any, saved_to: Any = None) -> None:
    """Log a saved result to the run; kinds that are not in :data:`KINDS` are not logged.

    Args:
        log: the run.
        dataset_name: the result's name in the catalog.
        data: the saved result.
        saved_to: the catalog's entry, whose figures are not drawn a second time.
    """
    noun, kind = kind_of(dataset_name)
    if kind == "metrics":
        _metrics(log, f"{noun}_metrics", data)
    elif kind == "report":
        _report(log, noun, data)
    elif kind == "history":
        _history(log, noun, data)
    elif kind == "figures":
        _figures(log, noun, data, saved_to)


def _metrics(log: RunLog, name: str, metrics: Mapping[str, float]) -> None:
    """Log MLflow metrics, and all of them as JSON: `kedro reproduce` compares the files."""
    log.metrics(metrics)
    log.flush()
    values = {key: float(value) for key, value in metrics.items()}
    log.store.client().log_dict(log.run_id, values, f"{FOLDER}/{name}.json")


def _report(log: RunLog, noun: str, report: Report) -> None:
    log.store.client().log_text(log.run_id, report.model_dump_json(indent=2), f"report/{noun}.json")
    # MLflow's UI shows this tag as the run's description.
    log.tags({"mlflow.note.content": report.headline})
    _metrics(log, f"{noun}_report", report.metrics)


def _history(log: RunLog, noun: str, history: pd.DataFrame) -> None:
    """Log the table as an artefact, and its values as curves if training did not log them."""
    with scratch.folder() as aside:
        path = aside / f"{noun}.csv"
        history.to_csv(path, index=False)
        log.artifact(path, "history")
    if "epoch" not in history.columns:
        return
    curves = history.drop(columns=["epoch", "step", "label"], errors="ignore")
    curves = curves.select_dtypes("number")
    labels = history["label"].astype(str) if "label" in history.columns else None
    for index, row in enumerate(curves.to_dict(orient="records")):
        prefix = f"{labels.iloc[index]}." if labels is not None and labels.iloc[index] else ""
        step = int(history["epoch"].iloc[index])
        missing = {
            f"{prefix}{name}": float(value)
            for name, value in row.items()
            if pd.notna(value) and (metric_name(f"{prefix}{name}"), step) not in log.emitted
        }
        if missing:
            log.metrics(missing, step)
    log.flush()


def _figures(log: RunLog, noun: str, figures: "Mapping[str, Figure]", saved_to: Any) -> None:
    drawn = provenance.dataset_path(saved_to) if isinstance(saved_to, FiguresDataset) else None
    if drawn is not None:
        log.artifact(drawn, f"figures/{noun}")
        return
    with scratch.folder() as aside:
        folder = aside / noun
        FiguresDataset(filepath=str(folder)).save(figures)
        log.artifact(folder, f"figures/{noun}")
