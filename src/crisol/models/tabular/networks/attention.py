"""Transformer blocks, and the FT-Transformer on them.

Legend: B rows, T tokens, E length of a token, H heads, K = E / H, O outputs.

Sources: pre-norm blocks (arXiv:2002.04745); ReGLU (arXiv:2002.05202); FT-Transformer (Gorishniy
et al., arXiv:2106.11959), here on piecewise-linear embeddings of numbers (arXiv:2203.05556).
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crisol.core.errors import MendableError
from crisol.models.tabular.networks.columns import Columns
from crisol.models.tabular.networks.dropout import Dropout

FEEDFORWARD = 4 / 3
"""Width of the layer inside a block as a share of E, twice because it is gated (the paper's)."""


class Attention(nn.Module):
    """Multi-head self-attention.

    Raises:
        MendableError: the heads do not divide the width.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise MendableError(f"settings.heads: {heads} do not divide a width of {width}")
        self.heads = heads
        self.project = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x_BTE: Tensor, there_BT: Tensor | None = None, last: int = 0) -> Tensor:
        """What tokens hear from one another: [B, T, E] to [B, T, E].

        Args:
            x_BTE: tokens.
            there_BT: which tokens may be listened to; ``None``: all. Each row has one at least.
            last: only so many tokens at the end ask; 0: all.
        """
        parts = self.project(x_BTE).unflatten(-1, (3, self.heads, -1))
        q_BHTK, k_BHTK, v_BHTK = (part.transpose(1, 2) for part in parts.unbind(2))
        mask = None if there_BT is None else there_BT[:, None, None, :]
        mixed = _attended(q_BHTK[:, :, -last:], k_BHTK, v_BHTK, mask)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


def _attended(q_BHTK: Tensor, k_BHTK: Tensor, v_BHTK: Tensor, mask: Tensor | None) -> Tensor:
    if q_BHTK.device.type != "cpu":
        return F.scaled_dot_product_attention(q_BHTK, k_BHTK, v_BHTK, attn_mask=mask)
    # Of fused attention on a processor the gradients in bf16 take five times as long (torch 2.13).
    with torch.autocast("cpu", enabled=False):
        q_BHTK, k_BHTK, v_BHTK = q_BHTK.float(), k_BHTK.float(), v_BHTK.float()
        return F.scaled_dot_product_attention(q_BHTK, k_BHTK, v_BHTK, attn_mask=mask)


class Block(nn.Module):
    """Attention and a gated layer, each normalised before and added after."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        inside = round(FEEDFORWARD * width)
        self.attention_norm, self.gate_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.widen = nn.Linear(width, 2 * inside)
        self.narrow = nn.Linear(inside, width)
        self.dropout = Dropout(dropout)

    def forward(self, x_BTE: Tensor, there_BT: Tensor | None = None, last: int = 0) -> Tensor:
        """See :meth:`Attention.forward`; [B, last or T, E]."""
        heard = self.attention(self.attention_norm(x_BTE), there_BT, last)
        x_BTE = x_BTE[:, -last:] + self.dropout(heard)
        value, gate = self.widen(self.gate_norm(x_BTE)).chunk(2, dim=-1)
        narrowed: Tensor = self.narrow(self.dropout(value * torch.relu(gate)))
        return x_BTE + narrowed


class TableTransformer(nn.Module):
    """Every column is a token; one more, asked last, gives the answer.

    Args:
        columns: embeds the columns as tokens [B, T, E].
        blocks: how many.
        heads: H.
        outputs: O.
        dropout: in the blocks.
    """

    def __init__(
        self, columns: Columns, blocks: int, heads: int, outputs: int, dropout: float
    ) -> None:
        super().__init__()
        width = columns.length
        self.columns = columns
        self.question = nn.Parameter(torch.empty(width).uniform_(-(width**-0.5), width**-0.5))
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Answers [1, B, O]."""
        tokens = self.columns(batch)
        question = self.question.expand(len(tokens), 1, -1).to(tokens.dtype)
        x_BTE = torch.cat([tokens, question], dim=1)
        for number, block in enumerate(self.blocks, start=1):
            x_BTE = block(x_BTE, last=1 if number == len(self.blocks) else 0)
        answer: Tensor = self.head(torch.relu(self.norm(x_BTE[:, -1])))
        return answer.unsqueeze(0)
