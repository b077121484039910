"""Files of events as people have them: what is read, told and refused on the way to a study."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crisol.core.errors import MendableError
from crisol.models.recommender.data.run_files import clean_files
from crisol.models.recommender.data.studies import split_studies
from crisol.models.recommender.params import DataParams

COUNT = 240
RNG = np.random.default_rng(0)
LOG = pd.DataFrame(
    {
        "user": RNG.integers(1, 25, COUNT),
        "item": (RNG.random(COUNT) ** 2 * 30).astype(int) + 1,
        "seconds": 1_500_000_000 + np.sort(RNG.integers(0, 30_000_000, COUNT)),
        "stars": RNG.integers(1, 6, COUNT),
    }
)
"""A log in time order."""
TIMES = pd.to_datetime(LOG["seconds"], unit="s")
Rows = tuple[pd.DataFrame, str]


def read(text: str, folder: Path, **data: Any) -> tuple[pd.DataFrame, str]:
    """The interactions of the study that is derived from a file, and all notes."""
    path = folder / "mine.csv"
    path.write_text(text)
    params = DataParams.model_validate({"events": str(path), **data})
    events, items, _, reading = clean_files(path, Path("no items"), Path("no users"), params)
    rows, notes = split_studies(events, items, reading, params)
    return rows, " ".join(notes["note"])


def table(frame: pd.DataFrame, separator: str = ",", header: bool = True) -> str:
    """A table as text."""
    return frame.to_csv(index=False, sep=separator, header=header)


def lines(frame: pd.DataFrame) -> str:
    """A file of JSON lines."""
    return "\n".join(json.dumps(row) for row in frame.to_dict("records"))


def invoices(**changes: Any) -> str:
    """Lines of invoices, with returned goods and buyers that nobody knows."""
    rows = pd.DataFrame(
        {
            "InvoiceNo": LOG.index + 536365,
            "StockCode": LOG["item"].map("85{:03d}A".format),
            "Quantity": np.where(LOG.index % 20 == 3, -1, LOG["stars"]),
            "InvoiceDate": TIMES.dt.strftime("%m/%d/%Y %H:%M"),
            "CustomerID": [
                "" if at % 4 == 1 else f"{user}.0" for at, user in enumerate(LOG["user"])
            ],
        }
    )
    return table(rows.assign(**changes))


_named = LOG.set_axis(["userId", "movieId", "timestamp", "rating"], axis=1)
_bare = LOG[["user", "item", "stars", "seconds"]]
_names = {"names": ["user", "item", "rating", "time"]}
_pairs = LOG[["user", "item"]]
FILES: dict[str, tuple[Callable[[], str], dict[str, Any], int, str]] = {
    "films": (lambda: table(_named), {}, COUNT, "seconds since 1970"),
    "no header": (lambda: table(_bare, "\t", False), {"read": _names}, COUNT, "seconds since"),
    "visits in ms": (
        lambda: table(
            LOG.assign(timestamp=LOG["seconds"] * 1000, event="view").rename(
                columns={"user": "visitorid", "item": "itemid"}
            )[["timestamp", "visitorid", "event", "itemid"]]
        ),
        {},
        COUNT,
        "milliseconds since 1970",
    ),
    "reviews in JSON": (
        lambda: lines(
            pd.DataFrame(
                {
                    "user_id": "u" + LOG["user"].astype(str),
                    "business_id": "b" + LOG["item"].astype(str),
                    "stars": LOG["stars"].astype(float),
                    "date": TIMES.astype(str),
                }
            )
        ),
        {},
        COUNT,
        "taken for UTC",
    ),
    "invoices": (
        invoices,
        {"leave_out": ["no_id", "not_positive"]},
        0,
        "events with a weight of 0 or less are left out",
    ),
    "an export below a preamble": (
        lambda: "Shop\n\n" + table(LOG.assign(time=TIMES.dt.strftime("%d.%m.%Y %H:%M")), ";"),
        {"read": {"skip": 2}, "columns": {"weight": ""}},
        COUNT,
        "day first, as its cells tell",
    ),
    "decimal commas": (
        lambda: table(LOG.assign(weight=LOG["stars"].astype(str) + ",5"), ";"),
        {"columns": {"time": "seconds"}},
        COUNT,
        "decimal commas",
    ),
    "amounts of money": (
        lambda: table(_pairs.assign(amount=(LOG["stars"] * 1000).map("${:,}.00".format))),
        {"columns": {"weight": "amount"}},
        COUNT,
        "read in $",
    ),
    "plays": (
        lambda: table(
            LOG.rename(columns={"user": "userID", "item": "artistID", "stars": "playcount"})
        ),
        {},
        COUNT,
        "'artistID' is taken as item",
    ),
    "two spellings of a number": (
        lambda: table(
            _pairs.assign(user=[f"{u}.0" if u % 2 else f"{u}" for u in LOG["user"]])
        ),
        {},
        COUNT,
        "an id of some user ends in .0",
    ),
    "joined twice": (
        lambda: table(pd.concat([LOG.rename(columns={"seconds": "time"})] * 2)),
        {"columns": {"weight": ""}},
        2 * COUNT,
        "240 events occur again",
    ),
    "guests": (
        lambda: table(_pairs.assign(user=LOG["user"].where(LOG.index % 3 > 0, 0))),
        {},
        COUNT,
        "user '0' has 33% of all events",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_and_what_was_assumed_is_told(name: str, tmp_path: Path) -> None:
    write, data, count, told = FILES[name]
    rows, notes = read(write(), tmp_path, **data)
    assert told in notes
    assert len(rows) == (count or (LOG.index % 4 != 1).sum() - (LOG.index % 20 == 3).sum())
    assert rows["user_id"].nunique() >= LOG["user"].nunique()
    if rows["time"].notna().any():
        assert set(rows["order"]) == {"time"}
        assert rows["time"].min().floor("D") == TIMES.min().tz_localize("UTC").floor("D")
    assert set(rows["part"]) == {"train", "valid", "test"}


REFUSED: dict[str, tuple[Callable[[], str], str]] = {
    "two characters between cells": (
        lambda: "\n".join("::".join(map(str, row)) for row in _bare.to_numpy()),
        "'::'.* replace them by one",
    ),
    "no header": (lambda: table(_bare, "\t", False), r"no header.*columns\.user=column_1.*names"),
    "a buyer that nobody knows": (invoices, r"row 2 \(line 3\): user is empty; .*leave_out=no_id"),
    "returned goods": (
        lambda: invoices(CustomerID=LOG["user"]),
        r"row 4 \(line 5\): column 'Quantity' .*leave_out=not_positive.*\(weight -1\)",
    ),
    "a user NaN": (
        lambda: table(_pairs.assign(user=LOG["user"].astype(str).where(LOG.index != 5, "NaN"))),
        r"row 6 \(line 7\): user says that there is none; .*read\.keep=NaN",
    ),
    "ids of a spreadsheet": (
        lambda: table(_pairs.assign(item=LOG["item"].map("1.{:02d}E+12".format))),
        "item '1.*' was shortened by a spreadsheet",
    ),
    "baskets": (
        lambda: table(_pairs.assign(item=[f"{n} {n + 1} {n + 2}" for n in LOG["item"]])),
        "item is a list; give one row to each event",
    ),
    "a matrix": (lambda: table(pd.crosstab(LOG["user"], LOG["item"])), "a matrix of users and"),
    "two units": (
        lambda: table(_pairs.assign(weight=["1 kg" if n % 3 else "1 lb" for n in LOG.index])),
        r"row 1 \(line 2\): weight is not a number .*in kg, as others are \(weight 1 lb\)",
    ),
    "a clock without a date": (
        lambda: table(_pairs.assign(time=TIMES.dt.strftime("%H:%M"))),
        r"row 1 \(line 2\): time is a time of day without a date",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_names_row_rule_and_way_out(name: str, tmp_path: Path) -> None:
    write, message = REFUSED[name]
    with pytest.raises(MendableError, match=rf"mine\.csv.*{message}"):
        read(write(), tmp_path)


@pytest.mark.parametrize("name", ["order_number", "seq", "sequence"])
def test_a_number_orders_events_that_have_no_times(name: str, tmp_path: Path) -> None:
    numbered = _pairs.assign(**{name: LOG.groupby("user").cumcount() + 1})
    shuffled = numbered.sample(frac=1, random_state=1)
    rows, notes = read(table(shuffled), tmp_path)
    assert f"ordered by column {name!r}" in notes
    first = LOG[LOG["user"] == 7]["item"].tolist()
    catalogue = sorted({str(item) for item in LOG["item"]})
    mine = rows[rows["user_id"] == "7"]["item"]
    assert [int(catalogue[at]) for at in mine] == first
    _, without = read(table(shuffled), tmp_path, columns={"sequence": ""})
    assert "ordered by column" not in without
