"""A predictor with its evidence, ready to be registered."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from crisol.core.params import Count, Float32, Params, Seed
from crisol.core.predictor import Predictor

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class GateRule(Params):
    """The rule for the comparison of a candidate with its baselines and with the champion.

    The comparison is a paired bootstrap over the groups of the scores table: the candidate passes
    against a baseline when its gain is above ``min_gain`` with probability ``confidence``, and
    against the champion when its loss is below ``tolerance`` with that probability.
    """

    metric: str = "accuracy"
    """A name in :data:`crisol.core.metrics.PAIRED`."""
    label: str = ""
    """The name in reports, such as ``NDCG@20`` where ``mean`` compares each user's NDCG@20."""
    higher_is_better: bool = True
    min_gain: Float32 = Field(default=0.0, ge=-1e6)
    tolerance: Float32 = Field(default=0.01, ge=0)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    resamples: Count = Field(default=1000, ge=100)
    seed: Seed = 0

    @property
    def title(self) -> str:
        """The name of the metric in reports."""
        return self.label or self.metric


class GatedParams(Params):
    """A section ``data`` that tells how the gate compares."""

    gate: GateRule = GateRule()
    """How a candidate is compared with the baselines and the champion."""

    @property
    def rule(self) -> GateRule:
        """The gate's rule; a family whose rule follows from other settings too overrides it."""
        return self.gate


class Report(Params):
    """The report of a run: one plain sentence, numbers, tables, limits."""

    family: str
    headline: str
    metrics: dict[str, float]
    """Flat dotted names, such as ``btcusdt.macro_f1``."""
    tables: dict[str, list[dict[str, Any]]]
    """Title to rows; every row of a table has the same columns."""
    data: list[str] = Field(default_factory=list)
    """The data it was trained and tested on, one sentence each; synthetic data is named so."""
    limits: list[str] = Field(default_factory=list)
    synthetic: bool = False


@dataclass(frozen=True)
class Evaluation:
    """The evidence that a family's ``evaluate`` returns.

    Attributes:
        report: what a person reads.
        scores: the gate's rows; see :class:`Candidate`.
        figures: by name.
        metrics: flat dotted names; equal on every run of the same inputs, but for times (``…_ms``).
    """

    report: Report
    scores: "pd.DataFrame"
    figures: "dict[str, Figure]"
    metrics: dict[str, float]


@dataclass(frozen=True)
class Candidate:
    """A predictor that asks to be registered.

    Attributes:
        predictor: with its golden examples recorded.
        scores: one row per held-out row: ``row`` (stable id), ``group`` (what the bootstrap
            resamples, such as a day), ``truth``, ``candidate``, one column per baseline, and
            ``champion`` when there was one.
        rule: how the gate compares.
        report: the content of the model card.
    """

    predictor: Predictor[Any, Any]
    scores: "pd.DataFrame"
    rule: GateRule
    report: Report

    @property
    def baselines(self) -> list[str]:
        """The scores columns that are baselines."""
        known = {"row", "group", "truth", "candidate", "champion"}
        return [column for column in self.scores.columns if column not in known]


Verdict = Literal["passed", "refused"]
