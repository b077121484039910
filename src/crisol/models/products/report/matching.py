"""Tests the embedding on product matching: do entries of two shops describe one product?

The pairs and their split are those of DeepMatcher (Mudgal et al., SIGMOD 2018) in the version of
Ditto (Li et al., arXiv:2004.00584); the metric is the F1 of the matching pairs. The word weights
use the texts of both tables without labels (both catalogues are known when they are matched).
Classifiers are fitted on the part ``train``, thresholds on ``valid``; ``test`` is predicted once.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.metrics import confusion_matrix, precision_score, recall_score

from crisol.core.arrays import Floats
from crisol.models.products.data.catalogue_table import ProductsError
from crisol.models.products.data.cells.category_paths import category_levels
from crisol.models.products.data.records import ProductRecord, clean_record
from crisol.models.products.data.taxonomy import SEPARATOR
from crisol.models.products.report.pair_features import EntryPairs, Features, symbolic
from crisol.models.products.report.pair_words import ShopEntry

Embed = Callable[[Sequence[ProductRecord]], Floats]

EMBEDDING, WORDS = "embedding cosine", "TF-IDF cosine"
WITHOUT, MATCHER = "matcher without embedding", "matcher"
IN_TABLES = "matcher in its tables"
CHUNK = 512
TREES, ROUNDS = 200, 200
RESAMPLES = 1_000


def match_products(pairs: pd.DataFrame, embed: Embed, seed: int = 0) -> pd.DataFrame:
    """The results of several matching methods on every source of pairs.

    - ``embedding cosine`` and ``TF-IDF cosine``: a threshold.
    - ``matcher``: trees on the symbolic features and the cosine of the embeddings of each pair;
      ``matcher without embedding`` does not use the cosine.
    - ``matcher in its tables``: trees that also use the rank of a pair among the other pairs which
      its entries could form with entries of the other table.

    Args:
        pairs: canonical.
        embed: returns the embeddings [N, D] of N records, of length 1.
        seed: of the trees.

    Returns:
        ``source``, ``method``, ``f1``, ``f1_low`` and ``f1_high`` (95 % bootstrap interval over
        pairs), ``precision``, ``recall``, ``threshold``, ``pairs`` and ``matches`` (of the test
        part).

    Raises:
        ProductsError: a part of a source has no matching pairs, or only matching pairs.
    """
    rows = []
    for source, own in pairs.groupby("source", sort=False):
        _check(str(source), own)
        rows += [{"source": source, **row} for row in _match(own, embed, seed)]
    return pd.DataFrame(rows)


def _check(source: str, pairs: pd.DataFrame) -> None:
    for part in ("train", "valid", "test"):
        if pairs.loc[pairs["part"] == part, "match"].nunique() < 2:
            raise ProductsError(
                f"pairs: the part {part!r} of {source!r} needs pairs that match and pairs that do "
                "not; the matcher learns from train, its threshold from valid, and test is measured"
            )


def _match(table: pd.DataFrame, embed: Embed, seed: int) -> list[dict[str, Any]]:
    pairs = EntryPairs.of(table)
    symbols, standing = symbolic(pairs)
    vectors = [_embedded(side.entries, embed) for side in pairs]
    cosine = {"embedding": pairs.compared(*vectors)}
    everything = symbols | cosine | standing | pairs.standing("embedding", *vectors)
    label, part = table["match"].to_numpy(), table["part"].to_numpy()
    learning = part != "test"
    found = []
    for method, score in ((EMBEDDING, cosine["embedding"]), (WORDS, symbols["joined_all"])):
        # A cosine needs only a threshold, which is chosen on both parts.
        found.append(_measured(method, score, label, learning, part == "test"))
    for method, features in (
        (WITHOUT, symbols), (MATCHER, symbols | cosine), (IN_TABLES, everything),
    ):  # fmt: skip
        score = _learned(features, label, part == "train", seed)
        found.append(_measured(method, score, label, part == "valid", part == "test"))
    return found


def _embedded(entries: Sequence[ShopEntry], embed: Embed) -> Floats:
    records = [
        clean_record(
            entry.title,
            description=entry.description,
            brand=entry.brand,
            category=SEPARATOR.join(level for level in category_levels(entry.category) if level),
            price=entry.price,
        )
        for entry in entries
    ]
    starts = range(0, len(records), CHUNK)
    return np.concatenate([embed(records[start : start + CHUNK]) for start in starts])


def _learned(
    features: Features, label: NDArray[Any], train: NDArray[np.bool_], seed: int
) -> NDArray[np.float64]:
    """[P] the probability of a match: the mean of extremely randomised and boosted trees."""
    inputs = np.column_stack(list(features.values()))
    models = (
        ExtraTreesClassifier(TREES, min_samples_leaf=2, random_state=seed),
        HistGradientBoostingClassifier(max_iter=ROUNDS, learning_rate=0.05, random_state=seed),
    )
    predicted = [
        model.fit(inputs[train], label[train]).predict_proba(inputs)[:, 1] for model in models
    ]
    return np.asarray(np.mean(predicted, axis=0))


def _measured(
    method: str,
    score: NDArray[np.float64],
    label: NDArray[Any],
    choosing: NDArray[np.bool_],
    test: NDArray[np.bool_],
) -> dict[str, Any]:
    threshold = best_threshold(score[choosing], label[choosing])
    predicted, true = score[test] >= threshold, label[test] == 1
    (unmatched, wrong), (missed, hits) = confusion_matrix(true, predicted, labels=(False, True))
    counts = np.array([hits, wrong, missed, unmatched])
    # Pairs drawn with replacement: F1 depends on the number of each of the four kinds only.
    drawn = np.random.default_rng(0).multinomial(len(true), counts / len(true), RESAMPLES)
    low, high = np.quantile(_f1(drawn), (0.025, 0.975))
    return {
        "method": method,
        "f1": round(float(_f1(counts[None])[0]), 4),
        "f1_low": round(float(low), 4),
        "f1_high": round(float(high), 4),
        "precision": round(float(precision_score(true, predicted, zero_division=0)), 4),
        "recall": round(float(recall_score(true, predicted)), 4),
        "threshold": threshold,
        "pairs": len(true),
        "matches": int(true.sum()),
    }


def _f1(counts_N4: NDArray[Any]) -> NDArray[np.float64]:
    """[N] the F1 from counts of true and false positives, false and true negatives."""
    hits, wrong, missed = counts_N4[:, 0], counts_N4[:, 1], counts_N4[:, 2]
    return np.asarray(2 * hits / np.maximum(2 * hits + wrong + missed, 1))


def best_threshold(score: NDArray[np.float64], label: NDArray[Any]) -> float:
    """The threshold of the highest F1; the higher one of equally good thresholds.

    >>> best_threshold(np.array([0.9, 0.8, 0.3, 0.1]), np.array([1, 1, 0, 1]))
    0.1
    """
    order = np.argsort(-score, kind="stable")
    ranked, hits = score[order], np.cumsum(label[order])
    f1 = 2 * hits / (np.arange(1, len(ranked) + 1) + label.sum())
    # Equal scores fall on the same side: only the last of them is a threshold.
    last = np.append(ranked[1:] < ranked[:-1], True)
    return float(ranked[np.argmax(np.where(last, f1, -1))])
