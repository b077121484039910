"""The loss that the networks of `signals` are trained with.

Legend: B windows, C = 3 classes, L latent width (twice the hidden size).
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, smooth_l1_loss

from crisol.core.training.loop import Loss
from crisol.models.signals.networks.member import MemberNetwork
from crisol.models.signals.params import FitParams


def signal_loss(params: FitParams) -> Loss:
    """Loss of the signal plus the weighted Huber loss of the move.

    While training, the L2 penalty of the signal head and the loss under an adversarial perturbation
    of the latent state are added, where the parameters ask for them.
    """
    of_signal = hinge if params.loss == "hinge" else cross_entropy
    adversarial = params.adversarial

    def loss(network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        windows, labels = batch["windows"], batch["labels"]
        noise = _no_noise(network, windows) if adversarial and network.training else None
        logits, moves = network(windows, noise)
        signal = of_signal(logits, labels)
        total = signal + params.move_weight * smooth_l1_loss(moves, batch["moves"])
        if network.training and params.head_l2 > 0:
            total = total + params.head_l2 * head_penalty(_member(network))
        if adversarial is not None and noise is not None:
            attack = perturbation(signal, noise, adversarial.epsilon)
            attacked, _ = network(windows, attack)
            total = total + adversarial.weight * of_signal(attacked, labels)
        accuracy = (logits.argmax(1) == labels).float().mean()
        return {"loss": total, "signal_loss": signal, "accuracy": accuracy}

    return loss


def hinge(logits_BC: Tensor, labels_B: Tensor) -> Tensor:
    """Mean over the rows of max(0, 1 - (logit of the truth - logit of another class)), summed.

    With two classes it is the hinge of the difference of their logits (Weston & Watkins 1999).
    """
    margins = logits_BC.gather(1, labels_B[:, None]) - logits_BC
    # The truth against itself has the margin 0 and would count 1.
    return torch.relu(1 - margins).sum(1).mean() - 1


def head_penalty(network: MemberNetwork) -> Tensor:
    """Half the sum of the squared weights and biases of the signal head."""
    squares = [parameter.square().sum() for parameter in network.head["signal"].parameters()]
    return torch.stack(squares).sum() / 2


def perturbation(loss: Tensor, noise_BL: Tensor, epsilon: float) -> Tensor:
    """The perturbation of length ``epsilon`` per row that raises the loss most, to first order.

    Rows whose loss does not depend on the latent state stay as they are. Feng et al., IJCAI 2019
    (arXiv:1810.09936), equation 8.

    Args:
        loss: of a forward pass with the noise ``noise_BL``.
        noise_BL: zeros that require a gradient.
        epsilon: the length.
    """
    (gradient,) = torch.autograd.grad(loss, noise_BL, retain_graph=True)
    return epsilon * normalize(gradient, dim=1)


def _member(network: nn.Module) -> MemberNetwork:
    """The network itself, where several processes wrap it."""
    member = getattr(network, "module", network)
    assert isinstance(member, MemberNetwork)
    return member


def _no_noise(network: nn.Module, windows_BTF: Tensor) -> Tensor:
    width = 2 * _member(network).params.hidden
    return torch.zeros(len(windows_BTF), width, device=windows_BTF.device, requires_grad=True)
