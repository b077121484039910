"""Trained predictors and the tables of a run, tiny, for what judges them."""

import numpy as np
import pandas as pd

from crisol.models.tabular.algorithm import FitContext, algorithm
from crisol.models.tabular.data.source_table import PART, ROW
from crisol.models.tabular.data.tables import schema_table, select
from crisol.models.tabular.ensemble import Ensemble, Member
from crisol.models.tabular.features.encoder import Encoder
from crisol.models.tabular.params import DataParams, TrainParams
from crisol.models.tabular.predictor import TabularPredictor
from crisol.models.tabular.schema import Column, Schema
from crisol.models.tabular.settings import SETTINGS

IMAGES = pd.DataFrame({"image": pd.Series(dtype="str"), "pixels": pd.Series(dtype=object)})
QUICK = {"max_iterations": 60, "learning_rate": 0.15}


def table(task: str, rows: int = 500, seed: int = 0) -> tuple[pd.DataFrame, Schema]:
    """Income of made-up people: a step, a product and a category decide; ``luck`` does not."""
    rng = np.random.default_rng(seed)
    age, hours, luck = rng.uniform(18, 80, rows), rng.normal(40, 8, rows), rng.normal(size=rows)
    trade = rng.choice(["smith", "baker", "none"], rows, p=[0.5, 0.3, 0.2])
    pay = np.where(age > 45, 2.0, 0.0) * np.where(hours > 40, 1.5, -1.0) + (trade == "smith")
    pay = pay + rng.normal(size=rows) * 0.3
    frame = pd.DataFrame({"age": age, "hours": hours, "luck": luck, "trade": trade})
    frame.loc[::17, "age"] = np.nan
    columns = [Column(name=name, kind="number") for name in ("age", "hours", "luck")]
    columns.append(Column(name="trade", kind="category"))
    if task == "regression":
        frame["target"] = pay * 10_000 + 50_000
        columns.append(Column(name="target", kind="number", role="target"))
    elif task != "clustering":
        frame["target"] = pd.cut(pay, [-9, 0.8, 9] if task == "classification" else [-9, 0, 1, 9])
        frame["target"] = frame["target"].cat.codes.map({0: "low", 1: "mid", 2: "top"})
        words = tuple(sorted(frame["target"].unique()))
        columns.append(Column(name="target", kind="category", role="target", categories=words))
    frame[ROW], frame[PART] = np.arange(1, rows + 1), pd.Series([None] * rows, dtype=object)
    kind = "classification" if task == "three" else task
    return frame, Schema(task=kind, columns=tuple(columns), rows=rows)


def parts_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Every third row is held out."""
    part = np.where(np.arange(len(rows)) % 3 == 0, "test", "train")
    return pd.DataFrame({"row": rows[ROW].to_numpy(), "part": part})


def trained(
    rows: pd.DataFrame, schema: Schema, members: dict[str, tuple[str, dict]], dataset: str = "pay"
) -> TabularPredictor:
    """Members of equal weight, by name: algorithm and settings."""
    known = select(rows, parts_of(rows), "train")
    encoder = Encoder.fit(known, schema)
    part = encoder.part(known)
    made = []
    for name, (kind, settings) in members.items():
        context = FitContext(
            schema.task, encoder.schema.classes, seed=0, threads=1, train=TrainParams()
        )
        chosen = SETTINGS[kind](**settings)
        fit = algorithm(kind).fit(chosen, part, None, context)
        made.append(Member(name, kind, settings, (fit.model,), 1 / len(members)))
    return TabularPredictor(
        encoder, Ensemble(schema.task, made), part.features.take(slice(0, 20)), dataset=dataset
    )


def evaluated(
    predictor: TabularPredictor,
    rows: pd.DataFrame,
    schema: Schema,
    champion: TabularPredictor | None = None,
    leaderboard: pd.DataFrame | None = None,
    history: pd.DataFrame | None = None,
    forecasts: pd.DataFrame | None = None,
    **data: object,
):
    """What :func:`crisol.models.tabular.evaluation.evaluate` says."""
    from crisol.models.tabular.evaluation import evaluate

    empty = pd.DataFrame()
    return evaluate(
        predictor,
        champion,
        rows,
        IMAGES,
        parts_of(rows),
        schema_table(schema),
        empty if forecasts is None else forecasts,
        empty if leaderboard is None else leaderboard,
        empty if history is None else history,
        DataParams(file="pay.csv", **data),
    )
