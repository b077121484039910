"""A file of events of one's own: one command trains on it, and the predictor answers."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from tests.conftest import copy_project, run_in

from crisol import models
from crisol.models import recommender


def reviews(sample: pd.DataFrame) -> pd.DataFrame:
    """Names, clock and ratings as in public data sets."""
    seconds = pd.to_datetime(sample["time"], utc=True).dt.as_unit("s").astype("int64")
    named = sample.rename(columns={"user": "userId", "item": "movieId"})
    return named[["userId", "movieId"]].assign(rating="4.5", timestamp=seconds, device="phone")


def sorted_by_item(sample: pd.DataFrame) -> pd.DataFrame:
    """Pairs as a data base gives them."""
    pairs = sample[["user", "item"]].drop_duplicates().sort_values(["user", "item"])
    return pairs.set_axis(["customer_id", "product_id"], axis=1)


def log(sample: pd.DataFrame) -> pd.DataFrame:
    """A log without its times."""
    return sample[["user", "item"]]


FILES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str, str]] = {
    "reviews.csv": (reviews, ";", "split in time"),
    "pairs.tsv": (sorted_by_item, "\t", "sorted by item"),
    "log.txt": (log, "|", "oldest first"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_one_command_trains_on_a_file(tmp_path: Path, name: str) -> None:
    change, separator, told = FILES[name]
    project = copy_project(tmp_path / "project")
    sample = pd.read_csv(project / "data/01_raw/recommender/sample_events.csv", dtype=str)
    change(sample).to_csv(project / name, sep=separator, index=False)
    done = run_in(
        project,
        *("kedro", "run", "--env", "ci", "--pipelines", "recommender"),
        *("--params", f"recommender.data.events={name}"),
    )
    report = json.loads(
        (project / "data/08_reporting/recommender/evaluation_report.json").read_text()
    )
    assert told in " ".join(report["data"])
    assert report["synthetic"] is False
    assert "made-up" not in report["headline"]
    assert told in " ".join((done.stdout + done.stderr).split())
    folder = project / "data/06_models/recommender/trained_predictor"
    predictor = models.load_predictor(folder)
    assert predictor.description.study == "mine"
    user = str(sample["user"].iloc[0])
    [answer] = predictor.predict([recommender.Request(user_id=user, num_recs=5)])
    assert len(answer.items) == 5
    assert answer.basis != "popularity"
    assert ("transitions" in predictor.description.methods) <= (name != "pairs.tsv")
