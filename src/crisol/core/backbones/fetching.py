"""Fetches pretrained weights into the store; the only place that reaches for the network.

What is in :data:`~crisol.core.backbones.known_weights.KNOWN` is checked against its published
digests. A repository of the Hugging Face Hub or a folder of one's own has none: its digests are
recorded when it comes, and whoever names it by digest later gets the same bytes or an error.
"""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crisol.core.backbones import store
from crisol.core.backbones.conversion import unpickle
from crisol.core.backbones.graphs import GRAPHS, make_picture_graph, make_text_graphs
from crisol.core.backbones.known_weights import KNOWN, HubOrigin, KnownWeights
from crisol.core.backbones.origins import WeightsError, check_hub, from_hub, obtain
from crisol.core.backbones.store import Backbone, BackboneError, Kind
from crisol.core.files import file_sha256, replacing_folder

_KINDS: dict[str, Kind] = {
    "bert": "text", "other": "text", "efficientnet_lite0": "picture", "llama_gguf": "generator",
}  # fmt: skip
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w.-]+)?")
_OF_HUB = re.compile(
    r"(config|tokenizer|tokenizer_config|special_tokens_map|sentence_bert_config)\.json"
    r"|1_Pooling/config\.json|model\.safetensors|pytorch_model\.bin"
)


def fetch_weights(
    name: str, mirror: Path | None = None, *, announce: Callable[[str], None] = print
) -> Backbone:
    """Fetch weights into the store, unless they are there.

    Args:
        name: of the table, a Hub repository (``owner/name``, or ``owner/name@revision``), or a
            local folder of a transformers encoder.
        mirror: looked into before the network is.
        announce: called with licence and size before, and with the origin afterwards.

    Raises:
        WeightsError: they cannot be had, are other bytes, or are of no kind that is read.
    """
    known = KNOWN.get(name)
    if known is not None:
        return _known(known, mirror, announce)
    if Path(name).is_dir():
        folder = Path(name).resolve()
        return _unknown(folder.name, "as its owner says", _copy(folder), announce)
    if _HUB_ID.fullmatch(name):
        return _of_hub(name, announce)
    raise WeightsError(
        f"no weights {name!r}: name one of {', '.join(KNOWN)}, a repository of the Hugging Face "
        "Hub (owner/name), or a folder"
    )


def _known(known: KnownWeights, mirror: Path | None, announce: Callable[[str], None]) -> Backbone:
    try:
        there = store.named(known.name)
        there.check()
        if there.facts["published"] == {file.name: file.sha256 for file in known.files}:
            announce(f"{known.name}: already there ({there.folder})")
            return there
    except BackboneError:
        pass
    announce(
        f"{known.name}: {known.task}; licence {known.licence}, {known.size / 1e6:.0f} MB"
        + (f" ({known.note})" if known.note else "")
    )
    facts = {
        "name": known.name,
        "kind": _KINDS[known.architecture],
        "task": known.task,
        "architecture": known.architecture,
        "licence": known.licence,
    }
    return _install(facts, lambda folder: obtain(known, folder, mirror), announce)


def _of_hub(name: str, announce: Callable[[str], None]) -> Backbone:
    repository, _, revision = name.partition("@")
    from huggingface_hub import HfApi

    check_hub()
    try:
        about = HfApi().model_info(repository, revision=revision or None, timeout=10)
    except Exception as error:  # noqa: BLE001 - httpx, OSError, or the Hub's own: all say no
        raise WeightsError(
            f"the Hub does not tell about {repository!r} ({type(error).__name__}). Try again when "
            "the network is there, or name a folder with its files"
        ) from None
    pinned = HubOrigin(repository, str(about.sha))
    names = [file.rfilename for file in about.siblings or () if _OF_HUB.fullmatch(file.rfilename)]
    if "model.safetensors" in names:
        names = [file for file in names if not file.endswith(".bin")]
    card = about.card_data
    licence = str((card.get("license") if card else None) or "not stated")

    def bring(folder: Path) -> str:
        from_hub(pinned, tuple(names), folder)
        return f"Hub {repository}@{pinned.revision}"

    return _unknown(repository, licence, bring, announce)


def _unknown(
    name: str,
    licence: str,
    bring: Callable[[Path], str],
    announce: Callable[[str], None],
) -> Backbone:
    announce(f"{name}: licence {licence}; its digests are recorded now, there are none to compare")
    facts = {
        "name": name, "kind": "text", "task": "sentence embedding", "architecture": "other",
        "licence": licence,
    }  # fmt: skip
    return _install(facts, bring, announce)


def _copy(source: Path) -> Callable[[Path], str]:
    def bring(folder: Path) -> str:
        found = [path for path in source.rglob("*") if path.is_file()]
        wanted = [path for path in found if _OF_HUB.fullmatch(str(path.relative_to(source)))]
        if not any(path.suffix in (".safetensors", ".bin") for path in wanted):
            raise WeightsError(
                f"{source} has no model.safetensors or pytorch_model.bin beside a config.json"
            )
        for path in wanted:
            target = folder / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        return f"folder {source.name}"

    return bring


def _install(
    facts: dict[str, Any], bring: Callable[[Path], str], announce: Callable[[str], None]
) -> Backbone:
    """Bring the files into a scratch folder, convert, export, and move it into the store."""
    place = store.root() / re.sub(r"[^\w.-]+", "--", str(facts["name"]))
    with replacing_folder(place) as folder:
        origin = bring(folder)
        published = _digests(folder)
        unpickle(folder)
        kept = _digests(folder)
        if facts["kind"] == "text":
            if not (folder / "tokenizer.json").is_file():
                raise WeightsError(
                    f"{facts['name']}: tokenizer.json is missing; save its fast tokenizer beside it"
                )
            make_text_graphs(folder)
        elif facts["kind"] == "picture":
            make_picture_graph(folder)
        graphs = {
            name: file_sha256(folder / name)
            for name in GRAPHS.values()
            if (folder / name).is_file()
        }
        written = {
            **facts, "format": store.FORMAT, "origin": origin, "published": published,
            "files": kept, "graphs": graphs,
        }  # fmt: skip
        (folder / store.MANIFEST).write_text(json.dumps(written, indent=2), encoding="utf-8")
    announce(f"{facts['name']}: from {origin}, in {place}")
    return store.open_folder(place)


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): file_sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
