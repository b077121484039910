"""Self-attention of the product transformer: rotary positions, fused kernels, pre-norm blocks.

Legend: B products, T tokens, H heads, K dimensions of a head, D dimensions.

Sources: rotary position embeddings (Su et al., arXiv:2104.09864), over two axes as in Qwen2-VL
(arXiv:2409.12191); pre-norm (Xiong et al., arXiv:2002.04745); SwiGLU (Shazeer, arXiv:2002.05202);
fused attention kernels (Dao et al., arXiv:2205.14135) through
:func:`torch.nn.functional.scaled_dot_product_attention`, which picks one that the device has.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

BASE = 100.0
"""Longest wavelength of the positions over 2π; texts and pictures here have some hundred tokens."""


class Rotation:
    """Turns pairs of dimensions by angles that grow with a token's place in two dimensions.

    The first half of a head's dimensions turns by a token's first coordinate, the second half by
    its second. Patches lie at (row, column); the i-th word lies at (i, i), which makes this the
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
        self.turn_TF = torch.polar(torch.ones_like(angles_TF), angles_TF)

    def __call__(self, x_BT_K: Tensor) -> Tensor:
        """Turn queries or keys [B, T, …, K]; a pair of dimensions is one complex number."""
        middle = (1,) * (x_BT_K.ndim - 3)
        turn = self.turn_TF.view(len(self.turn_TF), *middle, -1)
        pairs = torch.view_as_complex(x_BT_K.float().unflatten(-1, (-1, 2)))
        return torch.view_as_real(pairs * turn).flatten(-2).to(x_BT_K.dtype)


def plain_attention(q_BHTK: Tensor, k_BHTK: Tensor, v_BHTK: Tensor, bias: Tensor | None) -> Tensor:
    """What the fused kernels must equal: softmax(q kᵀ / √K + bias) v."""
    scores = q_BHTK @ k_BHTK.transpose(-1, -2) / math.sqrt(q_BHTK.shape[-1])
    if bias is not None:
        scores = scores + bias
    return torch.softmax(scores, dim=-1) @ v_BHTK


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, dimensions: int, heads: int) -> None:
        super().__init__()
        if dimensions % heads:
            raise ValueError(f"heads: {heads} do not divide {dimensions} dimensions")
        self.heads = heads
        self.project = nn.Linear(dimensions, 3 * dimensions)
        self.out = nn.Linear(dimensions, dimensions)

    def forward(self, x_BTD: Tensor, rotation: Rotation, bias: Tensor | None, last: int) -> Tensor:
        """What the ``last`` of T tokens hear from all of them: [B, T, D] to [B, last, D].

        ``bias`` [B or 1, 1, T, T] is added to the scores.
        """
        parts = self.project(x_BTD).unflatten(-1, (3, self.heads, -1))
        turned = rotation(parts[:, :, :2])
        q, k, v = (
            part.transpose(1, 2) for part in (turned[:, -last:, 0], turned[:, :, 1], parts[:, :, 2])
        )
        bias = None if bias is None else bias[:, :, -last:]
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


class Block(nn.Module):
    """Attention and a gated feed-forward layer, each normalised before and added after."""

    def __init__(self, dimensions: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dimensions)
        self.attention = Attention(dimensions, heads)
        self.feedforward_norm = nn.LayerNorm(dimensions)
        self.widen = nn.Linear(dimensions, 2 * feedforward)
        self.narrow = nn.Linear(feedforward, dimensions)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BTD: Tensor, rotation: Rotation, bias: Tensor | None, last: int) -> Tensor:
        """The ``last`` of T tokens after this block: [B, T, D] to [B, last, D]."""
        attended = self.attention(self.attention_norm(x_BTD), rotation, bias, last)
        x_BTD = x_BTD[:, -last:] + self.dropout(attended)
        value, gate = self.widen(self.feedforward_norm(x_BTD)).chunk(2, dim=-1)
        narrowed: Tensor = self.narrow(value * F.silu(gate))
        added: Tensor = x_BTD + self.dropout(narrowed)
        return added


class Stack(nn.Module):
    """Blocks one after the other.

    Args:
        layers: how many.
        dimensions: D.
        heads: H.
        feedforward: width of the layer inside.
        dropout: of what each half of a block adds.
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
            Block(dimensions, heads, feedforward, dropout) for _ in range(layers)
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
        """[B, T, D] to [B, T, D], or to the ``last`` tokens alone.

        Args:
            x_BTD: tokens.
            places_T2: where they lie, see :class:`Rotation`.
            may_see: [B or 1, T, T] whether a token (row) may look at another (column); nothing:
                every token at every one. Each row needs at least one.
            last: how many tokens at the end are wanted; the last block computes no others.
        """
        rotation = Rotation(places_T2, self.head_size)
        bias = None if may_see is None else as_bias(may_see, x_BTD.dtype)
        length = x_BTD.shape[1]
        for number, block in enumerate(self.blocks, start=1):
            wanted = last if last is not None and number == len(self.blocks) else length
            if self.gradient_checkpointing and self.training:
                x_BTD = checkpoint(block, x_BTD, rotation, bias, wanted, use_reentrant=False)
            else:
                x_BTD = block(x_BTD, rotation, bias, wanted)
        return x_BTD


def as_bias(may_see: Tensor, dtype: torch.dtype) -> Tensor:
    """[B, 1, T, T] zero where a token may look and minus infinity where it may not."""
    bias = torch.zeros(may_see.shape, dtype=dtype, device=may_see.device)
    return bias.masked_fill_(~may_see, -math.inf)[:, None]
