"""Files with numbers as people write them: what is read, assumed, told and refused."""

import json
from pathlib import Path

import pandas as pd
import pytest

from crisol.core.errors import MendableError
from crisol.models.tabular.data.columns.inference import infer
from crisol.models.tabular.data.prepare import clean, typed_rows
from crisol.models.tabular.data.source_table import read
from crisol.models.tabular.data.tables import schema_of
from crisol.models.tabular.params import DataParams
from crisol.models.tabular.schema import Column, Schema

N = 60


def _cycled(*words: str) -> list[str]:
    return [words[i % len(words)] for i in range(N)]


def _with(word: str, every: int = 8) -> list[str]:
    """Numbers, and now and then a word."""
    return [word if i % every == 0 else f"{i * 1.5}" for i in range(N)]


def _rows(
    folder: Path, separator: str = ",", given: dict[str, list[str]] | None = None, **data
) -> tuple[Schema, pd.DataFrame]:
    """The schema and the rows of a CSV file; ``o`` and ``y`` are there unless they are given."""
    given = given or {}
    cells = {
        "x": given.get("x", [f"{i}.5" for i in range(N)]),
        "o": given.get("o", [str(100 + 3 * (i * 7 % N)) for i in range(N)]),
        "y": given.get("y", _cycled("u", "v")),
    }
    path = folder / "t.csv"
    lines = [f'"{separator}"'.join(row) for row in zip(*cells.values(), strict=True)]
    path.write_text("\n".join([separator.join(cells), *(f'"{line}"' for line in lines)]), "utf-8")
    params = DataParams.model_validate(data)
    table = read(path, params.read)
    rows, schema = typed_rows(table, infer(table, params), params)
    return schema, rows


def _x(folder: Path, cells: list[str], **data) -> tuple[Column, Schema, list]:
    schema, rows = _rows(folder, given={"x": cells}, **data)
    values = rows["x"].tolist() if "x" in rows else []
    return schema.column("x"), schema, values


def _told(schema: Schema, *parts: str) -> bool:
    return any(all(part in said for part in parts) for said in schema.warnings)


@pytest.mark.parametrize(
    ("cells", "first", "unit", "told"),
    [
        (("1.500", "2.300,50", "1.250"), [1500, 2300.5, 1250], None, ""),
        (("0,250", "12,750", "3,125"), [0.25, 12.75, 3.125], None, ""),
        (("$101,743", "$98,000.50", "$5"), [101743, 98000.5, 5], "$", "read in $"),
        (("10,90 EUR", "1 299,00 €", "7 €"), [10.9, 1299, 7], "€", "read in €"),
        (("72 kg", "80kg", "64.5 kg"), [72, 80, 64.5], "kg", "read in kg"),
        (("(5)", "1,250.75", "3-"), [-5, 1250.75, -3], None, "40 cells in brackets"),
        (("8'655.61", "1'000", "12"), [8655.61, 1000, 12], None, ""),
        (("1\u202f299,5", "\u22127", "3"), [1299.5, -7, 3], None, ""),
        (("1.2k", "3M", "950"), [1200, 3e6, 950], None, "'k' 20, 'M' 20"),
        (("12 %", "7%", "0.5 %"), [12, 7, 0.5], "%", "without its percent sign"),
    ],
)
def test_a_column_is_read_by_its_own_convention(tmp_path, cells, first, unit, told) -> None:
    column, schema, values = _x(tmp_path, _cycled(*cells))
    assert column.kind == "number"
    assert values[:3] == pytest.approx(first)
    assert column.unit == unit
    assert told == "" or _told(schema, "x:", told)


