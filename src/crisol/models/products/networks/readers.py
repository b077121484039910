"""The network's own first layers: words attend to words, patches to patches.

A pre-trained encoder may replace either (:mod:`crisol.models.products.networks.pretrained`).

Legend: N products, T words, P patches, S pixels, D dimensions.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crisol.core.layers.attention import Stack
from crisol.models.products.networks.encoding import Inputs
from crisol.models.products.networks.patches import Patches
from crisol.models.products.networks.presets import Sizes
from crisol.models.products.networks.tokens import TEXTS


class WordReader(nn.Module):
    """The layers of the words; the first token stands for the whole text."""

    def __init__(self, vocabulary: int, sizes: Sizes, dropout: float, checkpointing: bool) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, sizes.dimensions)
        self.fields = nn.Embedding(len(TEXTS), sizes.dimensions)
        self.stack = Stack(
            sizes.own_layers, sizes.dimensions, sizes.heads, sizes.feedforward, dropout,
            gradient_checkpointing=checkpointing,
        )  # fmt: skip

    def forward(self, inputs: Inputs, first_ND: Tensor) -> tuple[Tensor, Tensor]:
        """The states [N, 1 + T, D] and the mask of those present [N, 1 + T]."""
        x_NTD = self.tokens(inputs["tokens"]) + self.fields(inputs["fields"])
        x_NTD = torch.cat([first_ND[:, None], x_NTD], dim=1)
        present = F.pad(inputs["present"], (1, 0), value=True)
        return self.stack(
            x_NTD, word_positions(x_NTD.shape[1], x_NTD.device), attention_mask(present)
        ), present


class PatchReader(nn.Module):
    """The layers of the patches."""

    def __init__(self, sizes: Sizes, dropout: float, checkpointing: bool) -> None:
        super().__init__()
        self.patches = Patches(sizes.patch, sizes.dimensions)
        self.stack = Stack(
            sizes.own_layers, sizes.dimensions, sizes.heads, sizes.feedforward, dropout,
            gradient_checkpointing=checkpointing,
        )  # fmt: skip

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The states [N, P, D] of pictures [N, 3, S, S], and the positions [P, 2] of patches."""
        x_NPD, where = self.patches(images)
        return self.stack(x_NPD, where), where


def attention_mask(present: Tensor) -> Tensor:
    """[N, T, T] the mask in which each token attends to those present, and to itself."""
    return present[:, None] | torch.eye(present.shape[1], dtype=torch.bool, device=present.device)


def word_positions(length: int, device: torch.device) -> Tensor:
    """[length, 2] the positions of words, in the form of patch positions."""
    return torch.arange(length, device=device)[:, None].expand(-1, 2)
