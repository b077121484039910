"""One interface for everything that learns from a table.

An algorithm is fitted on a :class:`Part`, answers :class:`Features`, and writes itself without
pickle. Fitting may import scikit-learn or pandas; loading and predicting may not (a bundle has
neither).
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from crisol.core.arrays import Floats
from crisol.core.errors import MendableError
from crisol.models.tabular.features.encoded_rows import Features, Part
from crisol.models.tabular.schema import Task
from crisol.models.tabular.settings import AlgorithmSettings

if TYPE_CHECKING:
    import pandas as pd

    from crisol.models.tabular.params import TrainParams

WHERE = {
    "linear": "linear.Linear",
    "random_forest": "trees.forest.RandomForest",
    "xgboost": "trees.xgboost_trees.XGBoost",
    "lightgbm": "trees.lightgbm_trees.LightGBM",
    "mlp": "neural.mlp.MLP",
    "tabm": "neural.tabm.TabM",
    "ft_transformer": "neural.ft_transformer.FTTransformer",
    "text_transformer": "neural.text_transformer.TextTransformer",
    "lstm": "neural.lstm.LSTM",
    "cnn": "neural.cnn.CNN",
    "kmeans": "clustering.kmeans.KMeans",
    "hdbscan": "clustering.hdbscan.HDBSCAN",
}
"""The module and class of each algorithm, below :mod:`crisol.models.tabular.algorithms`."""


class OutOfTime(Exception):  # noqa: N818 - no error: the budget is spent
    """The deadline came before there was anything worth keeping."""


@dataclass(frozen=True)
class FitContext:
    """The circumstances of one fit.

    Attributes:
        task: the kind of target.
        classes: the K classes of the target; empty where it is a number.
        seed: of everything random.
        threads: processor threads the fit may use.
        deadline: :func:`time.monotonic` seconds after which to stop with what there is, or to raise
            :class:`OutOfTime`; ``None``: no limit. A fit that runs far beyond it is killed.
        train: of networks: the shared loop's parameters. Those that were not set by the person
            (``train.model_fields_set``) are the algorithm's to choose.
        checkpoints: folder for resumable state, or ``None``.
        label: names this fit in curves, logs and checkpoints.
    """

    task: Task
    classes: tuple[str, ...]
    seed: int
    threads: int
    train: "TrainParams"
    deadline: float | None = None
    checkpoints: Path | None = None
    label: str = ""

    @property
    def seconds_left(self) -> float:
        """Until the deadline; infinite without one."""
        return float("inf") if self.deadline is None else self.deadline - time.monotonic()


@dataclass(frozen=True)
class Fit:
    """A fitted algorithm and how it got there.

    Attributes:
        model: the algorithm.
        history: of iterations or epochs with ``label``, ``epoch``, ``train_loss`` and, with
            validation rows, ``valid_loss``; ``None`` where there is no such thing.
        facts: worth telling, such as ``iterations``.
    """

    model: "Algorithm"
    history: "pd.DataFrame | None" = None
    facts: Mapping[str, float] = field(default_factory=dict)


class Algorithm(ABC):
    """Fitted, ready to answer. Subclasses hold arrays and networks, not frames."""

    name: ClassVar[str]
    tasks: ClassVar[frozenset[Task]]
    settings_type: ClassVar[type[AlgorithmSettings]]

    @classmethod
    @abstractmethod
    def fit(cls, settings: Any, train: Part, valid: Part | None, context: FitContext) -> Fit:
        """Learn from ``train``; ``valid`` is for stopping early and for nothing else.

        Raises:
            MendableError: the rows cannot be learned from; names the cause.
            OutOfTime: see :attr:`FitContext.deadline`.
        """

    @abstractmethod
    def predict(self, features: Features) -> Floats:
        """Probabilities [N, K] of the classes, numbers [N], or cluster numbers [N] (-1: none)."""

    @abstractmethod
    def write(self, directory: Path) -> dict[str, Any]:
        """Write arrays (safetensors, the library's own text or JSON) into an empty folder.

        Returns:
            What else :meth:`read` needs, as plain JSON.
        """

    @classmethod
    @abstractmethod
    def read(cls, directory: Path, state: Mapping[str, Any]) -> Self:
        """Read what :meth:`write` wrote; answers on one thread."""

    @classmethod
    def packages(cls) -> tuple[str, ...]:
        """The packages that a bundle installs for it beside numpy, such as ``("lightgbm",)``."""
        return ()

    def importance(self) -> dict[str, float] | None:
        """Share of each feature in what was learned, where the algorithm knows (sums to 1)."""
        return None

    def shap(
        self,
        features: Features,  # noqa: ARG002
    ) -> tuple[Floats, tuple[str, ...]] | None:
        """Exact SHAP values [N, F] or [N, F, K] on the model's own scale with F names, if quick."""
        return None


def algorithm(name: str) -> type[Algorithm]:
    """The class of an algorithm.

    Raises:
        MendableError: there is no such algorithm.
    """
    if name not in WHERE:
        raise MendableError(f"no algorithm {name!r}; there are: auto, {', '.join(WHERE)}")
    module, _, attribute = WHERE[name].rpartition(".")
    found = import_module(f"{__package__}.algorithms.{module}")
    loaded: type[Algorithm] = getattr(found, attribute)
    return loaded
