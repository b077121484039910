"""Columns of a table as vectors of one length.

Legend: B rows, T tokens, E length of a token, D numbers, C categories, S texts, Q bins, W words.

Sources: piecewise-linear encoding of numbers, a linear layer of its own for each (Gorishniy et al.,
arXiv:2203.05556), in the form of TabM (arXiv:2410.24210): a linear embedding to which the
piecewise-linear one, zero at first, is added.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from crisol.models.tabular.networks.table_inputs import BUCKETS, TableInputs

TEXT_TOKENS = 4
"""Tokens of one text column."""


class ColumnEmbedding(nn.Module):
    """Tensors of :class:`TableInputs` to tokens [B, T, E]: numbers, categories, texts.

    Args:
        inputs: what the tensors will come from.
        length: E.
    """

    slopes: Tensor
    offsets: Tensor

    def __init__(self, inputs: TableInputs, length: int) -> None:
        super().__init__()
        shape = inputs.shape
        self.tokens = shape.numbers + shape.categories + TEXT_TOKENS * shape.texts
        self.length = length
        bound = length**-0.5

        def drawn(*size: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(*size).uniform_(-bound, bound))

        if shape.numbers:
            # Fixed by the inputs, which are stored beside the weights.
            self.register_buffer("slopes", torch.from_numpy(inputs.slopes), persistent=False)
            self.register_buffer("offsets", torch.from_numpy(inputs.offsets), persistent=False)
            self.weight = drawn(shape.numbers, length)
            self.bias = drawn(shape.numbers, length)
            self.pieces = nn.Parameter(torch.zeros(shape.numbers, shape.bins, length))
            self.missing = nn.Parameter(torch.zeros(shape.numbers, length))
        if shape.categories:
            self.categories = nn.Embedding(shape.rows, length, padding_idx=0)
            with torch.no_grad():
                self.categories.weight[1:].uniform_(-bound, bound)
        if shape.texts:
            self.words = nn.EmbeddingBag(BUCKETS, TEXT_TOKENS * length, mode="mean", padding_idx=0)
            with torch.no_grad():
                self.words.weight[1:].uniform_(-bound, bound)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """[B, T, E]."""
        tokens = []
        if "numbers" in batch:
            tokens.append(self._numbers(batch["numbers"], batch["missing"]))
        if "rows" in batch:
            tokens.append(self.categories(batch["rows"]))
        if "words" in batch:
            words_BSW = batch["words"]
            bags = self.words(words_BSW.flatten(0, 1))
            tokens.append(bags.view(len(words_BSW), -1, self.length))
        return tokens[0] if len(tokens) == 1 else torch.cat(tokens, dim=1)

    def _numbers(self, z_BD: Tensor, missing_BD: Tensor) -> Tensor:
        z_BD1 = z_BD.unsqueeze(-1)
        filled_BDQ = torch.addcmul(self.offsets, z_BD1, self.slopes).clamp_(0, 1)
        pieces_DBE = torch.bmm(filled_BDQ.transpose(0, 1), self.pieces)
        base_BDE = torch.addcmul(self.bias, z_BD1, self.weight)
        missing_BDE = missing_BD.unsqueeze(-1) * self.missing
        return base_BDE + pieces_DBE.transpose(0, 1) + missing_BDE
