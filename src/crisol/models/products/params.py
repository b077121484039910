"""The three parameter sections of `products`; every value is checked before the first node."""

import re
import unicodedata
from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, Strict, model_validator

from crisol.core.candidate import GateRule
from crisol.core.params import (
    NAMES_A_FILE,
    NAMES_AN_ENCODER,
    Count,
    Float32,
    OperatorOnly,
    Params,
    ThreadCount,
    Width,
)
from crisol.core.studies import ByStudy, StudiesParams, completed, part_of
from crisol.core.training.loop_params import LoopParams
from crisol.models.products.linear_params import (
    BackbonesParams,
    LinearParams,
    NeighboursParams,
)
from crisol.models.products.read_params import CatalogueReadParams, mark_of_word
from crisol.models.products.study_params import Names, StudyParams

Preset = Literal["tiny", "base", "large"]
MemberName = Literal["linear", "neighbours", "transformer"]


AUTO = "auto"
"""The gate's metric, where the heads that are learned decide it."""
_STUDY = "catalogue"


class SampleParams(Params):
    """Settings of the committed sample; a file of one's own takes none of them."""

    register_study: str | None = None
    studies: Annotated[tuple[StudyParams, ...], Strict(False)] | None = None
    synthetic: bool | None = None
    currency: str | None = None
    matching: Names | None = None
    gate: GateRule | None = None


class DataParams(StudiesParams[StudyParams]):
    """The section ``products.data``; the ensemble of the registered study is the predictor.

    Without ``studies`` there is one, of all products, with the name of the file.
    """

    file: Annotated[str, OperatorOnly(NAMES_A_FILE)] = ""
    """A table of your own products, instead of the catalog's. This and the next two are given with
    ``--params``, and are part of the record that ``kedro reproduce`` trains from."""
    images: Annotated[str, OperatorOnly(NAMES_A_FILE)] = ""
    """The folder of their pictures."""
    pairs: Annotated[str, OperatorOnly(NAMES_A_FILE)] = ""
    """A table of your own pairs on which the embedding is tested."""
    sample: SampleParams = SampleParams()
    """Values of the fields below that hold while no ``file`` is given."""
    read: CatalogueReadParams = CatalogueReadParams()
    """The formats of the products and pairs."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Our column to its name in your file: ``{title: product_name, price: cost}``."""
    currency: str = Field(default="", pattern=r"^([A-Z]{3})?$")
    """Currency of products that name none; it also settles marks such as ``$``."""
    category_separator: str = Field(default="", max_length=5)
    """The mark between the levels of a category; unset: recognised, ``none``: there are no
    levels."""
    category_list: Annotated[str, BeforeValidator(mark_of_word), Field(max_length=5)] = ""
    """The mark between several categories of a product, such as ``comma``; unset: recognised."""
    unreadable_prices: float = Field(default=0.0, ge=0, lt=1)
    """Largest share of prices that may be left empty because they cannot be read."""
    image_size: int = Field(default=64, ge=16, le=512)
    """Pixels of each side of the models' input pictures."""
    matching: Names = ()
    """Sources of the pairs on which the embedding is tested for matching products. Unset: those of
    ``pairs``."""
    gate: GateRule = GateRule(metric=AUTO, tolerance=0.01)
    """``metric: auto`` is accuracy where categories are learned, else R² of the log-price."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        """The sample's values where there is no file, and the one study where none is named."""
        if not isinstance(given, Mapping):
            return given
        values = dict(given)
        sample = values.get("sample")
        if not values.get("file") and isinstance(sample, Mapping):
            values = _merged(sample, values)
        if not values.get("studies"):
            values["studies"] = [{"name": study_name(str(values.get("file") or ""))}]
        studies = values["studies"]
        alone = isinstance(studies, list | tuple) and len(studies) == 1
        if alone and not values.get("register_study"):
            only = studies[0]
            values["register_study"] = (
                only.get("name") if isinstance(only, Mapping) else getattr(only, "name", None)
            )
        return values


def study_name(file: str) -> str:
    """The name of the study of all products of a file.

    >>> study_name("/shop/Wein & Öl 2024.csv"), study_name("7.csv"), study_name("")
    ('wein_ol_2024', 'catalogue', 'catalogue')
    """
    stem = unicodedata.normalize("NFKD", PurePath(file).stem).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_")
    return plain[:40] if plain[:1].isalpha() else _STUDY


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """The values of both; those of ``above`` win, also within mappings."""
    whole = dict(below)
    for name, value in above.items():
        lower = whole.get(name)
        if isinstance(lower, Mapping) and isinstance(value, Mapping):
            value = _merged(lower, value)
        whole[name] = value
    return whole


