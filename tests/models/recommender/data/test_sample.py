"""The committed sample, and that there is in it what the module says."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crisol.models.recommender.data import prepare as data
from crisol.models.recommender.data import sample, tags
from crisol.models.recommender.study_params import StudyParams, TemporalSplit

FOLDER = Path(__file__).parents[4] / "data" / "01_raw" / "recommender"
READ = {"dtype": str, "keep_default_na": False}


def test_the_committed_sample_is_what_the_module_writes(tmp_path):
    for written in sample.write(tmp_path):
        assert written.read_bytes() == (FOLDER / written.name).read_bytes()
    assert "synthetic" in (FOLDER / "sample_README.md").read_text()
    assert sum(path.stat().st_size for path in FOLDER.glob("sample_*")) < 600_000


@pytest.fixture(scope="module")
def shop() -> tuple[pd.DataFrame, pd.DataFrame]:
    return data.clean(
        pd.read_csv(FOLDER / "sample_events.csv", **READ),
        pd.read_csv(FOLDER / "sample_items.csv", **READ),
    )


def test_popularity_has_a_long_tail_and_some_items_were_never_seen(shop):
    events, items = shop
    count = events["item"].value_counts().reindex(items["item"], fill_value=0)
    count = count.sort_values(ascending=False).to_numpy()
    assert count[: len(count) // 5].sum() > 0.4 * count.sum()
    assert (count == 0).sum() >= sample.UNSEEN_ITEMS


def test_most_shoppers_tell_of_themselves_and_the_card_alone_says_something(shop):
    users = data.clean_users(pd.read_csv(FOLDER / "sample_users.csv", **READ)).set_index("user")
    count = shop[0].groupby("user").size()
    assert set(users.index) < set(count.index)
    assert 0.8 < len(users) / len(count) < 1
    told = users["attributes"].str.get_dummies("|")
    mean = {name: count[told.index[told[name] == 1]].mean() for name in told}
    assert mean["card:yes"] > 1.4 * mean["card:no"]
    regions = [mean[f"region:{name}"] for name in sample.REGIONS]
    assert max(regions) < 1.15 * min(regions)


def test_some_items_are_tested_that_training_hardly_knows(shop):
    events, items = shop
    rows = data.split(
        events, items, StudyParams(name="sample", source="sample", split=TemporalSplit())
    )
    known = data.interactions(rows, ("train", "valid"), len(items)).item_counts
    _, targets = data.histories_before(rows, "test")
    assert 0.03 < (known[targets.items] <= 2).mean() < 0.3


def test_communities_sequences_and_content_each_tell_more_than_popularity(shop):
    events, items = shop
    study = StudyParams(name="sample", source="sample")
    rows = data.split(events, items, study)
    known = data.interactions(rows, ("train", "valid"), len(items))
    histories, targets = data.histories_before(rows, "test")
    had = (histories.matrix(len(items)) > 0).astype(float)
    users = (known.matrix > 0).astype(float)
    popularity = np.tile(known.item_counts.astype(float), (len(histories), 1))
    together = (users.T @ users).toarray()
    size = np.sqrt(known.item_counts) + 0.5
    communities = had @ (together / np.outer(size, size))
    follows = np.zeros((len(items), len(items)))
    for user in range(known.user_count):
        row = known.histories.row(user)
        np.add.at(follows, (row[:-1], row[1:]), 1.0)
    newest = histories.items[histories.starts[1:] - 1]
    content = tags.catalogue(items, study).tags
    content = content.multiply(np.log(len(items) / content.sum(axis=0))).tocsr()
    alike = (content @ content.T).toarray()
    found = {
        name: _hit_rate(np.where(had.toarray() > 0, -np.inf, scores), targets.items)
        for name, scores in {
            "popularity": popularity,
            "communities": communities,
            "sequences": follows[newest],
            "content": had @ alike,
        }.items()
    }
    least = found.pop("popularity")
    assert all(rate > 1.5 * least for rate in found.values()), found


def _hit_rate(scores: np.ndarray, targets: np.ndarray, k: int = 10) -> float:
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return float((best == targets[:, None]).any(axis=1).mean())