@pytest.mark.parametrize(
    ("separator", "cells", "other", "options", "value", "why"),
    [
        (",", "1,234", None, {}, 1234, "nothing in the file decides it"),
        (",", "1.234", None, {}, 1.234, "nothing in the file decides it"),
        (";", "1.234", None, {}, 1234, "by its separator"),
        (";", "1,234", None, {}, 1.234, "by its separator"),
        (";", "1.234", "0.5", {}, 1.234, None),
        ("\t", "1.234", "0,5", {}, 1234, "as in the other columns"),
        ("\t", "1,234", "0,5", {}, 1.234, "as in the other columns"),
        (",", "€ 1.234", None, {}, 1234, "hardly have three decimals"),
        (",", "1,234", None, {"decimal": "comma"}, 1.234, None),
        (";", "1.234", None, {"decimal": "."}, 1.234, None),
    ],
)
def test_cells_that_may_be_read_both_ways(
    tmp_path, separator, cells, other, options, value, why
) -> None:
    columns = {"x": [cells if i % 2 else cells.replace("1", "2", 1) for i in range(N)]}
    if other is not None:
        columns["o"] = [other if i % 2 else other.replace("5", "7") for i in range(N)]
    schema, rows = _rows(tmp_path, separator, columns, read=options)
    assert rows["x"][1] == pytest.approx(value)
    told = [said for said in schema.warnings if said.startswith("x:") and " is read as " in said]
    assert bool(told) == (why is not None)
    assert why is None or (why in told[0] and "data.columns.x.decimal=" in told[0])


def test_one_columns_mark_can_be_told(tmp_path) -> None:
    told = {"x": {"decimal": ","}}
    assert _x(tmp_path, _cycled("1,234", "5,678"), columns=told)[2][:2] == [1.234, 5.678]
    with pytest.raises(MendableError, match=r"data\.columns\.x\.decimal: .* category .*'red'"):
        _x(tmp_path, _cycled("red", "blue", "green"), columns=told)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (("72 kg", "160 lb", "80 kg"), "different units ('kg' 40, 'lb' 20)"),
        (("$5", "€6.5", "$7"), "different units ('$' 40, '€' 20)"),
        (("50%", "0.5", "70%"), "different units ('%' 40, 'no unit' 20)"),
        (("1,5", "2.5", "3,25"), "40 cells have a decimal comma and 20 the other mark"),
        (("1", "low", "high"), ""),
        (("1", "2", "low"), "20 of 60 cells are no numbers ('low' 20)"),
        (("0", "1", "2", "3+"), "15 of 60 cells are no numbers ('3+' 15)"),
        (("12A", "13B", "7"), ""),
    ],
)
def test_what_does_not_agree_is_a_category_and_told(tmp_path, cells, said) -> None:
    column, schema, _ = _x(tmp_path, _cycled(*cells))
    assert column.kind == "category"
    assert said == "" or _told(schema, "x:", said, "data.columns.x.")


@pytest.mark.parametrize(
    ("over", "values", "said"),
    [
        ({"unit": "kg"}, [72, None, 80], "20 cells are not numbers in kg ('160 lb' 20)"),
        ({"unit": "lb"}, [None, 160, None], "40 cells are not numbers in lb"),
        ({"kind": "number"}, [72, None, 80], "20 cells are not numbers in kg"),
    ],
)
def test_a_person_can_decide_the_unit(tmp_path, over, values, said) -> None:
    cells = _cycled("72 kg", "160 lb", "80 kg")
    column, schema, found = _x(tmp_path, cells, columns={"x": over})
    assert column.kind == "number"
    assert [None if v != v else v for v in found[:3]] == values
    assert _told(schema, said)


@pytest.mark.parametrize(
    "word",
    ["None", "#N/A", "-", ".", "n/a", "unknown", "k.A.", "keine Angabe", "s/d", "ND", "TBD",
     "#DIV/0!", "(null)", "absent", "<0.5", ">100", "10-20"],
)  # fmt: skip
def test_words_among_numbers_are_missing_and_told(tmp_path, word: str) -> None:
    column, schema, values = _x(tmp_path, _with(word))
    assert (column.kind, column.high) == ("number", 88.5)
    assert column.missing == pytest.approx(8 / N)
    assert values[0] != values[0]
    assert _told(schema, "x: 8 cells are", f"{word!r} 8", "count as missing")


@pytest.mark.parametrize("word", ["None", "-", "absent"])
def test_words_that_are_kept_are_values(tmp_path, word: str) -> None:
    column, schema, values = _x(tmp_path, _with(word), read={"keep": [word]})
    assert column.kind == "category"
    assert values[0] == word
    assert _told(schema, f"the word {word!r} (read.keep)")


