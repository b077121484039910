"""A file of one's own, named and nothing else: read, trained on, judged, answered from."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from kedro.config import OmegaConfigLoader
from tests.conftest import ROOT, copy_project, run_in
from tests.models.signals.data.test_bar_files import DAILY, bars, trading_days, write

from crisol.catalog.raw_files import RawFolderDataset
from crisol.core.errors import FieldError, MendableError
from crisol.models import signals
from crisol.models.signals.data.own_study import resolved, study_name
from crisol.models.signals.params import DataParams, ModelParams, ServeParams, TrainParams
from crisol.models.signals.training import request_at
from crisol.pipelines.signals import nodes
from crisol.settings import CONFIG_LOADER_ARGS

SECTIONS = yaml.safe_load((ROOT / "conf/ci/parameters_signals.yml").read_text())["signals"]
COUNT = 700
SESSIONS = pd.DatetimeIndex(
    [
        time
        for day in trading_days(60, "2023-02-01")
        for time in pd.date_range(f"{day:%Y-%m-%d} 09:30", periods=13, freq="30min")
    ]
)[:COUNT]
FILES = {
    "AAPL.csv": (
        trading_days(COUNT).strftime("%Y-%m-%d"),
        {"name": "aapl", "exchanges": ("nasdaq",), "bars_per_year": 252.0},
    ),
    "Binance_ETHUSDT_15m.csv": (
        pd.date_range("2024-01-01", periods=COUNT, freq="15min").as_unit("ms").astype("int64"),
        {"name": "binance_ethusdt_15m", "exchanges": ("binance",), "bars_per_year": 35_040.0},
    ),
    "spy 30 min.csv": (
        SESSIONS.strftime("%Y-%m-%d %H:%M:%S"),
        {"name": "spy_30_min", "exchanges": ("nasdaq",), "bars_per_year": 13 * 252.0},
    ),
}  # fmt: skip


def data_of(path: Path) -> DataParams:
    """The parameters of a run that names the file and nothing else."""
    return DataParams.model_validate({**SECTIONS["data"], "file": str(path)})


def run(path: Path, folder: Path):
    """Predictor and evaluation, as the nodes of the pipeline make them."""
    data = data_of(path)
    model = ModelParams.model_validate(SECTIONS["model"])
    model = model.model_copy(update={"serve": ServeParams(runtime="torch", export=False)})
    train = TrainParams.model_validate({**SECTIONS["train"], "epochs": 1})
    table = signals.clean(path, data)
    notes = pd.DataFrame({"note": table.attrs["notes"]})
    samples = signals.label(table, data)
    fitted = signals.fit(table, samples, data, model, train, folder / "checkpoints")
    baselines = signals.forecast_baselines(table, samples, data, train)
    judged = signals.evaluate(
        fitted.predictor, None, table, samples, fitted.forecasts, baselines, fitted.history, data,
        notes,
    )  # fmt: skip
    return table, fitted.predictor, judged


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_trained_on_and_answered_from(tmp_path, name):
    times, expected = FILES[name]
    path = write(tmp_path, bars(times), name)
    table, predictor, judged = run(path, tmp_path)
    [study] = resolved(data_of(path), table).studies
    assert {field: getattr(study, field) for field in expected} == expected
    report = judged.report
    assert not report.synthetic
    assert report.headline.startswith(f"{expected['name']}: ")
    assert "made" not in report.headline
    text = json.dumps(report.model_dump(mode="json"))
    assert "made-up" not in text
    assert "is made from the file" in text
    assert f"{expected['name']}.buy_and_hold.return_after_costs" in judged.metrics
    loaded = signals.Predictor.load(predictor.save(tmp_path / "predictor"))
    asked = request_at(table, len(table) - 1)
    assert len(loaded.predict([asked, loaded.example_request()])) == 2
    thinned = request_at(table.drop(index=len(table) - 20), len(table) - 2)
    with pytest.raises(FieldError, match=r"after the one before it"):
        loaded.predict([thinned])
    assert loaded.replay_golden() == []


def test_the_catalog_reads_the_file_of_the_command_line(tmp_path):
    path = write(tmp_path, DAILY, "AAPL.csv")
    for given, file in ((None, "data/01_raw/signals/sample_bars.csv"), (str(path), str(path))):
        parameters = {} if given is None else {"signals": {"data": {"file": given}}}
        loader = OmegaConfigLoader(
            str(ROOT / "conf"), env="base", runtime_params=parameters, **CONFIG_LOADER_ARGS
        )
        entry = loader["catalog"]["signals.bars_raw"]
        assert entry["filepath"] == file
        assert entry["type"] == "crisol.catalog.raw_files.RawFolderDataset"
    german = write(tmp_path, DAILY, "SAP.csv", sep="#", decimal=",")
    data = DataParams.model_validate({"file": str(german), "read": {"delimiter": "#"}})
    found, notes = nodes.clean(RawFolderDataset(filepath=str(german)).load(), data)
    assert found["close"].tolist() == DAILY["close"].tolist()
    assert notes["note"].str.contains("written like 1.234,5").any()
    with pytest.raises(MendableError, match=r"give signals.bars_raw the type .*RawFolder"):
        signals.clean(DAILY, data)


def test_studies_of_ones_own_are_kept(world):
    own = world.data.model_copy(update={"file": "mine.csv"})
    found = resolved(own, world.bars)
    assert found.studies == own.studies
    assert not found.synthetic
    assert resolved(world.data, world.bars) is world.data


@pytest.mark.parametrize(
    ("file", "name"),
    [("/shop/BTC-USD 2024.csv", "btc_usd_2024"), ("7203.csv", "bars_7203"),
     ("sample.csv", "bars_sample"), ("Börse.csv", "b_rse"), ("日.csv", "bars")],
)  # fmt: skip
def test_a_study_has_the_name_of_the_file(file, name):
    assert study_name(file) == name


def test_bars_of_two_intervals_are_refused(tmp_path):
    hours = bars(pd.date_range("2024-01-01", periods=120, freq="h").strftime("%Y-%m-%d %H:%M:%S"))
    days = pd.date_range("2022-01-01", periods=120).strftime("%Y-%m-%d %H:%M:%S")
    daily = DAILY.assign(symbol="B/USDT", timestamp=days)
    table = pd.concat([hours.assign(symbol="A/USDT"), daily])
    path = write(tmp_path, table.assign(exchange="binance"), "mine.csv")
    with pytest.raises(MendableError, match=r"different intervals \(1 h and 1 day\)"):
        signals.clean(path, data_of(path))


def test_values_for_the_sample_study_are_refused(world, tmp_path):
    own = replace(world, data=data_of(Path("mine.csv")))
    train = world.train.model_copy(update={"by_study": {"sample": {"epochs": 3}}})
    samples = signals.label(world.bars, own.data)
    assert np.unique(samples["study"]).tolist() == ["mine"]
    with pytest.raises(MendableError, match="'sample' is not a study; there are: mine"):
        signals.fit(world.bars, samples, own.data, world.model, train, tmp_path)


@pytest.mark.slow  # three commands of a project of its own
def test_the_command_line_needs_the_name_of_the_file_alone(tmp_path):
    project = copy_project(tmp_path / "a project")
    times, expected = FILES["AAPL.csv"]
    path = write(tmp_path, bars(times), "AAPL.csv")
    command = ("kedro", "run", "--env", "ci", "--pipelines", "signals")
    done = run_in(project, *command, "--params", f"signals.data.file={path}")
    said = " ".join((done.stdout + done.stderr).split())
    assert f"{expected['name']}: the network reaches" in said
    assert "made-up" not in said
    report = (project / "data/08_reporting/signals/evaluation_report.json").read_text()
    assert "the symbol is AAPL, from the name of the file" in report
    run_in(project, "kedro", "promote", "signals/1", "--env", "ci", "--force", "--reason", "test")
    predictor = signals.Predictor.load(project / "data/06_models/signals/trained_predictor")
    assert len(predictor.predict([predictor.example_request()])) == 1
