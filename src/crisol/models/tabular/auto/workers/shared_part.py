"""Rows in a folder of plain arrays, which several processes map instead of copying.

``numbers.npy``, ``codes.npy``, ``target.npy``, ``images.npy`` and ``vectors.npy`` hold the arrays
of :class:`crisol.models.tabular.features.encoded_rows.Part`; texts are their UTF-8 bytes and the
offsets of their ends; ``part.json`` holds the names.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crisol.models.tabular.features.encoded_rows import Features, Part

STATE = "part.json"
SMALL = 4096
"""Bytes of a file that is not worth mapping; an empty array cannot be mapped at all."""


def write_part(part: Part, folder: Path) -> None:
    """Write rows; the last file written is :data:`STATE`."""
    folder.mkdir(parents=True, exist_ok=True)
    features = part.features
    np.save(folder / "numbers.npy", features.numbers)
    np.save(folder / "codes.npy", features.codes)
    if part.target is not None:
        np.save(folder / "target.npy", part.target)
    if features.images is not None:
        np.save(folder / "images.npy", features.images)
    if features.vectors is not None:
        np.save(folder / "vectors.npy", features.vectors)
    if features.texts.size:
        content, ends = _packed(features.texts)
        np.save(folder / "texts.npy", content)
        np.save(folder / "text_ends.npy", ends)
    state = {
        "rows": len(part),
        "number_names": features.number_names,
        "code_names": features.code_names,
        "cardinalities": features.cardinalities,
        "text_names": features.text_names,
        "vector_owners": features.vector_owners,
    }
    (folder / STATE).write_text(json.dumps(state))


def read_part(folder: Path) -> Part:
    """The rows of :func:`write_part`, numbers and pictures mapped into memory."""
    state = json.loads((folder / STATE).read_text())
    texts = np.empty((state["rows"], len(state["text_names"])), object)
    if texts.size:
        texts = _unpacked(np.load(folder / "texts.npy"), np.load(folder / "text_ends.npy"), texts)
    features = Features(
        numbers=_mapped(folder / "numbers.npy"),
        codes=_mapped(folder / "codes.npy"),
        texts=texts,
        images=_mapped(folder / "images.npy") if (folder / "images.npy").is_file() else None,
        number_names=tuple(state["number_names"]),
        code_names=tuple(state["code_names"]),
        cardinalities=tuple(state["cardinalities"]),
        text_names=tuple(state["text_names"]),
        vectors=_mapped(folder / "vectors.npy") if state["vector_owners"] else None,
        vector_owners=tuple(state["vector_owners"]),
    )
    target = folder / "target.npy"
    return Part(features, np.load(target) if target.is_file() else None)


def digest(part: Part) -> str:
    """SHA-256 (hex) of everything rows hold and are called."""
    features = part.features
    names = (features.number_names, features.code_names, features.cardinalities)
    made = hashlib.sha256(json.dumps([*names, features.text_names, len(part)]).encode())
    arrays: list[NDArray[Any]] = [features.numbers, features.codes]
    there = (part.target, features.images, features.vectors)
    arrays += [array for array in there if array is not None]
    if features.texts.size:
        arrays += _packed(features.texts)
    for array in arrays:
        made.update(f"{array.dtype.str}{array.shape}".encode())
        made.update(np.ascontiguousarray(array).data)
    return made.hexdigest()


def _mapped(path: Path) -> NDArray[Any]:
    """An array of a file."""
    if path.stat().st_size <= SMALL:
        found: NDArray[Any] = np.load(path)
    else:
        found = np.load(path, mmap_mode="r")
    return found


def _packed(texts: NDArray[np.object_]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Texts one after the other as UTF-8, and where each ends."""
    encoded = [str(text).encode("utf-8", "surrogatepass") for text in texts.ravel()]
    ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
    return np.frombuffer(b"".join(encoded), np.uint8), ends


def _unpacked(
    content: NDArray[np.uint8], ends: NDArray[np.int64], into: NDArray[np.object_]
) -> NDArray[np.object_]:
    data, start = content.tobytes(), 0
    flat = np.empty(into.size, object)
    for index, end in enumerate(ends.tolist()):
        flat[index] = data[start:end].decode("utf-8", "surrogatepass")
        start = end
    return flat.reshape(into.shape)
