"""The networks that read texts: byte-pair tokens into a transformer or an LSTM."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.models.tabular.algorithms.toys import accuracy, context, features, table

from crisol.core.errors import MendableError
from crisol.models.tabular.algorithm import algorithm
from crisol.models.tabular.features.encoded_rows import Part
from crisol.models.tabular.networks.text_inputs import TextInputs
from crisol.models.tabular.networks.text_networks import BidirectionalLSTM, TextEncoder
from crisol.models.tabular.settings import LSTMSettings, TextTransformerSettings

SMALL = {"vocabulary": 400, "max_tokens": 16, "epochs": 8, "learning_rate": 1e-2, "width": 16}
SETTINGS = {
    "lstm": LSTMSettings(**SMALL, hidden=16),
    "text_transformer": TextTransformerSettings(**SMALL, blocks=1, heads=2),
}
NAMES = list(SETTINGS)


def reviews(rows, seed=0):
    """Texts in which the order decides: `not good` is bad; the second column says where."""
    draw = np.random.default_rng(seed)
    good, negated = draw.integers(0, 2, rows), draw.integers(0, 2, rows)
    filler = np.array(["the room", "our meal, as ever,", "Ärger: it"], object)
    texts = np.empty((rows, 2), object)
    for row in range(rows):
        word = "good" if good[row] else "bad"
        other = "bad" if good[row] else "good"
        said = f"not {word} but {other}" if negated[row] else f"{word} and not {other}"
        texts[row] = [f"{filler[draw.integers(3)]} was {said}", "hotel" if row % 2 else ""]
    return Part(features(texts=texts), (good ^ negated).astype(np.int64))


def fit(name, train, valid=None, circumstances=None):
    circumstances = circumstances or context(task="text")
    return algorithm(name).fit(SETTINGS[name], train, valid, circumstances)


@pytest.mark.parametrize("name", NAMES)
def test_learns_the_order_of_words_and_comes_back(name, tmp_path):
    fitted = fit(name, reviews(400), reviews(80, 1))
    asked = reviews(60, 2)
    assert accuracy(fitted.model, asked) > 0.9
    found = fitted.model.predict(asked.features)
    again = algorithm(name).read(tmp_path, fitted.model.write(tmp_path))
    assert np.array_equal(again.predict(asked.features), found)
    assert algorithm(name).packages() == ("torch", "tokenizers")
    alone = [fitted.model.predict(asked.features.take(slice(i, i + 1))) for i in range(60)]
    assert found == pytest.approx(np.concatenate(alone), abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_other_columns_count_and_empty_texts_are_answered(name):
    part = table(400, turned=False)
    empty = np.full((len(part), 1), "", object)
    part = Part(replace(part.features, texts=empty, text_names=("note",)), part.target)
    assert accuracy(fit(name, part).model, part) > 0.8


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides(name):
    train = reviews(60)
    first, second = (fit(name, train).model.predict(train.features) for _ in range(2))
    assert np.array_equal(first, second)
    other = fit(name, train, circumstances=context(seed=1)).model.predict(train.features)
    assert not np.allclose(first, other)


def test_a_table_without_texts_is_refused():
    with pytest.raises(MendableError, match="kind text"):
        fit("lstm", table(20))


def test_tokens_are_cut_and_columns_kept_apart():
    texts = np.array([["a b", ""], ["", "a b"], ["x " * 99, "y"]], object)
    rows = features(texts=texts)
    inputs = TextInputs.fit(rows, 300, 12)
    tokens = inputs.tensors(rows)["tokens"]
    assert tokens.shape == (3, 12)
    assert (tokens[2] != 0).all()
    assert not torch.equal(tokens[0], tokens[1])
    assert inputs.tensors(features(texts=np.char.upper(texts.astype(str)).astype(object)))[
        "tokens"
    ].equal(tokens)
    again = TextInputs.read(inputs.arrays(), inputs.state())
    assert again.tensors(rows)["tokens"].equal(tokens)


@pytest.mark.parametrize("kind", ["lstm", "transformer"])
def test_padding_changes_nothing(kind):
    rows = reviews(8).features
    torch.manual_seed(0)
    networks = []
    for longest in (40, 64):
        inputs = TextInputs.fit(rows, 300, longest)
        network = (
            BidirectionalLSTM(inputs, 8, 8, 2, 2, 0.0)
            if kind == "lstm"
            else TextEncoder(inputs, 8, 1, 2, 2, 0.0)
        ).eval()
        networks.append((network, inputs.tensors(rows)))
    (short, tensors), (long, more) = networks
    weights = short.state_dict()
    if kind == "transformer":
        weights["places"] = torch.cat([weights["places"], torch.ones(24, 8)])
    long.load_state_dict(weights)
    torch.testing.assert_close(short(tensors), long(more))
    alone = torch.cat([short({"tokens": t[None]}) for t in tensors["tokens"]], dim=1)
    torch.testing.assert_close(short(tensors), alone)


def test_an_lstm_equals_torchs_bidirectional_one():
    inputs = TextInputs.fit(reviews(8).features, 300, 20)
    own = BidirectionalLSTM(inputs, 8, 6, 1, 2, 0.0).eval()
    reference = torch.nn.LSTM(8, 6, batch_first=True, bidirectional=True)
    weights = dict(own.forwards[0].state_dict())
    weights |= {f"{name}_reverse": t for name, t in own.backwards[0].state_dict().items()}
    reference.load_state_dict(weights)
    states = []
    own.attend.register_forward_pre_hook(lambda _, given: states.append(given[0]))
    tokens = inputs.tensors(reviews(8).features)["tokens"][:1]
    own({"tokens": tokens})
    expected, _ = reference(own.tokens(tokens[tokens != 0][None]))
    torch.testing.assert_close(states[0], expected)
