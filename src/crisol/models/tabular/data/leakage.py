"""Warnings about columns and rows that leak the target into the test; none is removed silently."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crisol.models.tabular.data.columns.hints import of_column
from crisol.models.tabular.data.columns.inference import typed
from crisol.models.tabular.data.source_table import ROW, SourceTable
from crisol.models.tabular.params import DataParams
from crisol.models.tabular.schema import Column, Schema

if TYPE_CHECKING:
    import pandas as pd

SURE = 0.99
"""Cross-validated score of one column alone from which on it is suspected."""
LEFT_TO_ERR = 0.1
"""Share of guessing's errors that it may still make: where one class is rare, guessing is sure."""
_MAX_ROWS, _FEWEST_ROWS, _MAX_CELLS = 20_000, 2_000, 600_000
"""Limits of the sample: rows at most, and fewer where there are many columns."""
_FOLDS = 3


def leaks(
    table: SourceTable,
    schema: Schema,
    data: DataParams = DataParams(),  # noqa: B008 - frozen
) -> list[str]:
    """:func:`warnings` of a table as it was read, whose schema was inferred with ``data``."""
    rows = typed(table, schema, data)
    target = schema.target
    return warnings(rows if target is None else rows[rows[target.name].notna()], schema)


def warnings(rows: "pd.DataFrame", schema: Schema) -> list[str]:
    """Warnings about columns of a table that give the target away.

    Args:
        rows: typed by the schema.
        schema: of the rows.
    """
    target = schema.target
    if target is None or schema.task == "image":
        return []
    count = max(_FEWEST_ROWS, min(_MAX_ROWS, _MAX_CELLS // len(schema.columns)))
    step = max(1, len(rows) // count)
    some = rows.iloc[::step]
    truth = some[target.name]
    said = []
    for column in schema.columns:
        if column.role not in ("feature", "id", "group") or column.kind in ("text", "image"):
            continue
        found = determines(some[column.name], truth, column, schema)
        if found is not None:
            said.append(
                f"{column.name}: {found}; if it is known only once {target.name} is known, leave "
                f"it out ({of_column(column.name, 'role', 'ignore')})"
            )
    return said


def determines(
    cells: "pd.Series[Any]", truth: "pd.Series[Any]", column: Column, schema: Schema
) -> str | None:
    """In what way one column alone gives the target away; ``None`` if it does not."""
    target = schema.target
    assert target is not None
    there = cells.notna()
    if there.sum() < 20:
        return None
    if (cells[there].astype(str) == truth[there].astype(str)).mean() > SURE:
        return f"is equal to {target.name}"
    score, guessing = _alone(cells, truth, column, schema.task == "regression")
    if not score >= SURE or 1 - score > LEFT_TO_ERR * (1 - guessing):
        return None
    kind = "R²" if schema.task == "regression" else "accuracy"
    return f"alone tells {target.name} with {kind} {score:.3f}"


def _alone(
    cells: "pd.Series[Any]", truth: "pd.Series[Any]", column: Column, regression: bool
) -> tuple[float, float]:
    """Cross-validated score of one column, and what guessing reaches (balanced by nothing)."""
    import pandas as pd
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    if column.kind == "category":
        x = _rank_words(cells).astype(float)
    elif column.kind == "date":
        x = cells.astype("int64").to_numpy(np.float64)
    else:
        # A tree looks at the order alone; scikit-learn's takes float32, which ends at 3e38.
        x = (
            pd.to_numeric(cells.astype("Float64"), errors="coerce")
            .rank()
            .to_numpy(np.float64, na_value=np.nan)
        )
    folds = KFold(_FOLDS, shuffle=True, random_state=0)
    leaf = max(2, len(x) // 1000)
    if regression:
        y = truth.to_numpy(np.float64)
        y = y / max(1e-300, float(np.abs(y).max()))  # R² has no unit; squares of 1e300 no end
        if column.kind == "category":
            return _by_word(x, y, folds, regression=True), 0.0
        tree: Any = DecisionTreeRegressor(min_samples_leaf=leaf, random_state=0)
        said = cross_val_predict(tree, x[:, None], y, cv=folds)
        return 1 - float(((y - said) ** 2).sum() / max(1e-300, ((y - y.mean()) ** 2).sum())), 0.0
    codes, _ = pd.factorize(truth)
    guessing = float(np.bincount(codes).max() / len(codes))
    if column.kind == "category":
        return _by_word(x, codes, folds, regression=False), guessing
    tree = DecisionTreeClassifier(min_samples_leaf=leaf, max_leaf_nodes=256, random_state=0)
    said = cross_val_predict(tree, x[:, None], codes, cv=folds)
    return float((said == codes).mean()), guessing


def _rank_words(cells: "pd.Series[Any]") -> NDArray[np.int64]:
    import pandas as pd

    codes: NDArray[np.int64] = pd.factorize(cells)[0]
    return codes


def _by_word(x: NDArray[Any], y: NDArray[Any], folds: Any, *, regression: bool) -> float:
    """The score of each word's most frequent class or mean, learned on the other folds."""
    said = np.empty(len(y), np.float64)
    for train, test in folds.split(x):
        size = int(x.max()) + 2
        index = x.astype(int) + 1
        if regression:
            total = np.bincount(index[train], y[train], size)
            count = np.bincount(index[train], minlength=size)
            means = np.where(count > 0, total / np.maximum(count, 1), y[train].mean())
            said[test] = means[index[test]]
        else:
            table = np.zeros((size, int(y.max()) + 1))
            np.add.at(table, (index[train], y[train]), 1)
            best = np.where(table.sum(1) > 0, table.argmax(1), np.bincount(y[train]).argmax())
            said[test] = best[index[test]]
    if regression:
        return 1 - float(((y - said) ** 2).sum() / max(1e-300, ((y - y.mean()) ** 2).sum()))
    return float((said == y).mean())


def across(rows: "pd.DataFrame", parts: "pd.DataFrame", schema: Schema) -> list[str]:
    """Warnings about rows and groups on both sides of a split.

    Args:
        rows: typed by the schema.
        parts: of the rows, in their order.
        schema: of the rows.
    """
    part = parts.set_index("row")["part"].reindex(rows[ROW]).to_numpy(object)
    train, test = rows[part == "train"], rows[part == "test"]
    said = [_duplicates(train, test, schema), *_moments(train, test, schema)]
    for name in schema.named("group"):
        shared = set(train[name].dropna()) & set(test[name].dropna())
        if shared:
            said.append(
                f"{name}: {len(shared):,} groups have rows on both sides of the split, such as "
                f"{min(map(str, shared))!r}"
            )
    return [text for text in said if text]


def _duplicates(train: "pd.DataFrame", test: "pd.DataFrame", schema: Schema) -> str:
    """Test rows whose features are those of a training row."""
    import pandas as pd

    names = [c.name for c in schema.features]
    if not names:
        return ""
    hashes = pd.util.hash_pandas_object(train[names].astype(object), index=False)
    tested = pd.util.hash_pandas_object(test[names].astype(object), index=False)
    known = tested.isin(set(hashes))
    count = int(known.sum())
    if not count:
        return ""
    text = f"{count:,} of {len(test):,} test rows have the features of a training row"
    target = schema.target
    if target is not None:
        first = pd.Series(train[target.name].to_numpy(object), index=hashes.to_numpy())
        first = first[~first.index.duplicated()]
        same = first.reindex(tested[known]).to_numpy(object) == test.loc[
            known.to_numpy(bool), target.name
        ].to_numpy(object)
        text += f"; {float(np.mean(same)):.0%} of them its {target.name}, too"
    return text


def _moments(train: "pd.DataFrame", test: "pd.DataFrame", schema: Schema) -> list[str]:
    """Training rows that are later than the first test row."""
    said = []
    for name in schema.named("time"):
        first = test[name].dropna().min()
        late = int((train[name] > first).sum())
        if late:
            said.append(
                f"{name}: {late:,} of {len(train):,} training rows are later than the first test "
                "row; tabular.data.split.kind=time tests on the future alone"
            )
    return said
