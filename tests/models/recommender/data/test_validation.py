"""Raw events, items and users that are wrong are refused with file, row and rule."""

import io
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from crisol.core.data.read_params import ReadParams
from crisol.models.recommender.data.raw_columns import TableError
from crisol.models.recommender.data.validation import (
    validate_events,
    validate_items,
    validate_users,
)

READ = {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig"}
"""As in the catalog."""


def _events() -> pd.DataFrame:
    rows = [[f"u{n % 4}", f"i{n % 7}", f"2024-01-{n + 1:02d}T10:00:00Z", "1", "view"] for n in range(20)]  # fmt: skip # noqa: E501
    return pd.DataFrame(rows, columns=["user", "item", "time", "weight", "type"])


def _items() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "item": [f"i{n}" for n in range(7)],
            "title": "Lip stick",
            "category": "lips",
            "price": "3.50",
            "attributes": "matte|red",
        }
    )


def _users() -> pd.DataFrame:
    return pd.DataFrame({"user": [f"u{n}" for n in range(7)], "attributes": "age:18-24|country:es"})


def _set(row: int, column: str, value):
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table = table.assign(**{column: table.get(column, "train")}).astype({column: object})
        table.loc[row, column] = value
        return table

    return change


FUTURE = (datetime.now(UTC) + timedelta(days=3)).isoformat()
BAD_EVENTS = {
    "missing column": (lambda t: t.drop(columns="item"), "column 'item' is missing"),
    "misspelt column": (lambda t: t.rename(columns={"time": "times"}), "'times' looks like 'time'"),
    "no rows": (lambda t: t.iloc[:0], "there are no events"),
    "byte-order mark": (lambda t: t.rename(columns={"user": "\ufeffuser"}), "utf-8-sig"),
    "empty user": (_set(6, "user", ""), r"row 7 \(line 8\): user is empty"),
    "NaN item": (_set(6, "item", None), r"row 7 \(line 8\): item is empty"),
    "user nan": (
        _set(6, "user", "nan"),
        r"row 7 \(line 8\): user says .*read\.keep=nan.*leave_out",
    ),
    "user NULL": (_set(6, "user", "NULL"), r"row 7 \(line 8\): user says .*read\.keep=NULL"),
    "item \\N": (_set(6, "item", "\\N"), r"row 7 \(line 8\): item says that there is none"),
    "a spreadsheet's id": (_set(6, "user", "1.23E+12"), "row 7 .* was shortened by a spreadsheet"),
    "7.0 beside 7": (
        lambda t: t.assign(user=["7.0", "7", "a", "b"] * 5),
        r"row 1 \(line 2\): user occurs with \.0 and without",
    ),
    "padded id": (_set(6, "user", " u2"), r"row 7 \(line 8\): user ' u2' begins or ends with"),
    "control character": (_set(6, "item", "i\x002"), r"row 7 \(line 8\): item .* control char"),
    "long id": (_set(6, "item", "i" * 129), r"row 7 \(line 8\): item .* longer than 128"),
    "ids as numbers": (lambda t: t.assign(user=range(len(t))), "turns 007 into 7.*dtype: str"),
    "bad time": (
        _set(6, "time", "noon"),
        r"row 7 \(line 8\): time is no date such as '2024-01-01T10:00:00Z'; .*\(time noon\)",
    ),
    "no such day": (_set(6, "time", "2023-02-29"), r"row 7 \(line 8\): time is no date such as"),
    "an order without a clock": (
        lambda t: t.assign(time=range(len(t))),
        "neither a date nor a count of seconds",
    ),
    "seconds as text": (_set(6, "time", "1700000000"), "row 7 .* time is no date such as"),
    "future": (_set(6, "time", FUTURE), r"row 7 \(line 8\): time lies in the future"),
    "year 1": (_set(6, "time", "0001-01-01"), r"row 7 \(line 8\): time lies before 1900"),
    "one time missing": (_set(6, "time", ""), r"row 7 \(line 8\): time is empty, but other"),
    "text weight": (_set(6, "weight", "much"), r"row 7 \(line 8\): weight is not a number"),
    "NaN weight": (_set(6, "weight", "NaN"), r"row 7 \(line 8\): weight is not a number"),
    "weight 0": (_set(6, "weight", "0"), r"row 7 \(line 8\): weight 0.0 must be above 0"),
    "weight beyond float32": (
        _set(6, "weight", "1e39"),
        r"weight 1e\+39 is outside 1e-06 to 1e\+06",
    ),
    "weight 0 in float32": (_set(6, "weight", "1e-46"), r"weight 1e-46 is outside 1e-06 to 1e\+06"),
    "infinite": (
        _set(6, "weight", "inf"),
        r"row 7 \(line 8\): weight is not a number.*\(weight inf\)",
    ),
    "unknown part": (_set(6, "part", "dev"), r"row 7 \(line 8\): part dev is neither train nor"),
    "one part missing": (_set(6, "part", ""), r"row 7 \(line 8\): part is empty, but other"),
    "empty source": (_set(6, "source", ""), r"row 7 \(line 8\): source is empty"),
}
BAD_ITEMS = {
    "missing column": (lambda t: t.drop(columns="item"), "column 'item' is missing"),
    "misspelt column": (lambda t: t.rename(columns={"price": "prices"}), "looks like 'price'"),
    "twice": (_set(6, "item", "i0"), r"row 7 \(line 8\): item occurs already \(item i0\)"),
    "ids as numbers": (lambda t: t.assign(item=range(len(t))), "item was read as numbers"),
    "empty id": (_set(6, "item", ""), r"row 7 \(line 8\): item is empty"),
    "price 0": (_set(6, "price", "0"), r"row 7 \(line 8\): price 0.0 must be above 0"),
    "negative price": (_set(6, "price", "-1"), r"row 7 \(line 8\): price -1.0 must be above 0"),
    "text price": (_set(6, "price", "3,50"), r"row 7 \(line 8\): price is not a number"),
    "empty attribute": (_set(6, "attributes", "a||b"), r"row 7 \(line 8\): an attribute between"),
}
BAD_USERS = {
    "missing column": (lambda t: t.drop(columns="attributes"), "column 'attributes' is missing"),
    "misspelt column": (
        lambda t: t.rename(columns={"attributes": "attribute"}),
        "looks like 'attributes'",
    ),
    "twice": (_set(6, "user", "u0"), r"row 7 \(line 8\): user occurs already \(user u0\)"),
    "ids as numbers": (lambda t: t.assign(user=range(len(t))), "user was read as numbers"),
    "empty id": (_set(6, "user", ""), r"row 7 \(line 8\): user is empty"),
    "long id": (_set(6, "user", "u" * 129), r"row 7 \(line 8\): user .* longer than 128"),
    "empty attribute": (_set(6, "attributes", "a| |b"), r"row 7 \(line 8\): an attribute between"),
}


