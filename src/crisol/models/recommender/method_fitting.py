"""How each method is trained, by its name."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from crisol.models.recommender.data.catalogue import Catalogue
from crisol.models.recommender.data.histories import Interactions
from crisol.models.recommender.methods.content import fit_content
from crisol.models.recommender.methods.ease import fit_ease
from crisol.models.recommender.methods.filters import fit_filter, singular_vectors
from crisol.models.recommender.methods.popularity import fit_popularity
from crisol.models.recommender.methods.scorer import Scorer
from crisol.models.recommender.methods.transitions import fit_transitions
from crisol.models.recommender.params import LoopsParams, MethodsParams


@dataclass(frozen=True)
class Task:
    """The data and the settings that a method learns from.

    Attributes:
        interactions: what it may see.
        catalogue: the items.
        params: of every method.
        loops: the loops of the methods that are trained by steps.
        checkpoints: where such a method keeps its state.
        label: names this fit in the history, the log and the checkpoints.
        notes: gets a sentence for each setting that did not fit the data.
    """

    interactions: Interactions
    catalogue: Catalogue
    params: MethodsParams
    loops: LoopsParams
    checkpoints: Path
    label: str
    notes: list[str] = field(default_factory=list)


Fitted = tuple[Scorer, pd.DataFrame | None]


def _filter(task: Task) -> Fitted:
    _, note = singular_vectors(task.interactions, task.params.filter)
    task.notes.extend([note] if note else [])
    return fit_filter(task.interactions, task.catalogue, task.params.filter), None


def _lightgcn(task: Task) -> Fitted:
    from crisol.models.recommender.networks.lightgcn_training import fit_lightgcn

    return fit_lightgcn(
        task.interactions,
        task.catalogue,
        task.params.lightgcn,
        task.loops.lightgcn,
        task.checkpoints,
        task.label,
    )


def _attention(task: Task) -> Fitted:
    from crisol.models.recommender.networks.attention_training import fit_attention

    return fit_attention(
        task.interactions,
        task.catalogue,
        task.params.attention,
        task.loops.attention,
        task.checkpoints,
        task.label,
    )


_FITS: dict[str, Callable[[Task], Fitted]] = {
    "popularity": lambda t: (fit_popularity(t.interactions, t.catalogue), None),
    "filter": _filter,
    "ease": lambda t: (fit_ease(t.interactions, t.catalogue, t.params.ease), None),
    "transitions": lambda t: (
        fit_transitions(t.interactions, t.catalogue, t.params.transitions),
        None,
    ),
    "content": lambda t: (fit_content(t.interactions, t.catalogue, t.params.content), None),
    "lightgcn": _lightgcn,
    "attention": _attention,
}


def fit_method(method: str, task: Task) -> Fitted:
    """Train one method; networks also bring their history.

    Raises:
        KeyError: there is no such method (parameters name only those there are).
    """
    return _FITS[method](task)
