"""Rows that are sorted by anything but time are known as such; rows in time order never are."""

from collections.abc import Callable
from zlib import crc32

import numpy as np
import pandas as pd
import pytest

from crisol.models.recommender.data.event_order import find_order, in_order
from crisol.models.recommender.data.prepare import clean, split, split_study
from crisol.models.recommender.study_params import StudyParams


def log(
    seed: int = 0, users: int = 60, items: int = 80, count: int = 900, drift: float = 0.0
) -> pd.DataFrame:
    """A log in time order; with ``drift`` newer items have higher numbers."""
    rng = np.random.default_rng(seed)
    moment = np.linspace(0, 1, count)
    place = (1 - drift) * rng.random(count) ** 2 + drift * moment
    number = np.minimum((place * items).astype(int), items - 1)
    return pd.DataFrame(
        {
            "user": [f"u{n}" for n in rng.integers(0, users, count)],
            "item": [f"i{n}" for n in number],
            "time": pd.NaT,
            "weight": rng.integers(1, 6, count).astype(float),
            "part": "",
        }
    ).assign(time=lambda t: pd.Series(pd.NaT, index=t.index, dtype="datetime64[ns, UTC]"))


def items_of(events: pd.DataFrame) -> pd.DataFrame:
    ids = sorted(events["item"].unique())
    return pd.DataFrame(
        {
            "item": ids,
            "category": [f"c{hash_of(item) % 7}" for item in ids],
            "brand": "",
            "title": [f"t{hash_of(item)}" for item in ids],
            "price": float("nan"),
        }
    )


def hash_of(item: str) -> int:
    return crc32(item.encode())


def by(*keys: str, down: bool = False) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def sort(events: pd.DataFrame) -> pd.DataFrame:
        known = events.merge(items_of(events)[["item", "category", "title"]], on="item")
        known["number"] = known["item"].str[1:].astype(int)
        known["hidden"] = known["item"].map(hash_of)
        rising = [key == "user" or not down for key in keys]
        sorted_ = known.sort_values(list(keys), ascending=rising, kind="stable")
        return sorted_[events.columns].reset_index(drop=True)

    return sort


