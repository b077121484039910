"""Is an entry of one shop the same product as an entry of another? A test of the embedding.

The pairs and their division are those of DeepMatcher (Mudgal et al., SIGMOD 2018) as Ditto has them
(Li et al., arXiv:2004.00584): F1 of the pairs that match. The tables' texts, without labels, weigh
the words (as both shops' catalogues are known when they are matched); labels are learned from the
part ``train``, thresholds and nothing else from ``valid``, and ``test`` is answered once.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.models.products.data.records import ProductRecord, category_levels, clean_record
from crisol.models.products.data.taxonomy import SEPARATOR
from crisol.models.products.data.validation import ProductsError
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
    """Match every source of pairs by several methods.

    - ``embedding cosine`` and ``TF-IDF cosine``: a threshold.
    - ``matcher``: trees over the symbolic measures and the cosine of the embeddings, each pair on
      its own; ``matcher without embedding`` lacks that cosine.
    - ``matcher in its tables``: also sees how a pair stands among the other pairs that its entries
      could make with the entries of the other table.

    Args:
        pairs: canonical.
        embed: N records to [N, D] of length 1.
        seed: of the trees.

    Returns:
        ``source``, ``method``, ``f1``, ``f1_low`` and ``f1_high`` (95 % bootstrap interval over
        pairs), ``precision``, ``recall``, ``threshold``, ``pairs`` and ``matches`` (of the test
        part).

    Raises:
        ProductsError: a part of a source that lacks pairs that match, or pairs that do not.
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
        # A bare cosine has nothing to learn but its threshold: both parts choose it.
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
    """[P] probability of a match: the mean of randomised and of boosted trees."""
    from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier

    inputs = np.column_stack(list(features.values()))
    models = (
        ExtraTreesClassifier(TREES, min_samples_leaf=2, random_state=seed),
        HistGradientBoostingClassifier(max_iter=ROUNDS, learning_rate=0.05, random_state=seed),
    )
    said = [model.fit(inputs[train], label[train]).predict_proba(inputs)[:, 1] for model in models]
    return np.asarray(np.mean(said, axis=0))


def _measured(
    method: str,
    score: NDArray[np.float64],
    label: NDArray[Any],
    choosing: NDArray[np.bool_],
    test: NDArray[np.bool_],
) -> dict[str, Any]:
    threshold = best_threshold(score[choosing], label[choosing])
    said, true = score[test] >= threshold, label[test] == 1
    counts = np.array([(a & b).sum() for a in (said, ~said) for b in (true, ~true)])
    hits, wrong, missed, _ = counts
    # Pairs drawn with replacement: only how many of each of the four kinds come matters.
    drawn = np.random.default_rng(0).multinomial(len(true), counts / len(true), RESAMPLES)
    low, high = np.quantile(_f1(drawn), (0.025, 0.975))
    return {
        "method": method,
        "f1": round(float(_f1(counts[None])[0]), 4),
        "f1_low": round(float(low), 4),
        "f1_high": round(float(high), 4),
        "precision": round(float(hits / max(hits + wrong, 1)), 4),
        "recall": round(float(hits / (hits + missed)), 4),
        "threshold": threshold,
        "pairs": len(true),
        "matches": int(true.sum()),
    }


def _f1(counts_N4: NDArray[Any]) -> NDArray[np.float64]:
    """[N] of hits, wrongly called, missed and rightly left pairs."""
    hits, wrong, missed = counts_N4[:, 0], counts_N4[:, 1], counts_N4[:, 2]
    return np.asarray(2 * hits / np.maximum(2 * hits + wrong + missed, 1))


def best_threshold(score: NDArray[np.float64], label: NDArray[Any]) -> float:
    """The lowest score to call a match for the highest F1; of equals the higher one.

    >>> best_threshold(np.array([0.9, 0.8, 0.3, 0.1]), np.array([1, 1, 0, 1]))
    0.1
    """
    order = np.argsort(-score, kind="stable")
    ranked, hits = score[order], np.cumsum(label[order])
    f1 = 2 * hits / (np.arange(1, len(ranked) + 1) + label.sum())
    # Equal scores are called together: only the last of them is a threshold.
    last = np.append(ranked[1:] < ranked[:-1], True)
    return float(ranked[np.argmax(np.where(last, f1, -1))])
