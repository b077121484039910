"""The part of a backbone that a bundle brings along: its graphs and what their reader needs.

The digests of all files stay in ``backbone.json``, so that the identity of the backbone is kept.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from crisol.core.backbone_reference import BackboneReference
from crisol.core.backbones import store
from crisol.core.backbones.conversion import WEIGHTS
from crisol.core.backbones.graphs import GRAPHS
from crisol.core.backbones.store import Backbone

PACKED = "backbones"
"""The folder of a bundled model that holds its backbones, each once."""


def pack(references: Sequence[BackboneReference], place: Path) -> list[Backbone]:
    """Copy what a predictor needs of its backbones, after comparing it with the digests.

    The weights in safetensors stay behind: a service computes with the graphs.

    Args:
        references: of the predictor; several precisions of one backbone share a folder.
        place: to make folders in, one for each backbone.

    Raises:
        BackboneError: a backbone or a file of it is missing or changed.
    """
    graphs: dict[str, set[str]] = {}
    for reference in references:
        graphs.setdefault(reference.digest, set()).add(GRAPHS[reference.precision])
    by_digest = {reference.digest: reference for reference in references}
    return [
        _pack_one(store.referred(reference), sorted(graphs[digest]), place / digest[:12])
        for digest, reference in by_digest.items()
    ]


def open_packed(model: Path) -> None:
    """Find the backbones of a bundled model first, and compare their files with the digests.

    Raises:
        BackboneError: a file is missing or changed; build or export the bundle again.
    """
    place = model / PACKED
    if not place.is_dir():
        return
    for folder in sorted(place.iterdir()):
        store.open_folder(folder).check()
    store.add_folder(place)


def _pack_one(backbone: Backbone, graphs: list[str], folder: Path) -> Backbone:
    names = [name for name in backbone.facts["files"] if name != WEIGHTS]
    if backbone.kind != "generator":
        names += graphs
    backbone.check(tuple(names))
    for name in names:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(backbone.folder / name, target)
    facts = {**backbone.facts, "packed": sorted(names)}
    (folder / store.MANIFEST).write_text(json.dumps(facts, indent=2), encoding="utf-8")
    return store.open_folder(folder)
