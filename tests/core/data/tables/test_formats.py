"""Formats are recognised by their bytes, whatever a file is called: read, or refused by name."""

import bz2
import gzip
import lzma
import pickle

import pandas as pd
import pytest
from tests.core.data.tables.spreadsheets import write_ods, write_xlsx

from crisol.core.data.read_params import ReadParams
from crisol.core.data.tables import packed
from crisol.core.data.tables.table_file import TableFile, read_table
from crisol.core.errors import MendableError

HEAD = ["city", "sold", "price", "day", "ok"]
BODY = [[f"c{i}", i, i + 0.5, ("date", 45292 + i), True] for i in range(9)]
CSV = b"a;b\n1,5;x\n2,5;y\n"


def _read(path, **params) -> TableFile:
    return read_table(path, ReadParams(**params), path.name)


@pytest.mark.parametrize("name", ["t.xlsx", "t.csv", "t.txt", "t", "t.xls"])
def test_a_sheet_is_read_under_any_name(tmp_path, name) -> None:
    table = _read(write_xlsx(tmp_path / name, {"S": [HEAD, *BODY], "empty": []}))
    assert table.format == "sheet"
    assert table.frame.iloc[1].tolist() == ["c1", "1", "1.5", "2024-01-02", "true"]
    assert "sheet 'S' is read; 1 other(s) are empty or hidden (read.sheet)" in table.notes
    assert _read(write_ods(tmp_path / name, [HEAD[:2], ["a", 1], ["b", 2.5]])).frame.to_dict(
        "list"
    ) == {"city": ["a", "b"], "sold": ["1", "2.5"]}


@pytest.mark.parametrize(
    ("above", "row"),
    [
        ([], 1),
        ([["Report"], []], 3),
        ([["Report"], ["as of", ("date", 45292)], []], 4),
        ([[], [None, "Report"], []], 4),
    ],
)
def test_the_table_in_a_sheet_is_found(tmp_path, above, row) -> None:
    rows = [*above, HEAD, *BODY, ["Total", ("=", 36), 40.5], [], ["Source: us"]]
    table = _read(write_xlsx(tmp_path / "t.xlsx", {"S": rows}))
    assert list(table.frame) == HEAD
    assert len(table.frame) == 9
    assert table.first_line == row + 1
    assert row == 1 or f"the table begins in line {row}: city" in " ".join(table.notes)


def test_several_sheets_are_a_question(tmp_path) -> None:
    path = write_xlsx(tmp_path / "t.xlsx", {"S": [HEAD, *BODY], "T": [["a"], ["x"], ["y"]]})
    with pytest.raises(MendableError, match=r"2 sheets hold something: S, T; .*read\.sheet"):
        _read(path)
    assert list(_read(path, sheet="T").frame) == ["a"]
    with pytest.raises(MendableError, match=r"read\.sheet: .* no sheet 'X'; there are: S, T"):
        _read(path, sheet="X")
    with pytest.raises(MendableError, match="no sheet holds anything"):
        _read(write_xlsx(tmp_path / "e.xlsx", {"S": []}))


@pytest.mark.parametrize(
    ("name", "pack"),
    [("t.csv.gz", gzip.compress), ("t.csv.bz2", bz2.compress), ("t.xz", lzma.compress),
     ("t.csv", gzip.compress)],
)  # fmt: skip
def test_packed_files_are_read_through(tmp_path, monkeypatch, name, pack) -> None:
    (tmp_path / name).write_bytes(pack(CSV))
    assert _read(tmp_path / name).frame.to_dict("list") == {"a": ["1,5", "2,5"], "b": ["x", "y"]}
    (tmp_path / name).write_bytes(pack(CSV)[:-9])
    with pytest.raises(MendableError, match="cannot be unpacked"):
        _read(tmp_path / name)
    (tmp_path / name).write_bytes(pack(CSV * 100_000))
    monkeypatch.setattr(packed, "MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(MendableError, match="unpacks to more than 1,000 bytes"):
        _read(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "called"),
    [
        (b"<html><table><tr><td>1</td></tr></table></html>", "an HTML page"),
        (b"<!DOCTYPE html>\n<p>1", "an HTML page"),
        (b"<table><tr><td>1</td></tr></table>", "an HTML page"),
        (b"<?xml version='1.0'?><rows><r a='1'/></rows>", "an XML document"),
        (b"%PDF-1.4\n...", "a PDF document"),
        (b"SQLite format 3\0...", "an SQLite database"),
        (pickle.dumps({"a": [1, 2]}), "a Python pickle, which can run code"),
        (pickle.dumps(pd.DataFrame({"a": [1]})), "a Python pickle, which can run code"),
        (b"<stata_dta><header>", "a Stata file"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"$FL2@(#)", "an SPSS file"),
        (b"{\\rtf1 a}", "a text document"),
    ],
)
@pytest.mark.parametrize("name", ["t.csv", "t"])
def test_other_formats_are_refused_by_name(tmp_path, name, content, called) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MendableError, match=f"is {called}"):
        _read(tmp_path / name)


@pytest.mark.parametrize("name", ["t.csv", "t.txt", "t"])
def test_typed_formats_are_read_under_any_name(tmp_path, name) -> None:
    frame = pd.DataFrame({"a": [1.5, 2.5], "b": ["x", "y"]})
    path = tmp_path / name
    frame.to_parquet(path)
    assert _read(path).format == "parquet"
    frame.to_feather(path)
    assert _read(path).format == "feather"
    frame.to_json(path, orient="records")
    assert _read(path).frame.equals(frame)
    frame.to_json(path, orient="records", lines=True)
    assert _read(path).frame.equals(frame)


ARFF = """% a note
@RELATION 'of flowers'
@attribute 'sepal len' numeric
@attribute "kind" {a,'b, c'}
@attribute note string
@DATA
5.1,a,'it''s'
?,'b, c',"x \\"y\\""
% one more
4 , a, plain
"""


def test_arff_names_its_columns(tmp_path) -> None:
    for name in ("t.arff", "t.csv", "t"):
        (tmp_path / name).write_text(ARFF.replace("it''s", "its"))
        table = _read(tmp_path / name)
        assert table.format == "arff"
        frame = table.frame.astype(object).where(table.frame.notna(), None)
        assert frame.to_dict("list") == {
            "sepal len": ["5.1", None, "4"], "kind": ["a", "b, c", "a"],
            "note": ["its", 'x "y"', "plain"],
        }  # fmt: skip
        assert "nominal attributes: kind" in " ".join(table.notes)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("{0 1, 2 x}", "line 7: sparse rows"),
        ("1,a", "line 7: has 2 cells where the file has 3 attributes"),
        ("1,'a", "line 7: a quote is not closed"),
        ("", "without attributes or without rows"),
    ],
)
def test_arff_that_does_not_fit_is_refused(tmp_path, rows, said) -> None:
    (tmp_path / "t.arff").write_text(ARFF.partition("5.1")[0] + rows + "\n")
    with pytest.raises(MendableError, match=said):
        _read(tmp_path / "t.arff")
