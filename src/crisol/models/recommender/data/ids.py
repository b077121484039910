"""A column of ids as text: checked, and told, once for each distinct id.

Ids are never changed, with one exception: the ``.0`` of whole numbers that a table with holes had.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crisol.core.data.raw_tables import RawTableValidator
from crisol.models.recommender.contract import MAX_ID_CHARACTERS

READ_AS_TEXT = "load_args: {dtype: str, keep_default_na: false, encoding: utf-8-sig}"
"""Arguments that a CSV's catalog entry needs: ids and ``NA`` stay as written, a BOM is skipped."""
NO_ID = frozenset(
    ["nan", "null", "none", "nil", "<na>", "na", "n/a", "#n/a", "\\n", "(null)", "nat", "undefined"]
)
"""Words, in lower case, that a program writes where there is no id."""
_SEVERAL = r"\[.*\]|\{.*\}|\d+([ ,;|]+\d+)+"
"""Lists, and several numbers."""
_SHORTENED = r"\d[.,]\d+[eE]\+\d+"
_WHOLE, _POINT_ZERO = r"\d+(\.0)?", r"\d+\.0"
_MUCH, _FEW_USERS = 0.2, 20


def ids(raw: RawTableValidator, name: str, notes: list[str]) -> pd.Series:
    """The ids of a column; ``""`` where there is none.

    Raises:
        MendableError: of the table's type; the column was read as numbers, or an id cannot be one.
    """
    column = raw.rows[name]
    if pd.api.types.is_numeric_dtype(column) and len(column):
        raise raw.error(
            f"{raw.file}: {name} was read as numbers, which turns 007 into 7; read it as text: "
            + READ_AS_TEXT
        )
    codes, distinct = pd.factorize(column.astype("str").fillna(""))
    names = pd.Series(distinct, dtype="str")
    rules = {
        "begins or ends with white space": names != names.str.strip(),
        "holds a control character": names.str.contains(r"[\x00-\x1f\x7f]", regex=True),
        f"is longer than {MAX_ID_CHARACTERS} characters": names.str.len() > MAX_ID_CHARACTERS,
        "was shortened by a spreadsheet, so that different ids are one; export it as text": (
            names.str.fullmatch(_SHORTENED)
        ),
    }
    for rule, bad in rules.items():
        if bad.any():
            first = names[bad].iloc[0]
            raw.refuse(pd.Series(_of(codes, bad)), f"{name} {first[:40]!r} {rule}")
    several = names.str.fullmatch(_SEVERAL)
    if several.mean() > 0.5:
        rule = f"{name} is a list; give one row to each event, with one {name}"
        raw.refuse(pd.Series(_of(codes, several)), rule, name)
    names = _without_point_zero(raw, name, names, codes, notes)
    return names.iloc[codes].reset_index(drop=True)


def no_id(cells: pd.Series, keep: tuple[str, ...]) -> "pd.Series[bool]":
    """Whether each id is none: empty, or a word that a program writes for none."""
    codes, distinct = pd.factorize(cells)
    words = [str(word) for word in distinct]
    none = np.array([w == "" or (w.lower() in NO_ID and w not in keep) for w in words], bool)
    return pd.Series(none[codes], index=cells.index)


def busiest(users: pd.Series, file: str) -> list[str]:
    """A sentence on a user that has so many events that it may stand for people without one."""
    counts = users.value_counts()
    if len(counts) < _FEW_USERS or counts.iloc[0] < _MUCH * len(users):
        return []
    name, share = counts.index[0], counts.iloc[0] / len(users)
    told = (
        f"{file}: user {name!r} has {share:.0%} of all events; if it stands for people who are not "
        "known, name it in recommender.data.read.missing and say recommender.data.leave_out=no_id."
    )
    return [told]


def _of(codes: NDArray[np.int64], bad: pd.Series) -> NDArray[np.bool_]:
    """By row, whether its distinct value is bad."""
    return bad.to_numpy(bool)[codes]


def _without_point_zero(
    raw: RawTableValidator,
    name: str,
    names: pd.Series,
    codes: NDArray[np.int64],
    notes: list[str],
) -> pd.Series:
    """Ids without the ``.0`` of numbers, where all of a column are whole numbers."""
    pointed = names.str.fullmatch(_POINT_ZERO)
    if not pointed.any():
        return names
    if names[names != ""].str.fullmatch(_WHOLE).all():
        which = "every" if pointed[names != ""].all() else "an id of some"
        notes.append(f"{raw.file}: {which} {name} ends in .0, which is taken off (7.0 is 7).")
        return names.str.removesuffix(".0")
    twice = pointed & names.str.removesuffix(".0").isin(set(names))
    raw.refuse(
        pd.Series(_of(codes, twice)), f"{name} occurs with .0 and without; write it alike", name
    )
    return names
