"""The settings of each algorithm. Light: importing it loads no library.

A single fit uses the defaults; AutoML has its own portfolio and search spaces.
"""

from typing import Annotated

from pydantic import Field, Strict

from crisol.core.params import Count, Float32, Params, Width
from crisol.models.tabular.schema import Task

Sizes = Annotated[tuple[Annotated[Width, Field(ge=1)], ...], Strict(False), Field(max_length=100)]


class AlgorithmSettings(Params):
    """The base of every algorithm's settings."""


class TableSettings(AlgorithmSettings):
    """The base of what learns from numbers and categories."""

    pairs: int = Field(default=0, ge=0, le=50)
    """Number of sums, differences and ratios of two numbers to add where they help
    (:mod:`crisol.models.tabular.features.pairs`)."""


class LinearSettings(TableSettings):
    """Logistic or ridge regression on standardised numbers, one-hot categories and words."""

    c: Float32 = Field(default=1.0, gt=0)
    """Inverse strength of the penalty."""
    max_words: Count = Field(default=50_000, ge=1)
    splines: bool = False
    """Give numbers a piecewise-linear basis of their quantiles."""


class RandomForestSettings(TableSettings):
    """Breiman's random forest (scikit-learn)."""

    trees: Count = Field(default=300, ge=1)
    max_depth: Width | None = Field(default=None, ge=1)
    min_leaf: Count = Field(default=1, ge=1)
    max_features: float | None = Field(default=None, gt=0, le=1)
    """Share of the features looked at per split; ``None``: the square root (classes) or 1/3."""
    extra: bool = False
    """Extremely randomised trees."""


class BoostingSettings(TableSettings):
    """The settings that XGBoost and LightGBM share."""

    learning_rate: Float32 = Field(default=0.05, gt=0)
    max_iterations: Count = Field(default=3000, ge=1)
    stopping_rounds: Count = Field(default=100, ge=1)
    """Iterations without improvement on the validation rows before it stops."""
    feature_fraction: float = Field(default=1.0, gt=0, le=1)
    row_fraction: float = Field(default=1.0, gt=0, le=1)
    l1: Float32 = Field(default=0.0, ge=0)
    l2: Float32 = Field(default=1.0, ge=0)


class LightGBMSettings(BoostingSettings):
    """LightGBM; categories are its own native ones."""

    leaves: Count = Field(default=31, ge=2)
    min_leaf: Count = Field(default=20, ge=0)
    """Rows in a leaf; of small tables at most a tenth of them."""
    max_depth: Width = Field(default=-1, ge=-1)
    max_bin: Width = Field(default=255, ge=2)
    extra_trees: bool = False
    cat_smooth: Float32 = Field(default=10.0, ge=0)
    linear_tree: bool = False


class XGBoostSettings(BoostingSettings):
    """XGBoost, histogram method; categories are its own native ones."""

    max_depth: Width = Field(default=6, ge=1)
    min_child_weight: Float32 = Field(default=1.0, ge=0)
    max_bin: Width = Field(default=256, ge=2)


class NetworkSettings(AlgorithmSettings):
    """The settings that the networks share; the section ``train`` configures the loop."""

    epochs: Count = Field(default=40, ge=1)
    """Unless ``train.epochs`` was set."""
    learning_rate: Float32 = Field(default=1e-3, gt=0)
    batch_size: Count = Field(default=256, ge=1)
    weight_decay: Float32 = Field(default=1e-4, ge=0)
    patience: Count = Field(default=8, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)


class MLPSettings(NetworkSettings, TableSettings):
    """A multilayer perceptron on piecewise-linear embeddings of numbers (arXiv:2203.05556)."""

    learning_rate: Float32 = Field(default=3e-3, gt=0)
    hidden: Sizes = (256, 256)
    bins: Width = Field(default=64, ge=2)
    embedding: Width = Field(default=12, ge=1)


class TabMSettings(MLPSettings):
    """TabM (arXiv:2410.24210): many MLPs in one, whose answers are averaged."""

    learning_rate: Float32 = Field(default=1e-2, gt=0)
    members: Width = Field(default=8, ge=1)


class FTTransformerSettings(NetworkSettings, TableSettings):
    """FT-Transformer (arXiv:2106.11959): every column a token."""

    learning_rate: Float32 = Field(default=3e-3, gt=0)
    width: Width = Field(default=64, ge=8)
    blocks: Width = Field(default=2, ge=1)
    heads: Width = Field(default=4, ge=1)


class TextTransformerSettings(NetworkSettings):
    """A transformer encoder on byte-pair tokens, learned from scratch."""

    epochs: Count = Field(default=15, ge=1)
    learning_rate: Float32 = Field(default=3e-3, gt=0)
    width: Width = Field(default=96, ge=8)
    blocks: Width = Field(default=2, ge=1)
    heads: Width = Field(default=4, ge=1)
    vocabulary: Count = Field(default=8000, ge=64)
    max_tokens: Count = Field(default=128, ge=8)


class LSTMSettings(NetworkSettings):
    """A bidirectional LSTM with attention on byte-pair tokens."""

    epochs: Count = Field(default=15, ge=1)
    learning_rate: Float32 = Field(default=3e-3, gt=0)
    hidden: Width = Field(default=96, ge=8)
    width: Width = Field(default=96, ge=8)
    layers: Width = Field(default=1, ge=1)
    vocabulary: Count = Field(default=8000, ge=64)
    max_tokens: Count = Field(default=128, ge=8)


class CNNSettings(NetworkSettings):
    """A small residual convolutional network for pictures."""

    epochs: Count = Field(default=20, ge=1)
    learning_rate: Float32 = Field(default=3e-3, gt=0)
    batch_size: Count = Field(default=64, ge=1)
    channels: Sizes = (32, 64, 128)
    mirror: bool = True
    """Whether a picture's mirror image is of the same class."""


class KMeansSettings(AlgorithmSettings):
    """k-means (scikit-learn); without ``clusters`` the best silhouette between 2 and 12 decides."""

    clusters: Count | None = Field(default=None, ge=2)


class HDBSCANSettings(AlgorithmSettings):
    """HDBSCAN (scikit-learn): clusters of any shape, and rows that belong to none."""

    min_cluster_size: Count | None = Field(default=None, ge=2)
    min_samples: Count | None = Field(default=None, ge=1)


SETTINGS: dict[str, type[AlgorithmSettings]] = {
    "linear": LinearSettings,
    "random_forest": RandomForestSettings,
    "xgboost": XGBoostSettings,
    "lightgbm": LightGBMSettings,
    "mlp": MLPSettings,
    "tabm": TabMSettings,
    "ft_transformer": FTTransformerSettings,
    "text_transformer": TextTransformerSettings,
    "lstm": LSTMSettings,
    "cnn": CNNSettings,
    "kmeans": KMeansSettings,
    "hdbscan": HDBSCANSettings,
}
"""By the name of the algorithm."""
_TABLES: frozenset[Task] = frozenset({"classification", "regression", "text"})
_CLUSTERS: frozenset[Task] = frozenset({"clustering"})
TASKS: dict[str, frozenset[Task]] = {
    **dict.fromkeys(SETTINGS, _TABLES),
    "cnn": frozenset({"classification", "regression", "image"}),
    "kmeans": _CLUSTERS,
    "hdbscan": _CLUSTERS,
}
"""The tasks of each algorithm, known without loading its library."""
