"""The messages about a raw table that cannot be used."""

import pandas as pd
import pandera.pandas as pa
import pytest

from crisol.core.data.raw_tables import RawTableValidator
from crisol.core.errors import MendableError


class SoldError(MendableError):
    pass


def _raw(file: str = "sold.csv") -> RawTableValidator:
    return RawTableValidator(pd.DataFrame({"price": ["3", "free", "gift"]}), file, SoldError)


def test_the_first_wrong_row_is_named_with_its_value_and_the_count_of_the_others():
    bad = pd.Series([False, True, True])
    with pytest.raises(SoldError) as caught:
        _raw().refuse(bad, "price is not a number", "price")
    assert str(caught.value) == (
        "sold.csv, row 2 (line 3): price is not a number (price free); 1 more rows like it"
    )
    _raw().refuse(pd.Series([False] * 3), "price is not a number")


def test_a_parquet_file_has_rows_and_no_lines():
    assert _raw("sold.parquet").place(1) == "row 2"


def test_lines_count_the_breaks_in_the_cells_above():
    rows = pd.DataFrame({"text": ["one\ntwo", "three", "four"], "price": [1, 2, 3]})
    assert RawTableValidator(rows, "sold.csv", SoldError).place(2) == "row 3 (line 5)"
    for name in ("sold.jsonl", "sold.ndjson", "sold.jsonl.gz"):
        assert RawTableValidator(rows, name, SoldError).place(2) == "row 3 (line 3)"


def test_columns_are_needed_or_unknown():
    with pytest.raises(SoldError, match=r"sold.csv: column 'item' is missing; needed: item"):
        _raw().refuse_columns(["item"], ["item", "price"])
    with pytest.raises(SoldError, match=r"column 'price' is unknown; only: item"):
        _raw().refuse_columns([], ["item"])


def test_a_schema_tells_row_value_and_rule():
    schema = pa.DataFrameSchema(
        {"price": pa.Column(float, pa.Check.gt(0, error="must be above 0"))}
    )
    with pytest.raises(SoldError, match=r"row 2 \(line 3\): price -1.0 must be above 0"):
        _raw().conform(pd.DataFrame({"price": [3.0, -1.0]}), schema)
