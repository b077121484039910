"""The last two nodes of every family: evaluate a trained predictor, and register it."""

from typing import Any

import pandas as pd

from crisol import models
from crisol.core.candidate import Candidate, Report
from crisol.core.predictor import Predictor


def evaluate(
    predictor: Predictor[Any, Any], champion: Predictor[Any, Any] | None, *evidence: Any
) -> tuple[Report, pd.DataFrame, dict[str, Any], dict[str, float]]:
    """The report, the scores the gate reads, the figures, and the metrics.

    Args:
        predictor: the one that was trained.
        champion: the promoted one, if there is one.
        evidence: the further arguments of the family's own ``evaluate``.
    """
    evaluation = models.family(predictor.family).evaluate(predictor, champion, *evidence)
    return evaluation.report, evaluation.scores, evaluation.figures, evaluation.metrics


def register(
    predictor: Predictor[Any, Any], scores: pd.DataFrame, report: Report, data: Any
) -> Candidate:
    """The predictor with the evidence for it; saving it to the catalog registers it.

    Args:
        predictor: with its golden examples.
        scores: see :class:`crisol.core.candidate.Candidate`.
        report: the text of the model card.
        data: the family's section ``data``, which gives the gate's rule.
    """
    return Candidate(predictor, scores, data.rule, report)
