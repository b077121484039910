"""The mark between cells is right for decimal commas, names and texts; what was guessed is told."""

from pathlib import Path

import pytest

from crisol.core.data.read_params import ReadParams
from crisol.core.data.tables.table_file import TableFile, read_table
from crisol.core.errors import MendableError


def _read(folder: Path, text: str | bytes, **params) -> TableFile:
    path = folder / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table(path, ReadParams(**params), "t.csv")


def _lines(head: str, row: str, count: int = 30) -> str:
    return head + "".join(row.replace("#", str(i)) + "\n" for i in range(count))


@pytest.mark.parametrize("rows", [2, 5, 30, 500])
@pytest.mark.parametrize(
    ("head", "row", "mark", "first"),
    [
        ("x;y\n", "1#,0;83,6", ";", ["10,0", "83,6"]),
        ("", "1#,0;83,6", ";", ["10,0", "83,6"]),
        ("x\ty\n", "1#,0\t83,6", "\t", ["10,0", "83,6"]),
        ("x|y|z\n", "1#,0|83,6|-1,5", "|", ["10,0", "83,6", "-1,5"]),
        ("name;age\n", "Doe, Jane #;34", ";", ["Doe, Jane 0", "34"]),
        ("name|age\n", "Doe, Jane; Dr.|3#", "|", ["Doe, Jane; Dr.", "30"]),
        ("label;text\n", "pos;Hello, it is me, #, yes", ";", ["pos", "Hello, it is me, 0, yes"]),
        ("addr;n\n", "Street #, 1000 Town, Land;#", ";", ["Street 0, 1000 Town, Land", "0"]),
        ("url,n\n", "http://x.y/#?a=1;b=2|3,#", ",", ["http://x.y/0?a=1;b=2|3", "0"]),
        ("id;payload\n", '#;{"a":1,"b":[1,2]}', ";", ["0", '{"a":1,"b":[1,2]}']),
        ("d;v\n", "01.02.2024;1.234,#", ";", ["01.02.2024", "1.234,0"]),
        ("a^b\n", "1^#", "^", ["1", "0"]),
        ("a~b\n", "1~#", "~", ["1", "0"]),
    ],
)  # fmt: skip
def test_header_and_rows_agree_in_width(tmp_path, head, row, mark, first, rows) -> None:
    table = _read(tmp_path, _lines(head, row, rows))
    assert table.delimiter == mark
    assert table.frame.iloc[0].tolist() == first
    assert len(table.frame) == rows
    assert f"cut at {mark!r} (read.delimiter)" in table.notes


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("comment\nwell, this is fine 3, ok\nno\nyes, so\n", "well, this is fine 3, ok"),
        (_lines("comment\n", "well, this is fine #, ok"), "well, this is fine 0, ok"),
        (_lines("x\n", "#,5"), "0,5"),
        (_lines("start\n", "12:#"), "12:0"),
        (_lines("d\n", "2024-01-#"), "2024-01-0"),
        (_lines("note\n", 'she said "well, #", and left'), 'she said "well, 0", and left'),
    ],
)
def test_one_column_is_not_cut(tmp_path, text, first) -> None:
    table = _read(tmp_path, text)
    assert table.frame.shape == (text.count("\n") - 1, 1)
    assert table.frame.iloc[0, 0] == first


