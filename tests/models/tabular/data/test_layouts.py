"""Files with titles, units, totals and indices, through the family's own entry."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.core.data.tables.spreadsheets import write_xlsx

from crisol.models.tabular.data.parts import split
from crisol.models.tabular.data.prepare import clean
from crisol.models.tabular.data.source_table import read
from crisol.models.tabular.data.tables import schema_of
from crisol.models.tabular.params import DataParams, ModelParams, TrainParams
from crisol.models.tabular.training import fit

N = 60
RANDOM = np.random.default_rng(0)
SPENDS = RANDOM.normal(50, 20, N).round(2)
FRAME = pd.DataFrame(
    {"spends": SPENDS, "town": RANDOM.choice(["north", "south"], N),
     "stays": np.where(SPENDS > 50, "yes", "no")}
)  # fmt: skip


def _csv(frame: pd.DataFrame = FRAME, **kwargs) -> str:
    stream = io.StringIO()
    frame.to_csv(stream, **({"index": False} | kwargs))
    return stream.getvalue()


FILES = {
    "title": "Customers\n\n" + _csv(),
    "decimal commas": "sep=;\n" + _csv(sep=";", decimal=","),
    "padded": "Export;;\n;;\n" + _csv(sep=";"),
    "comments": "# of May\n" + _csv() + "# end\n",
    "units": _csv().replace("\n", "\n[EUR],-,-\n", 1),
    "total": _csv() + f"Total,{SPENDS.sum():.2f},\n",
    "note": _csv() + "\nSource: our own books\n",
    "repeated": _csv() + _csv().partition("\n")[0] + "\n",
    "index": _csv(FRAME.sample(frac=1, random_state=1), index=True),
    "old index": _csv(FRAME.sample(frac=1, random_state=1).reset_index()),
}


@pytest.mark.parametrize("case", FILES)
def test_the_schema_is_that_of_the_plain_file(tmp_path: Path, case: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(FILES[case])
    cleaned = clean(path, DataParams())
    schema = schema_of(cleaned.schema_table)
    assert schema.target is not None
    assert schema.target.name == "stays"
    assert [c.name for c in schema.columns if c.role == "feature"] == ["spends", "town"]
    assert len(cleaned.rows) == N
    assert cleaned.rows["spends"].sum() == pytest.approx(SPENDS.sum())


@pytest.mark.parametrize(
    "numbers",
    [range(N), range(1, N + 1), RANDOM.permutation(N), RANDOM.permutation(N) + 1,
     range(4000, 4000 + N)],
    ids=["from 0", "from 1", "shuffled", "shuffled from 1", "counter"],
)  # fmt: skip
@pytest.mark.parametrize("last", [True, False])
def test_a_row_number_is_neither_feature_nor_target(tmp_path: Path, numbers, last: bool) -> None:
    frame = FRAME.assign(pos=list(numbers))
    frame = frame if last else frame[["pos", *FRAME.columns]]
    path = tmp_path / "t.csv"
    path.write_text(_csv(frame))
    table = clean(path, DataParams()).schema_table
    schema = schema_of(table)
    assert schema.column("pos").role == "id"
    assert schema.target is not None
    assert schema.target.name == "stays"
    assert any("data.columns.pos.role=feature overrules" in said for said in schema.warnings)
    told = DataParams.model_validate(
        {"columns": {"pos": {"role": "feature"}}, "target": "stays"}, strict=False
    )
    assert schema_of(clean(path, told).schema_table).column("pos").role == "feature"


def test_whole_numbers_that_are_values_stay(tmp_path: Path) -> None:
    frame = FRAME.assign(
        year=range(1960, 1960 + N), people=[i * i * 31 + 7 for i in range(N)],
        price=[100 + i * 37 % 1009 for i in range(N)],
    ).drop(columns="stays")  # fmt: skip
    path = tmp_path / "t.csv"
    path.write_text(_csv(frame))
    schema = schema_of(clean(path, DataParams()).schema_table)
    assert schema.column("year").role == schema.column("people").role == "feature"
    assert schema.target is not None
    assert schema.target.name == "price"


def test_a_sheet_that_is_called_csv_is_a_source(tmp_path: Path) -> None:
    rows = [["Customers"], [], list(FRAME.columns), *FRAME.astype(object).to_numpy().tolist()]
    table = read(write_xlsx(tmp_path / "t.csv", {"May": rows}))
    assert table.columns == list(FRAME.columns)
    assert len(table.frame) == N


@pytest.mark.parametrize("case", ["decimal commas", "index", "total"])
def test_a_model_learns_from_such_a_file(tmp_path: Path, case: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(FILES[case])
    params = DataParams()
    cleaned = clean(path, params)
    made = fit(
        cleaned.rows, cleaned.images, split(cleaned.rows, cleaned.schema_table, params),
        cleaned.schema_table, params,
        ModelParams.model_validate({"algorithm": "linear", "folds": 2}),
        TrainParams(), tmp_path / "checkpoints",
    )  # fmt: skip
    used = {column.name for column in made.predictor.encoder.schema.features}
    assert used == {"spends", "town"}
    assert (made.forecasts["answer"] == made.forecasts["truth"]).mean() > 0.8