SORTED = {
    "item as text": by("user", "item"),
    "item as text, falling": by("user", "item", down=True),
    "item as a number": by("user", "number"),
    "item as a number, falling": by("user", "number", down=True),
    "the whole file by item": by("number"),
    "the whole file by item, falling": by("item", down=True),
    "the whole file by a key that is not there": by("hidden"),
    "a key that is not there": by("user", "hidden"),
    "category": by("user", "category"),
    "title": by("user", "title"),
    "rating, best first": by("user", "weight", down=True),
    "rating, worst first": by("user", "weight"),
    "the whole file by rating": by("weight", down=True),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", SORTED)
def test_rows_sorted_by_anything_but_time_are_known(name: str, seed: int) -> None:
    events = SORTED[name](log(seed))
    found = find_order(events, items_of(events), "auto")
    assert found.kind == "none"
    assert found.sorted_by
    assert "drawn at random" in found.note("mine")
    assert "recommender.data.order=rows" in found.note("mine")


IN_ORDER = {
    "a log": lambda t: t,
    "a log by user": by("user"),
    "newest first": lambda t: t[::-1].reset_index(drop=True),
    "shuffled": lambda t: t.sample(frac=1, random_state=1).reset_index(drop=True),
    "numbered as items appear": lambda t: t.assign(item=pd.factorize(t["item"])[0].astype(str)),
    "by user, numbered as items appear": lambda t: by("user")(t).assign(
        item=lambda u: [f"{n}" for n in pd.factorize(u["item"])[0]]
    ),
}


@pytest.mark.parametrize(
    "shape",
    [{}, {"drift": 0.8}, {"users": 300, "items": 2000}, {"users": 25, "count": 200, "items": 400}],
    ids=str,
)
@pytest.mark.parametrize("name", IN_ORDER)
def test_rows_in_time_order_are_never_taken_for_sorted(name: str, shape: dict) -> None:
    for seed in range(2):
        events = IN_ORDER[name](log(seed, **shape))
        found = find_order(events, items_of(events), "auto")
        assert (found.kind, found.sorted_by) == ("rows", "")
        assert "recommender.data.order=none" in found.note("mine")


def test_a_visit_that_ends_with_a_purchase_is_no_sorted_one() -> None:
    events = by("user")(log())
    last = ~events["user"].duplicated(keep="last")
    events["weight"] = np.where(last, 4.0, 1.0)
    assert find_order(events, items_of(events), "auto").kind == "rows"


@pytest.mark.parametrize("tied", ["1D", "7D", "30D"])
def test_times_decide_and_only_ties_are_drawn(tied: str) -> None:
    events = log()
    events["time"] = pd.date_range("2024-01-01", periods=len(events), freq="1h", tz="UTC")
    days = events.assign(time=events["time"].dt.floor(tied))
    found = find_order(by("user", "item")(days), items_of(days), "auto")
    assert found.kind == "time"
    assert found.sorted_by
    assert "drawn at random" in found.note("mine")
    assert find_order(events, items_of(events), "auto").note("mine") == ""
    rows = in_order(by("user", "item")(days), found)
    assert rows.groupby("user")["time"].apply(lambda t: t.is_monotonic_increasing).all()


def test_one_time_for_all_is_no_time() -> None:
    events = log().assign(time=pd.Timestamp("2024-05-01", tz="UTC"))
    assert find_order(by("user", "item")(events), items_of(events), "auto").kind == "none"
    assert find_order(by("user")(events), items_of(events), "auto").kind == "rows"


@pytest.mark.parametrize(("wanted", "kind"), [("rows", "rows"), ("none", "none")])
def test_an_option_overrules_what_is_found(wanted, kind) -> None:
    for events in (log(), by("user", "item")(log())):
        assert find_order(events, items_of(events), wanted).kind == kind


def test_a_draw_depends_on_the_events_and_not_on_their_rows() -> None:
    events = by("user", "item")(log())
    found = find_order(events, items_of(events), "auto")
    once = in_order(events, found)
    again = in_order(events.sample(frac=1, random_state=3).reset_index(drop=True), found)
    assert once["item"].tolist() == again["item"].tolist()
    assert once["user"].is_monotonic_increasing
    rising = once.groupby("user")["item"].apply(lambda t: t.is_monotonic_increasing)
    assert rising.mean() < 0.1


@pytest.mark.parametrize("split_of", ["leave_one_out", "official", "auto"])
def test_what_is_held_out_of_sorted_rows_is_drawn(split_of: str) -> None:
    raw = by("user", "number")(log(users=120))[["user", "item", "part"]]
    if split_of == "official":
        rng = np.random.default_rng(5)
        raw = raw.assign(part=np.where(rng.random(len(raw)) < 0.8, "train", "test"))
    events, items = clean(raw, pd.DataFrame())
    params = {"kind": split_of} | ({"valid_by": "newest"} if split_of == "official" else {})
    for order, drawn in (("auto", True), ("rows", False)):
        study = StudyParams.model_validate({"name": "mine", "split": params, "order": order})
        divided = split_study(events, items, study)
        rows = divided.rows
        assert set(rows["order"]) == {"none" if drawn else "rows"}
        assert any("sorted by item" in note for note in divided.notes) is drawn
        known = rows[rows["part"] != "test"]
        number = items["item"].iloc[known["item"]].str[1:].astype(int).to_numpy()
        valid = pd.Series(number[known["part"] == "valid"]).mean()
        # "The newest" are simply the highest numbers where the rows are taken as they stand.
        assert bool(valid > np.mean(number) * 1.3) is not drawn


def test_the_whole_split_is_the_same_twice() -> None:
    events, items = clean(by("user", "item")(log())[["user", "item"]], pd.DataFrame())
    study = StudyParams(name="mine")
    pd.testing.assert_frame_equal(split(events, items, study), split(events, items, study))
