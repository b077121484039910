"""Divided interactions: what is held out, what was known before, and that nothing leaks."""

import numpy as np
import pandas as pd
import pytest

from crisol.models.recommender.data import prepare as data
from crisol.models.recommender.data import tags
from crisol.models.recommender.data.raw_columns import TableError
from crisol.models.recommender.study_params import (
    LeaveOneOutSplit,
    OfficialSplit,
    StudyParams,
    TemporalSplit,
)

SPLITS = {
    "official": OfficialSplit(valid_share=0.2),
    "leave_one_out": LeaveOneOutSplit(),
    "temporal": TemporalSplit(valid_share=0.15, test_share=0.2),
}
NO_ITEMS = pd.DataFrame({"item": pd.Series([], dtype="str")})


def _study(kind: str = "leave_one_out", **changes) -> StudyParams:
    return StudyParams(**{"name": "made", "split": SPLITS[kind]} | changes)


def _shop(seed: int = 0, count: int = 600) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Made-up events in no order, all columns."""
    rng = np.random.default_rng(seed)
    days = rng.permutation(count)
    events = pd.DataFrame(
        {
            "user": [f"u{n:02d}" for n in rng.integers(0, 25, count)],
            "item": [f"i{n:02d}" for n in rng.integers(0, 40, count)],
            "time": (pd.Timestamp("2022-01-01", tz="UTC") + pd.to_timedelta(days, unit="D")),
            "part": np.where(rng.random(count) < 0.8, "train", "test"),
            "type": rng.choice(["view", "purchase"], count),
        }
    )
    items = pd.DataFrame({"item": [f"i{n:02d}" for n in range(40)]})
    return data.clean(events, items)


def _listed(rows: pd.DataFrame, part: str, items: pd.DataFrame) -> list[str]:
    return items["item"].iloc[rows.loc[rows["part"] == part, "item"]].tolist()


def test_leave_one_out_holds_out_the_two_newest_items():
    events, items = data.clean(pd.DataFrame({"user": "a", "item": list("pqrst")}), NO_ITEMS)
    rows = data.split(events, items, _study())
    assert _listed(rows, "train", items) == ["p", "q", "r"]
    assert _listed(rows, "valid", items) == ["s"]
    assert _listed(rows, "test", items) == ["t"]


def test_a_repeated_item_is_never_a_target():
    """p is bought again at the end: the newest *new* item is s, and what follows it is its part."""
    events, items = data.clean(pd.DataFrame({"user": "a", "item": list("pqrqspps")}), NO_ITEMS)
    rows = data.split(events, items, _study())
    assert _listed(rows, "train", items) == ["p", "q"]
    assert _listed(rows, "valid", items) == ["r", "q"]
    assert _listed(rows, "test", items) == ["s", "p", "p", "s"]
    histories, targets = data.histories_before(rows, "test")
    assert histories.row(0).tolist() == [0, 1, 2, 1]
    assert targets.row(0).tolist() == [3]


def test_leave_one_out_follows_the_clock_and_without_one_the_file():
    table = pd.DataFrame({"user": "a", "item": list("pqrs")})
    timed = table.assign(time=["2024-01-04", "2024-01-03", "2024-01-02", "2024-01-01"])
    for raw, newest in ((table, ["s"]), (timed, ["p"])):
        events, items = data.clean(raw, NO_ITEMS)
        assert _listed(data.split(events, items, _study()), "test", items) == newest


def test_users_with_few_items_are_training_only():
    raw = pd.DataFrame({"user": list("aaaabb"), "item": list("pqrspq")})
    events, items = data.clean(raw, NO_ITEMS)
    rows = data.split(events, items, _study())
    assert set(rows.loc[rows["user_id"] == "b", "part"]) == {"train"}
    histories, _ = data.histories_before(rows, "test")
    assert histories.users.tolist() == [0]


def test_validation_may_be_the_newest_of_the_official_training_part():
    events = pd.DataFrame(
        {
            "user": ["a"] * 5 + ["b"] * 3,
            "item": list("zyxwv") + list("xyz"),
            "part": ["train"] * 4 + ["test"] + ["train"] * 2 + ["test"],
        }
    )
    newest = OfficialSplit(valid_share=0.5, valid_by="newest")
    cleaned = data.clean(events, pd.DataFrame({"item": list("vwxyz")}))
    rows = data.split(*cleaned, _study("official", split=newest))
    expected = {"a": ["train", "train", "valid", "valid", "test"], "b": ["train", "valid", "test"]}
    assert rows["part"].tolist() == expected["a"] + expected["b"]


def test_the_official_split_draws_validation_from_training_alone():
    events, items = _shop()
    rows = data.split(events, items, _study("official"))
    assert (rows["part"] == "test").sum() == (events["part"] == "test").sum()
    known = rows[rows["part"] != "test"].drop_duplicates(["user", "item"])
    share = (known["part"] == "valid").groupby(known["user"]).mean()
    assert share.between(0.1, 0.3).all()
    # An item is in one of the two, however often the user had it.
    parts = rows[rows["part"] != "test"].groupby(["user", "item"])["part"].nunique()
    assert (parts == 1).all()
    again = data.split(events, items, _study("official"))
    pd.testing.assert_frame_equal(rows, again)
    other = _study("official", split=OfficialSplit(valid_share=0.2, seed=1))
    assert not data.split(events, items, other).equals(rows)


def test_the_temporal_split_cuts_at_two_moments():
    events, items = _shop()
    rows = data.split(events, items, _study("temporal"))
    times = rows.groupby("part", observed=True)["time"].agg(["min", "max"])
    assert times.loc["train", "max"] < times.loc["valid", "min"]
    assert times.loc["valid", "max"] < times.loc["test", "min"]
    assert (rows["part"] == "test").mean() == pytest.approx(0.2, abs=0.01)
    assert (rows["part"] == "valid").mean() == pytest.approx(0.15, abs=0.01)


def _exchange_tested(events: pd.DataFrame, rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The events with other items in the place of those that are tested."""
    held = rows[rows["part"] == "test"]
    if kind == "leave_one_out":  # the rows of the newest new item, the only target
        newest = held.drop_duplicates("user")[["user", "item"]]
        held = held.merge(newest, on=["user", "item"])
    keys = pd.MultiIndex.from_arrays([held["user_id"].astype(str), held["time"]])
    tested = pd.MultiIndex.from_frame(events[["user", "time"]]).isin(keys)
    others = events["item"].str.replace("i", "z")
    return events.assign(item=events["item"].mask(tested, others))


