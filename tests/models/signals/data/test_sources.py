"""The committed sample and the real bars."""

import os
from pathlib import Path

import pandas as pd
import pytest

from crisol.models.signals.data import prepare as data
from crisol.models.signals.data import sample, sources
from crisol.models.signals.data.validation import validate_bars
from crisol.models.signals.params import (
    DataParams,
    FixedThreshold,
    Holdout,
    StudyParams,
    WalkForward,
)

SAMPLE = Path(__file__).parents[4] / "data" / "01_raw" / "signals" / "sample_bars.csv"


def test_the_committed_sample_is_what_the_module_writes(tmp_path):
    written = sample.write(tmp_path)
    assert written.read_bytes() == SAMPLE.read_bytes()
    assert "synthetic" in SAMPLE.with_name("sample_README.md").read_text()
    assert SAMPLE.stat().st_size < 2_000_000
    validate_bars(pd.read_csv(SAMPLE))


def test_sources_are_pinned_public_files():
    found = sources.sources()
    assert len(found) == 88
    for source in found:
        assert source.url.startswith("https://raw.githubusercontent.com/")
        assert len(source.url.split("/")[5]) == 40  # a commit, not a branch
    assert len({source.name for source in found}) == 88


@pytest.fixture(scope="module")
def real_bars(tmp_path_factory) -> pd.DataFrame:
    mirror = os.environ.get("CRISOL_DATA_MIRROR")
    if not mirror:
        pytest.skip("CRISOL_DATA_MIRROR is not set: the real bars are not at hand")
    (path,) = sources.fetch(tmp_path_factory.mktemp("real"), mirror)
    return data.clean(validate_bars(pd.read_csv(path)))


@pytest.mark.slow  # it reads all of the real data
def test_acl18_reproduces_the_published_instances(real_bars):
    study = StudyParams(
        name="acl18", exchanges=("nyse", "nasdaq"), label=FixedThreshold(), drop_hold=True,
        min_history_bars=34,
        split=Holdout(
            train_from="2014-01-02", valid_from="2015-08-03", test_from="2015-10-01",
            test_until="2016-01-01",
        ),
    )  # fmt: skip
    samples = data.label(real_bars, DataParams(studies=(study,), register_study="acl18"))
    (fold,) = data.split(samples, study)
    assert (len(fold.train), len(fold.valid), len(fold.test)) == (20_315, 2_555, 3_720)
    up = (samples["label"].iloc[fold.test] == data.BUY).mean()
    assert max(up, 1 - up) == pytest.approx(0.5129, abs=1e-4)


@pytest.mark.slow  # it reads all of the real data
def test_btcusdt_walks_forward_over_the_last_half(real_bars):
    study = StudyParams(
        name="btc", exchanges=("binance",), min_history_bars=169,
        split=WalkForward(folds=5, test_fraction=0.5, embargo_bars=24, valid_fraction=0.12),
    )  # fmt: skip
    samples = data.label(real_bars, DataParams(studies=(study,), register_study="btc"))
    folds = data.split(samples, study)
    assert len(folds) == 5
    assert sum(len(fold.test) for fold in folds) == 33_364 - 33_364 // 2 - 1
    position = samples["position"].to_numpy()
    for fold in folds:
        assert position[fold.valid].max() + 1 + 24 < position[fold.test].min()
