"""The distance of a window from the windows that the model was trained on."""

from dataclasses import dataclass

import numpy as np

CLIP = 12.0
"""Summaries are cut at this many standard deviations, so that the distance stays finite."""


@dataclass(frozen=True)
class Familiarity:
    """Mahalanobis distance of a window's summary from the training windows.

    The summary of a window [T, F] is the mean and the spread of every feature over time, [2F]. The
    distance is divided by the square root of its length: about 1 for an ordinary window.

    Attributes:
        mean: [2F], of the training windows.
        scale: [2F], their standard deviation.
        whiten: [2F, 2F], Cholesky factor of the inverse correlation (shrunk towards identity).
        limit: the distance that 0.1 % of the training windows exceed.
    """

    mean: np.ndarray
    scale: np.ndarray
    whiten: np.ndarray
    limit: float

    def distance(self, window_TF: np.ndarray) -> float:
        """Distance of one window."""
        return float(self.distances(window_TF[None])[0])

    def distances(self, windows_BTF: np.ndarray) -> np.ndarray:
        """Distances of many windows, [B]."""
        return _distances(summarise(windows_BTF), self.mean, self.scale, self.whiten)


def summarise(windows_BTF: np.ndarray) -> np.ndarray:
    """Mean and spread over time of each feature, float64 [B, 2F]."""
    mean = windows_BTF.mean(1, dtype=np.float64)
    spread = np.sqrt(np.maximum(np.square(windows_BTF, dtype=np.float64).mean(1) - mean**2, 0.0))
    return np.concatenate([mean, spread], axis=1)


def fit_familiarity(
    train_BTF: np.ndarray,
    *,
    tail: float = 1e-3,
    shrinkage: float = 0.05,
) -> Familiarity:
    """Fit the distances of windows to the training windows."""
    summaries = summarise(train_BTF)
    mean, scale = summaries.mean(0), summaries.std(0) + 1e-6
    scaled = np.clip((summaries - mean) / scale, -CLIP, CLIP)
    correlation = scaled.T @ scaled / len(scaled)
    correlation = (1 - shrinkage) * correlation + shrinkage * np.eye(len(mean))
    whiten = np.linalg.cholesky(np.linalg.inv(correlation))
    distances = _distances(summaries, mean, scale, whiten)
    return Familiarity(mean, scale, whiten, float(np.quantile(distances, 1 - tail)))


def _distances(
    summaries: np.ndarray, mean: np.ndarray, scale: np.ndarray, whiten: np.ndarray
) -> np.ndarray:
    scaled = np.clip((summaries - mean) / scale, -CLIP, CLIP)
    return np.asarray(np.sqrt(np.square(scaled @ whiten).mean(1)))
