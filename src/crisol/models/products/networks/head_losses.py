"""The losses of the network's heads.

Legend: N products, C categories, M main categories, E length of the embedding.

Sources: label smoothing (Szegedy et al., arXiv:1512.00567); losses weighted by learned uncertainty
(:class:`~crisol.core.training.losses.UncertaintyWeightedLoss`); contrast
(:func:`~crisol.core.training.losses.info_nce`).
"""

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from crisol.core.training.losses import info_nce

Out = Mapping[str, Tensor]

COLDEST, WARMEST = 0.01, 0.5
"""Bounds of the learned temperature of the contrasts."""


def leaf_loss(out: Out, targets: Out, smoothing: float) -> Tensor:
    """The cross-entropy of the leaves."""
    return _smoothed(out["leaf"].log_softmax(dim=1), targets["leaf"], smoothing)


def main_loss(out: Out, targets: Out, main_of_C: Tensor, smoothing: float) -> Tensor:
    """The cross-entropy of the main categories, whose probabilities are sums over their leaves."""
    leaf = targets["leaf"]
    main = main_of_C[leaf.clamp_min(0)].where(leaf >= 0, leaf)
    return _smoothed(main_logs(out["leaf"].log_softmax(dim=1), main_of_C), main, smoothing)


def price_loss(out: Out, targets: Out) -> Tensor:
    """The smooth L1 loss of the standardised log-price, which limits the effect of outliers."""
    price = targets["log_price"]
    loss = F.smooth_l1_loss(out["log_price"], price.nan_to_num(), reduction="none")
    return _known(loss, ~price.isnan())


def rating_loss(out: Out, targets: Out) -> Tensor:
    """The cross-entropy with the rank of the rating as a probability."""
    rating = targets["rating"]
    loss = F.binary_cross_entropy_with_logits(out["rating"], rating.nan_to_num(), reduction="none")
    return _known(loss, ~rating.isnan())


def task_losses(
    tasks: Sequence[str], out: Out, targets: Out, main_of_C: Tensor, smoothing: float
) -> dict[str, Tensor]:
    """The mean loss of every head over the products with a known target; 0 where there are none.

    Args:
        tasks: names among ``leaf``, ``main``, ``log_price`` and ``rating``.
        out: the network's output: ``leaf`` [N, C] logits, ``log_price`` [N], ``rating`` [N] logits.
        targets: ``leaf`` [N] (-1 unknown), ``log_price`` [N] standardised and ``rating`` [N] in
            [0, 1] (NaN unknown).
        main_of_C: [C] main category of every leaf.
        smoothing: label smoothing, the share of weight spread over all categories.
    """
    losses: dict[str, Callable[[], Tensor]] = {
        "leaf": lambda: leaf_loss(out, targets, smoothing),
        "main": lambda: main_loss(out, targets, main_of_C, smoothing),
        "log_price": lambda: price_loss(out, targets),
        "rating": lambda: rating_loss(out, targets),
    }
    return {task: losses[task]() for task in tasks}


def main_logs(logs_NC: Tensor, main_of_C: Tensor) -> Tensor:
    """[N, M] log-probabilities of the main categories from those of the leaves [N, C]."""
    count = int(main_of_C.max()) + 1
    return torch.stack([logs_NC[:, main_of_C == m].logsumexp(1) for m in range(count)], dim=1)


def contrast(left_NE: Tensor, right_NE: Tensor, rows: Tensor, log_temperature: Tensor) -> Tensor:
    """InfoNCE over some rows of a batch; 0 where there are fewer than two."""
    if rows.sum() < 2:
        return left_NE.sum() * 0
    return info_nce(left_NE[rows], right_NE[rows], temperature(log_temperature))


def temperature(log_temperature: Tensor) -> Tensor:
    """The temperature, within its bounds."""
    return log_temperature.exp().clamp(COLDEST, WARMEST)


def _smoothed(logs: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    hit = logs.gather(1, labels.clamp_min(0)[:, None])[:, 0]
    return _known(-(1 - smoothing) * hit - smoothing * logs.mean(1), labels >= 0)


def _known(losses: Tensor, known: Tensor) -> Tensor:
    return (losses * known).sum() / known.sum().clamp_min(1)
