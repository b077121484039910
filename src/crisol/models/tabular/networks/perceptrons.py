"""Multilayer perceptrons on embedded columns: one, and many that share their layers.

Legend: M members, B rows, T tokens, E length of a token, F = T · E, H width of a layer, O outputs.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from crisol.models.tabular.networks.column_embedding import ColumnEmbedding
from crisol.models.tabular.networks.dropout import ByteDropout


class Perceptrons(nn.Module):
    """TabM-mini (Gorishniy et al., arXiv:2410.24210); with one member a plain perceptron.

    All members see a row's embedded columns through a scale of their own (BatchEnsemble,
    arXiv:2002.06715), pass the same layers, and answer with a head of their own. They are trained
    on their own losses, and their answers are averaged.

    Args:
        columns: embeds the columns.
        hidden: widths of the layers.
        members: M.
        outputs: O.
        dropout: after each layer.
    """

    def __init__(
        self,
        columns: ColumnEmbedding,
        hidden: Sequence[int],
        members: int,
        outputs: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.columns = columns
        self.members = members
        if members > 1:
            # One draw for all numbers of a token; flat, because weight decay is for matrices.
            draws = torch.randn(members, columns.tokens, 1).expand(-1, -1, columns.length)
            self.scale = nn.Parameter(draws.flatten().clone())
        sizes = [columns.tokens * columns.length, *hidden]
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(sizes))
        self.dropout = ByteDropout(dropout)
        bound = sizes[-1] ** -0.5
        self.head = nn.Parameter(torch.empty(members, sizes[-1], outputs).uniform_(-bound, bound))
        self.head_bias = nn.Parameter(torch.empty(members * outputs).uniform_(-bound, bound))

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Answers [M, B, O] of the members."""
        x_BF = self.columns(batch).flatten(1)
        x = x_BF.unsqueeze(0)
        if self.members > 1:
            x = x * self.scale.view(self.members, 1, -1)
        for layer in self.layers:
            x = self.dropout(torch.relu(layer(x)))
        return torch.baddbmm(self.head_bias.view(self.members, 1, -1), x, self.head)
