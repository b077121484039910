"""Times as files have them: every form, and the evidence for day before month."""

import pandas as pd
import pytest

from crisol.models.recommender.data.times import read_times

FORMS = {
    "day first": (["31.12.2024 10:00", "01.02.2024 11:00"], "2024-02-01T11:00", "as its cells"),
    "month first": (["12/1/2010 8:26", "12/13/2010 8:26"], "2010-12-13T08:26", "month first"),
    "words": (["Jan 3, 2022", "March 5, 2022"], "2022-03-05", ""),
    "a clock of 12 hours": (["1/14/24 7:05 AM", "1/15/24 7:05 PM"], "2024-01-15T19:05", "2 digits"),
    "ISO 8601": (["2024-01-05T10:00:00Z", "2024-01-05 10:30+02"], "2024-01-05T08:30", ""),
    "an API's": (["Mon May 04 23:08:57 +0000 2009"], "2009-05-04T23:08:57", ""),
    "seconds": (["1388534400", "1388534401.0"], "2014-01-01T00:00:01", "seconds since"),
    "milliseconds": (["1433221332117"], "2015-06-02T05:02:12.117", "milliseconds"),
    "microseconds": (["1433221332117000"], "2015-06-02T05:02:12.117", "microseconds"),
    "nanoseconds": (["1433221332117000000"], "2015-06-02T05:02:12.117", "nanoseconds"),
    "digits": (["20240131", "20240201"], "2024-02-01", "days such as"),
    "a spreadsheet's": (["45292.5", "45293.25"], "2024-01-02T06:00", "a spreadsheet's days"),
}


def _read(cells: list[str], users: list[str] | None = None, day_first: bool | None = None):
    whose = pd.Series(users or ["a"] * len(cells), dtype="str")
    return read_times(pd.Series(cells, dtype="str"), whose, day_first)


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_read_and_told(name: str) -> None:
    cells, last, told = FORMS[name]
    found = _read(cells)
    assert found.times.iloc[-1] == pd.Timestamp(last, tz="UTC")
    assert found.times.notna().all()
    assert told.replace("2 digits", "two digits") in " ".join(found.notes)


BAD = {
    "one word": (["2024-01-01", "noon"], 1, "no date such as '2024-01-01'"),
    "a mark": (["None", "2024-01-01"], 0, "no date such as"),
    "the other order": (["13/02/2024", "14/02/2024", "02/13/2024"], 2, "with the month first"),
    "one count of another unit": (["1388534400", "1388534401", "1388534402000"], 2, "seconds"),
    "nought": (["0", "1388534400", "1388534401"], 0, "seconds since 1970, from 1990"),
    "an order": (["1", "2", "3"], 0, "neither a date nor a count"),
    "years": (["2019", "2020"], 0, "neither a date nor a count"),
    "a time of day": (["10:30", "11:45"], 0, "a time of day without a date"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_cell_that_is_no_time_is_never_guessed(name: str) -> None:
    cells, row, fault = BAD[name]
    found = _read(cells)
    assert pd.isna(found.times.iloc[row])
    assert fault in found.fault


def test_the_order_of_day_and_month_is_that_of_each_users_rows_or_as_was_said() -> None:
    cells = [f"0{day}/0{month}/2024" for month in (1, 2) for day in (1, 3, 5, 7)] * 4
    users = [f"u{n}" for n in range(4) for _ in range(8)]
    by_rows = _read(cells, users)
    assert by_rows.times.iloc[1] == pd.Timestamp("2024-01-03", tz="UTC")
    assert "by the order of the rows" in by_rows.notes[0]
    assert _read(cells, users, False).times.iloc[1] == pd.Timestamp("2024-03-01", tz="UTC")
    unknown = _read(["05/06/2024", "05/04/2024", "05/06/2024"])
    assert "which no cell tells (recommender.data.read.day_first=true" in unknown.notes[0]
