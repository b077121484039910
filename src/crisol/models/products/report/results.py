"""Scores the predictions of every method for one study's test products, head by head."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from crisol.core import metrics
from crisol.core.arrays import Floats
from crisol.models.products.data.taxonomy import SEPARATOR
from crisol.models.products.methods.labels import currency_of, labels_of
from crisol.models.products.params import DataParams
from crisol.models.products.report.ablations import ENSEMBLE, WHOLE
from crisol.models.products.study_params import StudyParams

Head = Literal["category", "main category", "price", "rating"]
HEADS: tuple[Head, ...] = ("category", "main category", "price", "rating")
METRIC: dict[Head, str] = {
    "category": "accuracy",
    "main category": "accuracy",
    "price": "R² of the log-price",
    "rating": "Spearman's rank correlation",
}
RESAMPLES = 500
SMALLEST = 5
"""Least number of test products for a score."""


@dataclass(frozen=True)
class HeadScore:
    """The score of one method for one head, on the test products with a known target."""

    value: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True)
class StudyResult:
    """The predictions and targets of one study.

    Attributes:
        study: the study.
        answers: see :func:`crisol.models.products.report.ablations.forecast_table`, with the
            truth beside it:
            ``true_leaf, true_main, true_log_price, true_rating``.
        ranks: the ranks of pictures searched by words: ``method, row, rank, of``.
        currency: of the prices.
        trained: number of training products in the first fold.
        guesses: accuracy of the most frequent leaf and main category of the training products.
        constants: the most frequent leaf (empty: none is known) and the mean log-price (NaN: none
            is known) of the training products.
    """

    study: StudyParams
    answers: pd.DataFrame
    ranks: pd.DataFrame
    currency: str
    trained: int
    guesses: dict[Head, float]
    constants: dict[Head, str | float]
    found: dict[tuple[str, str, str], HeadScore | None] = field(default_factory=dict, repr=False)
    """Cache of :meth:`measured`, whose scores several tables and figures show."""

    def methods(self) -> list[tuple[str, str]]:
        """Every method and view, in the order of the table."""
        pairs = self.answers[["method", "view"]].drop_duplicates()
        return list(pairs.itertuples(index=False, name=None))

    def of(self, method: str, view: str = WHOLE) -> pd.DataFrame:
        """The predictions of one method in one view, by row."""
        table = self.answers
        chosen = table[(table["method"] == method) & (table["view"] == view)]
        return chosen.set_index("row").sort_index()

    def measured(self, head: Head, method: str, view: str = WHOLE) -> HeadScore | None:
        """The score of a head; ``None`` without predictions or with too few known targets."""
        key = head, method, view
        if key not in self.found:
            self.found[key] = self._measure(head, method, view)
        return self.found[key]

    def _measure(self, head: Head, method: str, view: str) -> HeadScore | None:
        pair = truth_and_answer(self.of(method, view), head)
        if pair is None:
            return None
        truth, answer = pair
        if head in ("price", "rating") and np.ptp(truth) == 0:
            return None  # constant targets have no variance to explain and no ranks
        if head in ("category", "main category"):
            found = metrics.bootstrap_interval(truth, answer, resamples=RESAMPLES)
        elif head == "price":
            found = metrics.bootstrap_interval(truth, answer, metric="r2", resamples=RESAMPLES)
        else:
            return _spearman(truth, answer)
        return HeadScore(found.value, found.low, found.high, len(truth))

    def heads(self) -> list[Head]:
        """The heads that the ensemble has learned and that can be scored."""
        two = self.study.category_levels == 2
        candidates = [head for head in HEADS if head != "main category" or two]
        return [head for head in candidates if self.measured(head, ENSEMBLE) is not None]


def truth_and_answer(table: pd.DataFrame, head: Head) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """The targets and predictions of rows with a known target; ``None`` where they are too few."""
    columns = {
        "category": ("true_leaf", "leaf"),
        "main category": ("true_main", "main"),
        "price": ("true_log_price", "log_price"),
        "rating": ("true_rating", "rating"),
    }
    target, prediction = columns[head]
    if head in ("category", "main category"):
        known = table[table[target] != ""]
        if known.empty or (known[prediction] == "").all():
            return None
    else:
        known = table[table[target].notna()]
        if known[prediction].isna().any():
            return None
    if len(known) < SMALLEST:
        return None
    return known[target].to_numpy(), known[prediction].to_numpy()


def study_results(
    products: pd.DataFrame,
    parts: pd.DataFrame,
    answers: pd.DataFrame,
    ranks: pd.DataFrame,
    data: DataParams,
) -> list[StudyResult]:
    """The predictions and targets of every study."""
    return [
        _study_result(
            study,
            products,
            parts[parts["study"] == study.name],
            answers[answers["study"] == study.name],
            ranks[ranks["study"] == study.name],
        )
        for study in data.studies
    ]


def _study_result(
    study: StudyParams,
    products: pd.DataFrame,
    parts: pd.DataFrame,
    answers: pd.DataFrame,
    ranks: pd.DataFrame,
) -> StudyResult:
    own = products.iloc[np.sort(parts.loc[parts["role"] != "helper", "row"].unique())]
    truth = truth_of(own, study)
    first = parts[(parts["fold"] == 0) & (parts["role"] == "train")]["row"].to_numpy()
    joined = answers.join(truth, on="row").reset_index(drop=True)
    tested = truth.loc[np.sort(joined["row"].unique())]
    return StudyResult(
        study,
        joined,
        ranks,
        currency_of(own),
        len(first),
        {
            "category": _most_frequent(truth["true_leaf"].loc[first], tested["true_leaf"]),
            "main category": _most_frequent(truth["true_main"].loc[first], tested["true_main"]),
        },
        {
            "category": _mode(truth["true_leaf"].loc[first]) or "",
            "price": float(truth["true_log_price"].loc[first].mean()),
        },
    )


def truth_of(products: pd.DataFrame, study: StudyParams) -> pd.DataFrame:
    """The targets of products, by their position in the canonical table."""
    labels = labels_of(products, study)
    leaves = [
        SEPARATOR.join(part for part in leaf if part)
        for leaf in zip(labels.main, labels.sub, strict=True)
    ]
    return pd.DataFrame(
        {
            "true_leaf": leaves,
            "true_main": labels.main,
            "true_log_price": labels.log_price,
            "true_rating": labels.rating,
        },
        index=products.index,
    )


def _most_frequent(trained: Iterable[str], tested: pd.Series) -> float:
    guess, tested = _mode(trained), tested[tested != ""]
    if guess is None or tested.empty:
        return float("nan")
    return float((tested == guess).mean())


def _mode(names: Iterable[str]) -> str | None:
    """The most frequent name; ``None`` where none is known."""
    known = pd.Series([name for name in names if name], dtype=object)
    return None if known.empty else str(known.mode().iloc[0])


def _spearman(truth: Floats, answer: Floats) -> HeadScore:
    """Spearman's rank correlation with a bootstrap percentile interval over products.

    Resampled products keep their ranks among all products. The correlation of a constant is 0.
    """
    ranks = [rankdata(values) - (len(truth) + 1) / 2 for values in (truth, answer)]
    both = np.stack([ranks[0] * ranks[1], ranks[0] ** 2, ranks[1] ** 2, *ranks], axis=1)
    drawn = np.random.default_rng(0).multinomial(
        len(truth), np.full(len(truth), 1 / len(truth)), size=RESAMPLES
    )
    low, high = np.quantile(_correlation(drawn @ both / len(truth)), [0.025, 0.975])
    value = float(_correlation(both.mean(axis=0)))
    return HeadScore(value, float(low), float(high), len(truth))


def _correlation(means: Floats) -> Floats:
    """[...] the correlations from the means [..., 5] of xy, x², y², x, y; 0 for a constant."""
    xy, xx, yy, x, y = np.moveaxis(means, -1, 0)
    spread = np.sqrt(np.maximum((xx - x**2) * (yy - y**2), 0.0))
    correlation: Floats = np.divide(xy - x * y, spread, out=np.zeros_like(spread), where=spread > 0)
    return correlation
