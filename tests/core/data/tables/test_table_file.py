"""Table files as people have them: what is found out, what is refused, and with which words."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from crisol.core.data.read_params import ReadParams
from crisol.core.data.tables.table_file import TableFile, read_table
from crisol.core.errors import MendableError

PLAIN = "name,age\nAna,31\nÉva,40\n"


def read(path: Path, params: ReadParams = ReadParams()) -> TableFile:  # noqa: B008 - frozen
    return read_table(path, params, path.name)


def _file(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def _cells(path: Path, **params) -> dict[str, list]:
    frame = read(path, ReadParams(**params)).frame.astype(object)
    return frame.where(frame.notna(), None).to_dict("list")


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (PLAIN.encode(), "utf-8"),
        (b"\xef\xbb\xbf" + PLAIN.encode(), "utf-8-sig"),
        (PLAIN.encode("utf-16"), "utf-16"),
        (PLAIN.encode("utf-32"), "utf-32"),
        (PLAIN.encode("cp1252"), "cp1252"),
        (PLAIN.replace("É", "\x81").encode("latin-1"), "latin-1"),
        (PLAIN.replace("\n", "\r\n").encode(), "utf-8"),
    ],
    ids=["utf-8", "utf-8 mark", "utf-16", "utf-32", "cp1252", "latin-1", "crlf"],
)
def test_encodings_are_found_out(tmp_path: Path, data: bytes, encoding: str) -> None:
    path = _file(tmp_path, data)
    table = read(path)
    assert table.encoding == encoding
    assert list(table.frame) == ["name", "age"]
    wanted = "\x81va" if encoding == "latin-1" else "Éva"
    assert table.frame["name"].tolist() == ["Ana", wanted]
    told = " ".join(table.notes)
    assert ("not UTF-8" in told) == (encoding in ("cp1252", "latin-1"))


def test_an_encoding_can_be_told_and_is_checked(tmp_path: Path) -> None:
    path = _file(tmp_path, "a,b\nü,1\n".encode("cp437"))
    assert _cells(path, encoding="cp437")["a"] == ["ü"]
    with pytest.raises(MendableError, match=r"is not ascii text .*at byte 4"):
        read(path, ReadParams(encoding="ascii"))
    with pytest.raises(MendableError, match="is not utf-16 text"):
        read(path, ReadParams(encoding="utf-16"))


@pytest.mark.parametrize(
    "encoding",
    ["utf-9", "zlib_codec", "base64", "bz2", "hex", "rot13", "uu", "quopri", "idna", "punycode",
     "undefined", "unicode_escape", "raw_unicode_escape", "mbcs", "oem", "", "a\0b"],
)  # fmt: skip
def test_what_is_no_encoding_of_text_is_refused(encoding: str) -> None:
    with pytest.raises(ValidationError, match="there is no text encoding"):
        ReadParams(encoding=encoding)


@pytest.mark.parametrize("mark", ["§", "€", "\n", "\r", '"', "\0"])
def test_what_is_no_delimiter_is_refused(mark: str) -> None:
    with pytest.raises(ValidationError, match="must be one ASCII character"):
        ReadParams(delimiter=mark)


@pytest.mark.parametrize(("characters", "columns"), [(5, 4000), (90, 4000), (2000, 4000)])
def test_a_wide_table_is_read_whole(tmp_path: Path, characters: int, columns: int) -> None:
    """Its first row may be longer than what is looked at to find the separator."""
    names = [f"{'c' * characters}{i}" for i in range(columns)]
    lines = [
        ",".join(names),
        *(",".join(str(i * j % 97) for j in range(columns)) for i in range(3)),
    ]
    table = read(_file(tmp_path, "\n".join(lines).encode()))
    assert list(table.frame) == names
    assert len(table.frame) == 3


def test_a_first_row_without_an_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MendableError, match="its first row has more than 8,388,608 characters"):
        read(_file(tmp_path, b"1," * 5_000_000))
    with pytest.raises(MendableError, match="a cell has more than 131,072 characters"):
        read(_file(tmp_path, b"w" * 200_000 + b",1\n"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("9" * 5000, "holds a whole number of more than 4,300 digits"),
        ('"\\ud800"', "half a character"),
        ("[" * 100_000, "is nested too deeply"),
    ],
)
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_json_that_cannot_be_read_says_why(
    tmp_path: Path, name: str, content: str, said: str
) -> None:
    path = tmp_path / name
    path.write_text(f'[{{"a": {content}}}]' if name == "a.json" else f'{{"a": {content}}}')
    with pytest.raises(MendableError, match=said):
        read(path)


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_separators_are_found_out(tmp_path: Path, mark: str) -> None:
    rows = [["a", "b", "c"], ["1,5", "x", "2"], ["2,5", "y", "3"]] if mark != "," else [
        ["a", "b", "c"], ["1.5", "x; z", "2"], ["2.5", "y; w", "3"]]  # fmt: skip
    path = _file(tmp_path, "".join(mark.join(row) + "\n" for row in rows))
    table = read(path)
    assert table.delimiter == mark
    assert list(table.frame) == ["a", "b", "c"]
    assert len(table.frame) == 2


def test_columns_of_blanks_are_cut_where_nothing_else_fits(tmp_path: Path) -> None:
    table = read(_file(tmp_path, '  18.0   8  307.0\t"chevy malibu"\n 15.5   4  98.0  "vw"  \n'))
    assert table.delimiter == " "
    assert table.frame.to_numpy().tolist() == [
        ["18.0", "8", "307.0", "chevy malibu"], ["15.5", "4", "98.0", "vw"],
    ]  # fmt: skip
    assert read(_file(tmp_path, "words\nof a kind\nof no kind\n")).frame.columns.tolist() == [
        "words"
    ]


def test_blanks_around_cells_are_no_part_of_them_and_question_marks_no_value(
    tmp_path: Path,
) -> None:
    path = _file(tmp_path, "39, State-gov, ?\n50,  Private , 13\n")
    assert _cells(path, names=["age", "work", "hours"], header=False) == {
        "age": ["39", "50"], "work": ["State-gov", "Private"], "hours": [None, "13"],
    }  # fmt: skip


def test_ids_stay_as_they_are_written(tmp_path: Path) -> None:
    assert _cells(_file(tmp_path, "id,x\n007,1\n010,2\n"))["id"] == ["007", "010"]


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("age,city\n31,Rome\n40,Oslo\n", True),
        ("31,Rome\n40,Oslo\n52,Rome\n", False),
        ("city,colour\nRome,red\nOslo,blue\n", True),
        ("Rome,red\nOslo,red\nRome,blue\nOslo,blue\n", False),
        ("city,2019,2020\nRome,5,6\nOslo,7,8\n", True),
        ("only\n1\n2\n", True),
        ("x,y\n", True),
    ],
)
def test_headers_are_found_out(tmp_path: Path, text: str, header: bool) -> None:
    path = _file(tmp_path, text)
    if text == "x,y\n":
        with pytest.raises(MendableError, match="column names and no rows"):
            read(path)
        return
    table = read(path)
    assert table.header is header
    assert len(table.frame) == text.count("\n") - header
    if not header:
        assert table.frame.columns[0] == "column_1"
    told = read(path, ReadParams(header=not header))
    assert len(told.frame) == len(table.frame) + (1 if header else -1)


def test_quotes_hold_separators_line_breaks_and_quotes(tmp_path: Path) -> None:
    path = _file(tmp_path, 'a,b\n"x, ""y""\nz",1\nw,2\n')
    assert _cells(path) == {"a": ['x, "y"\nz', "w"], "b": ["1", "2"]}
    spaced = _file(tmp_path, 'a, b\n1, "x, y"\n2, "z"\n', "spaced.csv")
    assert _cells(spaced) == {"a": ["1", "2"], "b": ["x, y", "z"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n\n3\n", r"line 4: has 1 cells where 2 are expected"),
        ('a,b\n"x\ny",2\n3,4,5\n', r"line 4: has 3 cells where 2 are expected"),
        ('a, b\n1, "x"\n2\n', r"line 3: has 1 cells where 2 are expected"),
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a,b,a\nx,y,z\n", "column 'a' is there 2 times"),
        ('a,b\n1,"x\n', "double quote"),
        ("a,b\n1,\0\n", "zero bytes"),
    ],
    ids=["short", "long", "spaced", "empty", "blank", "twice", "open quote", "binary"],
)
def test_broken_tables_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(MendableError, match=said):
        read(_file(tmp_path, text))


def test_columns_without_a_name_get_one(tmp_path: Path) -> None:
    table = read(_file(tmp_path, ",x\n0,red\n1,blue\n"))
    assert list(table.frame) == ["column_1", "x"]
    assert "without a name" in " ".join(table.notes)


def test_names_must_be_as_many_as_columns(tmp_path: Path) -> None:
    with pytest.raises(MendableError, match=r"read\.names: 1 names for the 2 columns"):
        read(_file(tmp_path, PLAIN), ReadParams(names=["x"]))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.json", '[{"a": 1, "b": "x"}, {"a": null, "b": "y", "c": true}]'),
        ("t.json", '{"count": 2, "data": [{"a": 1, "b": "x"}, {"b": "y", "c": true}]}'),
        ("t.json", '{"a": 1, "b": "x"}\n{"b": "y", "c": true}\n'),
        ("t.jsonl", '{"a": 1, "b": "x"}\n\n{"a": "?", "b": "y", "c": true}\n'),
        ("unknown", '[{"a": 1, "b": "x"}, {"b": "y", "c": true}]'),
    ],
)
def test_json_of_every_shape(tmp_path: Path, name: str, text: str) -> None:
    found = _cells(_file(tmp_path, text, name))
    assert found["b"] == ["x", "y"]
    assert [str(value) for value in found["c"]] == ["None", "True"]
    assert str(found["a"][0]) in ("1", "1.0")
    assert found["a"][1] is None


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.json", "[1, 2]", r"item 1: is no object but 1"),
        ("t.jsonl", '{"a": 1}\n7\n', r"line 2: is no object but 7"),
        ("t.jsonl", '{"a": 1}\n{"a"\n', r"line 2: is not JSON"),
        ("t.json", "{", "is not JSON"),
        ("t.json", '"text"', "is no list of objects"),
        ("t.json", '{"a": [], "b": []}', "holds 2 lists"),
        ("t.json", "[]", "holds no columns"),
        ("t.parquet", "PAR1 nonsense", "no Parquet file"),
        ("t.csv.gz", "\x1f\x8b\x08rest", "no text|packed"),
    ],
)
def test_other_broken_files_are_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(MendableError, match=said):
        read(_file(tmp_path, text.encode("latin-1"), name))


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "n": [1, 2], "f": [0.5, None], "s": ["x", None], "b": [True, False],
            "d": pd.to_datetime(["2024-01-01", None]), "l": [[1], [2]],
            "c": pd.Categorical(["u", "v"]), "big": pd.array([2**60, None], dtype="Int64"),
        }
    )  # fmt: skip
    frame.to_parquet(tmp_path / "t.parquet")
    table = read(tmp_path / "t.parquet")
    assert table.frame["n"].dtype == np.int64
    assert table.frame["b"].dtype == bool
    assert table.frame["d"].dtype.kind == "M"
    assert table.frame["l"].tolist() == ["[1]", "[2]"]
    assert table.frame["c"].tolist() == ["u", "v"]
    assert table.frame["big"].iloc[0] == str(2**60), "an id must not be rounded"


def test_booleans_with_gaps_and_durations_of_a_typed_table(tmp_path) -> None:
    frame = pd.DataFrame(
        {
            "paid": pd.array([True, None, False], dtype="boolean"),
            "took": pd.to_timedelta([60, 90, None], unit="s"),
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_feather(tmp_path / "t.feather")
    for name in ("t.parquet", "t.feather"):
        table = read_table(tmp_path / name, ReadParams(), name)
        assert table.frame["paid"].tolist() == [True, pd.NA, False]
        assert table.frame["took"].tolist()[:2] == [60, 90]
        assert "took: durations are read in seconds" in table.notes
