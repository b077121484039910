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
    attributes: float = Field(default=0.5, ge=0)
    """Weight of the attributes' names, and of names with values."""
    topics: int = Field(default=0, ge=0)
    """Latent directions of all texts; 0: none."""
    topic_weight: float = Field(default=0.7, ge=0)
    """Their weight."""
    quantities: float = Field(default=0.2, ge=0)
    """Weight of the amounts that texts name: how long, how heavy, how many."""
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

    inverse_regularisation: float | None = Field(default=None, gt=0)
    """C of the logistic regressions; none: chosen on training products that are held out, for
    categories that overlap want less of it than such as words tell apart."""
    price_ridge: float = Field(default=0.7, gt=0)
    rating_ridge: float = Field(default=3.0, gt=0)


class NeighboursParams(FeatureParams):
    """Kernel ridge regression: what training products are and cost, the more alike the more.

    How much each block of columns counts is found by leaving one out among ``search_rows``
    training products, for category, price and rating each; the weights of the columns themselves
    are one.
    """

    names: float = Field(default=1.0, ge=0)
    attributes: float = Field(default=1.0, ge=0)
    topics: int = Field(default=128, ge=0)
    topic_weight: float = Field(default=1.0, ge=0)
    quantities: float = Field(default=1.0, ge=0)
    category: float = Field(default=1.0, ge=0)
    price: float = Field(default=1.0, ge=0)
    image: float = Field(default=1.0, ge=0)
    search_rows: int = Field(default=1000, ge=0)
    """0: every block counts as much as at the start of the search."""
    max_rows: int = Field(default=12_000, ge=10)
    """Products that are learned from and compared with; of more, so many are drawn."""
