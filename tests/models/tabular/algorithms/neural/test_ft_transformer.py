import numpy as np
import pytest
from tests.models.tabular.algorithms.toys import accuracy, context, table

from crisol.core.errors import MendableError
from crisol.models.tabular.algorithm import algorithm
from crisol.models.tabular.settings import FTTransformerSettings

SETTINGS = FTTransformerSettings(width=16, blocks=2, heads=2, epochs=10, learning_rate=1e-2)


def fit(train, valid=None, circumstances=None, settings=SETTINGS):
    found = algorithm("ft_transformer").fit(settings, train, valid, circumstances or context())
    return found.model


def test_learns_what_is_not_linear():
    train, valid, asked = (table(n, s, turned=False) for n, s in ((500, 0), (100, 1), (300, 2)))
    assert accuracy(fit(train, valid), asked) > 0.9


def test_numbers_and_what_is_written(tmp_path):
    train = table(300, classes=0)
    settings = SETTINGS.model_copy(update={"epochs": 3})
    model = fit(train, None, context((), task="regression"), settings)
    found = model.predict(train.features)
    assert abs(found.mean() - 320_000) < 20_000
    again = algorithm("ft_transformer").read(tmp_path, model.write(tmp_path))
    assert np.array_equal(again.predict(train.features), found)
    one = model.predict(train.features.take(slice(7, 8)))
    assert one == pytest.approx(found[7:8], rel=1e-6)


def test_heads_must_divide_the_width():
    with pytest.raises(MendableError, match=r"settings\.heads: 3 do not divide a width of 16"):
        fit(table(40), settings=SETTINGS.model_copy(update={"heads": 3}))
