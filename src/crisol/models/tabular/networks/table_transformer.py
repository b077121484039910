"""Transformer blocks, and the FT-Transformer on them.

Legend: B rows, T tokens, E length of a token, H heads, K = E / H, O outputs.

Sources: pre-norm blocks (arXiv:2002.04745); ReGLU (arXiv:2002.05202); FT-Transformer (Gorishniy
et al., arXiv:2106.11959), here on piecewise-linear embeddings of numbers (arXiv:2203.05556).
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from crisol.core.errors import MendableError
from crisol.core.layers.attention import AttentionBlock
from crisol.models.tabular.networks.column_embedding import ColumnEmbedding
from crisol.models.tabular.networks.dropout import ByteDropout

FEEDFORWARD = 4 / 3
"""Width of the layer inside a block as a share of E, twice because it is gated (the paper's)."""


class ReGLUBlock(AttentionBlock):
    """A transformer block whose feed-forward layer is gated by ReLU.

    Args:
        width: E.
        heads: H.
        dropout: share of the numbers that are dropped.

    Raises:
        MendableError: the heads do not divide the width.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        if width % heads:
            raise MendableError(f"settings.heads: {heads} do not divide a width of {width}")
        super().__init__(width, heads, ByteDropout(dropout))
        inside = round(FEEDFORWARD * width)
        self.gate_norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 2 * inside)
        self.narrow = nn.Linear(inside, width)

    def feed_forward(self, x_BTE: Tensor) -> Tensor:
        """See :meth:`AttentionBlock.feed_forward`."""
        value, gate = self.widen(self.gate_norm(x_BTE)).chunk(2, dim=-1)
        narrowed: Tensor = self.narrow(self.dropout(value * torch.relu(gate)))
        return narrowed


class TableTransformer(nn.Module):
    """A transformer in which every column is a token, and one more token gives the answer.

    Args:
        columns: embeds the columns as tokens [B, T, E].
        blocks: how many.
        heads: H.
        outputs: O.
        dropout: in the blocks.
    """

    def __init__(
        self, columns: ColumnEmbedding, blocks: int, heads: int, outputs: int, dropout: float
    ) -> None:
        super().__init__()
        width = columns.length
        self.columns = columns
        self.question = nn.Parameter(torch.empty(width).uniform_(-(width**-0.5), width**-0.5))
        self.blocks = nn.ModuleList(ReGLUBlock(width, heads, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Answers [1, B, O]."""
        tokens = self.columns(batch)
        question = self.question.expand(len(tokens), 1, -1).to(tokens.dtype)
        x_BTE = torch.cat([tokens, question], dim=1)
        for number, block in enumerate(self.blocks, start=1):
            x_BTE = block(x_BTE, last=1 if number == len(self.blocks) else None)
        answer: Tensor = self.head(torch.relu(self.norm(x_BTE[:, -1])))
        return answer.unsqueeze(0)