@pytest.mark.parametrize("kind", SPLITS)
def test_changed_held_out_rows_change_nothing_that_is_fitted(kind):
    """Every tested item becomes another; training, validation and their weights stay."""
    events, items = _shop()
    never_had = pd.DataFrame({"item": [f"z{n:02d}" for n in range(40)]})
    _, items = data.clean(events, pd.concat([items[["item"]], never_had]))
    study = _study(kind, min_user_events=3, type_weights={"view": 1.0, "purchase": 3.0})
    first = data.split(events, items, study)
    again = data.split(_exchange_tested(events, first, kind), items, study)
    assert (again.loc[again["part"] == "test", "item"] >= 40).any()
    for parts in (("train",), ("train", "valid")):
        one, other = (data.interactions(r, parts, len(items)) for r in (first, again))
        for name in ("starts", "items", "weights", "users"):
            np.testing.assert_array_equal(
                getattr(one.histories, name), getattr(other.histories, name)
            )
    before, after = data.histories_before(first, "valid"), data.histories_before(again, "valid")
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one.items, other.items)


@pytest.mark.parametrize("kind", SPLITS)
def test_histories_end_before_their_targets(kind):
    events, items = _shop()
    rows = data.split(events, items, _study(kind))
    for part, before in (("valid", ["train"]), ("test", ["train", "valid"])):
        histories, targets = data.histories_before(rows, part)
        assert len(histories) == len(targets) > 0
        for b, user in enumerate(histories.users):
            mine = rows[rows["user"] == user]
            had = mine.loc[mine["part"].isin(before), "item"].tolist()
            new = set(mine.loc[mine["part"] == part, "item"]) - set(had)
            assert histories.row(b).tolist() == had
            assert sorted(targets.row(b)) == sorted(new)


def test_interactions_are_the_known_users_in_time_order():
    events, items = _shop()
    rows = data.split(events, items, _study())
    found = data.interactions(rows, ("train", "valid"), len(items))
    assert found.user_count == events["user"].nunique()
    assert found.item_count == 40
    ids = data.user_ids(rows)
    for user in (0, 7):
        mine = events[events["user"] == ids[user]].sort_values("time", kind="stable")
        expected = mine["item"].str[1:].astype(int).tolist()
        got = found.histories.row(user).tolist()
        assert got == expected[: len(got)]


