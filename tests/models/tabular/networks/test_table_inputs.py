import numpy as np
import pytest
import torch
from tests.models.tabular.algorithms.toys import features, table

from crisol.models.tabular.networks.column_embedding import ColumnEmbedding
from crisol.models.tabular.networks.dropout import ByteDropout
from crisol.models.tabular.networks.table_inputs import TableInputs


def test_numbers_lie_as_in_a_normal_distribution():
    draw = np.random.default_rng(0)
    column = np.exp(draw.normal(size=5000) * 3)
    inputs = TableInputs.fit(features(column[:, None]), 8)
    z = inputs.tensors(features(column[:, None]))["numbers"][:, 0].numpy()
    assert z.mean() == pytest.approx(0, abs=0.02)
    assert z.std() == pytest.approx(1, abs=0.02)
    assert np.array_equal(np.argsort(z, kind="stable"), np.argsort(column, kind="stable"))


def test_a_frequent_value_takes_one_bin_and_not_all():
    draw = np.random.default_rng(0)
    column = np.where(draw.random(5000) < 0.9, 0.0, draw.random(5000) + 1)
    inputs = TableInputs.fit(features(column[:, None]), 8)
    assert (inputs.slopes > 0).sum() == 8


def test_missing_and_constant_columns():
    column = np.array([[np.nan, 3.0, np.nan], [1.0, 3.0, np.nan], [2.0, 3.0, np.nan]])
    inputs = TableInputs.fit(features(column), 4)
    tensors = inputs.tensors(features(column))
    assert tensors["missing"].tolist() == [[1, 0, 1], [0, 0, 1], [0, 0, 1]]
    assert torch.isfinite(tensors["numbers"]).all()
    assert tensors["numbers"][0].tolist() == [0, 0, 0]


def test_codes_that_training_did_not_have_are_nothing():
    known = features(codes=np.array([[2], [4]], np.int32), cardinalities=(6,))
    inputs = TableInputs.fit(known, 4)
    asked = features(codes=np.arange(6, dtype=np.int32)[:, None], cardinalities=(6,))
    assert inputs.tensors(asked)["rows"][:, 0].tolist() == [0, 0, 1, 0, 2, 0]
    tokens = ColumnEmbedding(inputs, 4)(inputs.tensors(asked))
    assert tokens.shape == (6, 1, 4)
    assert (tokens[[0, 1, 3, 5]] == 0).all()
    assert (tokens[[2, 4]] != 0).all()


def test_arrays_come_back():
    inputs = TableInputs.fit(table(100).features, 8)
    again = TableInputs.read(inputs.arrays(), inputs.texts)
    asked = table(20, 1).features
    for name, tensor in inputs.tensors(asked).items():
        assert torch.equal(tensor, again.tensors(asked)[name])
    assert again.shape == inputs.shape


def test_bins_fill_from_low_to_high():
    column = np.arange(100.0)[:, None]
    inputs = TableInputs.fit(features(column), 4)
    z = inputs.tensors(features(column))["numbers"]
    filled = (z[..., None] * torch.tensor(inputs.slopes) + torch.tensor(inputs.offsets)).clamp(0, 1)
    total = filled.sum(-1)[:, 0]
    assert total[0] == 0
    assert total[-1] == pytest.approx(4)
    assert (total.diff() >= 0).all()


def test_dropout_zeroes_its_share_and_keeps_the_mean():
    dropout, ones = ByteDropout(0.25), torch.ones(64, 999)
    torch.manual_seed(0)
    found = dropout(ones)
    assert (found == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert found.mean().item() == pytest.approx(1, abs=0.01)
    assert not torch.equal(found, dropout(ones))
    assert dropout.eval()(ones) is ones
