"""The column that is predicted: which one it is, the task, and the target's facts."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crisol.core.data.cells.number_styles import number_style
from crisol.core.data.cells.numbers import to_numbers
from crisol.core.errors import MendableError
from crisol.models.tabular.data.columns.column_facts import ColumnFacts
from crisol.models.tabular.data.columns.column_types import typed_column, without_words
from crisol.models.tabular.data.columns.hints import of_column, of_data
from crisol.models.tabular.data.columns.role_warnings import RoleChoice
from crisol.models.tabular.data.columns.word_facts import target_words
from crisol.models.tabular.data.source_table import PART, SourceTable
from crisol.models.tabular.params import DataParams
from crisol.models.tabular.schema import Task

if TYPE_CHECKING:
    import pandas as pd

TARGET_NAMES = ("target", "label", "class", "y")
_NAMES_ANOTHER = " (data.target names another)"
MAX_CLASSES = 1000
WHOLE_CLASSES = 20
"""Whole numbers of at most so many values are taken for classes."""
MOST_TOLD = 10
"""Columns that an error tells about."""
LARGEST_TARGET = 1e150
"""Errors are squared and added up, and floats end at 1.8e308."""


def find_target(
    names: Sequence[str], facts: dict[str, ColumnFacts], data: DataParams
) -> tuple[str | None, str]:
    """The column to be predicted, and why.

    Raises:
        MendableError: two columns are the target, or no column can be.
    """
    if data.task == "clustering":
        if data.target is not None:
            raise MendableError("data.target: clustering predicts no column; leave it out")
        return None, ""
    if data.target is not None:
        return data.target, "named"
    told = [name for name, column in data.columns.items() if column.role == "target"]
    if len(told) > 1:
        raise MendableError(f"data.columns: {told[0]!r} and {told[1]!r} are both the target")
    if told:
        return told[0], "named"
    lower = {name.lower(): name for name in reversed(names)}
    for word in TARGET_NAMES:
        if word in lower:
            return lower[word], f"called {lower[word]!r}"
    taken = {*data.ids, *data.ignore, *data.features, data.time, data.group}
    taken |= {n for n, c in data.columns.items() if c.role is not None}
    left = [n for n in names if n not in taken and facts[n].distinct > 1
            and not facts[n].id_reason and facts[n].kind != "date"]  # fmt: skip
    if not left:
        ids = [f"{n!r} ({facts[n].id_reason})" for n in names if facts[n].id_reason][:MOST_TOLD]
        why = f"; taken for ids: {', '.join(ids)}" if ids else ""
        raise MendableError(
            f"data.target: no column can be the target{why}; name it, or give data.task=clustering"
        )
    return left[-1], f"the last column{_NAMES_ANOTHER}"


def assumed_target(target: str | None, why: str, task: Task) -> list[str]:
    """A sentence on a target that nobody named."""
    if target is None or why == "named":
        return []
    because = why.removesuffix(_NAMES_ANOTHER)
    return [f"{target} is predicted ({task}), because it is {because}{_NAMES_ANOTHER}"]


def passed_over(
    names: Sequence[str], facts: dict[str, ColumnFacts], target: str | None, why: str
) -> list[str]:
    """The warning that the last column is not the target: an id, a date, or one value alone."""
    last = names[-1]
    if target in (None, last) or not why.startswith("the last"):
        return []
    fact = facts[last]
    cells = f", such as {fact.examples[0]!r}" if fact.examples else ""
    if fact.id_reason:
        it = of_data("target", value=last)
        said = f"looks like an id ({fact.id_reason}{cells}); {it} predicts that one"
    elif fact.distinct <= 1:
        said = "holds one value at most; data.target names another column"
    elif fact.kind == "date":
        said = f"holds dates{cells}; data.target names another column"
    else:
        return []
    return [f"{target}: predicted, because the last column, {last!r}, {said}"]


def find_task(
    facts: dict[str, ColumnFacts],
    roles: dict[str, RoleChoice],
    target: str | None,
    data: DataParams,
) -> tuple[Task, str]:
    """The task and the reason for it.

    Raises:
        MendableError: the target holds dates.
    """
    if target is None:
        return "clustering", ""
    kinds = {facts[n].kind for n, c in roles.items() if c.role == "feature"}
    if data.task != "auto":
        return data.task, ""
    fact = facts[target]
    if fact.kind == "date":
        classes = of_column(target, "kind", "category")
        raise MendableError(
            f"data.target: {target!r} holds dates ({', '.join(fact.examples[:2])}), which are "
            f"neither classes nor numbers; name another column, give a number (such as the days "
            f"until then), or take each date for a class: {classes}"
        )
    if fact.kind == "number" and not (fact.integer and fact.distinct <= WHOLE_CLASSES):
        return "regression", f"a number of {fact.distinct:,} values: regression"
    if "image" in kinds:
        return "image", "classes of pictures"
    if kinds == {"text"}:
        return "text", "classes of texts"
    said = f"{fact.distinct:,} classes"
    if fact.kind == "number":
        said += " (whole numbers; data.task=regression overrules it)"
    return "classification", said


def target_facts(
    fact: ColumnFacts, task: Task, table: SourceTable, data: DataParams
) -> ColumnFacts:
    """The target's column as the task needs it: a number, or words.

    Raises:
        MendableError: its cells are not what the task needs, or hold nothing to learn.
    """
    if fact.distinct == 0:
        raise MendableError(f"data.target: column {fact.name!r} has no value in any row")
    if task == "regression":
        _check_numbers(fact, table)
        return fact
    if fact.unread and data.task == "auto" and fact.distinct > WHOLE_CLASSES:
        raise MendableError(
            f"data.target: {fact.unread}. data.task=classification takes its words for classes"
        )
    words = target_words(table.frame[fact.name], fact.name, data, fact.no_value)
    found = sorted(words.dropna().unique())
    if len(found) < 2:
        raise MendableError(
            f"data.target: every row of {fact.name!r} is {found[0]!r}; there is nothing to learn"
        )
    if len(found) > min(MAX_CLASSES, max(2, int(words.notna().sum()) // 2)):
        raise MendableError(
            f"data.target: {fact.name!r} has {len(found):,} different words in {len(words):,} "
            "rows; they are no classes. Name another target, or data.task=regression for numbers"
        )
    return replace(
        fact, kind="category", categories=tuple(found), examples=tuple(found[:5]),
        distinct=len(found), low=None, high=None,
        integer=False, true_word=None, date_format=None, unit=None, bare_unit=False, decimal=".",
    )  # fmt: skip


def _check_numbers(fact: ColumnFacts, table: SourceTable) -> None:
    """Refuse a target of a regression that holds no numbers, or none to learn from."""
    if fact.kind != "number":
        cells = table.frame[fact.name].dropna().astype(str)
        numbers = to_numbers(cells, number_style(cells).style).notna()
        if numbers.mean() > 0.5:
            raise MendableError(
                f"data.target: {1 - numbers.mean():.1%} of the cells of {fact.name!r} are no "
                f"numbers (such as {cells[~numbers].iloc[0]!r}); mend them, or leave their "
                f"rows out by {of_column(fact.name, 'kind', 'number')}"
            )
        raise MendableError(
            f"data.task: the target {fact.name!r} holds no numbers (such as "
            f"{', '.join(fact.examples[:3])}); choose classification, or another target"
        )
    if fact.distinct == 1:
        raise MendableError(
            f"data.target: every row of {fact.name!r} is {fact.examples[0]}; there is nothing "
            "to learn"
        )
    most = max(abs(fact.low or 0.0), abs(fact.high or 0.0))
    if most > LARGEST_TARGET:
        raise MendableError(
            f"data.target: {fact.name!r} holds numbers as large as {most:.3g}, whose errors "
            f"cannot be added up; mend what is no measurement, or give it in another unit "
            f"(at most {LARGEST_TARGET:g}) or as a logarithm"
        )


def target_warnings(fact: ColumnFacts, task: Task, table: SourceTable) -> list[str]:
    """Warnings of rows without a target, and of classes that one part alone has."""
    said = []
    cells = without_words(table.frame[fact.name], fact.no_value)
    if task == "regression":  # of which what is no number is no target, either
        cells = typed_column(table, fact.column("target"))
    empty = int(cells.isna().sum())
    if empty:
        said.append(f"{fact.name}: {empty:,} rows have no target and are left out")
    elif table.frame[PART].notna().any():
        said += _other_classes(fact, cells, table)
    return said


def _other_classes(fact: ColumnFacts, cells: "pd.Series[Any]", table: SourceTable) -> list[str]:
    """The warning that test rows have classes that no training row has, or the other way round."""
    parts = {
        part: set(some.dropna().astype(str)) for part, some in cells.groupby(table.frame[PART])
    }
    train, test = parts.get("train", set()), parts.get("test", set())
    if not train or not test or train == test:
        return []
    alone = [f"{part} alone has {', '.join(map(repr, sorted(words)[:MOST_TOLD]))}"
             for part, words in (("train", train - test), ("test", test - train))
             if words]  # fmt: skip
    merge = of_column(fact.name, "merge", {"word": "class"})
    said = f"{fact.name}: train and test do not have the same classes: {'; '.join(alone)}"
    return [f"{said}; if these are spellings of one, {merge} merges them"]
