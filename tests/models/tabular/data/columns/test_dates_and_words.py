"""Dates and spellings from a file over the schema to a trained model's answers."""

import csv
import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from crisol.core.errors import MendableError
from crisol.models.tabular.data.parts import split
from crisol.models.tabular.data.prepare import Cleaned, clean
from crisol.models.tabular.data.tables import schema_of
from crisol.models.tabular.params import DataParams, ModelParams, TrainParams
from crisol.models.tabular.predictor import TabularPredictor
from crisol.models.tabular.schema import Schema
from crisol.models.tabular.training import fit

N = 120
DAYS = [datetime(2024, 1, 1) + timedelta(hours=29 * (i * 37 % N)) for i in range(N)]  # noqa: DTZ001
"""All hours of five months, in no order."""
EARLY = [day.replace(day=1 + day.day % 12) for day in DAYS]
KINDS = ["u" if i % 3 else "v" for i in range(N)]


def _cleaned(folder: Path, table: dict[str, Sequence[Any]], /, **data: Any) -> Cleaned:
    path = folder / "rows.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))
    return clean(path, DataParams.model_validate(data))


def _schema(folder: Path, cells: Sequence[Any], name: str = "when", **data: Any) -> Schema:
    filler = [f"{np.sin(i):.3f}" for i in range(N)]
    columns = {name: cells, "x": filler, "y": KINDS}
    return schema_of(_cleaned(folder, columns, target="y", **data).schema_table)


def _said(schema: Schema, words: str) -> bool:
    return any(words in warning for warning in schema.warnings)


@pytest.mark.parametrize(
    ("form", "format_", "low"),
    [
        ("%Y-%m-%d %H:%M:%S UTC", "ISO 8601", DAYS), ("%d/%m/%Y %H:%M", "%d/%m/%Y", DAYS),
        ("%m/%d/%y %I:%M %p", "%m/%d/%y", DAYS), ("%d.%m.%Y", "%d.%m.%Y", DAYS),
        ("%a, %d %b %Y %H:%M:%S GMT", "%d %b %Y", DAYS), ("%Y%m%dT%H%M%S", "%Y%m%d", DAYS),
        ("%B %d, %Y", "%b %d, %Y", DAYS), ("%Y-%m-%dT%H:%M:%S.%f+00", "ISO 8601", DAYS),
    ],
)  # fmt: skip
def test_a_form_is_recognised_and_stray_words_are_missing(
    tmp_path: Path, form: str, format_: str, low: list[datetime]
) -> None:
    cells = [day.strftime(form) for day in low]
    cells[7], cells[50] = "0000-00-00", "unknown"
    schema = _schema(tmp_path, cells)
    column = schema.column("when")
    assert (column.kind, column.date_format) == ("date", format_)
    assert column.missing == pytest.approx(2 / N)
    assert _said(schema, "when: 1 cells are no dates ('0000-00-00' in 1)")
    assert _said(schema, "when: 'unknown' 1 count as missing")
    assert format_ in column.reason


@pytest.mark.parametrize("form", ["%d/%m/%Y %H:%M", "%d-%m-%Y", "%d.%m.%y", "%m/%d/%y"])
def test_an_order_that_nothing_tells_is_told_with_its_option(tmp_path: Path, form: str) -> None:
    cells = [day.strftime(form) for day in EARLY]
    schema = _schema(tmp_path, cells)
    assert _said(schema, "when: dates may be month/day or day/month; read as")
    first = form.startswith("%d")
    said = _schema(tmp_path, cells, read={"day_first": first})
    assert not _said(said, "month/day or day/month")
    assert said.column("when").date_format == form.split(" ")[0]
    assert "as was said" in said.column("when").reason


def test_another_column_of_the_file_tells_the_order(tmp_path: Path) -> None:
    columns = {
        "sent": [day.strftime("%d/%m/%Y") for day in EARLY],
        "paid": [day.strftime("%d/%m/%Y") for day in DAYS],
        "y": KINDS,
    }
    schema = schema_of(_cleaned(tmp_path, columns, target="y").schema_table)
    assert schema.column("sent").date_format == "%d/%m/%Y"
    assert _said(schema, "sent: dates may be month/day or day/month; read as day/month (another")


