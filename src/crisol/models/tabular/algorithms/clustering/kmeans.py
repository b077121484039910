"""k-means (Lloyd 1982, seeded as k-means++), fitted by scikit-learn, answered with NumPy."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from safetensors.numpy import load_file, save_file

from crisol.core.arrays import Floats
from crisol.core.errors import MendableError
from crisol.models.tabular.algorithm import Algorithm, Fit, FitContext, OutOfTime
from crisol.models.tabular.features.cluster_space import ClusterSpace, nearest
from crisol.models.tabular.features.encoded_rows import Features, Part
from crisol.models.tabular.schema import Task
from crisol.models.tabular.settings import KMeansSettings

CENTRES = "centres.safetensors"
MOST = 12
"""Clusters that are tried when no number is given."""
SAMPLE = 2000
"""Rows on which numbers of clusters are compared."""
STARTS = 5


class KMeans(Algorithm):
    """A row belongs to the nearest centre.

    Args:
        space: turns rows into points.
        centres: [K, P].
    """

    name: ClassVar[str] = "kmeans"
    tasks: ClassVar[frozenset[Task]] = frozenset({"clustering"})
    settings_type: ClassVar[type[KMeansSettings]] = KMeansSettings

    def __init__(self, space: ClusterSpace, centres: Floats) -> None:
        self.space, self.centres = space, centres

    @classmethod
    def fit(
        cls,
        settings: Any,
        train: Part,
        valid: Part | None,  # noqa: ARG003 - nothing here stops early
        context: FitContext,
    ) -> Fit:
        """See :meth:`Algorithm.fit`."""
        space = ClusterSpace.fit(train.features, seed=context.seed)
        points = space.transform(train.features)
        distinct = len(np.unique(points, axis=0))
        count, silhouette = settings.clusters, None
        if count is None:
            count, silhouette = _best_count(points, distinct, context)
        elif count > distinct:
            raise MendableError(
                f"settings.clusters: {count} of them need as many different rows; "
                f"there are {distinct}"
            )
        facts = {"clusters": float(count)}
        if silhouette is not None:
            facts["silhouette"] = silhouette
        centres = _centres(points, count, context)
        return Fit(cls(space, centres), None, facts)

    def predict(self, features: Features) -> Floats:
        """See :meth:`Algorithm.predict`."""
        return nearest(self.space.transform(features), self.centres)[0].astype(np.float64)

    def write(self, directory: Path) -> dict[str, Any]:
        """See :meth:`Algorithm.write`."""
        state, arrays = self.space.state()
        arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        save_file(arrays | {"centres": self.centres}, directory / CENTRES)
        return {"space": state}

    @classmethod
    def read(cls, directory: Path, state: Mapping[str, Any]) -> Self:
        """See :meth:`Algorithm.read`."""
        arrays = load_file(directory / CENTRES)
        return cls(ClusterSpace.restore(state["space"], arrays), arrays["centres"])


def _best_count(points: Floats, distinct: int, context: FitContext) -> tuple[int, float]:
    """The number of clusters with the best silhouette (Rousseeuw 1987) on a sample, and that."""
    from sklearn.metrics import silhouette_score

    random = np.random.default_rng(context.seed)
    if len(points) > SAMPLE:
        points = points[np.sort(random.choice(len(points), SAMPLE, replace=False))]
    found: dict[int, float] = {}
    for count in range(2, min(MOST, distinct - 1, len(points) - 1) + 1):
        if context.seconds_left <= 0:
            break
        belongs = nearest(points, _centres(points, count, context))[0]
        if 1 < len(np.unique(belongs)) < len(points):
            found[count] = float(silhouette_score(points, belongs))
    if not found:
        if context.seconds_left <= 0:
            raise OutOfTime("no time was left to compare numbers of clusters")
        raise MendableError(
            f"features: {distinct} different rows are too few to choose a number of clusters; "
            "give settings.clusters"
        )
    best = max(found, key=lambda count: found[count])
    return best, found[best]


def _centres(points: Floats, count: int, context: FitContext) -> Floats:
    from sklearn.cluster import KMeans as Lloyd
    from threadpoolctl import threadpool_limits

    if context.seconds_left <= 0:
        raise OutOfTime("no time was left to find the centres")
    with threadpool_limits(context.threads):
        fitted = Lloyd(count, n_init=STARTS, random_state=context.seed).fit(points)
    centres: Floats = np.ascontiguousarray(fitted.cluster_centers_, dtype=np.float64)
    return centres