def test_types_weigh_and_weight_zero_leaves_out():
    events, items = _shop()
    study = _study(type_weights={"view": 0.0, "purchase": 2.0})
    rows = data.split(events, items, study)
    assert len(rows) == (events["type"] == "purchase").sum()
    assert (rows["weight"] == 2.0).all()
    with pytest.raises(TableError, match="events of type 'view' have no weight"):
        data.split(events, items, _study(type_weights={"purchase": 1.0}))


def test_the_core_is_iterated_and_counts_training_alone():
    """g and h are had by d alone; without them d has one item of training left and goes."""
    orders = {"a": "pqrst", "b": "rstpq", "c": "tpqrs", "d": "pghst"}
    raw = pd.DataFrame(
        [(user, item) for user, order in orders.items() for item in order],
        columns=["user", "item"],
    )
    events, items = data.clean(raw, NO_ITEMS)
    rows = data.split(events, items, _study(min_user_events=2, min_item_events=2))
    assert data.user_ids(rows) == ("a", "b", "c")
    assert set(rows["user"]) == {0, 1, 2}
    # s is left in training once, so nobody is tested on it either.
    assert set(items["item"].iloc[rows["item"]]) == {"p", "q", "r", "t"}


def test_order_of_the_file_decides_nothing_where_there_are_times():
    events, items = _shop()
    shuffled = events.sample(frac=1, random_state=1).reset_index(drop=True)
    for kind in SPLITS:
        one, other = (data.split(e, items, _study(kind)) for e in (events, shuffled))
        pd.testing.assert_frame_equal(one, other)


def test_an_item_nobody_describes_is_refused():
    raw = pd.DataFrame({"user": ["a", "b"], "item": ["7", "007"]})
    with pytest.raises(TableError, match="row 2: item '007' of source 'shop' is not among"):
        data.clean(raw, pd.DataFrame({"item": ["7"]}))


def test_a_source_without_items_gets_bare_ones():
    raw = pd.DataFrame({"user": "a", "item": ["x", "y", "x"], "source": ["one", "one", "two"]})
    _, items = data.clean(raw, pd.DataFrame({"item": ["x"], "source": "two", "title": "Ex"}))
    assert items[["source", "item", "title"]].to_numpy().tolist() == [
        ["one", "x", ""], ["one", "y", ""], ["two", "x", "Ex"],
    ]  # fmt: skip


def test_users_are_sorted_checked_and_need_no_events():
    raw = pd.DataFrame({"user": ["b", "a"], "attributes": ["x|y", ""]})
    found = data.clean_users(raw)
    assert found[["source", "user", "attributes"]].to_numpy().tolist() == [
        ["shop", "a", ""], ["shop", "b", "x|y"],
    ]  # fmt: skip
    with pytest.raises(TableError, match=r"users, row 2 .*: user occurs already"):
        data.clean_users(raw.assign(user="a"))


def test_what_a_study_lacks_is_said():
    events, items = _shop()
    with pytest.raises(TableError, match="no events of source 'mars'; there are: shop"):
        data.split(events, items, _study(source="mars"))
    with pytest.raises(TableError, match="temporal split needs times"):
        data.split(events.assign(time=pd.NaT), items, _study("temporal"))
    with pytest.raises(TableError, match="no official parts"):
        data.split(events.assign(part=""), items, _study("official"))
    with pytest.raises(TableError, match="leaves no test events"):
        data.split(events.assign(part="train"), items, _study("official"))


def test_the_catalogue_holds_what_items_tell():
    raw = pd.DataFrame(
        {
            "item": ["b", "a", "c", "d"],
            "title": ["Matte lipstick", "Glossy lipstick", "Soap bar", "Soap matte"],
            "category": ["lips", "lips", "bath", ""],
            "brand": ["acme", "", "acme", ""],
            "price": ["3.5", "", "2", ""],
            "attributes": ["red|new", "red", "", "plain"],
        }
    )
    _, items = data.clean(pd.DataFrame({"user": "u", "item": ["a"]}), raw)
    found = tags.catalogue(items, _study(min_word_items=2, max_word_share=0.5))
    assert found.ids == ("a", "b", "c", "d")
    assert found.titles[0] == "Glossy lipstick"
    assert np.isnan(found.prices[0])
    assert found.prices[1] == 3.5
    assert found.tag_names == (
        "attribute:new", "attribute:plain", "attribute:red", "brand:acme", "category:bath",
        "category:lips", "word:lipstick", "word:matte", "word:soap",
    )  # fmt: skip
    told = [found.tag_names[t] for t in found.tags[1].indices]
    assert told == [
        "attribute:new", "attribute:red", "brand:acme", "category:lips", "word:lipstick",
        "word:matte",
    ]  # fmt: skip
