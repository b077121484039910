import json
import shutil

import numpy as np
import pytest
import torch
from tests.models.products.little_shop import LOOP, NETWORK, RECORDS, TARGETS, TAXONOMY
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, ViTConfig, ViTModel

from crisol.core.backbones import store
from crisol.core.errors import MendableError
from crisol.models.products.networks.pretrained import (
    PretrainedTokenizer,
    encoder_folder,
    load_encoder,
)
from crisol.models.products.networks.transformer import TransformerMember
from crisol.models.products.networks.transformer_training import fit_transformer

SMALL = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
}  # fmt: skip
ONCE = LOOP.model_copy(update={"epochs": 1})
FEW = RECORDS[:16]


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    """A text and an image encoder with random weights, in the layout of the hub."""
    folder = tmp_path_factory.mktemp("hub")
    words = {"mug": 4, "lamp": 5, "shirt": 6, "scarf": 7}
    marks = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3}
    tokenizer = Tokenizer(models.WordLevel({**marks, **words}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]",
    ).save_pretrained(folder / "text")  # fmt: skip
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=8, max_position_embeddings=64, **SMALL)).save_pretrained(
        folder / "text"
    )
    ViTModel(ViTConfig(image_size=16, patch_size=8, **SMALL)).save_pretrained(folder / "image")
    (folder / "image" / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": [0.4, 0.4, 0.4], "image_std": [0.2, 0.2, 0.2]})
    )
    return folder


def fit(**encoders):
    network = NETWORK.model_copy(update=encoders)
    return fit_transformer(FEW, TARGETS.take(np.arange(16)), TAXONOMY, network, ONCE)[0]


def test_stored_with_the_predictor_they_need_no_hub(encoders, tmp_path):
    member = fit(text_encoder=str(encoders / "text"), image_encoder=str(encoders / "image"))
    before = BertModel.from_pretrained(encoders / "text").state_dict()
    for name, part in member.network.words.model.state_dict().items():
        assert torch.equal(part, before[name]), "a frozen encoder has changed"
    manifest = json.loads(json.dumps(member.write(tmp_path)))
    manifest["params"] |= {"text_encoder": "gone", "image_encoder": "gone"}
    again = TransformerMember.read(tmp_path, manifest)
    left, right = member.outputs(RECORDS), again.outputs(RECORDS)
    np.testing.assert_array_equal(left.embedding, right.embedding)
    np.testing.assert_array_equal(left.forecast.leaf, right.forecast.leaf)
    assert torch.equal(again.network.patches.mean, torch.full((3, 1, 1), 0.4))
    alone = member.outputs([RECORDS[5]])
    np.testing.assert_allclose(alone.embedding[0], left.embedding[5], atol=1e-6)


def test_they_learn_when_they_are_not_frozen(encoders):
    member = fit(text_encoder=str(encoders / "text"), frozen_encoders=False)
    before = BertModel.from_pretrained(encoders / "text").embeddings.word_embeddings.weight
    assert not torch.equal(member.network.words.model.embeddings.word_embeddings.weight, before)


def test_a_name_is_that_of_the_store(encoders, tmp_path, monkeypatch):
    monkeypatch.setenv("CRISOL_BACKBONES", str(tmp_path))
    shutil.copytree(encoders / "text", tmp_path / "little")
    facts = {"name": "little", "kind": "text", "files": {}, "graphs": {}, "format": store.FORMAT}
    (tmp_path / "little" / store.MANIFEST).write_text(json.dumps(facts))
    assert encoder_folder("little", "text_encoder") == tmp_path / "little"
    assert PretrainedTokenizer.load("little").size == 8


@pytest.mark.parametrize("field", ["text_encoder", "image_encoder"])
def test_one_that_is_not_there_is_an_error_that_names_the_parameter_and_the_command(
    field, tmp_path, monkeypatch
):
    monkeypatch.setenv("CRISOL_BACKBONES", str(tmp_path))
    message = rf"network\.{field}.*kedro fetch weights owner/nothing.*own layers"
    with pytest.raises(MendableError, match=message):
        fit(**{field: "owner/nothing"})


def test_a_directory_without_a_model_is_an_error(tmp_path):
    with pytest.raises(MendableError, match=r"network\.image_encoder.*transformers"):
        load_encoder(tmp_path, "image_encoder")
