"""Dropout that costs a byte of randomness a number (Srivastava et al., 2014).

torch's own draws a Bernoulli variable for each; on a processor that takes as long as the layer.
"""

import torch
from torch import Tensor, nn


class ByteDropout(nn.Module):
    """Zero a share of the numbers in training and make up for it.

    Args:
        share: of the numbers; rounded to 256ths.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.dropped = round(256 * share)

    def forward(self, x: Tensor) -> Tensor:
        """``x`` itself outside of training."""
        if not self.training or self.dropped == 0:
            return x
        words = torch.empty(x.numel() // 8 + 1, dtype=torch.int64, device=x.device)
        drawn = words.random_(-(2**63), None).view(torch.uint8)[: x.numel()].view(x.shape)
        return x * (drawn >= self.dropped).to(x.dtype).mul_(256 / (256 - self.dropped))

    def extra_repr(self) -> str:
        """The share, for the printed module."""
        return f"share={self.dropped / 256:.3g}"
