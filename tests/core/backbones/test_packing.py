import json
import shutil
from pathlib import Path

import pytest

from crisol.core.backbones import store
from crisol.core.backbones.packing import PACKED, open_packed, pack
from crisol.core.backbones.store import BackboneError
from crisol.core.backbones.text_encoder import TextEncoder


def test_a_bundle_brings_graphs_once_and_answers_without_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = store.named("minilm")
    references = [installed.reference("int8"), installed.reference("fp32")]
    expected = TextEncoder(installed, "int8").encode(["a red shirt"])
    for asked, size_mb in ((references[:1], 30), (references, 120)):
        model = tmp_path / f"model{size_mb}"
        [packed] = pack(asked, model / PACKED)
        assert packed.digest == installed.digest
        assert not (packed.folder / "model.safetensors").exists()
        total = sum(path.stat().st_size for path in packed.folder.rglob("*") if path.is_file())
        assert total < size_mb * 1e6
    monkeypatch.setenv("CRISOL_BACKBONES", str(tmp_path / "nothing"))
    monkeypatch.setattr(store, "_added", [])
    with pytest.raises(BackboneError, match="not on this machine"):
        store.referred(references[0])
    open_packed(tmp_path / "model30")
    found = store.referred(references[0])
    assert (TextEncoder(found, "int8").encode(["a red shirt"]) == expected).all()


def test_a_changed_file_of_a_bundle_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_added", [])
    open_packed(tmp_path)  # a model without backbones
    [packed] = pack([store.named("minilm").reference("int8")], tmp_path / PACKED)
    (packed.folder / "tokenizer.json").write_text(json.dumps({}))
    with pytest.raises(BackboneError, match=r"tokenizer.json differs .*export the bundle again"):
        open_packed(tmp_path)
    shutil.rmtree(packed.folder)
    open_packed(tmp_path)
