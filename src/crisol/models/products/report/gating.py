"""Chooses the head that the gate compares: the category or the price."""

from collections.abc import Sequence
from typing import Literal

from crisol.core.errors import MendableError
from crisol.models.products.params import DataParams

GateHead = Literal["category", "price"]
_HEADS: dict[str, GateHead] = {"accuracy": "category", "macro_f1": "category", "r2": "price"}


def gate_head(data: DataParams, learned: Sequence[str]) -> GateHead:
    """The head that the gate's metric compares.

    Args:
        data: the gate and the registered study.
        learned: the heads of this study.

    Raises:
        MendableError: the metric is of another head; the message names those that fit.
    """
    head = _HEADS.get(data.gate.metric)
    if head is not None and head in learned:
        return head
    fits = [name for name, other in _HEADS.items() if other in learned]
    raise MendableError(
        f"products.data.gate.metric: {data.gate.metric!r} cannot judge study "
        f"{data.register_study!r}, which has enough products to learn: "
        f"{', '.join(learned) or 'nothing'}. "
        + (
            f"Take {' or '.join(fits)}, as with --params products.data.gate.metric={fits[0]}"
            if fits
            else "It needs categories or prices to be judged by"
        )
    )
