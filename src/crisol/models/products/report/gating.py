"""Chooses the head that the gate compares: the category or the price."""

from collections.abc import Sequence
from typing import Literal

from crisol.core.candidate import GateRule, Report
from crisol.core.errors import MendableError
from crisol.models.products.params import AUTO, DataParams

GateHead = Literal["category", "price"]
_HEADS: dict[str, GateHead] = {"accuracy": "category", "macro_f1": "category", "r2": "price"}


def gate_rule(data: DataParams, learned: Sequence[str]) -> GateRule:
    """The gate's rule; where its metric is open, that of the category, else that of the price.

    Args:
        data: the gate.
        learned: the heads of the registered study, as far as they can be scored.
    """
    if data.gate.metric != AUTO:
        return data.gate
    metric = "r2" if "category" not in learned and "price" in learned else "accuracy"
    return data.gate.model_copy(update={"metric": metric})


def rule_of_report(report: Report, data: DataParams) -> GateRule:
    """The gate's rule for the heads that a report scores."""
    study = data.register_study
    named = {"category": "accuracy", "price": "log_price_r2"}
    scored = [head for head, name in named.items() if f"{study}.ensemble.{name}" in report.metrics]
    return gate_rule(data, scored)


def gate_head(data: DataParams, learned: Sequence[str]) -> GateHead:
    """The head that the gate's metric compares.

    Args:
        data: the gate and the registered study.
        learned: the heads of this study.

    Raises:
        MendableError: the metric is of another head; the message names those that fit.
    """
    metric = gate_rule(data, learned).metric
    head = _HEADS.get(metric)
    if head is not None and head in learned:
        return head
    fits = [name for name, other in _HEADS.items() if other in learned]
    raise MendableError(
        f"products.data.gate.metric: {metric!r} cannot judge study "
        f"{data.register_study!r}, which has enough products to learn: "
        f"{', '.join(learned) or 'nothing'}. "
        + (
            f"Take {' or '.join(fits)}, as with --params products.data.gate.metric={fits[0]}"
            if fits
            else "It needs categories or prices to be judged by"
        )
    )
