"""Losses that several families share."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class UncertaintyWeightedLoss(nn.Module):
    """Several tasks' losses in one, each weighted by a learned uncertainty.

    ``Σ exp(-s) · loss + s / 2`` with a learned ``s = log σ²`` per task; losses of regressions
    (squared errors, which come with a factor ½) may be marked as such. Kendall, Gal and Cipolla,
    arXiv:1705.07115, equations 7 and 10. Make it a submodule of the network, so that its
    parameters are trained and saved with it.

    Args:
        tasks: names of the losses.
        regressions: those of them that are squared errors.

    >>> weighted = UncertaintyWeightedLoss(["class", "price"], regressions=["price"])
    >>> weighted({"class": torch.tensor(2.0), "price": torch.tensor(4.0)}).item()
    4.0
    """

    scale: Tensor

    def __init__(self, tasks: Sequence[str], regressions: Sequence[str] = ()) -> None:
        super().__init__()
        unknown = set(regressions) - set(tasks)
        if not tasks or len(set(tasks)) != len(tasks) or unknown:
            raise ValueError(
                f"tasks: need at least one name, each once, and every regression among them; "
                f"got {list(tasks)} with regressions {list(regressions)}"
            )
        self.tasks = tuple(tasks)
        self.log_variance = nn.Parameter(torch.zeros(len(self.tasks)))
        scale = [0.5 if task in regressions else 1.0 for task in self.tasks]
        self.register_buffer("scale", torch.tensor(scale))

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Combine the tasks' mean losses (scalars) into one scalar.

        Raises:
            ValueError: the losses are not exactly those of the tasks.
        """
        if set(losses) != set(self.tasks):
            raise ValueError(f"losses: expected {sorted(self.tasks)}, got {sorted(losses)}")
        values = torch.stack([losses[task] for task in self.tasks])
        weighted: Tensor = self.scale * torch.exp(-self.log_variance) * values
        return (weighted + self.log_variance / 2).sum()

    def weights(self) -> dict[str, float]:
        """The factor each task's loss has now."""
        factors: Tensor = self.scale * torch.exp(-self.log_variance.detach())
        return dict(zip(self.tasks, factors.tolist(), strict=True))


def info_nce(left: Tensor, right: Tensor, temperature: float | Tensor = 0.07) -> Tensor:
    """Symmetric InfoNCE: row ``i`` of either side belongs to row ``i`` of the other.

    Mean of both directions' cross-entropies over the cosine similarities, with the rest of the
    batch as negatives (arXiv:1807.03748; symmetric as in CLIP, arXiv:2103.00020). The batch size
    is part of this loss: accumulating gradients over small batches is not one large batch.

    Args:
        left: (B, D) vectors; they are normalised here.
        right: (B, D), their partners.
        temperature: divides the similarities; a tensor may be learned.

    Raises:
        ValueError: the two sides have different shapes, or are not matrices.
    """
    if left.shape != right.shape or left.ndim != 2:
        raise ValueError(
            f"info_nce: needs two matrices of one shape, got {tuple(left.shape)} "
            f"and {tuple(right.shape)}"
        )
    similarity = F.normalize(left, dim=1) @ F.normalize(right, dim=1).T / temperature
    partner = torch.arange(len(left), device=left.device)
    forward = F.cross_entropy(similarity, partner)
    backward = F.cross_entropy(similarity.T, partner)
    return (forward + backward) / 2