@pytest.mark.parametrize(
    ("target", "task", "classes"),
    [
        (_cycled("1", "2", "3", "None"), "classification", ("1", "2", "3")),
        (_cycled("0", "1", "#N/A"), "classification", ("0", "1")),
        (["None" if i % 8 == 0 else str(i * 7) for i in range(N)], "regression", ()),
        (["-" if i % 8 == 0 else f"${i * 1000 + 500:,}" for i in range(N)], "regression", ()),
        (["<0.5" if i % 8 == 0 else f"{i},25" for i in range(N)], "regression", ()),
        ([f"{i * 3} kg" for i in range(N)], "regression", ()),
    ],
)
def test_a_target_of_numbers_has_no_class_for_missing_ones(tmp_path, target, task, classes) -> None:
    schema, rows = _rows(tmp_path, given={"y": target})
    assert (schema.task, schema.classes) == (task, classes)
    assert schema.target is not None
    assert schema.target.name == "y"
    lost = sum(cell in ("None", "#N/A", "-", "<0.5") for cell in target)
    assert len(rows) == N - lost
    assert not lost or _told(schema, f"y: {lost} rows have no target and are left out")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ([f"{i * 3} {'lb' if i % 3 == 0 else 'kg'}" for i in range(N)], r"'kg' 40, 'lb' 20"),
        ([f"{'€' if i % 2 else '$'}{i * 3}" for i in range(N)], "different units"),
        ([f"{i},5" if i % 2 else f"{i}.5" for i in range(N)], "decimal"),
    ],
)
def test_a_target_that_does_not_agree_is_refused(tmp_path, target, said) -> None:
    with pytest.raises(MendableError, match=rf"data\.target: y: .*{said}.*data\.columns\.y\."):
        _rows(tmp_path, given={"y": target})


@pytest.mark.parametrize(
    ("cells", "kind", "options", "said"),
    [
        (("NA", "EU", "ASIA"), "category", {}, "'NA' 20 is read as no value"),
        (("null", "EU", "ASIA"), "category", {}, "'null' 20 is read as no value"),
        (("yes", "no", "NA"), "boolean", {}, "'NA' 20 is read as no value"),
        (("yes", "no", "None"), "boolean", {}, "'None' 20 count as missing"),
        (("None", "EU", "ASIA"), "category", {}, "'None' 20 taken for words"),
        (("unknown", "EU", "ASIA"), "category", {}, "data.columns.x.missing=unknown"),
        (("NA", "EU", "ASIA"), "category", {"keep": "NA"}, ""),
        (("NC", "ND", "NY"), "category", {}, ""),
    ],
)
def test_words_for_no_value_in_columns_of_words_are_told(
    tmp_path, cells, kind, options, said
) -> None:
    column, schema, _ = _x(tmp_path, _cycled(*cells), read=options)
    assert column.kind == kind
    told = [one for one in schema.warnings if one.startswith("x:")]
    assert bool(told) == bool(said)
    assert said == "" or (said in told[0] and ("read.keep=" in told[0] or "missing=" in told[0]))
    assert ("NA" in column.categories) == (options != {})


@pytest.mark.parametrize(
    ("cells", "word"),
    [
        (_with("-999"), "-999"),
        (_with("9999"), "9999"),
        ([("-200" if i % 8 == 0 else f"{i - 2.5}") for i in range(N)], "-200"),
        ([("-1" if i % 8 == 0 else str(i)) for i in range(N)], "-1"),
        (["1900-01-01" if i % 8 == 0 else f"2024-0{1 + i % 9}-11" for i in range(N)], "1900-01-01"),
        (["9999-12-31" if i % 8 == 0 else f"2024-0{1 + i % 9}-11" for i in range(N)], "9999-12-31"),
    ],
)
def test_sentinels_are_told_and_missing_when_a_person_says_so(tmp_path, cells, word) -> None:
    column, schema, _ = _x(tmp_path, cells)
    assert column.missing == 0
    assert _told(schema, f"x: '{word}' 8 may stand for no value", "data.columns.x.missing=")
    told = int(word) if word.lstrip("-").isdigit() else word
    column, schema, _ = _x(tmp_path, cells, columns={"x": {"missing": told}})
    assert column.missing == pytest.approx(8 / N)
    assert not _told(schema, "may stand for no value")
    assert _x(tmp_path, cells, read={"missing": ["", told]})[0].missing == pytest.approx(8 / N)


@pytest.mark.parametrize("cells", [[str(i) for i in range(N)], _cycled("-1", "0", "1"),
                                   [str(i * 400) for i in range(N)]])  # fmt: skip
