"""The transformer as a member of the ensemble: predictions and embeddings of records."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from crisol.core.arrays import Floats, unit
from crisol.core.training.seeding import preserved_randomness
from crisol.models.products.data.records import ProductRecord
from crisol.models.products.member import Forecast, Member
from crisol.models.products.networks.encoding import (
    EncodedProduct,
    Inputs,
    ProductEncoder,
    inputs_of,
    pictures_of,
)
from crisol.models.products.networks.patches import scaled_pixels
from crisol.models.products.networks.presets import sizes
from crisol.models.products.networks.pretrained import (
    IMAGE,
    TEXT,
    PretrainedPatchReader,
    PretrainedTokenizer,
    PretrainedWordReader,
    empty_encoder,
    write_encoder,
)
from crisol.models.products.networks.product_network import ProductNetwork
from crisol.models.products.networks.readers import PatchReader, WordReader
from crisol.models.products.networks.tokens import BytePairs
from crisol.models.products.params import NetworkParams

ENCODER, WEIGHTS, IDF = "encoder.json", "network.safetensors", "idf"
BATCH = 64
STEP = 8
"""The length of a batch, that of its longest text, is rounded up to a multiple of this."""


@dataclass(frozen=True)
class NetworkOutput:
    """The network's output for N products.

    Attributes:
        forecast: the predictions.
        embedding: [N, E] of length 1: the mean of text and picture, or the one that is present;
            zeros without both.
        text: [N, E] of length 1; zeros without a text.
        has_text: [N] whether a product has a text.
        image: [N, E] of length 1; zeros without a picture.
        has_image: [N] whether a product has a picture.
        agreement: [N] cosine of text and picture; NaN where one of them is missing.
    """

    forecast: Forecast
    embedding: Floats
    text: Floats
    has_text: NDArray[np.bool_]
    image: Floats
    has_image: NDArray[np.bool_]
    agreement: Floats


class TransformerMember(Member):
    """A trained network with the encoder of its inputs.

    Args:
        network: the trained network; it is put into evaluation mode.
        encoder: encodes records.
        params: the parameters from which the network was built.
    """

    name: ClassVar[str] = "transformer"

    def __init__(
        self, network: ProductNetwork, encoder: ProductEncoder, params: NetworkParams
    ) -> None:
        self.network, self.encoder, self.params = network.eval(), encoder, params
        self.embedding_id = self._digest()

    @property
    def embedding_size(self) -> int:
        """The length E of the embeddings."""
        return int(self.network.text.out_features)

    # -- answering -------------------------------------------------------------------------------

    def encode_one(self, record: ProductRecord) -> EncodedProduct:
        """The encoding of one product; it does not use the network and may run in any thread."""
        return self.encoder(record)

    def outputs(self, records: Sequence[ProductRecord]) -> NetworkOutput:
        """The network's output for N records."""
        return self.outputs_encoded([self.encoder(record) for record in records])

    def outputs_encoded(self, encoded: Sequence[EncodedProduct]) -> NetworkOutput:
        """The network's output for N products encoded by :meth:`encode_one`.

        A batch holds products of similar length, either all with or all without pictures.
        """
        found = self._run(encoded, self.network)
        has_text, has_image = _there(encoded)
        text, image = found["text"] * has_text[:, None], found["image"]
        agreement = np.where(has_text & has_image, (text * image).sum(1), np.nan)
        return NetworkOutput(
            self._forecast(found), unit(text + image), text, has_text, image, has_image, agreement
        )

    def forecast(self, records: Sequence[ProductRecord]) -> Forecast:
        """See :class:`~crisol.models.products.member.Member`."""
        return self.outputs(records).forecast

    def embed(self, records: Sequence[ProductRecord]) -> Floats:
        """[N, E] the embeddings of :meth:`outputs` alone, in a third of its time."""
        return self.embed_encoded([self.encoder(record) for record in records])

    def embed_encoded(self, encoded: Sequence[EncodedProduct]) -> Floats:
        """[N, E] the embeddings of products encoded by :meth:`encode_one`."""
        found = self._run(encoded, self.network.embed)
        return unit(found["text"] * _there(encoded)[0][:, None] + found["image"])

    def _run(
        self,
        encoded: Sequence[EncodedProduct],
        network: Callable[[Inputs, Tensor], dict[str, Tensor]],
    ) -> dict[str, Floats]:
        """The network's tensors, computed in batches of similar products, in the given order."""
        found: dict[str, Floats] = {}
        for rows in _batches(encoded) or [np.zeros(0, np.int64)]:
            batch = [encoded[row] for row in rows] or [_NOTHING]
            for name, values in self._run_batch(batch, network).items():
                shape = (len(encoded), *values.shape[1:])
                found.setdefault(name, np.zeros(shape, values.dtype))[rows] = values[: len(rows)]
        return found

    def _run_batch(
        self,
        batch: Sequence[EncodedProduct],
        network: Callable[[Inputs, Tensor], dict[str, Tensor]],
    ) -> dict[str, Floats]:
        device = self.network.start.device
        # A picture that several products share, as the variants of one do, is encoded once.
        distinct = {id(one.pixels): one for one in batch if one.pixels is not None}
        place = {key: row for row, key in enumerate(distinct)}
        inputs = inputs_of(batch, STEP)
        inputs["image_row"] = torch.tensor([place.get(id(one.pixels), -1) for one in batch])
        inputs = {name: part.to(device) for name, part in inputs.items()}
        with torch.inference_mode():
            out = network(inputs, scaled_pixels(pictures_of(list(distinct.values())).to(device)))
        return {name: part.float().cpu().numpy() for name, part in out.items()}

    def _forecast(self, found: Mapping[str, Floats]) -> Forecast:
        tasks = self.network.tasks
        mean, spread = self.encoder.scale
        leaf = torch.from_numpy(found["leaf"]).double().log_softmax(1).numpy()
        rating = torch.from_numpy(found["rating"]).double().sigmoid().numpy()
        return Forecast(
            leaf if "leaf" in tasks else None,
            found["log_price"].astype(np.float64) * spread + mean if "log_price" in tasks else None,
            rating if "rating" in tasks else None,
        )

    # -- storing ---------------------------------------------------------------------------------

    def write(self, directory: Path) -> dict[str, Any]:
        """Write ``network.safetensors``, ``encoder.json`` and the tokenizer."""
        weights = {name: part.contiguous() for name, part in self.network.state_dict().items()}
        save_file({**weights, IDF: torch.from_numpy(self.encoder.idf)}, directory / WEIGHTS)
        (directory / ENCODER).write_text(json.dumps(self.encoder.state()))
        self.encoder.words.write(directory)
        words, patches = self.network.words, self.network.patches
        if isinstance(words, PretrainedWordReader):
            write_encoder(words.model, directory / TEXT)
        if isinstance(patches, PretrainedPatchReader):
            write_encoder(patches.model, directory / IMAGE, patches.preprocessing)
        return {
            # The sizes are written out, because a later version may change a preset.
            "params": {**self.params.model_dump(mode="json"), **asdict(sizes(self.params))},
            "mains": self.network.main_of_C.tolist(),
            "tasks": list(self.network.tasks),
        }

    @classmethod
    def read(cls, directory: Path, manifest: Mapping[str, Any]) -> "TransformerMember":
        """The inverse of :meth:`write`."""
        params = NetworkParams.model_validate(manifest["params"])
        weights = load_file(directory / WEIGHTS)
        text = None if params.text_encoder is None else empty_encoder(directory / TEXT)[0]
        image = None if params.image_encoder is None else empty_encoder(directory / IMAGE)
        words = (
            BytePairs.load(directory)
            if text is None
            else PretrainedTokenizer.load(directory / TEXT)
        )
        state = json.loads((directory / ENCODER).read_text())
        encoder = ProductEncoder.restore(state, words, weights.pop(IDF).numpy())
        mains = torch.tensor(manifest["mains"], dtype=torch.long)
        with preserved_randomness():  # another thread may be training
            network = build(params, encoder, mains, manifest["tasks"], text=text, image=image)
        network.load_state_dict(weights)
        return cls(network, encoder, params)

    def _digest(self) -> str:
        """The id of the embedding space: a digest of the weights and of the encoder."""
        digest = hashlib.sha256()
        for name, part in sorted(self.network.state_dict().items()):
            digest.update(name.encode())
            digest.update(part.detach().cpu().contiguous().numpy().tobytes())
        digest.update(self.encoder.idf.tobytes())
        digest.update(json.dumps(self.encoder.state(), sort_keys=True).encode())
        digest.update(self.encoder.words.digest().encode())
        return digest.hexdigest()[:16]


