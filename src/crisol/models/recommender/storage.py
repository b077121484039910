"""A recommender on disk: ids and settings as JSON, every array in one safetensors file."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_matrix

from crisol.models.recommender.answers.hybrid import Hybrid
from crisol.models.recommender.data.catalogue import Catalogue
from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.methods.by_name import SCORERS
from crisol.models.recommender.methods.scorer import Arrays

CATALOGUE = "catalogue.json"
USERS = "users.json"
SETTINGS = "settings.json"
ARRAYS = "arrays.safetensors"
_TEXTS = ("ids", "titles", "categories", "brands", "tag_names")
_HISTORIES = ("starts", "items", "weights")


def write_all(
    directory: Path,
    catalogue: Catalogue,
    user_ids: Sequence[str],
    interactions: Interactions,
    hybrid: Hybrid,
) -> None:
    """Write everything a predictor is made of into an existing directory."""
    texts = {name: list(getattr(catalogue, name)) for name in _TEXTS}
    arrays: Arrays = {"catalogue.prices": catalogue.prices}
    arrays |= _prefixed("catalogue.tags", _of_sparse(catalogue.tags))
    histories = interactions.histories
    arrays |= _prefixed("histories", {name: getattr(histories, name) for name in _HISTORIES})
    settings: dict[str, Any] = {"scorers": {}}
    for name, scorer in hybrid.scorers.items():
        found, settings["scorers"][name] = scorer.state()
        arrays |= _prefixed(f"scorer.{name}", found)
    found, settings["hybrid"] = hybrid.state()
    arrays |= _prefixed("hybrid", found)
    (directory / CATALOGUE).write_text(json.dumps(texts))
    (directory / USERS).write_text(json.dumps(list(user_ids)))
    (directory / SETTINGS).write_text(json.dumps(settings, sort_keys=True))
    save_file(
        {name: np.ascontiguousarray(array) for name, array in arrays.items()}, directory / ARRAYS
    )


def read_all(directory: Path) -> tuple[Catalogue, tuple[str, ...], Interactions, Hybrid]:
    """The inverse of :func:`write_all`."""
    arrays = load_file(directory / ARRAYS)
    texts = json.loads((directory / CATALOGUE).read_text())
    user_ids = tuple(json.loads((directory / USERS).read_text()))
    settings = json.loads((directory / SETTINGS).read_text())
    shape = (len(texts["ids"]), len(texts["tag_names"]))
    catalogue = Catalogue(
        **{name: tuple(texts[name]) for name in _TEXTS},
        prices=arrays["catalogue.prices"],
        tags=_to_sparse(_below(arrays, "catalogue.tags"), shape),
    )
    histories = Histories(
        **_below(arrays, "histories"), users=np.arange(len(user_ids), dtype=np.int64)
    )
    interactions = Interactions(histories, len(catalogue))
    scorers = {
        name: SCORERS[name].restore(
            _below(arrays, f"scorer.{name}"), its_settings, interactions, catalogue
        )
        for name, its_settings in settings["scorers"].items()
    }
    hybrid = Hybrid.restore(
        _below(arrays, "hybrid"), settings["hybrid"], interactions, catalogue, scorers
    )
    return catalogue, user_ids, interactions, hybrid


def _prefixed(prefix: str, arrays: Mapping[str, Any]) -> Arrays:
    return {f"{prefix}.{name}": array for name, array in arrays.items()}


def _below(arrays: Arrays, prefix: str) -> Arrays:
    start = f"{prefix}."
    return {n.removeprefix(start): array for n, array in arrays.items() if n.startswith(start)}


def _of_sparse(matrix: csr_matrix) -> Arrays:
    return {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr}


def _to_sparse(arrays: Arrays, shape: tuple[int, int]) -> csr_matrix:
    return csr_matrix((arrays["data"], arrays["indices"], arrays["indptr"]), shape=shape)
