import json
from dataclasses import replace

import numpy as np
import pytest
from tests.models.products.little_shop import RECORDS, TARGETS, trained

from crisol.models.products.data.records import ProductRecord
from crisol.models.products.networks.presets import PRESETS
from crisol.models.products.networks.transformer import TransformerMember

SINGLE = 1e-5  # single precision: about seven digits, of which a few layers lose one
PARTS = ("embedding", "text", "image")


def flat(outputs):
    said = outputs.forecast
    return [*(getattr(outputs, part) for part in PARTS), said.leaf, said.log_price, said.rating]


def test_stored_and_read_again_it_answers_bit_for_bit(tmp_path):
    manifest = json.loads(json.dumps(trained().write(tmp_path)))
    again = TransformerMember.read(tmp_path, manifest)
    assert again.embedding_id == trained().embedding_id
    for left, right in zip(
        flat(trained().outputs(RECORDS)), flat(again.outputs(RECORDS)), strict=True
    ):
        np.testing.assert_array_equal(left, right)


def test_answers_do_not_depend_on_the_rest_of_the_batch():
    together = flat(trained().outputs(RECORDS))
    for row in (0, 3, 10, 17):
        alone = flat(trained().outputs([RECORDS[row]]))
        for left, right in zip(alone, together, strict=True):
            np.testing.assert_allclose(left[0], right[row], rtol=SINGLE, atol=1e-6)
    backwards = flat(trained().outputs(RECORDS[::-1]))
    for left, right in zip(backwards, together, strict=True):
        np.testing.assert_allclose(left[::-1], right, rtol=SINGLE, atol=1e-6)


def test_encoding_beforehand_gives_the_same_answers():
    encoded = [trained().encode_one(record) for record in RECORDS]
    for left, right in zip(
        flat(trained().outputs_encoded(encoded)), flat(trained().outputs(RECORDS)), strict=True
    ):
        np.testing.assert_array_equal(left, right)


def test_embeddings_alone_equal_those_of_the_whole_output():
    records = [*RECORDS, ProductRecord(title="")]
    alone = trained().embed(records)
    np.testing.assert_allclose(alone, trained().outputs(records).embedding, atol=1e-6)
    assert trained().embed([]).shape == (0, alone.shape[1])


def test_an_embedding_is_the_mean_of_what_there_is():
    whole = RECORDS[1]
    picture = whole.without("title", "description", "brand", "attributes")
    outputs = trained().outputs([whole, whole.without("image"), picture, ProductRecord(title="")])
    assert outputs.has_text.tolist() == [True, True, False, False]
    assert outputs.has_image.tolist() == [True, False, True, False]
    mean = outputs.text[0] + outputs.image[0]
    np.testing.assert_allclose(outputs.embedding[0], mean / np.linalg.norm(mean), atol=1e-6)
    np.testing.assert_allclose(outputs.embedding[1], outputs.text[0], atol=1e-6)
    np.testing.assert_allclose(outputs.embedding[2], outputs.image[0], atol=1e-6)
    assert not outputs.embedding[3].any()
    np.testing.assert_allclose(outputs.agreement[0], outputs.text[0] @ outputs.image[0], atol=1e-6)
    assert np.isnan(outputs.agreement[1:]).all()
    assert all(np.isfinite(part).all() for part in flat(outputs))


def test_it_has_learned_the_shop():
    forecast = trained().forecast(RECORDS)
    assert (forecast.leaf.argmax(1) == TARGETS.leaf).mean() > 0.9
    assert np.corrcoef(forecast.log_price, TARGETS.log_price)[0, 1] > 0.9
    assert np.corrcoef(forecast.rating, TARGETS.rating)[0, 1] > 0.9
    np.testing.assert_allclose(np.exp(forecast.leaf).sum(1), 1)


def test_no_products_are_no_answers():
    outputs = trained().outputs([])
    assert outputs.embedding.shape == (0, trained().embedding_size)
    assert outputs.forecast.leaf.shape == (0, 4)


@pytest.mark.parametrize("change", [{"title": "Lamp"}, {"image": None}, {"description": "Soft"}])
def test_words_and_pictures_move_the_embedding(change):
    left, right = trained().embed([RECORDS[1], replace(RECORDS[1], **change)])
    assert np.abs(left - right).max() > 1e-4


def test_a_saved_transformer_keeps_its_sizes_when_a_preset_changes(tmp_path, monkeypatch):
    made = trained()
    written = made.write(tmp_path)
    assert made.params.own_layers is None
    monkeypatch.setitem(PRESETS, "tiny", replace(PRESETS["tiny"], own_layers=3, dimensions=64))
    assert TransformerMember.read(tmp_path, written).embedding_id == made.embedding_id