def build(
    params: NetworkParams,
    encoder: ProductEncoder,
    main_of_C: Tensor,
    tasks: Sequence[str],
    *,
    text: Any = None,
    image: tuple[Any, dict[str, Any]] | None = None,
) -> ProductNetwork:
    """An untrained network.

    Args:
        params: its sizes.
        encoder: its tokens and names set the sizes of the embedding tables.
        main_of_C: see :class:`~crisol.models.products.networks.product_network.ProductNetwork`.
        tasks: likewise.
        text: a pre-trained text encoder in place of the own word layers.
        image: a pre-trained image encoder and its preprocessing, likewise.
    """
    chosen, checkpointing = sizes(params), params.gradient_checkpointing
    words: nn.Module = (
        WordReader(encoder.words.size, chosen, params.dropout, checkpointing)
        if text is None
        else PretrainedWordReader(text, chosen.dimensions, frozen=params.frozen_encoders)
    )
    patches: nn.Module = (
        PatchReader(chosen, params.dropout, checkpointing)
        if image is None
        else PretrainedPatchReader(
            image[0], chosen.dimensions, image[1], frozen=params.frozen_encoders
        )
    )
    return ProductNetwork(
        chosen, words, patches, encoder.names.sizes, main_of_C, tasks,
        dropout=params.dropout, gradient_checkpointing=checkpointing,
    )  # fmt: skip


def _there(encoded: Sequence[EncodedProduct]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """[N], [N] the masks of the products with a text and of those with a picture."""
    has_text = np.array([len(one.tokens) > 0 for one in encoded], np.bool_)
    return has_text, np.array([one.pixels is not None for one in encoded], np.bool_)


def _batches(encoded: Sequence[EncodedProduct]) -> list[NDArray[np.int64]]:
    """The rows of every batch: first products without a picture, both parts sorted by length."""
    _, has_image = _there(encoded)
    lengths = np.array([len(one.tokens) for one in encoded], np.int64)
    order = np.lexsort((lengths, has_image))
    parts = order[~has_image[order]], order[has_image[order]]
    return [part[at : at + BATCH] for part in parts for at in range(0, len(part), BATCH)]


_EMPTY = np.zeros(0, np.int32)
_NOTHING = EncodedProduct(
    _EMPTY, _EMPTY.astype(np.int8), _EMPTY.astype(np.int16), _EMPTY, _EMPTY.astype(np.float32),
    _EMPTY.astype(np.int8), None, float("nan"), (0, 0, 0, 0),
)  # fmt: skip
