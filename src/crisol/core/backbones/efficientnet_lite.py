"""EfficientNet-Lite0 (Tan and Le, arXiv:1905.11946; the Lite variant of TensorFlow, Apache-2.0).

The names of the parameters are those of the published weights. Lite means: no squeeze and
excitation, ReLU6, stem and head of fixed width. TensorFlow's SAME padding pads at the right and at
the bottom; the batch norms have an epsilon of 1e-3.

Legend: N pictures, S pixels a side, C channels.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEATURES = 1280
_STAGES = (
    # kernel, stride, expansion, channels, blocks
    (3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4), (3, 1, 6, 320, 1),
)  # fmt: skip


class _SameConv(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding."""

    def forward(self, x_NCSS: Tensor) -> Tensor:
        """[N, C, ceil(S / stride), ceil(S / stride)]."""
        pads: list[int] = []
        for size, kernel, stride in zip(
            reversed(x_NCSS.shape[-2:]), reversed(self.kernel_size), reversed(self.stride),
            strict=True,
        ):  # fmt: skip
            need = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [need // 2, need - need // 2]
        return super().forward(F.pad(x_NCSS, pads))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class _Block(nn.Module):
    """An inverted residual: widen, filter each channel, narrow."""

    def __init__(self, kernel: int, stride: int, expansion: int, inner: int, outer: int) -> None:
        super().__init__()
        wide = inner * expansion
        self.residual = stride == 1 and inner == outer
        self.widens = expansion > 1
        if self.widens:
            self._expand_conv = nn.Conv2d(inner, wide, 1, bias=False)
            self._bn0 = _norm(wide)
        self._depthwise_conv = _SameConv(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = _norm(wide)
        self._project_conv = nn.Conv2d(wide, outer, 1, bias=False)
        self._bn2 = _norm(outer)

    def forward(self, x_NCSS: Tensor) -> Tensor:
        """[N, outer, S', S']."""
        y = F.relu6(self._bn0(self._expand_conv(x_NCSS))) if self.widens else x_NCSS
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        found: Tensor = y + x_NCSS if self.residual else y
        return found


class EfficientNetLite0(nn.Module):
    """The features of pictures, and the logits of ImageNet's 1,000 classes."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _SameConv(3, 32, 3, 2, bias=False)
        self._bn0 = _norm(32)
        blocks: list[nn.Module] = []
        inner = 32
        for kernel, stride, expansion, channels, repeats in _STAGES:
            for repeat in range(repeats):
                blocks.append(_Block(kernel, 1 if repeat else stride, expansion, inner, channels))
                inner = channels
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = nn.Conv2d(inner, FEATURES, 1, bias=False)
        self._bn1 = _norm(FEATURES)
        self._fc = nn.Linear(FEATURES, 1000)

    def forward(self, pixels_NCSS: Tensor) -> Tensor:
        """[N, 1280] features of pictures [N, 3, S, S] as bytes' values, 0 to 255."""
        x = (pixels_NCSS - 127.0) / 128.0
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        return F.relu6(self._bn1(self._conv_head(x))).mean((2, 3))

    def logits(self, pixels_NCSS: Tensor) -> Tensor:
        """[N, 1000] of ImageNet's classes."""
        logits: Tensor = self._fc(self(pixels_NCSS))
        return logits


def load_efficientnet(folder: Path) -> EfficientNetLite0:
    """The network with the weights of a backbone's folder, in evaluation mode.

    Raises:
        RuntimeError: the weights are those of another network.
    """
    from safetensors.torch import load_file

    network = EfficientNetLite0()
    network.load_state_dict(load_file(folder / "model.safetensors"))
    with torch.no_grad():
        return network.eval()