@pytest.mark.parametrize(
    ("cells", "name", "words"),
    [
        ([day.strftime("%Y%m%d") for day in DAYS], "n",
         "n: whole numbers that may be dates (%Y%m%d)"),
        ([str(1704067200 + 999 * i * 7 % 9_999_999) for i in range(N)], "n",
         "n: whole numbers that may be dates (epoch s)"),
        ([str(1704067200 + i * 7919 % 99_999) for i in range(N)], "created_at",
         "created_at: whole numbers are read as dates (epoch s)"),
        ([day.strftime("%H:%M") for day in DAYS], "n", "n: times of day without a date"),
        ([day.strftime("%d/%m/%Y" if i % 2 else "%m/%d/%Y") for i, day in enumerate(DAYS)], "n",
         "n: looks like dates"),
        ([day.isoformat() if i % 5 else f"day {i}" for i, day in enumerate(DAYS)], "n",
         "n: looks like dates (ISO 8601), but 24 of 120 cells are no such dates"),
        (["9999-12-31" if i % 9 == 0 else day.isoformat() for i, day in enumerate(DAYS)], "n",
         "n: 14 dates are before 1900 or after 2150"),
        ([day.isoformat() + ("Z" if i % 2 else "") for i, day in enumerate(DAYS)], "n",
         "n: 60 times have a zone and 60 have none"),
        ([day.isoformat() + ("Z" if i % 2 else "+02") for i, day in enumerate(DAYS)], "n",
         "n: times of 2 offsets from UTC"),
        ([day.strftime("%Y-%m-%d" if i % 2 else "%d.%m.%Y") for i, day in enumerate(DAYS)], "n",
         "n: dates in 2 forms"),
        ([day.strftime("%d.%m.%y") for day in DAYS], "n", "n: years have two digits"),
    ],
)  # fmt: skip
def test_what_is_assumed_about_dates_is_told(
    tmp_path: Path, cells: list[str], name: str, words: str
) -> None:
    assert _said(_schema(tmp_path, cells, name), words)


def test_a_date_is_no_target_unless_its_days_are_classes(tmp_path: Path) -> None:
    days = [date(2024, 1, 1 + i % 3).isoformat() for i in range(N)]
    columns = {"x": list(range(100, 100 + N)), "kind": KINDS, "day": days}
    assert schema_of(_cleaned(tmp_path, columns).schema_table).column("kind").role == "target"
    with pytest.raises(MendableError, match=r"'day' holds dates .*columns\.day\.kind=category"):
        _cleaned(tmp_path, columns, target="day")
    as_classes = _cleaned(tmp_path, columns, target="day", columns={"day": {"kind": "category"}})
    assert schema_of(as_classes.schema_table).classes == ("2024-01-01", "2024-01-02", "2024-01-03")


def test_times_that_are_mostly_dates_are_ordered_as_dates(tmp_path: Path) -> None:
    cells = [day.strftime("%b %d, %Y") if i % 4 else "soon" for i, day in enumerate(DAYS)]
    assert _schema(tmp_path, cells, time="when").column("when").kind == "date"
    other = _schema(tmp_path, [f"week {i % 50}" for i in range(N)], time="when")
    assert _said(other, "its words are sorted by letters")


@pytest.mark.parametrize(
    ("form", "wrong"), [("DD/MM/YYYY", "is no form of dates"), ("%d.%m.", "is no form of dates")]
)
def test_a_form_without_a_year_is_refused(form: str, wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        DataParams.model_validate({"columns": {"when": {"date_format": form}}})


def _trained(folder: Path, table: dict[str, Sequence[Any]], /, **data: Any) -> TabularPredictor:
    params = DataParams.model_validate({"target": "y", **data})
    cleaned = _cleaned(folder, table, **{"target": "y", **data})
    parts = split(cleaned.rows, cleaned.schema_table, params)
    linear, train = ModelParams(algorithm="linear"), TrainParams()
    made = fit(
        cleaned.rows, cleaned.images, parts, cleaned.schema_table, params, linear, train,
        folder / "checkpoints",
    )  # fmt: skip
    stored = folder / "stored"
    made.predictor.save(stored)
    return TabularPredictor.load(stored)


def _answer(predictor: TabularPredictor, cell: Any) -> dict[str, float]:
    text = json.dumps({"rows": [{"c": cell, "x": 0.5}]})
    request = predictor.contract.request.model_validate_json(text, strict=True)
    probabilities: dict[str, float] = predictor.predict([request])[0].predictions[0].probabilities
    return probabilities


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("%d/%m/%Y %H:%M", {}), ("%b %d, %Y", {}), ("%Y-%m-%d %H:%M:%S UTC", {}),
        ("%d.%m.%y", {}), ("%s", {"columns": {"c": {"kind": "date"}}}),
        ("%Y|%d|%m", {"columns": {"c": {"date_format": "%Y|%d|%m"}}}),
    ],
)  # fmt: skip
def test_a_request_has_dates_as_the_file_or_as_iso_has_them(
    tmp_path: Path, form: str, data: dict[str, Any]
) -> None:
    late = [
        day + timedelta(days=200 * (kind == "u")) for day, kind in zip(DAYS, KINDS, strict=True)
    ]
    columns = {
        "c": [day.strftime(form) for day in late],
        "x": [i % 7 for i in range(N)],
        "y": KINDS,
    }
    predictor = _trained(tmp_path, columns, **data)
    day = datetime(2024, 10, 25)  # noqa: DTZ001
    written = _answer(predictor, day.strftime(form))
    assert written == _answer(predictor, day.isoformat())
    assert written != _answer(predictor, "2024-02-03")
    if form == "%s":
        assert written == _answer(predictor, int(day.strftime(form)))
    with pytest.raises(ValidationError, match="is no date in ISO 8601 form"):
        _answer(predictor, "25th of nothing")


