"""Self-attention: rotary positions, fused kernels, pre-norm blocks.

Legend: B rows, T tokens, H heads, K dimensions of a head, D dimensions.

Sources: rotary position embeddings (Su et al., arXiv:2104.09864), over two axes as in Qwen2-VL
(arXiv:2409.12191); pre-norm (Xiong et al., arXiv:2002.04745); SwiGLU (Shazeer, arXiv:2002.05202);
fused attention kernels (Dao et al., arXiv:2205.14135) through
:func:`torch.nn.functional.scaled_dot_product_attention`, which picks one that the device has.
"""

import math
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

BASE = 100.0
"""Longest wavelength of the positions over 2π; texts and pictures here have some hundred tokens."""


class Rotation:
    """Rotates pairs of dimensions by angles that grow with a token's place in two dimensions.

    The first half of a head's dimensions is rotated by a token's first coordinate, the second half
    by its second. Patches lie at (row, column); the i-th word lies at (i, i), which makes this the
    usual one-dimensional rotary embedding of words. Only differences of places matter.

    Args:
        places_T2: [T, 2].
        head_size: K, a multiple of 4.

    Raises:
        ValueError: the size of a head is not a multiple of 4.
    """

    def __init__(self, places_T2: Tensor, head_size: int) -> None:
        if head_size % 4:
            raise ValueError(
                f"dimensions / heads: must be a multiple of 4 for rotary positions, is {head_size}"
            )
        count = head_size // 4
        exponents = torch.arange(count, device=places_T2.device) / count
        angles_TF = (places_T2.float()[:, :, None] * BASE**-exponents).flatten(1)
        self.factors_TF = torch.polar(torch.ones_like(angles_TF), angles_TF)

    def __call__(self, x_BT_K: Tensor) -> Tensor:
        """Rotate queries or keys [B, T, …, K]; a pair of dimensions is one complex number."""
        middle = (1,) * (x_BT_K.ndim - 3)
        factors = self.factors_TF.view(len(self.factors_TF), *middle, -1)
        pairs = torch.view_as_complex(torch.unflatten(x_BT_K.float(), -1, (-1, 2)))
        return torch.view_as_real(pairs * factors).flatten(-2).to(x_BT_K.dtype)


def plain_attention(q_BHTK: Tensor, k_BHTK: Tensor, v_BHTK: Tensor, bias: Tensor | None) -> Tensor:
    """Attention by its formula, softmax(q kᵀ / √K + bias) v, which the fused kernels must equal."""
    scores = q_BHTK @ k_BHTK.transpose(-1, -2) / math.sqrt(q_BHTK.shape[-1])
    if bias is not None:
        scores = scores + bias
    return torch.softmax(scores, dim=-1) @ v_BHTK


class Attention(nn.Module):
    """Multi-head self-attention.

    Args:
        dimensions: D.
        heads: H, a divisor of D.

    Raises:
        ValueError: the heads do not divide the dimensions.
    """

    def __init__(self, dimensions: int, heads: int) -> None:
        super().__init__()
        if dimensions % heads:
            raise ValueError(f"heads: {heads} do not divide {dimensions} dimensions")
        self.heads = heads
        self.project = nn.Linear(dimensions, 3 * dimensions)
        self.out = nn.Linear(dimensions, dimensions)

    def forward(
        self,
        x_BTD: Tensor,
        mask: Tensor | None = None,
        *,
        rotation: Rotation | None = None,
        last: int | None = None,
    ) -> Tensor:
        """Attend to the tokens of a row: [B, T, D] to [B, last, D].

        Args:
            x_BTD: tokens.
            mask: [B or 1, 1, T or 1, T] whether a token (row) may attend to another (column), or
                floats that are added to the scores; ``None``: every token attends to every one.
                Each row attends to at least one.
            rotation: the positions of the tokens; ``None``: attention ignores their order.
            last: how many tokens at the end are queries; ``None``: all T.
        """
        start = 0 if last is None else x_BTD.shape[1] - last
        parts = self.project(x_BTD).unflatten(-1, (3, self.heads, -1))
        q_BTHK, k_BTHK, v_BTHK = parts.unbind(2)
        if rotation is not None:
            q_BTHK, k_BTHK = rotation(parts[:, :, :2]).unbind(2)
        q_BHTK, k_BHTK, v_BHTK = (
            part.transpose(1, 2) for part in (q_BTHK[:, start:], k_BTHK, v_BTHK)
        )
        if mask is not None and mask.shape[2] > 1:
            mask = mask[:, :, start:]
        mixed = fused_attention(q_BHTK, k_BHTK, v_BHTK, mask)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


