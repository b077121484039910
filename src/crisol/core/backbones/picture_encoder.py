"""Features of pictures by ONNX Runtime (EfficientNet-Lite0).

Legend: N pictures, S pixels a side, D dimensions.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image

from crisol.core.arrays import Floats
from crisol.core.backbone_reference import BackboneReference
from crisol.core.backbones import store
from crisol.core.backbones.efficientnet_size import SIZE
from crisol.core.backbones.graphs import GRAPHS
from crisol.core.backbones.store import Backbone
from crisol.core.data.pictures import Pixels
from crisol.core.onnx_session import cpu_session

BATCH = 16


class PictureEncoder:
    """Turns pictures into feature vectors, at least 0.

    Args:
        backbone: of the kind ``picture``.
        threads: processor threads of a call.

    Raises:
        BackboneError: its graph is missing or changed.
    """

    def __init__(self, backbone: Backbone, threads: int = 1) -> None:
        graph = GRAPHS["fp32"]
        backbone.check((graph,))
        self.reference = backbone.reference()
        self._session = cpu_session(backbone.folder / graph, threads)
        self.dimensions = int(self._session.get_outputs()[0].shape[-1])

    def encode(self, pictures: Sequence[Pixels]) -> Floats:
        """[N, D] float32 features of RGB pictures [S, S, 3] uint8 of any size."""
        vectors = np.zeros((len(pictures), self.dimensions), np.float32)
        for start in range(0, len(pictures), BATCH):
            scaled = np.stack([_scaled(one) for one in pictures[start : start + BATCH]])
            vectors[start : start + BATCH] = self._session.run(None, {"pixels": scaled})[0]
        return vectors


@lru_cache(maxsize=4)
def picture_encoder(reference: BackboneReference, threads: int = 1) -> PictureEncoder:
    """The encoder of a reference; loaded once in a process.

    Raises:
        BackboneError: the backbone is missing, changed, or of another kind.
    """
    return PictureEncoder(store.referred(reference), threads)


def _scaled(pixels: Pixels) -> Floats:
    """[3, S, S] float32, 0 to 255."""
    if pixels.shape[:2] != (SIZE, SIZE):
        resized = Image.fromarray(pixels).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
        pixels = np.asarray(resized)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32)
