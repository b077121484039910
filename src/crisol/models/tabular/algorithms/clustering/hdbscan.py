"""HDBSCAN (Campello, Moulavi and Sander 2013), fitted by scikit-learn, answered with NumPy.

A new row belongs to the cluster of the nearest training row that belongs to one, if it lies within
that cluster's reach: the widest gap between a row of the cluster and its nearest neighbour in it.
Farther rows belong to none (-1).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from crisol.core.arrays import Floats
from crisol.core.errors import MendableError
from crisol.models.tabular.algorithm import Algorithm, Fit, FitContext, OutOfTime
from crisol.models.tabular.features.cluster_space import ClusterSpace, nearest
from crisol.models.tabular.features.encoded_rows import Features, Part
from crisol.models.tabular.schema import Task
from crisol.models.tabular.settings import HDBSCANSettings

POINTS = "points.safetensors"
MOST_ROWS = 10_000
"""It learns from at most so many rows: its time grows with their square."""
NONE = -1


class HDBSCAN(Algorithm):
    """Clusters of any shape, and rows that belong to none.

    Args:
        space: turns rows into points.
        points: [M, P] the training rows that belong to a cluster.
        belongs: int32 [M] to which.
        reach: [K] how far each cluster reaches beyond its rows.
    """

    name: ClassVar[str] = "hdbscan"
    tasks: ClassVar[frozenset[Task]] = frozenset({"clustering"})
    settings_type: ClassVar[type[HDBSCANSettings]] = HDBSCANSettings

    def __init__(
        self,
        space: ClusterSpace,
        points: Floats,
        belongs: NDArray[np.int32],
        reach: Floats,
    ) -> None:
        self.space, self.points, self.belongs, self.reach = space, points, belongs, reach

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
        if len(points) > MOST_ROWS:
            random = np.random.default_rng(context.seed)
            points = points[np.sort(random.choice(len(points), MOST_ROWS, replace=False))]
        if context.seconds_left <= 0:
            raise OutOfTime("no time was left to look for dense groups")
        size = settings.min_cluster_size or max(5, len(points) // 50)
        belongs = _labels(points, size, settings.min_samples, context)
        inside = belongs != NONE
        if not inside.any():
            raise MendableError(
                f"features: no group of {size} rows is denser than what lies around it; "
                "lower settings.min_cluster_size, or use algorithm: kmeans"
            )
        points, belongs = points[inside], belongs[inside].astype(np.int32)
        reach = np.array([_widest_gap(points[belongs == c]) for c in range(belongs.max() + 1)])
        facts = {
            "clusters": float(len(reach)),
            "noise_share": 1.0 - float(inside.mean()),
            "rows": float(len(inside)),
        }
        return Fit(cls(space, points, belongs, reach), None, facts)

    def predict(self, features: Features) -> Floats:
        """See :meth:`Algorithm.predict`."""
        which, distance = nearest(self.space.transform(features), self.points)
        belongs = self.belongs[which]
        return np.where(distance <= self.reach[belongs], belongs, NONE).astype(np.float64)

    def write(self, directory: Path) -> dict[str, Any]:
        """See :meth:`Algorithm.write`."""
        state, arrays = self.space.state()
        own = {"points": self.points, "belongs": self.belongs, "reach": self.reach}
        save_file(
            {name: np.ascontiguousarray(array) for name, array in (arrays | own).items()},
            directory / POINTS,
        )
        return {"space": state}

    @classmethod
    def read(cls, directory: Path, state: Mapping[str, Any]) -> Self:
        """See :meth:`Algorithm.read`."""
        arrays = load_file(directory / POINTS)
        space = ClusterSpace.restore(state["space"], arrays)
        return cls(space, arrays["points"], arrays["belongs"], arrays["reach"])


def _labels(
    points: Floats, size: int, samples: int | None, context: FitContext
) -> NDArray[np.int64]:
    from sklearn import cluster
    from threadpoolctl import threadpool_limits

    if size > len(points):
        raise MendableError(
            f"settings.min_cluster_size: {size} is more than the {len(points)} rows there are"
        )
    samples = min(samples or size, len(points))
    with threadpool_limits(context.threads):
        found = cluster.HDBSCAN(size, min_samples=samples, n_jobs=context.threads, copy=True).fit(
            points
        )
    labels: NDArray[np.int64] = found.labels_
    return labels


def _widest_gap(points: Floats) -> float:
    """The largest distance from a point to its nearest neighbour."""
    from scipy.spatial import cKDTree

    distances, _ = cKDTree(points).query(points, k=2)
    return float(distances[:, 1].max())
