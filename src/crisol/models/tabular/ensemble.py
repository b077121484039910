"""The trained model: members whose answers are combined.

A member is one algorithm with one set of settings, fitted on each fold; its answer is the mean of
its fold models. The ensemble's answer is the weighted mean of its members', or what a second level
makes of them (:class:`SecondLevel`). One algorithm alone is an ensemble of one.

Nothing here trains: a bundle loads this module, which needs numpy and what the members need.

Shapes: M members, N rows, K classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crisol.core.arrays import Floats
from crisol.models.tabular.algorithm import Algorithm
from crisol.models.tabular.algorithms.paired import read_model
from crisol.models.tabular.algorithms.probabilities import log_probabilities, softmax
from crisol.models.tabular.features.encoded_rows import Features
from crisol.models.tabular.schema import Task


@dataclass(frozen=True)
class Member:
    """One algorithm, fitted once for each fold.

    Attributes:
        name: unique in the ensemble, such as ``lightgbm-3``.
        algorithm: its name.
        settings: those it was fitted with.
        models: the fold models, whose answers are averaged.
        weight: its share in the weighted mean; the members' weights sum to 1.
    """

    name: str
    algorithm: str
    settings: Mapping[str, Any]
    models: tuple[Algorithm, ...]
    weight: float = 1.0

    def predict(self, features: Features) -> Floats:
        """Probabilities [N, K], numbers [N] or clusters [N]."""
        if len(self.models) == 1:
            return self.models[0].predict(features)
        mean: Floats = np.mean([m.predict(features) for m in self.models], axis=0)
        return mean


@dataclass(frozen=True)
class SecondLevel:
    """A second level: a linear model on the members' log-probabilities, or on their numbers.

    Classes: softmax of ``Σ_m slopes_m log p_m + offsets`` (the logarithmic opinion pool with an
    offset for each class, Heskes 1998). Numbers: ``Σ_m slopes_m y_m + offsets``.

    Attributes:
        slopes: [M], one for each member of the ensemble, in order.
        offsets: [K], or one number.
    """

    slopes: tuple[float, ...]
    offsets: tuple[float, ...]

    def combine(self, answers: Floats) -> Floats:
        """[N, K] or [N] from the members' answers [M, N, K] or [M, N]."""
        slopes, offsets = np.asarray(self.slopes), np.asarray(self.offsets)
        if answers.ndim == 2:
            numbers: Floats = slopes @ answers + offsets[0]
            return numbers
        logits = np.einsum("m,mnk->nk", slopes, log_probabilities(answers)) + offsets
        return softmax(logits)


class Ensemble:
    """Members that answer together.

    Args:
        task: what they answer.
        members: M, of which each counts.
        stack: combines the answers; ``None``: their weighted mean.
    """

    def __init__(
        self, task: Task, members: Sequence[Member], stack: SecondLevel | None = None
    ) -> None:
        if not members:
            raise ValueError("members: an ensemble has at least one")
        self.task, self.members, self.stack = task, tuple(members), stack

    def predict(self, features: Features) -> Floats:
        """Probabilities [N, K] of the classes, numbers [N], or cluster numbers [N] (-1: none)."""
        if len(self.members) == 1 and self.stack is None:
            return self.members[0].predict(features)
        answers = np.stack([member.predict(features) for member in self.members])
        return self.combine(answers)

    def combine(self, answers: Floats) -> Floats:
        """The ensemble's answer from its members' [M, N, K] or [M, N]."""
        if self.stack is not None:
            return self.stack.combine(answers)
        return weighted_mean(answers, np.array([member.weight for member in self.members]))

    def importance(self) -> dict[str, float] | None:
        """Share of each feature in what the members learned, by weight; ``None``: none knows."""
        shares: dict[str, float] = {}
        total = 0.0
        for member in self.members:
            for model in member.models:
                found = model.importance()
                if found is None:
                    continue
                weight = member.weight / len(member.models)
                total += weight
                for name, share in found.items():
                    shares[name] = shares.get(name, 0.0) + weight * share
        return {name: share / total for name, share in shares.items()} if total else None

    def packages(self) -> tuple[str, ...]:
        """The packages that a bundle installs for it beside numpy, sorted."""
        return tuple(sorted({p for member in self.members for p in member.models[0].packages()}))

    def write(self, directory: Path) -> dict[str, Any]:
        """Write every fold model into a folder of its own under ``directory``.

        Returns:
            What :meth:`read` needs beside them, as plain JSON.
        """
        members = []
        for number, member in enumerate(self.members):
            models = []
            for fold, model in enumerate(member.models):
                folder = f"{number:02d}-{member.algorithm}-{fold}"
                (directory / folder).mkdir(parents=True)
                models.append({"folder": folder, "state": model.write(directory / folder)})
            members.append(
                {
                    "name": member.name,
                    "algorithm": member.algorithm,
                    "settings": dict(member.settings),
                    "weight": member.weight,
                    "models": models,
                }
            )
        stack = self.stack and {"slopes": self.stack.slopes, "offsets": self.stack.offsets}
        return {"task": self.task, "members": members, "stack": stack}

    @classmethod
    def read(cls, directory: Path, state: Mapping[str, Any]) -> "Ensemble":
        """Read what :meth:`write` wrote."""
        members = [
            Member(
                kept["name"],
                kept["algorithm"],
                kept["settings"],
                tuple(
                    read_model(kept["algorithm"], directory / m["folder"], m["state"])
                    for m in kept["models"]
                ),
                kept["weight"],
            )
            for kept in state["members"]
        ]
        stack = state["stack"] and SecondLevel(
            tuple(state["stack"]["slopes"]), tuple(state["stack"]["offsets"])
        )
        return cls(state["task"], members, stack)


def weighted_mean(answers: Floats, weights: Floats) -> Floats:
    """Σ_m w_m answers_m of [M, N, K] or [M, N], the weights [M] brought to a sum of 1."""
    mean: Floats = np.tensordot(weights / weights.sum(), answers, axes=1)
    return mean