SPELLINGS = {
    "case": ({"u": ["Red", "red", "RED"], "v": ["Blue", "blue"]}, {"merge_case": True},
             ["Red", "rEd", "RED "]),
    "merge": ({"u": ["M", "m", "male"], "v": ["F", "female"]},
              {"columns": {"c": {"merge": {"M": "male", "m": "male", "F": "female"}}}},
              ["M", "m", "male"]),
    "unicode": ({"u": ["Zo\u00eb", "Zoe\u0308"], "v": ["New York", "New\u00a0York"]}, {},
                ["Zo\u00eb", "Zoe\u0308"]),
    "numbers": ({"u": ["1", "1.0"], "v": ["2", "2.0", "2.00"]},
                {"columns": {"c": {"kind": "category"}}}, ["1", 1, "1.0"]),
}  # fmt: skip


@pytest.mark.parametrize("case", SPELLINGS)
def test_merged_spellings_are_one_word_in_training_and_in_requests(
    tmp_path: Path, case: str
) -> None:
    words, data, sent = SPELLINGS[case]
    cells = [words[kind][i % len(words[kind])] for i, kind in enumerate(KINDS)]
    columns = {"c": cells, "x": [i % 7 for i in range(N)], "y": KINDS}
    predictor = _trained(tmp_path, columns, **data)
    assert predictor.schema.column("c").distinct == 2
    assert _said(predictor.schema, "c: spellings that count as one word")
    answers = [_answer(predictor, cell) for cell in sent]
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["u"] > 0.6


def test_yes_and_no_in_several_spellings_are_one_column(tmp_path: Path) -> None:
    cells = [["TRUE", "True", "1"][i % 3] if kind == "u" else ["FALSE", "0"][i % 2]
             for i, kind in enumerate(KINDS)]  # fmt: skip
    schema = _schema(tmp_path, cells)
    assert schema.column("when").kind == "boolean"
    assert _said(schema, "are read as yes")
    kept = _schema(tmp_path, cells, columns={"when": {"kind": "category"}})
    assert kept.column("when").distinct == len(set(cells))
    with pytest.raises(MendableError, match=r"none of the words .* says yes"):
        _schema(tmp_path, ["red", "blue"] * 60, columns={"when": {"kind": "boolean"}})


@pytest.mark.parametrize(
    ("classes", "data", "found"),
    [
        (["Yes", "yes", "YES", "No"], {}, 4),
        (["Yes", "yes", "YES", "No"], {"merge_case": True}, 2),
        (["TRUE", "True", "1", "FALSE"], {}, 4), (["paid", "Paid", "open"], {}, 3),
        (["TRUE", "True", "1", "FALSE"],
         {"columns": {"y": {"merge": {"True": "TRUE", "1": "TRUE"}}}}, 2),
        (["paid", "Paid ", "open", "paid\u00a0"], {"merge_case": True}, 2),
    ],
)  # fmt: skip
def test_classes_in_several_spellings_are_told_and_can_be_merged(
    tmp_path: Path, classes: list[str], data: dict[str, Any], found: int
) -> None:
    columns = {"x": [f"{i * 7 % 11}.5" for i in range(N)],
               "y": [classes[i % len(classes)] for i in range(N)]}  # fmt: skip
    schema = schema_of(_cleaned(tmp_path, columns, target="y", **data).schema_table)
    assert len(schema.classes) == found
    merged = found == 2
    assert _said(schema, "y: spellings that count as one word") == merged
    assert _said(schema, "merges") != merged
