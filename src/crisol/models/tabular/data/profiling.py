"""A profile of a table as JSON: the content of each column, and its relation to the target."""

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.models.tabular.data.columns.inference import typed
from crisol.models.tabular.data.source_table import PART, SourceTable
from crisol.models.tabular.params import DataParams
from crisol.models.tabular.schema import Column, Schema

if TYPE_CHECKING:
    import pandas as pd

BINS = 20
TOP = 20
SAMPLE = 50_000
"""Rows at most for words of texts and for associations."""
_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_MAX_LEVELS = 200


def profile(
    table: SourceTable,
    schema: Schema,
    data: DataParams = DataParams(),  # noqa: B008 - frozen
) -> dict[str, Any]:
    """Profile a table.

    Args:
        table: as it was read.
        schema: what :func:`crisol.models.tabular.data.columns.inference.infer` made of it.
        data: the parameters it was made with.

    Returns:
        JSON without NaN: ``rows``, ``duplicates`` (rows that are equal to an earlier one),
        ``source`` (what was found out of the file), ``parts`` (rows of each file of an official
        split), ``target``, ``sampled_rows`` (of associations and texts) and ``columns``. Each
        column has ``name``, ``kind``, ``role``, ``reason``, ``date_format``, ``missing`` (share),
        ``distinct``, ``examples``, by its kind ``quantiles``, ``mean``, ``histogram`` (``edges``
        and ``counts``), ``top`` (words and counts) or ``lengths``, and ``association`` with the
        target (``measure`` and ``value``, 0 to 1).
    """
    import pandas as pd

    rows = typed(table, schema, data)
    step = max(1, math.ceil(len(rows) / SAMPLE))
    some = rows.iloc[::step]
    target = schema.target
    columns = []
    for column in schema.columns:
        facts = _schema_facts(column)
        if column.role != "ignore":
            facts |= _content(rows[column.name], some[column.name], column)
            if target is not None and column.name != target.name:
                facts["association"] = _association(some[column.name], some[target.name], column,
                                                   numeric=schema.task == "regression")  # fmt: skip
        columns.append(facts)
    hashes = pd.util.hash_pandas_object(table.frame[table.columns], index=False)
    parts = table.frame[PART].value_counts()
    found: dict[str, Any] = _finite(
        {
            "rows": len(rows),
            "duplicates": int(hashes.duplicated().sum()),
            "source": table.found.tell(),
            "parts": {str(name): int(count) for name, count in parts.items()},
            "task": schema.task,
            "target": None if target is None else target.name,
            "sampled_rows": len(some),
            "columns": columns,
        }
    )
    return found


def _schema_facts(column: Column) -> dict[str, Any]:
    """The schema's facts about a column."""
    return {
        "name": column.name,
        "kind": column.kind,
        "role": column.role,
        "reason": column.reason,
        "date_format": column.date_format,
        "missing": column.missing,
        "distinct": column.distinct,
        "examples": list(column.examples),
    }


def _content(cells: "pd.Series[Any]", some: "pd.Series[Any]", column: Column) -> dict[str, Any]:
    """Numbers, words or lengths of a column's cells."""
    there = cells.dropna()
    if there.empty:
        return {}
    if column.kind == "number":
        return _numbers(there.to_numpy(np.float64), integer=column.integer)
    if column.kind == "date":
        return _numbers(there.astype("int64").to_numpy(np.float64) / 1e6, integer=True)
    if column.kind == "text":
        return _texts(some.dropna())
    if column.kind == "image":
        return {}
    counts = there.astype(str).value_counts()
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:TOP]
    return {
        "top": [{"word": str(word), "count": int(count)} for word, count in order],
        "others": int(len(there) - sum(count for _, count in order)),
    }


def _numbers(values: Floats, *, integer: bool) -> dict[str, Any]:
    found = np.quantile(values, _QUANTILES)
    few = np.unique(values) if integer and found[-1] - found[0] < BINS else None
    if few is not None:
        edges = np.arange(found[0], found[-1] + 2) - 0.5
    else:
        edges = np.histogram_bin_edges(values, BINS)
    counts, edges = np.histogram(values, edges)
    return {
        "mean": float(values.mean()),
        "std": float(values.std()),
        "quantiles": {f"{q:g}": float(v) for q, v in zip(_QUANTILES, found, strict=True)},
        "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
    }


def _texts(texts: "pd.Series[Any]") -> dict[str, Any]:
    lengths = texts.str.len().to_numpy(np.float64)
    words: Counter[str] = Counter()
    for text in texts.head(20_000):
        words.update({word for word in str(text).lower().split() if len(word) > 3})
    return {
        "lengths": {f"{q:g}": float(v) for q, v in zip(_QUANTILES, np.quantile(lengths, _QUANTILES),
                                                       strict=True)},
        "top": [{"word": w, "count": c}
                for w, c in sorted(words.items(), key=lambda item: (-item[1], item[0]))[:TOP]],
    }  # fmt: skip


def _association(
    cells: "pd.Series[Any]", truth: "pd.Series[Any]", column: Column, *, numeric: bool
) -> dict[str, Any] | None:
    """The association of a column with the target, 0 to 1; ``None`` where it is undefined."""
    import pandas as pd
    from scipy.stats import spearmanr

    known = (cells.notna() & truth.notna()).to_numpy(bool)
    if column.kind in ("text", "image") or known.sum() < 10:
        return None
    cells, truth = cells[known], truth[known]
    words = column.kind in ("category", "boolean")
    if words and cells.nunique() > _MAX_LEVELS:
        return None
    if words and not numeric:
        table = pd.crosstab(cells.astype(str), truth.astype(str)).to_numpy(np.float64)
        return {"measure": "Cramér's V", "value": _cramers_v(table)}
    left = cells.astype("int64") if column.kind == "date" else cells
    if not words and numeric:
        if left.nunique() < 2 or truth.nunique() < 2:
            return None
        return {"measure": "Spearman's rho", "value": float(spearmanr(left, truth).statistic)}
    groups, values = (cells, truth) if words else (truth, left)
    return {
        "measure": "correlation ratio of ranks",
        "value": _correlation_ratio(
            pd.factorize(groups)[0], values.astype("float64").rank().to_numpy(np.float64)
        ),
    }


def _cramers_v(table: Floats) -> float:
    """Cramér's V of counts [L, K], corrected for chance (Bergsma, 2013)."""
    from scipy.stats import chi2_contingency

    total = table.sum()
    chi = float(chi2_contingency(table, correction=False).statistic / total)
    levels, classes = table.shape
    chi = max(0.0, chi - (levels - 1) * (classes - 1) / (total - 1))
    levels_left = levels - (levels - 1) ** 2 / (total - 1)
    classes_left = classes - (classes - 1) ** 2 / (total - 1)
    smaller = min(levels_left, classes_left) - 1
    return min(1.0, math.sqrt(chi / smaller)) if smaller > 0 else 0.0


def _correlation_ratio(groups: NDArray[np.int64], values: Floats) -> float:
    """Square root of the share of the variance that lies between groups."""
    spread = float(((values - values.mean()) ** 2).sum())
    if spread == 0:
        return 0.0
    count = np.bincount(groups)
    means = np.bincount(groups, values) / np.maximum(count, 1)
    return math.sqrt(float((count * (means - values.mean()) ** 2).sum()) / spread)


def _finite(value: Any) -> Any:
    """JSON without NaN and infinities: those become ``None``."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
