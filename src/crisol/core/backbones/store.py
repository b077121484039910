"""The backbones of this machine: one folder each, found by name or by digest, checked by SHA-256.

The store is ``CRISOL_BACKBONES``, or ``crisol/backbones`` in the user's cache folder. A bundle
brings its backbones along and adds their folders with :func:`add_folder`. Nothing is ever fetched
from here.

A backbone's folder holds ``backbone.json``, the published files, and the graphs made of them.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from crisol.core.backbone_reference import BackboneReference, Precision
from crisol.core.errors import MendableError
from crisol.core.files import file_sha256

MANIFEST = "backbone.json"
FORMAT = 1
Kind = Literal["text", "picture", "generator"]

_added: list[Path] = []


class BackboneError(MendableError):
    """A backbone that is missing, damaged, or of another kind; the message says what to do."""


@dataclass(frozen=True)
class Backbone:
    """A backbone on this machine.

    Attributes:
        folder: where its files are.
        facts: its ``backbone.json``: name, kind, task, architecture, licence, origin, the digests
            of the published files, of the files that are kept, and of the graphs made of them. In
            a bundle also ``packed``: the names of those files and graphs that it brings along.
    """

    folder: Path
    facts: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name in the store."""
        return str(self.facts["name"])

    @property
    def kind(self) -> Kind:
        """What it reads or writes."""
        kind: Kind = self.facts["kind"]
        return kind

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over the names and digests of the files that are kept, without graphs."""
        return files_digest(self.facts["files"])

    def reference(self, precision: Precision = "fp32") -> BackboneReference:
        """The reference that a predictor keeps."""
        return BackboneReference(self.name, self.digest, precision)

    def check(self, names: tuple[str, ...] = ()) -> None:
        """Compare files with their digests.

        Args:
            names: those to compare; empty: all that are recorded, or packed into a bundle.

        Raises:
            BackboneError: a file is missing or differs.
        """
        known = {**self.facts["files"], **self.facts["graphs"]}
        for name in names or tuple(self.facts.get("packed", known)):
            path = self.folder / name
            if name not in known or not path.is_file():
                raise BackboneError(f"the backbone {self.name}: {path} is missing. {self._mend()}")
            if file_sha256(path) != known[name]:
                raise BackboneError(
                    f"the backbone {self.name}: {path} differs from the digest in {MANIFEST}. "
                    f"Delete {self.folder}. {self._mend()}"
                )

    def _mend(self) -> str:
        if "packed" in self.facts:
            return "Build or export the bundle again"
        return remedy(self.name)


def root() -> Path:
    """The folder of the store; it need not exist."""
    if given := os.environ.get("CRISOL_BACKBONES"):
        return Path(given)
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "crisol" / "backbones"


def add_folder(folder: Path) -> None:
    """Look for backbones in another folder first; it has one folder for each of them."""
    if folder not in _added:
        _added.insert(0, folder)


def files_digest(files: Mapping[str, str]) -> str:
    """SHA-256 (hex) over the sorted names and digests of files."""
    total = sha256()
    for name, digest in sorted(files.items()):
        total.update(f"{name}\0{digest}\n".encode())
    return total.hexdigest()


def remedy(name: str) -> str:
    """The command that brings a backbone."""
    return f"Fetch it: kedro fetch weights {name}"


def installed() -> list[Backbone]:
    """The backbones that are here, sorted by name; damaged manifests are left out."""
    found: dict[tuple[str, str], Backbone] = {}
    for place in (*_added, root()):
        for path in sorted(place.glob(f"*/{MANIFEST}")):
            try:
                backbone = open_folder(path.parent)
                found.setdefault((backbone.name, backbone.digest), backbone)
            except BackboneError:
                continue
    return [found[key] for key in sorted(found)]


def open_folder(folder: Path) -> Backbone:
    """The backbone of a folder; its files are not compared.

    Raises:
        BackboneError: the folder has no manifest, or a damaged one.
    """
    try:
        facts = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        facts["name"], facts["kind"], facts["files"].items(), facts["graphs"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise BackboneError(f"{folder} is no backbone: {MANIFEST} is missing or damaged") from None
    if facts.get("format") != FORMAT:
        raise BackboneError(f"{folder / MANIFEST}: format {facts.get('format')!r} is not {FORMAT}")
    return Backbone(folder, facts)


def named(name: str, kind: Kind | None = None) -> Backbone:
    """The backbone of a name.

    Raises:
        BackboneError: it is not here, or of another kind; the message names the command.
    """
    every = installed()
    found = [backbone for backbone in every if backbone.name == name]
    if not found:
        there = ", ".join(sorted({backbone.name for backbone in every})) or "none"
        raise BackboneError(
            f"the pretrained weights {name!r} are not on this machine (there: {there}). "
            + remedy(name)
        )
    if kind is not None and found[0].kind != kind:
        fits = ", ".join(b.name for b in every if b.kind == kind) or "none"
        raise BackboneError(f"{name!r} is of the kind {found[0].kind}, not {kind}; there: {fits}")
    return found[0]


def referred(reference: BackboneReference) -> Backbone:
    """The backbone that a predictor refers to.

    Raises:
        BackboneError: it is not here, or another one has its name.
    """
    every = installed()
    mine = [backbone for backbone in every if backbone.digest == reference.digest]
    if mine:
        return mine[0]
    others = [b for b in every if b.name == reference.name]
    if others:
        raise BackboneError(
            f"this model was trained with the weights {reference}; those named {reference.name} "
            f"here have the digest {others[0].digest[:12]}. Set CRISOL_BACKBONES to a folder that "
            "holds the former, or train again"
        )
    raise BackboneError(
        f"this model needs the pretrained weights {reference}, which are not on this machine. "
        + remedy(reference.name)
    )
