from dataclasses import replace

import numpy as np
import pytest
from tests.models.products.little_shop import LOOP, NETWORK, RECORDS, TARGETS, TAXONOMY, trained

from crisol.models.products.data.taxonomy import Taxonomy
from crisol.models.products.member import Targets
from crisol.models.products.networks.transformer_training import fit_transformer

SHORT = LOOP.model_copy(update={"epochs": 2})
FEW = RECORDS[:16]
NAN = np.full(16, np.nan)


def fit(targets=None, taxonomy=TAXONOMY, loop=SHORT, **further):
    targets = TARGETS.take(np.arange(16)) if targets is None else targets
    return fit_transformer(FEW, targets, taxonomy, NETWORK, loop, **further)


def test_every_loss_falls():
    plain = {"epochs": 8, "modality_dropout": 0.0, "word_dropout": 0.0}
    _, history = fit(loop=LOOP.model_copy(update=plain))
    for part in ("loss", "leaf", "main", "log_price", "modalities", "views"):
        assert history[f"train_{part}"].iloc[-1] < history[f"train_{part}"].iloc[0]


def test_resumed_it_has_the_same_weights(tmp_path, monkeypatch):
    whole, _ = fit()
    from crisol.core.training.training_run import TrainingRun

    run = TrainingRun._run_epoch

    def killed(self, bar):
        if self._epoch == 1:
            raise KeyboardInterrupt
        run(self, bar)

    monkeypatch.setattr(TrainingRun, "_run_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        fit(checkpoints=tmp_path)
    monkeypatch.undo()
    resumed, history = fit(checkpoints=tmp_path)
    assert resumed.embedding_id == whole.embedding_id
    assert list(history["epoch"]) == [1, 2]
    other, _ = fit(loop=SHORT.model_copy(update={"seed": 2}), checkpoints=tmp_path)
    assert other.embedding_id != whole.embedding_id


def test_heads_without_anything_to_learn_say_nothing():
    member, _ = fit(Targets(np.full(16, -1), TARGETS.log_price[:16], NAN), None)
    forecast = member.forecast(FEW)
    assert forecast.leaf is None
    assert forecast.rating is None
    assert forecast.log_price.shape == (16,)
    member, history = fit(Targets(np.full(16, -1), NAN, NAN), None)
    assert member.embed(FEW).shape == (16, 32)
    assert "train_views" in history


def test_helpers_teach_prices_and_no_categories():
    helpers = [replace(record, title="Anvil") for record in RECORDS[16:32]]
    theirs = Targets(np.zeros(16, np.int64), np.full(16, 9.0), NAN)
    loop = LOOP.model_copy(update={"learning_rate": 1e-2})
    alone, _ = fit(loop=loop)
    member, _ = fit(loop=loop, helper=(helpers, theirs))
    asked = [replace(helpers[0], title="Anvil", image=None, description="", category="")]
    assert member.forecast(asked).log_price > alone.forecast(asked).log_price + 1
    unknown = Targets(np.full(16, -1), theirs.log_price, NAN)
    short, _ = fit(helper=(helpers, theirs))
    assert fit(helper=(helpers, unknown))[0].embedding_id == short.embedding_id


def test_it_starts_from_another_ones_weights():
    frozen = SHORT.model_copy(update={"epochs": 1, "learning_rate": 1e-12, "weight_decay": 0.0})
    again, _ = fit(loop=frozen, initial=trained())
    np.testing.assert_allclose(again.embed(FEW), trained().embed(FEW), atol=1e-5)
    other = Taxonomy((("Else", ""), ("Thing", "")))
    leaf = np.arange(16) % 2
    moved, _ = fit(Targets(leaf, NAN, NAN), other, loop=frozen, initial=trained())
    assert moved.forecast(FEW).leaf.shape == (16, 2)
    np.testing.assert_allclose(moved.embed(FEW), trained().embed(FEW), atol=1e-5)