class NetworkParams(Params):
    """The transformer; ``preset`` sets every size that is left at ``None``."""

    preset: Preset | None = None
    """Unset: by the number of products, see :mod:`crisol.models.products.sizing`."""
    dimensions: Width | None = Field(default=None, ge=8)
    heads: Width | None = Field(default=None, ge=1)
    own_layers: Width | None = Field(default=None, ge=1)
    """Layers in which words attend to words and patches to patches."""
    shared_layers: Width | None = Field(default=None, ge=1)
    """Layers above them, in which all tokens attend to words and patches."""
    feedforward: Width | None = Field(default=None, ge=8)
    patch: Width | None = Field(default=None, ge=4)
    """Pixels of each side of a patch."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    embedding: Width | None = Field(default=None, ge=8)
    """Length of the product's embedding."""
    vocabulary: Count = Field(default=8000, ge=300)
    title_tokens: Count = Field(default=32, ge=4)
    attribute_tokens: Count = Field(default=48, ge=0)
    description_tokens: Count = Field(default=64, ge=0)
    terms: Count | None = Field(default=None, ge=16)
    """Buckets into which words, word pairs and pieces of words are hashed, for the bag of terms
    beside the tokens."""
    gradient_checkpointing: bool = False
    text_encoder: Annotated[str | None, OperatorOnly(NAMES_AN_ENCODER)] = None
    """A text encoder of the transformers library, by its name in the store of backbones
    (``kedro fetch weights NAME``) or a local directory, in place of the word layers."""
    image_encoder: Annotated[str | None, OperatorOnly(NAMES_AN_ENCODER)] = None
    """An image encoder, likewise, in place of the patch layers."""
    frozen_encoders: bool = True

    @property
    def pretrained(self) -> bool:
        """Whether any encoder is a pre-trained one."""
        return self.text_encoder is not None or self.image_encoder is not None


class MembersParams(Params):
    """The members of the ensemble and their parameters."""

    members: Annotated[tuple[MemberName, ...], Strict(False)] = ("linear", "transformer")
    backbones: BackbonesParams = Field(default_factory=BackbonesParams)
    """Pretrained encoders whose vectors the linear and the kernel member use."""
    linear: LinearParams = Field(default_factory=LinearParams)
    neighbours: NeighboursParams = Field(default_factory=NeighboursParams)
    network: NetworkParams = Field(default_factory=NetworkParams)

    @model_validator(mode="after")
    def _check_members(self) -> Self:
        if len(set(self.members)) != len(self.members):
            raise ValueError("members: name each once")
        missing = {"linear", "transformer"} - set(self.members)
        if missing:
            raise ValueError(
                f"members: {sorted(missing)[0]!r} is missing; linear is the baseline and the "
                "transformer makes the embeddings"
            )
        return self


class ModelParams(ByStudy, MembersParams):
    """The section ``products.model``; ``by_study: {flipkart: {network: {preset: tiny}}}``."""

    def of_study(self, study: str) -> MembersParams:
        """The members of one study."""
        return part_of(self, MembersParams, completed(self, self.by_study.get(study, {})))


class NetworkLoop(LoopParams):
    """The training loop of the transformer."""

    epochs: Count = Field(default=12, ge=1)
    batch_size: Count = Field(default=64, ge=1)
    learning_rate: Float32 = Field(default=1e-3, gt=0)
    weight_decay: Float32 = Field(default=0.05, ge=0)
    schedule: Literal["constant", "cosine", "onecycle", "plateau"] = "cosine"
    warmup_fraction: float = Field(default=0.1, ge=0, lt=1)
    monitor: str | None = None
    cpu_threads: ThreadCount | None = 1
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    modality_dropout: float = Field(default=0.2, ge=0, lt=1)
    """Probability of removing each part of a product in training; its last part stays."""
    word_dropout: float = Field(default=0.1, ge=0, lt=1)
    word_swap: float = Field(default=0.05, ge=0, lt=1)
    image_augmentation: bool = True
    """Mirror, crop and change the brightness and contrast of pictures in training."""
    modality_contrast: Float32 = Field(default=1.0, ge=0)
    """Weight of InfoNCE between a product's text and its picture."""
    view_contrast: Float32 = Field(default=0.5, ge=0)
    """Weight of InfoNCE between two augmented views of a product's text."""


class TrainParams(ByStudy, NetworkLoop):
    """The section ``products.train``."""

    def of_study(self, study: str) -> NetworkLoop:
        """The loop of one study."""
        return part_of(self, NetworkLoop, self.by_study.get(study, {}))
