"""The last layers of networks that read a text or a picture, and perhaps columns beside it.

Legend: B rows, E length of what was read, F of the columns, O outputs.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from crisol.models.tabular.networks.column_embedding import ColumnEmbedding
from crisol.models.tabular.networks.dropout import ByteDropout
from crisol.models.tabular.networks.table_inputs import TableInputs

COLUMN = 8
"""Length of a column's embedding beside a text or picture."""


class Head(nn.Module):
    """Answers from what was read and the other columns.

    Args:
        read: E.
        table: the other columns; it may have none.
        outputs: O.
        dropout: before each layer.
    """

    def __init__(self, read: int, table: TableInputs, outputs: int, dropout: float) -> None:
        super().__init__()
        columns = ColumnEmbedding(table, COLUMN)
        self.columns = columns if columns.tokens else None
        self.norm = nn.LayerNorm(read)
        self.dropout = ByteDropout(dropout)
        if columns.tokens:
            self.mix = nn.Linear(read + columns.tokens * COLUMN, read)
        self.out = nn.Linear(read, outputs)

    def forward(self, read_BE: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Answers [1, B, O]."""
        x_BE = self.norm(read_BE)
        if self.columns is not None:
            columns_BF = self.columns(batch).flatten(1)
            x_BE = torch.relu(self.mix(torch.cat([self.dropout(x_BE), columns_BF], dim=1)))
        answer: Tensor = self.out(self.dropout(x_BE))
        return answer.unsqueeze(0)