def fused_attention(q_BHTK: Tensor, k_BHTK: Tensor, v_BHTK: Tensor, mask: Tensor | None) -> Tensor:
    """Attention by a fused kernel, in single precision on a processor.

    The gradients of the fused kernel take five times as long in bf16 on a processor (torch 2.13).
    """
    if q_BHTK.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return F.scaled_dot_product_attention(q_BHTK, k_BHTK, v_BHTK, attn_mask=mask)
    if mask is not None and mask.is_floating_point():
        mask = mask.float()
    with torch.autocast("cpu", enabled=False):
        return F.scaled_dot_product_attention(
            q_BHTK.float(), k_BHTK.float(), v_BHTK.float(), attn_mask=mask
        )


class AttentionBlock(nn.Module, ABC):
    """Attention and a feed-forward layer, each normalised before and added after.

    A subclass defines the feed-forward layer and names its weights.

    Args:
        dimensions: D.
        heads: H.
        dropout: applied to the result of the attention.
    """

    def __init__(self, dimensions: int, heads: int, dropout: nn.Module) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dimensions)
        self.attention = Attention(dimensions, heads)
        self.dropout = dropout

    def forward(
        self,
        x_BTD: Tensor,
        mask: Tensor | None = None,
        *,
        rotation: Rotation | None = None,
        last: int | None = None,
    ) -> Tensor:
        """Return the ``last`` of T tokens after this block; see :meth:`Attention.forward`."""
        attended = self.attention(self.attention_norm(x_BTD), mask, rotation=rotation, last=last)
        start = 0 if last is None else x_BTD.shape[1] - last
        x_BTD = x_BTD[:, start:] + self.dropout(attended)
        return x_BTD + self.feed_forward(x_BTD)

    @abstractmethod
    def feed_forward(self, x_BTD: Tensor) -> Tensor:
        """Normalise tokens and compute what the feed-forward layer adds to them [B, T, D]."""


class SwiGLUBlock(AttentionBlock):
    """A block whose feed-forward layer is gated by SiLU.

    Args:
        dimensions: D.
        heads: H.
        feedforward: width of the layer inside.
        dropout: share of the numbers that each half of the block drops.
    """

    def __init__(self, dimensions: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__(dimensions, heads, nn.Dropout(dropout))
        self.feedforward_norm = nn.LayerNorm(dimensions)
        self.widen = nn.Linear(dimensions, 2 * feedforward)
        self.narrow = nn.Linear(feedforward, dimensions)

    def feed_forward(self, x_BTD: Tensor) -> Tensor:
        """See :meth:`AttentionBlock.feed_forward`."""
        value, gate = self.widen(self.feedforward_norm(x_BTD)).chunk(2, dim=-1)
        added: Tensor = self.dropout(self.narrow(value * F.silu(gate)))
        return added


class Stack(nn.Module):
    """Blocks one after the other.

    Args:
        layers: how many.
        dimensions: D.
        heads: H.
        feedforward: width of the layer inside.
        dropout: share of the numbers that each half of a block drops.
        gradient_checkpointing: compute the inside of a block again in the backward pass instead of
            keeping it: less memory, same gradients, a third more time.
    """

    def __init__(
        self,
        layers: int,
        dimensions: int,
        heads: int,
        feedforward: int,
        dropout: float,
        *,
        gradient_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            SwiGLUBlock(dimensions, heads, feedforward, dropout) for _ in range(layers)
        )
        self.head_size = dimensions // heads
        self.gradient_checkpointing = gradient_checkpointing

    def forward(
        self,
        x_BTD: Tensor,
        places_T2: Tensor,
        may_see: Tensor | None = None,
        last: int | None = None,
    ) -> Tensor:
        """Return the tokens after all blocks: [B, T, D], or the ``last`` of them.

        Args:
            x_BTD: tokens.
            places_T2: where they lie, see :class:`Rotation`.
            may_see: [B or 1, T, T] whether a token (row) may attend to another (column); ``None``:
                every token attends to every one. Each row needs at least one.
            last: how many tokens at the end are wanted; the last block computes no others.
        """
        rotation = Rotation(places_T2, self.head_size)
        bias = None if may_see is None else as_bias(may_see, x_BTD.dtype)
        length = x_BTD.shape[1]
        for number, block in enumerate(self.blocks, start=1):
            wanted = last if last is not None and number == len(self.blocks) else length
            if self.gradient_checkpointing and self.training:
                x_BTD = checkpoint(
                    block, x_BTD, bias, rotation=rotation, last=wanted, use_reentrant=False
                )
            else:
                x_BTD = block(x_BTD, bias, rotation=rotation, last=wanted)
        return x_BTD


def as_bias(may_see: Tensor, dtype: torch.dtype) -> Tensor:
    """Return [B, 1, T, T]: 0 where a token may attend to another, else minus infinity."""
    bias = torch.zeros(may_see.shape, dtype=dtype, device=may_see.device)
    return bias.masked_fill_(~may_see, -math.inf)[:, None]
