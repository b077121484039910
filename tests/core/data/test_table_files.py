"""Tables are read as they stand, whatever wrote them; what cannot be read says where and why."""

import pandas as pd
import pytest

from crisol.core.data.table_files import read_raw_table
from crisol.core.errors import MendableError

ROWS = {"id": ["007", "NA"], "title": ["Mug; red", "Pän, “best”"], "price": ["12", ""]}


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(ROWS, dtype="str")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", [".csv", ".txt"])
def test_any_separator_is_found(tmp_path, table, separator, ending):
    path = tmp_path / f"mine{ending}"
    table.to_csv(path, index=False, sep=separator, encoding="utf-8-sig")
    found = read_raw_table(path)
    assert found.to_dict("list") == ROWS
    assert found.attrs["file"].endswith(f"mine{ending}")


def test_json_lines_and_parquet_are_text_too(tmp_path):
    (tmp_path / "a.jsonl").write_text(
        '{"title": "Mug", "price": 12.0, "tags": {"a": [1]}}\n\n{"title": "Pan", "id": 7}\n'
    )
    found = read_raw_table(tmp_path / "a.jsonl")
    assert found["price"].tolist() == ["12", ""]
    assert found["tags"].tolist() == ['{"a": [1]}', ""]
    assert found["id"].tolist() == ["", "7"]
    typed = pd.DataFrame({"price": [12.5, None], "count": [1, 2], "title": ["Mug", None]})
    typed.to_parquet(tmp_path / "a.parquet")
    found = read_raw_table(tmp_path / "a.parquet")
    assert found.to_dict("list") == {
        "price": ["12.5", ""], "count": ["1", "2"], "title": ["Mug", ""],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"title,title\na,b\n", "'title' is there 2 times"),
        ("a.csv", b"title,price\na,1\nb,2,3\n", r"line 3: has 3 cells.*double quotes"),
        ("a.csv", b"title,price\na,1\nb\n", "has 1 cells where 2 are expected"),
        ("a.csv", b'title\n"a\n', "a double quote is not closed"),
        ("a.jsonl", b'{"title": "a"}\n{"title": \n', "line 2: is not JSON"),
        ("a.jsonl", b"[1, 2]\n", "line 1: is no object"),
        ("a.jsonl", b'{"a": 1}\n{"a": ' + b"9" * 5000 + b"}\n", "line 2: holds .*4,300 digits"),
        ("a.jsonl", b'{"a": "\\ud800"}\n', "half a character"),
        ("a.jsonl", b'{"a": ' + b"[" * 100_000, "line 1: is nested too deeply"),
        ("a.parquet", b"PAR1 nothing", "no Parquet file"),
    ],
)
def test_what_cannot_be_read_says_where_and_why(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MendableError, match=said) as refused:
        read_raw_table(tmp_path / name)
    assert name in str(refused.value)


def test_a_file_that_is_not_there_is_missed_by_name(tmp_path):
    with pytest.raises(FileNotFoundError) as missed:
        read_raw_table(tmp_path / "a.csv")
    assert missed.value.filename.endswith("a.csv")
