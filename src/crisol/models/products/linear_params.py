"""Parameters of the members that are fitted in closed form or by convex optimisation."""

from pydantic import Field

from crisol.core.params import Params


class FeatureParams(Params):
    """What is seen of a product: TF-IDF of words and characters, names, category, price, picture.

    Words and characters have length one each; the other weights are beside them.
    """

    max_features: int = Field(default=60_000, ge=100)
    """Words and pairs of words, of all texts."""
    max_characters: int = Field(default=40_000, ge=0)
    """Sequences of 3 to 5 characters of the title; 0: none."""
    min_rows: int = Field(default=2, ge=1)
    """A term counts when so many products have it."""
    names: float = Field(default=0.5, ge=0)
    """Weight of the brand, and of the title's first words, which name it where it is not said."""
    category: float = Field(default=0.5, ge=0)
    """Weight of the given category, in price and rating."""
    price: float = Field(default=0.3, ge=0)
    """Weight of the given price, in category and rating."""
    image_components: int = Field(default=32, ge=0)
    """Principal components of the picture beside the text; 0: text alone."""
    image: float = Field(default=0.5, ge=0)
    """Their weight."""


class LinearParams(FeatureParams):
    """Linear heads: logistic regressions and ridge regressions."""

    inverse_regularisation: float = Field(default=3.0, gt=0)
    """C of the logistic regressions."""
    price_ridge: float = Field(default=0.7, gt=0)
    rating_ridge: float = Field(default=3.0, gt=0)


class NeighboursParams(FeatureParams):
    """Kernel ridge regression: what training products are and cost, the more alike the more."""

    category: float = Field(default=1.0, ge=0)
    price: float = Field(default=0.5, ge=0)
    sharpness: float = Field(default=0.2, gt=0)
    """How fast likeness ``exp(-sharpness · distance²)`` fades."""
    leaf_ridge: float = Field(default=0.3, gt=0)
    price_ridge: float = Field(default=0.1, gt=0)
    rating_ridge: float = Field(default=0.4, gt=0)
    max_rows: int = Field(default=10_000, ge=10)
    """Products that are compared with; of more, so many are drawn, and all still teach."""
