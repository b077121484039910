"""The record of a result's origin, and the comparison of several."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from crisol.core.files import replacing_file
from crisol.core.params import Params
from crisol.registry.tracking.run_log import dotted

ENDING = ".origin.json"
THIS_RUN = "this run"
_SHOWN = 80
"""Characters of a parameter that are shown."""


class Source(Params):
    """A raw file or folder."""

    sha256: str
    path: str


class Origin(Params):
    """Everything that a result was made of, by itself and through the results it was made from."""

    data: dict[str, Source] = Field(default_factory=dict)
    """Raw data by catalog name."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Resolved sections by name, such as ``signals.data``."""
    code: dict[str, str] = Field(default_factory=dict)
    """Git commit by the digest of the code and the lock file."""
    champion: str | None = None
    """The champion it was compared with, such as ``signals/2`` or ``signals/none``; null: none was
    asked for."""


class StoredOrigin(Params):
    """The origin of a file, as it is written beside it."""

    content: str
    """SHA-256 of the file or folder."""
    node: str
    run_id: str
    at: str
    origin: Origin


def mixed_parameters(parts: Sequence[tuple[str, Origin]]) -> str | None:
    """A sentence about two of the named origins that have other parameters, if there are such."""
    for (name, origin), (other, its) in _pairs(parts):
        for section in origin.parameters.keys() & its.parameters.keys():
            one = dict(dotted(origin.parameters[section], section))
            two = dict(dotted(its.parameters[section], section))
            for leaf in sorted(one.keys() | two.keys()):
                if one.get(leaf) != two.get(leaf):
                    a, b = (_short(leaves.get(leaf, "none")) for leaves in (one, two))
                    return f"{name} was made with {leaf} = {a}, and {_has(other)} {b}"
    return None


def mixed_data(parts: Sequence[tuple[str, Origin]]) -> str | None:
    """A sentence about two of the named origins that have other raw data, if there are such."""
    for (name, origin), (other, its) in _pairs(parts):
        for raw in sorted(origin.data.keys() & its.data.keys()):
            one, two = origin.data[raw], its.data[raw]
            if one.sha256 != two.sha256:
                reads = "reads" if other == THIS_RUN else "comes from"
                return (
                    f"{name} comes from {raw} with SHA-256 {one.sha256[:12]}… ({one.path}), and "
                    f"{other} {reads} {two.sha256[:12]}… ({two.path})"
                )
    return None


def mixed_code(parts: Sequence[tuple[str, Origin]]) -> str | None:
    """A sentence about an origin of other code than the last one, if there is such."""
    *_, (_, now) = parts
    for name, origin in parts:
        for digest, commit in origin.code.items():
            if digest not in now.code:
                here = next(iter(now.code.values()))
                return (
                    f"{name} was made by other code or another requirements.lock (git commit "
                    f"{commit[:12]}) than {THIS_RUN} has (git commit {here[:12]}, or changes to it)"
                )
    return None


def _pairs(
    parts: Sequence[tuple[str, Origin]],
) -> Iterator[tuple[tuple[str, Origin], tuple[str, Origin]]]:
    """Every part with each later one; those of this run are the last."""
    for index, part in enumerate(parts):
        for other in parts[index + 1 :]:
            yield part, other


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _has(name: str) -> str:
    return f"{name} has" if name == THIS_RUN else f"{name} with"


def union(own: Origin, others: Iterable[Origin]) -> Origin:
    """The origin of what was made by a node and of its inputs."""
    data, parameters, code = dict(own.data), dict(own.parameters), dict(own.code)
    for origin in others:
        data |= origin.data
        parameters |= origin.parameters
        code |= origin.code
    return Origin(data=data, parameters=parameters, code=code, champion=own.champion)


def write(path: Path, record: StoredOrigin) -> None:
    """Write the origin of a file or folder beside it."""
    with replacing_file(_beside(path)) as scratch:
        scratch.write_text(record.model_dump_json(indent=1), encoding="utf-8")


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ENDING)


def read(path: Path) -> StoredOrigin | None:
    """The origin of a file or folder; ``None``: it has none, or one that is not whole."""
    try:
        return StoredOrigin.model_validate_json(_beside(path).read_text(encoding="utf-8"))
    except (FileNotFoundError, UnicodeDecodeError, ValidationError):
        return None
