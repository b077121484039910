"""The labels of a study's products, from which its members learn."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.models.products.data.taxonomy import Taxonomy
from crisol.models.products.member import Targets
from crisol.models.products.study_params import StudyParams


@dataclass(frozen=True)
class Labels:
    """The labels of N products in a catalogue, by row.

    Attributes:
        main: [N] main category; empty where it is not known.
        sub: [N] category below it; empty where there is none, or the study has one level.
        log_price: [N] natural logarithm; NaN where it is not known.
        rating: [N] customers' mean rating; NaN where it is not known or has too few votes.
    """

    main: NDArray[np.object_]
    sub: NDArray[np.object_]
    log_price: Floats
    rating: Floats

    def __len__(self) -> int:
        return len(self.main)

    def take(self, rows: NDArray[np.int64]) -> "Labels":
        """The labels of some rows."""
        return Labels(self.main[rows], self.sub[rows], self.log_price[rows], self.rating[rows])

    def targets(self, taxonomy: Taxonomy | None, scale: "RatingScale | None") -> Targets:
        """The members' targets; leaves need a taxonomy and ratings a scale to be known."""
        unknown = np.full(len(self), np.nan)
        leaf = (
            np.full(len(self), -1, np.int64)
            if taxonomy is None
            else taxonomy.codes(list(self.main), list(self.sub))
        )
        return Targets(leaf, self.log_price, unknown if scale is None else scale.rank(self.rating))


@dataclass(frozen=True)
class RatingScale:
    """The rank of a rating among those of the training products.

    Attributes:
        ratings: [R] of the training products, ascending.
    """

    ratings: Floats

    def rank(self, ratings: Floats) -> Floats:
        """[N] the share of training ratings below each rating, ties counted half; NaN stays NaN."""
        below = np.searchsorted(self.ratings, ratings, "left")
        upto = np.searchsorted(self.ratings, ratings, "right")
        ranks = (below + upto) / (2 * len(self.ratings))
        return np.where(np.isnan(ratings), np.nan, ranks)


def labels_of(products: pd.DataFrame, study: StudyParams, currency: str | None = None) -> Labels:
    """The labels of every product of a canonical table.

    Prices in different currencies cannot be compared: only those in ``currency`` are used, by
    default the most frequent one.
    """
    price = products["price"].to_numpy(np.float64)
    wanted = currency_of(products) if currency is None else currency
    same = products["currency"].to_numpy() == wanted
    counted = products["votes"].to_numpy(np.float64) >= study.min_votes
    two = study.category_levels == 2
    empty = np.full(len(products), "", object)
    return Labels(
        products["category"].to_numpy(object),
        products["subcategory"].to_numpy(object) if two else empty,
        np.where(same, np.log(np.where(price > 0, price, np.nan)), np.nan),
        np.where(counted, products["rating"].to_numpy(np.float64), np.nan),
    )


def currency_of(products: pd.DataFrame) -> str:
    """The most frequent currency of the prices; empty where none is named."""
    named = products.loc[products["price"].notna(), "currency"]
    return str(named.mode().iloc[0]) if len(named) else ""


def taxonomy_of(labels: Labels, study: StudyParams) -> Taxonomy | None:
    """The leaves with enough training products; ``None`` where there are fewer than two."""
    leaves = pd.Series(list(zip(labels.main, labels.sub, strict=True)), dtype=object)
    leaves = leaves[[bool(main) for main, _ in leaves]]
    counts = leaves.value_counts()
    enough = counts[counts >= study.min_category_rows].index
    if len(enough) < 2 or counts[enough].sum() < study.min_task_rows:
        return None
    return Taxonomy(tuple(sorted(enough)))


def rating_scale(labels: Labels, study: StudyParams) -> RatingScale | None:
    """The scale of the training ratings; ``None`` where there are too few."""
    known = np.sort(labels.rating[~np.isnan(labels.rating)])
    return RatingScale(known) if len(known) >= study.min_task_rows else None


def priced(labels: Labels, train: NDArray[np.int64], study: StudyParams) -> Labels:
    """The labels, without prices where the training rows have too few of them."""
    if (~np.isnan(labels.log_price[train])).sum() >= study.min_task_rows:
        return labels
    return Labels(labels.main, labels.sub, np.full(len(labels), np.nan), labels.rating)
