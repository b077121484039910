"""Parameters of the members that are fitted in closed form or by convex optimisation."""

from typing import Annotated

from pydantic import Field

from crisol.core.backbone_reference import Precision
from crisol.core.params import (
    NAMES_AN_ENCODER,
    Count,
    Float32,
    OperatorOnly,
    Params,
    Width,
)


class BackbonesParams(Params):
    """Pretrained encoders, by their names in the store (``kedro fetch weights``)."""

    text: Annotated[str | None, OperatorOnly(NAMES_AN_ENCODER)] = None
    """``minilm``, or another encoder of texts; unset: none."""
    picture: Annotated[str | None, OperatorOnly(NAMES_AN_ENCODER)] = None
    """``efficientnet_lite0``, or another encoder of pictures; unset: none."""
    precision: Precision = "fp32"
    """Of the encoder of texts."""


class FeatureParams(Params):
    """Features of a product: TF-IDF of words and characters, names, category, price, picture.

    The word block and the character block have length one each; the weights below scale the other
    blocks.
    """

    max_features: Count = Field(default=60_000, ge=100)
    """Most words and word pairs, over all texts."""
    max_characters: Count = Field(default=40_000, ge=0)
    """Most sequences of 3 to 5 characters of the title; 0: none."""
    min_rows: Count = Field(default=2, ge=1)
    """Least number of products that must have a term."""
    names: Float32 = Field(default=0.5, ge=0)
    """Weight of the brand, and of the title's first words, which often name it."""
    attributes: Float32 = Field(default=0.5, ge=0)
    """Weight of attribute names, and of names with values."""
    topics: Width = Field(default=0, ge=0)
    """Latent directions of all texts; 0: none."""
    topic_weight: Float32 = Field(default=0.7, ge=0)
    """Weight of the topics."""
    quantities: Float32 = Field(default=0.2, ge=0)
    """Weight of the quantities named in texts: length, weight, number of pieces."""
    category: Float32 = Field(default=0.5, ge=0)
    """Weight of the given category, for price and rating."""
    price: Float32 = Field(default=0.3, ge=0)
    """Weight of the given price, for category and rating."""
    image_components: Width = Field(default=32, ge=0)
    """Principal components of the picture; 0: text alone."""
    image: Float32 = Field(default=0.5, ge=0)
    """Weight of the picture."""
    title_meaning: Float32 = Field(default=0.5, ge=0)
    """Weight of the title's vector by the text backbone, where there is one."""
    text_meaning: Float32 = Field(default=0.5, ge=0)
    """Weight of the description's vector by the text backbone."""
    picture_meaning: Float32 = Field(default=0.5, ge=0)
    """Weight of the picture's vector by the picture backbone."""
    meaning_components: Width = Field(default=128, ge=1)
    """Principal components of each of these vectors."""


class LinearParams(FeatureParams):
    """Linear heads: logistic regressions and ridge regressions."""

    inverse_regularisation: Float32 | None = Field(default=None, gt=0)
    """C of the logistic regressions. ``None``: chosen on held-out training products, because
    categories that overlap need a smaller C than categories that single words tell apart."""
    price_ridge: Float32 = Field(default=0.7, gt=0)
    rating_ridge: Float32 = Field(default=3.0, gt=0)


class NeighboursParams(FeatureParams):
    """Kernel ridge regression: the more similar a training product, the more it counts.

    The scale of each block of columns is chosen by the leave-one-out error of ``search_rows``
    training products, for category, price and rating separately; the weights of the columns
    themselves are one.
    """

    names: Float32 = Field(default=1.0, ge=0)
    attributes: Float32 = Field(default=1.0, ge=0)
    topics: Width = Field(default=128, ge=0)
    topic_weight: Float32 = Field(default=1.0, ge=0)
    quantities: Float32 = Field(default=1.0, ge=0)
    category: Float32 = Field(default=1.0, ge=0)
    price: Float32 = Field(default=1.0, ge=0)
    image: Float32 = Field(default=1.0, ge=0)
    title_meaning: Float32 = Field(default=1.0, ge=0)
    text_meaning: Float32 = Field(default=1.0, ge=0)
    picture_meaning: Float32 = Field(default=1.0, ge=0)
    search_rows: Count = Field(default=1000, ge=0)
    """0: no search; every block keeps its starting scale."""
    max_rows: Count = Field(default=12_000, ge=10)
    """Most training products; from a larger set, so many are drawn at random."""