@pytest.mark.parametrize("name", BAD_EVENTS)
def test_wrong_events_name_file_row_and_rule(name):
    change, message = BAD_EVENTS[name]
    with pytest.raises(TableError, match=message) as caught:
        validate_events(change(_events()), "events.csv")
    assert str(caught.value).startswith("events.csv")


@pytest.mark.parametrize("name", BAD_ITEMS)
def test_wrong_items_name_file_row_and_rule(name):
    change, message = BAD_ITEMS[name]
    with pytest.raises(TableError, match=message) as caught:
        validate_items(change(_items()), "items.csv")
    assert str(caught.value).startswith("items.csv")


@pytest.mark.parametrize("name", BAD_USERS)
def test_wrong_users_name_file_row_and_rule(name):
    change, message = BAD_USERS[name]
    with pytest.raises(TableError, match=message) as caught:
        validate_users(change(_users()), "users.csv")
    assert str(caught.value).startswith("users.csv")


def test_ids_stay_as_they_are_written():
    text = "\ufeffuser,item,source\n007,NA,shop\n7,null,shop\n"
    read = ReadParams(missing=("",), keep=("NA", "null"))
    found = validate_events(pd.read_csv(io.BytesIO(text.encode()), **READ), read=read)
    assert found["user"].tolist() == ["007", "7"]
    assert found["item"].tolist() == ["NA", "null"]


def test_the_columns_left_out_have_their_defaults():
    found = validate_events(pd.DataFrame({"user": ["a", "a"], "item": ["x", "x"]}))
    assert len(found) == 2  # bought twice
    assert found["source"].unique().tolist() == ["shop"]
    assert found["weight"].tolist() == [1.0, 1.0]
    assert found["time"].isna().all()
    items = validate_items(pd.DataFrame({"item": ["x"]}))
    assert items["title"].tolist() == [""]
    assert items["price"].isna().all()


def test_tables_of_items_and_of_users_may_be_empty():
    assert validate_items(pd.read_csv(io.StringIO("item,title,price\n"), **READ)).empty
    assert validate_users(pd.read_csv(io.StringIO("user,attributes\n"), **READ)).empty


def test_a_user_may_tell_nothing_and_be_one_of_several_sources():
    raw = pd.DataFrame({"user": "a", "source": ["one", "two"], "attributes": ["", "x"]})
    found = validate_users(raw)
    assert found.to_numpy().tolist() == [["one", "a", ""], ["two", "a", "x"]]
    assert validate_users(raw[:1].drop(columns="source"))["source"].tolist() == ["shop"]


def test_one_source_may_have_times_and_official_parts_and_another_none():
    timed = _events().assign(source="shop", part="train")
    bare = _events().assign(source="other", time="", part="")
    found = validate_events(pd.concat([timed, bare]))
    assert found["time"].notna().sum() == found["part"].eq("train").sum() == len(timed)


def test_times_become_utc():
    found = validate_events(_events().assign(time="2024-01-31T10:00:00+02:00"))
    assert found["time"].iloc[0] == pd.Timestamp("2024-01-31T08:00:00Z")


def test_what_was_validated_is_valid():
    for check, table in (
        (validate_events, _events()),
        (validate_items, _items()),
        (validate_users, _users()),
    ):
        once = check(table)
        pd.testing.assert_frame_equal(check(once), once)
