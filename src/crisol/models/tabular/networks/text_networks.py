"""Networks that read byte-pair tokens: a transformer encoder and a bidirectional LSTM.

Legend: B rows, T tokens, E length of a token, H width of the LSTM, O outputs.

Sources: pre-norm transformer encoder (arXiv:1706.03762, arXiv:2002.04745); LSTM (Hochreiter and
Schmidhuber, 1997) with attention over its states (Yang et al., 2016, aclanthology N16-1174).
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from crisol.models.tabular.networks.dropout import ByteDropout
from crisol.models.tabular.networks.head import Head
from crisol.models.tabular.networks.table_transformer import ReGLUBlock
from crisol.models.tabular.networks.text_inputs import PADDING, TextInputs

SIMILAR = 64
"""Rows of similar length that are read together, so that few of their tokens are padding."""


def trimmed(tokens_BT: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens without the columns that no row needs, and which of them are there [B, T]."""
    there_BT = tokens_BT != PADDING
    longest = int(there_BT.sum(1).max())
    return tokens_BT[:, :longest], there_BT[:, :longest]


class TextEncoder(nn.Module):
    """A transformer encoder whose tokens are averaged.

    Args:
        inputs: what the tokens come from.
        width: E.
        blocks: how many.
        heads: of each.
        outputs: O.
        dropout: in embeddings, blocks and head.
    """

    def __init__(
        self, inputs: TextInputs, width: int, blocks: int, heads: int, outputs: int, dropout: float
    ) -> None:
        super().__init__()
        self.tokens = nn.Embedding(inputs.size, width, padding_idx=PADDING)
        self.places = nn.Parameter(torch.randn(inputs.longest, width) * 0.02)
        self.dropout = ByteDropout(dropout)
        self.blocks = nn.ModuleList(ReGLUBlock(width, heads, dropout) for _ in range(blocks))
        self.head = Head(width, inputs.table, outputs, dropout)
        nn.init.normal_(self.tokens.weight, std=0.1)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Answers [1, B, O]."""
        tokens_BT = batch["tokens"]
        order_B = (tokens_BT != PADDING).sum(1).argsort(stable=True)
        parts = [self._read(tokens_BT[rows]) for rows in torch.split(order_B, SIMILAR)]
        answer: Tensor = self.head(torch.cat(parts)[order_B.argsort()], batch)
        return answer

    def _read(self, tokens_BT: Tensor) -> Tensor:
        """Mean states [B, E]."""
        tokens_BT, there_BT = trimmed(tokens_BT)
        x_BTE = self.dropout(self.tokens(tokens_BT) + self.places[: tokens_BT.shape[1]])
        mask = there_BT[:, None, None, :]
        for block in self.blocks:
            x_BTE = block(x_BTE, mask)
        weight_BT1 = there_BT.unsqueeze(-1).to(x_BTE.dtype)
        mean_BE: Tensor = (x_BTE * weight_BT1).sum(1) / weight_BT1.sum(1)
        return mean_BE


class BidirectionalLSTM(nn.Module):
    """LSTMs in both directions; attention weighs their states.

    The backward one reads each row turned round in its own length, so that padding lies behind both
    and changes nothing.

    Args:
        inputs: what the tokens come from.
        width: E.
        hidden: H of each direction.
        layers: how many.
        outputs: O.
        dropout: in embeddings, between layers and in the head.
    """

    def __init__(
        self, inputs: TextInputs, width: int, hidden: int, layers: int, outputs: int, dropout: float
    ) -> None:
        super().__init__()
        self.tokens = nn.Embedding(inputs.size, width, padding_idx=PADDING)
        self.dropout = ByteDropout(dropout)
        sizes = [width, *[2 * hidden] * (layers - 1)]
        self.forwards = nn.ModuleList(nn.LSTM(size, hidden, batch_first=True) for size in sizes)
        self.backwards = nn.ModuleList(nn.LSTM(size, hidden, batch_first=True) for size in sizes)
        self.attend = nn.Linear(2 * hidden, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)
        self.head = Head(2 * hidden, inputs.table, outputs, dropout)
        nn.init.normal_(self.tokens.weight, std=0.1)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Answers [1, B, O]."""
        tokens_BT, there_BT = trimmed(batch["tokens"])
        turned_BT1 = _turned(there_BT).unsqueeze(-1)
        x = self.tokens(tokens_BT)
        for ahead, back in zip(self.forwards, self.backwards, strict=True):
            x = self.dropout(x)
            onwards, _ = ahead(x)
            returned, _ = back(x.gather(1, turned_BT1.expand_as(x)))
            x = torch.cat([onwards, returned.gather(1, turned_BT1.expand_as(returned))], dim=-1)
        scores_BT = self.score(torch.tanh(self.attend(x))).squeeze(-1)
        weights_BT = scores_BT.masked_fill(~there_BT, -torch.inf).softmax(1)
        answer: Tensor = self.head((weights_BT.unsqueeze(-1) * x).sum(1), batch)
        return answer


def _turned(there_BT: Tensor) -> Tensor:
    """Return the indices [B, T] that reverse each row; padding keeps its place."""
    place_T = torch.arange(there_BT.shape[1], device=there_BT.device)
    return torch.where(there_BT, there_BT.sum(1, keepdim=True) - 1 - place_T, place_T)
