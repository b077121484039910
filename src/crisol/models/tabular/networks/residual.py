"""A small residual network for pictures (He et al., arXiv:1512.03385, pre-activation 1603.05027).

Group normalisation (arXiv:1803.08494): an answer does not depend on the rest of its batch.
Legend: B pictures, S edge, C channels, O outputs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from crisol.core.errors import MendableError
from crisol.models.tabular.features.encoded_rows import Features
from crisol.models.tabular.networks.head import Head
from crisol.models.tabular.networks.table_inputs import TableInputs
from crisol.models.tabular.networks.text_inputs import COLUMN_BINS

CROP = 16
"""A training picture is shifted by up to a sixteenth of its edge."""
GROUP = 8
"""Channels that are normalised together."""
LARGE = 32
"""Pictures of this edge and above are halved by the first convolution: four times as quick."""


@dataclass(frozen=True)
class PictureInputs:
    """Fitted on training rows: how bright pictures are, and the other columns.

    Attributes:
        mean: [3] of the colours, of 255.
        spread: [3] their standard deviations.
        edge: S.
        table: the other columns.
    """

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    edge: int
    table: TableInputs

    @classmethod
    def fit(cls, features: Features) -> Self:
        """Brightness of the training pictures.

        Raises:
            MendableError: there are none.
        """
        if features.images is None:
            raise MendableError("cnn: needs a column of pictures; for tables take tabm")
        counts = np.stack(
            [np.bincount(features.images[..., c].ravel(), minlength=256) for c in range(3)]
        )
        shares = counts / counts.sum(1, keepdims=True)
        values = np.arange(256)
        mean = shares @ values
        spread = np.sqrt(np.maximum(shares @ values**2 - mean**2, 1.0))
        table = TableInputs.fit(features, COLUMN_BINS)
        edge = features.images.shape[1]
        return cls(mean.astype(np.float32), spread.astype(np.float32), edge, table)

    def tensors(self, features: Features) -> dict[str, Tensor]:
        """``images`` uint8 [B, S, S, 3], beside those of :meth:`TableInputs.tensors`."""
        assert features.images is not None
        return {"images": torch.from_numpy(features.images), **self.table.tensors(features)}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """For safetensors."""
        edge = np.array([self.edge], np.int64)
        return {"mean": self.mean, "spread": self.spread, "edge": edge, **self.table.arrays()}

    @classmethod
    def read(cls, arrays: Mapping[str, NDArray[Any]], texts: tuple[str, ...]) -> Self:
        """The inverse of :meth:`arrays`."""
        table = TableInputs.read(arrays, texts)
        edge = int(arrays["edge"][0])
        return cls(arrays["mean"].copy(), arrays["spread"].copy(), edge, table)


class Residual(nn.Module):
    """Two 3x3 convolutions whose result is added: [B, C, S, S] to [B, C', S / stride, …]."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first_norm, self.second_norm = _norm(before), _norm(after)
        self.first = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.second = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.short: nn.Module = nn.Identity()
        if stride > 1 or before != after:
            self.short = nn.Conv2d(before, after, 1, stride=stride, bias=False)
        nn.init.zeros_(self.second.weight)  # a block begins as its short way

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        read = torch.relu(self.first_norm(x))
        changed = self.second(torch.relu(self.second_norm(self.first(read))))
        out: Tensor = self.short(read if not isinstance(self.short, nn.Identity) else x) + changed
        return out


class ResidualNetwork(nn.Module):
    """Residual blocks, two a stage; each stage but the first halves the edge.

    In training pictures are shifted a little and, if ``mirror``, half of them mirrored.

    Args:
        inputs: brightness and other columns.
        channels: of the stages.
        outputs: O.
        dropout: before the last layer.
        mirror: whether a picture's mirror image is of the same class.
    """

    mean: Tensor
    spread: Tensor

    def __init__(
        self,
        inputs: PictureInputs,
        channels: Sequence[int],
        outputs: int,
        dropout: float,
        *,
        mirror: bool,
    ) -> None:
        super().__init__()
        self.mirror = mirror
        self.register_buffer("mean", torch.from_numpy(inputs.mean), persistent=False)
        self.register_buffer("spread", torch.from_numpy(inputs.spread), persistent=False)
        stride = 2 if inputs.edge >= LARGE else 1
        self.begin = nn.Conv2d(3, channels[0], 3, stride=stride, padding=1, bias=False)
        blocks: list[nn.Module] = [Residual(channels[0], channels[0], 1)]
        for before, after in pairwise(channels):
            blocks += [Residual(before, after, 2), Residual(after, after, 1)]
        self.blocks = nn.Sequential(*blocks, _norm(channels[-1]), nn.ReLU())
        self.head = Head(channels[-1], inputs.table, outputs, dropout)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Answers [1, B, O]."""
        images_BSS3 = batch["images"]
        if self.training:
            images_BSS3 = varied(images_BSS3, mirror=self.mirror)
        x = ((images_BSS3.float() - self.mean) / self.spread).permute(0, 3, 1, 2)
        answer: Tensor = self.head(self.blocks(self.begin(x)).mean((2, 3)), batch)
        return answer


def varied(images_BSS3: Tensor, *, mirror: bool) -> Tensor:
    """Every picture shifted by its own random amount, edges repeated, and perhaps mirrored."""
    rows, edge = images_BSS3.shape[:2]
    device = images_BSS3.device
    limit = edge // CROP
    place_S = torch.arange(edge, device=device)
    shift_2B = torch.randint(-limit, limit + 1, (2, rows, 1), device=device)
    down_BS, right_BS = (place_S + shift_2B).clamp_(0, edge - 1)
    if mirror:
        turned_B1 = torch.rand(rows, 1, device=device) < 0.5
        right_BS = torch.where(turned_B1, right_BS.flip(1), right_BS)
    number_B = torch.arange(rows, device=device)
    return images_BSS3[number_B[:, None, None], down_BS[:, :, None], right_BS[:, None, :]]


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(max(1, channels // GROUP) if channels % GROUP == 0 else 1, channels)
