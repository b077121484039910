"""The loss that the networks of `signals` are trained with."""

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn.functional import cross_entropy, smooth_l1_loss

from crisol.core.training.loop import Loss
from crisol.models.signals.params import FitParams


def signal_loss(params: FitParams) -> Loss:
    """Cross-entropy of the signal plus the weighted Huber loss of the move."""

    def loss(network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        logits, moves = network(batch["windows"])
        signal = cross_entropy(logits, batch["labels"])
        move = smooth_l1_loss(moves, batch["moves"])
        return {"loss": signal + params.move_weight * move, "signal_loss": signal}

    return loss
