"""The score of clusters, whose true groups are unknown."""

import numpy as np

from crisol.core.arrays import Floats
from crisol.models.tabular.features.encoded_rows import Features

SAMPLE = 2000
NOISE_COST = 1.0


def silhouette(features: Features, clusters: Floats) -> float:
    """Mean silhouette of a sample (Rousseeuw 1987), lowered by the share of rows in no cluster.

    Distances are Euclidean between standardised numbers (missing: the mean) and one-hot categories.
    One cluster, or every row in its own, is worth -1.
    """
    from sklearn.metrics import silhouette_score

    labels = clusters.astype(np.int64)
    inside = np.flatnonzero(labels >= 0)
    if len(inside) > SAMPLE:
        inside = np.sort(np.random.default_rng(0).choice(inside, SAMPLE, replace=False))
    found = len(np.unique(labels[inside]))
    if not 2 <= found < len(inside):
        return -1.0
    share = float(np.mean(labels >= 0))
    score = float(silhouette_score(points(features)[inside], labels[inside]))
    return score * share - NOISE_COST * (1 - share) if score > 0 else score


def points(features: Features) -> Floats:
    """Rows as points [N, D]: standardised numbers beside one-hot categories."""
    numbers = features.numbers
    blocks = []
    if numbers.shape[1]:
        with np.errstate(all="ignore"):
            centre = np.nan_to_num(np.nanmean(numbers, axis=0))
            spread = np.nan_to_num(np.nanstd(numbers, axis=0))
        blocks.append(
            np.nan_to_num((numbers - centre) / np.where(spread > 0, spread, 1.0), nan=0.0)
        )
    for column, size in enumerate(features.cardinalities):
        if size <= 100:
            blocks.append(np.eye(size)[features.codes[:, column]] / np.sqrt(2))
    return np.concatenate(blocks, axis=1) if blocks else np.zeros((len(features), 1))
