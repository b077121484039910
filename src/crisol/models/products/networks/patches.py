"""Patch tokens of pictures by a stack of convolutions.

Early convolutions let a transformer learn from fewer pictures than cutting them into squares does
(Xiao et al., arXiv:2106.14881).
"""

import torch
from torch import Tensor, nn


class Patches(nn.Module):
    """3x3 convolutions of stride 2, which halve the sides until each patch is one token.

    Args:
        patch: pixels of each side of a patch, a power of 2.
        dimensions: D.

    Raises:
        ValueError: the patch is not a power of 2.
    """

    def __init__(self, patch: int, dimensions: int) -> None:
        super().__init__()
        halvings = patch.bit_length() - 1
        if patch != 2**halvings or not halvings:
            raise ValueError(f"patch: must be 4, 8, 16 or another power of 2, is {patch}")
        widths = [max(16, dimensions // 2 ** (halvings - 1 - step)) for step in range(halvings)]
        layers: list[nn.Module] = []
        channels = 3
        for width in [*widths[:-1], dimensions]:
            layers += [
                nn.Conv2d(channels, width, 3, stride=2, padding=1),
                nn.GroupNorm(1, width),
                nn.GELU(),
            ]
            channels = width
        self.convolutions = nn.Sequential(*layers, nn.Conv2d(dimensions, dimensions, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The tokens [B, P, D] and positions [P, 2] of pictures [B, 3, S, S] in [-1, 1]."""
        grid = self.convolutions(images)
        return grid.flatten(2).transpose(1, 2), patch_positions(
            grid.shape[2], grid.shape[3], grid.device
        )


def patch_positions(rows: int, columns: int, device: torch.device) -> Tensor:
    """[rows * columns, 2] the row and column of every patch."""
    grid = torch.meshgrid(
        torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij"
    )
    return torch.stack(grid, dim=-1).flatten(0, 1)


def scaled_pixels(pixels: Tensor) -> Tensor:
    """[B, 3, S, S] in [-1, 1], the pixels of bytes [B, S, S, 3]."""
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1
