"""The split into training and test rows."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crisol.core.errors import MendableError
from crisol.models.tabular.data.source_table import PART, ROW
from crisol.models.tabular.data.tables import schema_of
from crisol.models.tabular.params import DataParams, SplitParams
from crisol.models.tabular.schema import Schema

if TYPE_CHECKING:
    import pandas as pd

TRAIN, TEST, LEFT_OUT = "train", "test", "left_out"


def split(rows: "pd.DataFrame", schema_table: "pd.DataFrame", data: DataParams) -> "pd.DataFrame":
    """One row a row: ``row`` and ``part`` (train, test or left_out).

    Left out are the rows of classes that have a single row, or none to be learned from.

    Raises:
        MendableError: the split that was asked for cannot be made, or leaves a part empty.
    """
    import pandas as pd

    schema = schema_of(schema_table)
    kind = _kind(rows, schema, data.split)
    target = schema.target
    classes = schema.classes
    words = rows[target.name].astype(str).to_numpy(object) if target and classes else None
    rare = np.zeros(len(rows), bool)
    if words is not None:
        found, inverse, counts = np.unique(words, return_inverse=True, return_counts=True)
        rare = counts[inverse] < 2
        if (counts >= 2).sum() < 2:
            listed = ", ".join(f"{found[i]} ({counts[i]})" for i in range(min(5, len(found))))
            raise MendableError(
                f"data.target: needs two classes of at least two rows; found {listed}"
            )
    test = np.zeros(len(rows), bool)
    test[~rare] = _test_rows(
        rows[~rare], kind, schema, data.split, words[~rare] if words is not None else None
    )
    part = np.where(rare, LEFT_OUT, np.where(test, TEST, TRAIN)).astype(object)
    if words is not None:
        unknown = (part == TEST) & ~np.isin(words, np.unique(words[part == TRAIN]))
        part[unknown] = LEFT_OUT
        if len(np.unique(words[part == TRAIN])) < 2:
            raise MendableError(
                f"data.split: {kind} leaves one class to be learned; choose another"
            )
    for name in (TRAIN, TEST):
        if not (part == name).any():
            raise MendableError(f"data.split: {kind} leaves no {name} rows; choose another split")
    return pd.DataFrame({"row": rows[ROW].to_numpy(np.int64), "part": pd.Series(part, dtype="str")})


def _kind(rows: "pd.DataFrame", schema: Schema, params: SplitParams) -> str:
    """The kind of split; ``auto`` chooses by the files and columns that exist."""
    given = set(rows[PART].dropna()) >= {TRAIN, TEST}
    if params.kind == "auto":
        if given:
            return "given"
        return next((k for k in ("time", "group") if schema.named(k)), "random")
    if params.kind == "given" and not given:
        raise MendableError(
            "data.split.kind: the source has no train and test files; choose auto, random, time "
            "or group"
        )
    if params.kind in ("time", "group") and not schema.named(params.kind):
        raise MendableError(f"data.split.kind: needs data.{params.kind}, the column to split by")
    return params.kind


def _test_rows(
    rows: "pd.DataFrame",
    kind: str,
    schema: Schema,
    params: SplitParams,
    words: NDArray[np.object_] | None,
) -> NDArray[np.bool_]:
    """Whether each row is held out [N]."""
    if kind == "given":
        return (rows[PART] == TEST).to_numpy(bool)
    if kind == "time":
        return _latest(rows[schema.named("time")[0]], params)
    random = np.random.default_rng(params.seed)
    if kind == "group":
        return _groups(rows[schema.named("group")[0]], params, random)
    strata = np.zeros(len(rows), int) if words is None else np.unique(words, return_inverse=True)[1]
    test = np.zeros(len(rows), bool)
    for stratum in range(int(strata.max()) + 1):
        members = random.permutation(np.flatnonzero(strata == stratum))
        count = min(len(members) - 1, max(1, round(params.test_share * len(members))))
        test[members[:count]] = True
    return test


def _latest(times: "pd.Series[Any]", params: SplitParams) -> NDArray[np.bool_]:
    """The latest share of the rows; those of one moment are on one side, those of none train."""
    values = times.astype("int64") if times.dtype.kind == "M" else times.rank(method="dense")
    values = values.where(times.notna())
    known = np.sort(values.dropna().to_numpy())
    if len(np.unique(known)) < 2:
        raise MendableError(
            f"data.time: {times.name!r} has fewer than two different moments; choose another split"
        )
    first = known[min(len(known) - 1, int(len(known) * (1 - params.test_share)))]
    if first == known[0]:
        first = np.unique(known)[1]
    latest: NDArray[np.bool_] = (values >= first).to_numpy(bool)
    return latest


def _groups(
    groups: "pd.Series[Any]", params: SplitParams, random: np.random.Generator
) -> NDArray[np.bool_]:
    """Whole groups, drawn until they hold the share of rows; rows of no group are one each."""
    import pandas as pd

    codes, found = pd.factorize(groups)
    alone = codes < 0
    codes[alone] = len(found) + np.arange(alone.sum())
    sizes = np.bincount(codes)
    if len(sizes) < 2:
        raise MendableError(f"data.group: {groups.name!r} has one group; choose another split")
    order = random.permutation(len(sizes))
    before = np.cumsum(sizes[order]) - sizes[order]
    chosen = order[before < params.test_share * len(groups)]
    chosen = chosen[: len(sizes) - 1]
    return np.isin(codes, chosen)
