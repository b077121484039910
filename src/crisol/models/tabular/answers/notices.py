"""Warnings about values of a row that the training rows did not have."""

from collections.abc import Mapping, Sequence
from typing import Any

from crisol.models.tabular.contract import Notice, bound, seconds_of
from crisol.models.tabular.features.encoded_rows import MISSING, UNSEEN, Features
from crisol.models.tabular.schema import Column, Schema

NEVER = 0.0


def notices(
    schema: Schema, rows: Sequence[Mapping[str, Any]], features: Features
) -> list[list[Notice]]:
    """The notices of each row, in the order of the columns.

    Args:
        schema: with the ranges and words of the training rows.
        rows: as they came.
        features: the same rows as the model reads them.
    """
    found: list[list[Notice]] = [[] for _ in rows]
    codes = dict(zip(features.code_names, features.codes.T, strict=True))
    texts = dict(zip(features.text_names, features.texts.T, strict=True))
    for column in schema.features:
        unseen, written = codes.get(column.name), texts.get(column.name)
        for at, row in enumerate(rows):
            value = row.get(column.name)
            taken = (unseen is not None and unseen[at] == MISSING) or (
                written is not None and not written[at]
            )
            if taken and isinstance(value, str) and value.strip():
                message = f"{value.strip()!r} says, as it does in the data, that there is no value"
                found[at].append(_notice(column, "missing", message))
            elif value is None or (unseen is not None and unseen[at] == MISSING):
                if column.missing == NEVER:
                    found[at].append(_notice(column, "missing", "no training row lacked it"))
            elif column.kind in ("number", "date"):
                outside = _outside(column, value)
                if outside:
                    found[at].append(_notice(column, "out_of_range", outside))
            elif unseen is not None and unseen[at] == UNSEEN:
                message = "training did not know this word, or hardly"
                found[at].append(_notice(column, "unknown_category", message))
    return found


def _outside(column: Column, value: Any) -> str:
    """Describe a value outside the training range; empty for one inside."""
    if column.low is None or column.high is None:
        return ""
    at = seconds_of(value, column) if column.kind == "date" else value
    if at is None or column.low <= at <= column.high:
        return ""
    side = "below" if at < column.low else "above"
    low, high = bound(column, column.low), bound(column, column.high)
    return f"{side} the training range, {low} to {high}"


def _notice(column: Column, kind: str, message: str) -> Notice:
    return Notice(field=column.name, message=message, type=kind)