def test_a_given_mark_wins(tmp_path) -> None:
    text = _lines("x;y,z\n", "1,0;8#,6")
    assert list(_read(tmp_path, text, delimiter=";").frame) == ["x", "y,z"]
    assert list(_read(tmp_path, "a|b;c\n1|2;3\n", delimiter="|").frame) == ["a", "b;c"]
    assert list(_read(tmp_path, "a;b\n1;2\n", delimiter="|").frame) == ["a;b"]


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        (_lines("name;age\n", "'Doe; Jane #';34"), ["Doe; Jane 0", "34"]),
        (_lines("name,age\n", "'Doe, Jane #',34"), ["Doe, Jane 0", "34"]),
        ("id,name\n1,'Doe, Jane'\n2,Bob\n3,'Roe, Al'\n", ["1", "Doe, Jane"]),
        (_lines("t,n\n", r'"a \"b\" c#",1'), ['a "b" c0', "1"]),
        (_lines("t;n\n", r'"a \"b; d\" c#";1'), ['a "b; d" c0', "1"]),
        (_lines("id,t\n", '#,"plain"', 3000) + '9,"a \\"b\\", c"\n', ["0", "plain"]),
        (_lines("p,n\n", '"C:\\dir\\",#'), ["C:\\dir\\", "0"]),
        ("name,say\nO'Neil,it's\n'tis,y\n", ["O'Neil", "it's"]),
        ('p,n\n5\\" pipe,1\n6" pipe,2\n', ['5\\" pipe', "1"]),
        (_lines("a;b\n", '"#,5";"x ""y"""'), ["0,5", 'x "y"']),
    ],
)
def test_quotes_of_every_kind(tmp_path, text, cells) -> None:
    assert _read(tmp_path, text).frame.iloc[0].tolist() == cells


def test_quotes_can_be_told(tmp_path) -> None:
    text = "a,b\n'x,1\n'y,2\n"
    assert _read(tmp_path, text).frame["a"].tolist() == ["'x", "'y"]
    assert _read(tmp_path, "a,b\n'x',1\n", quote="'").frame["a"].tolist() == ["x"]
    escaped = _lines("t,n\n", r'"a \"b\" c#",1')
    assert "read.escape" in " ".join(_read(tmp_path, escaped).notes)
    with pytest.raises(MendableError, match=r"line 2: a cell between quotes holds a quote"):
        _read(tmp_path, escaped, escape=False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (_lines("a,b,c\n", "1,2,3", 5000) + "1,2\n" + "1,2,3\n" * 9, r"line 5002: has 2 cells"),
        ("a;b\n1;2\n3;4;5\n6;7\n", r"line 3: has 3 .*cut at ';' \(read\.delimiter\)"),
        ("a,b,c\n1,2,3\n4,5,6,\n7,8,9\n", r"line 3: has 4 .*ends with a mark"),
        (_lines("a,b,c\n", "1,2,3") + "1,2", r"line 32: has 2 cells where 3"),
        ("x\n1,2,3\n4,5,6\n", r"line 1: has 1 cells .* have 3.*read\.skip: 1.*read\.delimiter"),
        ("a,b\n1,2,3,4\n1,2,3,4\n", r"line 1: has 2 cells .* have 4"),
        ("Users\nname;mail\nAnn;a@x\nBob;b@x\n", r"line 1: has 1 cells .*read\.skip: 1"),
        ("1::2::3\n4::5::6\n", r"two characters, '::'"),
        ("a||b\n1||2\n3||4\n", r"two characters, '\|\|'"),
        ("| a | b |\n|---|---|\n| 1 | 2 |\n", "Markdown"),
        (_lines("t,n\n", '"a "b" c",#'), r"line 2: a cell between quotes holds a quote"),
        (_lines("t,n\n", '"a",#', 300) + '"a "b" c",1\n', r"line 302: a cell between quotes"),
    ],
)
def test_rows_that_do_not_agree_name_the_mark(tmp_path, text, said) -> None:
    with pytest.raises(MendableError, match=said):
        _read(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        _lines("a,b,c\n", "1,2,3,"),
        _lines("a,b,c,\n", "1,2,3,"),
        _lines("a,b,c,\n", "1,2,3"),
        _lines("a;b;c\n", "1;2;3;"),
        _lines('"a";"b";"c";\n', '"1";"2";"3";'),
    ],
)
def test_marks_at_the_end_of_rows_make_no_column(tmp_path, text) -> None:
    frame = _read(tmp_path, text).frame
    assert list(frame) == ["a", "b", "c"]
    assert frame.iloc[-1].tolist() == ["1", "2", "3"]