def test_ordinary_numbers_are_not_suspected(tmp_path, cells) -> None:
    assert not _told(_x(tmp_path, cells)[1], "may stand for no value")


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (_cycled("01234", "04567", "98765"), "leading zeros"),
        ([f"600 {100 + i} {900 - i}" for i in range(N)], "telephone"),
        (_cycled("2-", "2+", "3"), "grades"),
    ],
)
def test_codes_stay_codes(tmp_path, cells, reason) -> None:
    column, schema, _ = _x(tmp_path, cells)
    assert column.kind == "category"
    assert reason in column.reason
    assert _told(schema, "x:")


@pytest.mark.parametrize("form", ["json", "jsonl", "parquet", "csv"])
def test_every_format_reads_the_same_words(tmp_path, form: str) -> None:
    cells = _with("None")
    region = _cycled("NA", "EU", "ASIA")
    frame = pd.DataFrame({"x": cells, "region": region, "y": _cycled("u", "v")})
    path = tmp_path / f"t.{form}"
    if form == "parquet":
        frame.to_parquet(path, index=False)
    elif form == "csv":
        frame.to_csv(path, index=False)
    else:
        path.write_text(
            frame.to_json(orient="records", lines=form == "jsonl", force_ascii=False), "utf-8"
        )
    schema = schema_of(clean(path, DataParams()).schema_table)
    assert schema.column("x").kind == "number"
    assert _told(schema, "x: 8 cells are no numbers ('None' 8)")
    assert _told(schema, "region: 'NA' 20 is read as no value")


def test_json_numbers_beside_words_are_numbers(tmp_path) -> None:
    rows = [{"x": "None" if i % 8 == 0 else i + 0.5, "y": "uv"[i % 2]} for i in range(N)]
    (tmp_path / "t.json").write_text(json.dumps(rows))
    schema = schema_of(clean(tmp_path / "t.json", DataParams()).schema_table)
    assert (schema.column("x").kind, schema.column("x").low) == ("number", 1.5)


@pytest.mark.parametrize("rooms", ["{i} rooms or {i}", "no. {i}/{i}b", "{i}½"])
def test_the_column_that_nothing_can_be_learned_from_is_named(tmp_path, rooms: str) -> None:
    path = tmp_path / "t.csv"
    lines = [f"{rooms.format(i=i)},{i * 1000 + 7}.5" for i in range(N)]
    path.write_text("\n".join(["rooms,price", *lines]))
    with pytest.raises(MendableError, match=r"'rooms' is .*such as .*'price' is the target"):
        clean(path, DataParams.model_validate({"columns": {"rooms": {"kind": "category"}}}))


def test_a_last_column_that_is_passed_over_as_target_is_told(tmp_path) -> None:
    path = tmp_path / "t.csv"
    lines = [f"{i * 7 % N}.5,{'uv'[i % 2]},{i}½ c" for i in range(N)]
    path.write_text("\n".join(["size,kind,cost", *lines]))
    schema = schema_of(clean(path, DataParams()).schema_table)
    assert schema.target is not None
    assert schema.target.name == "kind"
    assert _told(schema, "kind: predicted, because the last column, 'cost'", "data.target=cost")


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("1", "holds one value at most"),
        ("2024-01-{i:02d}", "holds dates"),
        ("", "one value at most"),
    ],
)
def test_a_last_column_that_cannot_be_the_target_is_told(tmp_path, cell: str, reason: str) -> None:
    path = tmp_path / "t.csv"
    lines = [f"{i * 7 % N}.5,{'uv'[i % 2]},{cell.format(i=1 + i % 28)}" for i in range(N)]
    path.write_text("\n".join(["size,kind,last", *lines]))
    schema = schema_of(clean(path, DataParams()).schema_table)
    assert _told(schema, "kind: predicted, because the last column, 'last'", reason)


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        ("<=50K", "<=50K.", "test alone has '<=50K.'"),
        ("spam", "Spam", "train alone has 'spam'"),
        ("3", "5", "test alone has '5'"),
    ],
)
def test_classes_of_one_part_alone_are_told(tmp_path, train: str, test: str, said: str) -> None:
    for name, word in (("train", train), ("test", test)):
        lines = [f"{i % 7}.5,{word if i % 2 else 'other'}" for i in range(N)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["x,y", *lines]))
    schema = schema_of(clean(tmp_path, DataParams()).schema_table)
    assert _told(schema, "do not have the same classes", said, "data.columns.y.merge=")
