"""pandas' index is known by the file's own metadata, or as whole numbers without a name."""

import numpy as np
import pandas as pd
import pytest

from crisol.core.data.read_params import ReadParams
from crisol.core.data.tables.table_file import TableFile, read_table

N = 60
RANDOM = np.random.default_rng(0)
FRAME = pd.DataFrame({"x": RANDOM.normal(size=N), "y": RANDOM.choice(["u", "v"], N)})
CASES = {
    "as it is": FRAME,
    "shuffled": FRAME.sample(frac=1, random_state=1),
    "filtered": FRAME[FRAME["x"] > 0],
    "drawn with repeats": FRAME.sample(frac=1, replace=True, random_state=1),
    "put together": pd.concat([FRAME, FRAME]),
    "from 1": FRAME.set_axis(range(1, N + 1)),
}


def _read(path) -> TableFile:
    return read_table(path, ReadParams(), path.name)


@pytest.mark.parametrize("case", CASES)
def test_an_index_without_a_name_is_told(tmp_path, case) -> None:
    CASES[case].to_csv(tmp_path / "t.csv")
    table = _read(tmp_path / "t.csv")
    assert table.index == ("column_1",)
    assert "column_1: numbers or names the rows (an index)" in " ".join(table.notes)
    pd.read_csv(tmp_path / "t.csv").to_csv(tmp_path / "again.csv")
    assert _read(tmp_path / "again.csv").index[0] == "column_1"
    CASES[case].to_parquet(tmp_path / "t.parquet")
    table = _read(tmp_path / "t.parquet")
    stored = "__index_level_0__" in table.frame
    assert table.index == (("__index_level_0__",) if stored else ())


@pytest.mark.parametrize("name", ["index", "level_0", "Unnamed: 0", "Unnamed: 0.1"])
@pytest.mark.parametrize("form", ["csv", "parquet", "json", "feather"])
def test_an_index_that_became_a_column_is_told(tmp_path, name, form) -> None:
    frame = CASES["filtered"].assign(**{name: CASES["filtered"].index}).reset_index(drop=True)
    path = tmp_path / f"t.{form}"
    if form == "csv":
        frame.to_csv(path, index=False)
    elif form == "json":
        frame.to_json(path, orient="records")
    else:
        (frame.to_parquet if form == "parquet" else frame.to_feather)(path)
    assert _read(path).index == (name,)


@pytest.mark.parametrize(
    "index",
    [
        pd.Index([f"c{i}" for i in range(N)], name="customer"),
        pd.Index(RANDOM.permutation(10**6)[:N], name="customer"),
        pd.date_range("2024-01-01", periods=N),
        pd.Index([f"car {i}" for i in range(N)]),
        pd.RangeIndex(N, name="row"),
    ],
)
def test_an_index_of_values_stays_a_column(tmp_path, index) -> None:
    FRAME.set_index(index).to_parquet(tmp_path / "t.parquet")
    table = _read(tmp_path / "t.parquet")
    assert table.index == ()
    FRAME.set_index(index).to_csv(tmp_path / "t.csv")
    assert (_read(tmp_path / "t.csv").index == ()) == (index.name is not None or index[0] != 0)


def test_a_named_row_number_of_the_file_is_told(tmp_path) -> None:
    FRAME.rename_axis("row").sample(frac=1, random_state=1).to_parquet(tmp_path / "t.parquet")
    assert _read(tmp_path / "t.parquet").index == ("row",)
