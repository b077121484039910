import numpy as np
import pytest
import torch
from tests.models.tabular.algorithms.toys import accuracy, context, features, table

from crisol.core.errors import MendableError
from crisol.models.tabular.algorithm import algorithm
from crisol.models.tabular.features.encoded_rows import Part
from crisol.models.tabular.networks.residual import varied
from crisol.models.tabular.settings import CNNSettings

SETTINGS = CNNSettings(channels=(8, 16), epochs=5, learning_rate=1e-2)
CLASSES = ("across", "down", "none")


def stripes(rows, seed=0):
    """Pictures with stripes across, stripes down, or noise; of any colour and brightness."""
    draw = np.random.default_rng(seed)
    target = draw.integers(0, 3, rows)
    wave = np.sin(np.arange(16) * 1.6 + draw.uniform(0, 6, (rows, 1)))
    patterns = np.stack(
        [
            np.repeat(wave[:, :, None], 16, 2),
            np.repeat(wave[:, None, :], 16, 1),
            draw.normal(size=(rows, 16, 16)) * 0.7,
        ]
    )
    pattern = patterns[target, np.arange(rows)][..., None] * draw.uniform(20, 60, (rows, 1, 1, 3))
    images = np.clip(draw.uniform(80, 170, (rows, 1, 1, 3)) + pattern, 0, 255).astype(np.uint8)
    return Part(features(images=images), target.astype(np.int64))


def fit(train, valid=None, **more):
    circumstances = context(CLASSES, task="image", **more)
    return algorithm("cnn").fit(SETTINGS, train, valid, circumstances).model


def test_learns_shapes_and_comes_back(tmp_path):
    model, asked = fit(stripes(200), stripes(40, 1)), stripes(60, 2)
    assert accuracy(model, asked) > 0.9
    found = model.predict(asked.features)
    again = algorithm("cnn").read(tmp_path, model.write(tmp_path))
    assert np.array_equal(again.predict(asked.features), found)
    alone = [model.predict(asked.features.take(slice(i, i + 1))) for i in range(60)]
    assert found == pytest.approx(np.concatenate(alone), abs=1e-6)


def test_the_seed_decides():
    train = stripes(48)
    first, second = (fit(train).predict(train.features) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.allclose(first, fit(train, seed=1).predict(train.features))


def test_a_table_without_pictures_is_refused():
    with pytest.raises(MendableError, match="pictures"):
        fit(table(20))


def test_training_shifts_and_mirrors_but_invents_nothing():
    torch.manual_seed(0)
    images = torch.arange(16, dtype=torch.uint8)[None, None, :, None].expand(200, 16, 16, 3)
    found = varied(images, mirror=False)
    assert found.shape == images.shape
    assert (found[:, 0, :, 0].int().diff(dim=1) >= 0).all()
    firsts = set(found[:, 0, 4, 0].tolist())
    assert firsts == {3, 4, 5}
    mirrored = varied(images, mirror=True)[:, 0, :, 0].int().diff(dim=1).sum(1)
    assert 60 < (mirrored < 0).sum() < 140


def test_other_columns_count(tmp_path):
    pictures = stripes(60)
    number = (np.arange(60) % 2 * 10.0)[:, None]
    part = Part(features(number, images=pictures.features.images), np.arange(60) % 2)
    model = fit(part)
    assert accuracy(model, part) > 0.9
    again = algorithm("cnn").read(tmp_path, model.write(tmp_path))
    assert np.array_equal(again.predict(part.features), model.predict(part.features))
