"""Reads and writes a search index.

An index directory holds::

    index.json             format, embedding id, names of categories and brands, SHA-256 of the rest
    index.safetensors      vectors, texts, codes, prices
    neighbours.usearch     the graph, where there is one

The arrays are mapped into memory: an index of gigabytes opens at once, and processes share it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from crisol.core.files import file_sha256, replacing_folder
from crisol.core.predictor import PredictorError
from crisol.models.products.search.filtering import Coded
from crisol.models.products.search.nearest import Graph
from crisol.models.products.search.text_column import TextColumn

DESCRIPTION, ARRAYS, GRAPH = "index.json", "index.safetensors", "neighbours.usearch"
FORMAT = 1
_DTYPES: dict[str, type[Any]] = {
    "F64": np.float64, "F32": np.float32, "I64": np.int64, "I32": np.int32, "U8": np.uint8,
    "BOOL": np.bool_,
}  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """The contents of an index directory, by the names of the index's attributes."""

    embedding_id: str
    texts: Mapping[str, TextColumn]
    coded: Mapping[str, Coded]
    arrays: Mapping[str, NDArray[Any]]
    graph: Graph | None


def write_index(target: Path, stored: Stored) -> Path:
    """Write a scratch directory and rename it to ``target`` when it is complete."""
    with replacing_folder(target) as scratch:
        _write(scratch, stored)
    return target


def _write(directory: Path, stored: Stored) -> None:
    arrays = dict(stored.arrays)
    for name, text in stored.texts.items():
        arrays |= {f"{name}.data": text.data, f"{name}.starts": text.starts}
    arrays |= {f"{name}.codes": column.codes for name, column in stored.coded.items()}
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    save_file(contiguous, directory / ARRAYS)
    if stored.graph is not None:
        stored.graph.save(directory / GRAPH)
    description = {
        "format": FORMAT,
        "embedding_id": stored.embedding_id,
        "texts": sorted(stored.texts),
        "names": {name: list(column.names) for name, column in stored.coded.items()},
        "arrays": sorted(stored.arrays),
        "files": {path.name: file_sha256(path) for path in sorted(directory.iterdir())},
    }
    (directory / DESCRIPTION).write_text(json.dumps(description))


def read_index(directory: Path, *, verify: bool) -> Stored:
    """The contents that :func:`write_index` wrote.

    Raises:
        PredictorError: the directory is missing, damaged or of another format.
    """
    path = directory / DESCRIPTION
    if not path.is_file():
        raise PredictorError(f"{directory} is not an index directory: {DESCRIPTION} is missing")
    try:
        description = json.loads(path.read_text())
        found = description["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise PredictorError(f"{path} is damaged: {error}") from error
    if found != FORMAT:
        raise PredictorError(
            f"{path}: format {found!r} is not {FORMAT}; load it with the Crisol version that "
            "wrote it"
        )
    for name, digest in description["files"].items():
        if not (directory / name).is_file():
            raise PredictorError(f"{directory}: {name} is missing")
        if verify and file_sha256(directory / name) != digest:
            raise PredictorError(f"{directory}: {name} differs from the digest in {DESCRIPTION}")
    arrays = mapped(directory / ARRAYS)
    return Stored(
        description["embedding_id"],
        {n: TextColumn(arrays[f"{n}.data"], arrays[f"{n}.starts"]) for n in description["texts"]},
        {n: Coded(tuple(v), arrays[f"{n}.codes"]) for n, v in description["names"].items()},
        {name: arrays[name] for name in description["arrays"]},
        Graph.view(directory / GRAPH) if GRAPH in description["files"] else None,
    )


def mapped(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file, mapped read-only.

    The file holds eight bytes with the length of a JSON header, the header, and the arrays at the
    offsets in the header (https://huggingface.co/docs/safetensors). The library's loader copies.
    """
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
    data = np.memmap(path, np.uint8, "r", offset=8 + length)
    found: dict[str, NDArray[Any]] = {}
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            values = np.asarray(data[start:end]).view(_DTYPES[entry["dtype"]])
            found[name] = values.reshape(entry["shape"])
    return found
