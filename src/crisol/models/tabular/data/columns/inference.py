"""The inferred schema of a raw table, with reasons; parameters can overrule it.

Kinds are inferred from all rows (a kind is no statistic that could leak);
:meth:`crisol.models.tabular.features.encoder.Encoder.fit` takes ranges and words again, from the
training rows alone.
"""

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from crisol.core.data.cells.number_styles import number_style
from crisol.core.data.cells.numbers import to_numbers
from crisol.core.errors import MendableError
from crisol.models.tabular.data.columns.column_facts import ColumnFacts
from crisol.models.tabular.data.columns.column_kinds import facts_of
from crisol.models.tabular.data.columns.column_types import typed_column, without_words
from crisol.models.tabular.data.columns.hints import of_column, of_data
from crisol.models.tabular.data.columns.role_warnings import (
    RoleChoice,
    column_spellings,
    role_warnings,
)
from crisol.models.tabular.data.columns.word_facts import target_words
from crisol.models.tabular.data.source_table import PART, SourceTable
from crisol.models.tabular.params import DataParams
from crisol.models.tabular.schema import Schema, Task

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


def infer(table: SourceTable, data: DataParams) -> Schema:
    """The schema of a raw table.

    Args:
        table: as it was read.
        data: the parameters, which overrule what is inferred.

    Returns:
        Columns in file order, each with the reason for its kind and role; what should be looked at
        is among the warnings.

    Raises:
        MendableError: a column that was named is not there, or cannot be what it was named.
    """
    names = table.columns
    _check_named(names, data, table.where)
    facts = {name: facts_of(table.frame[name], name, data, table) for name in names}
    facts = _same_order(facts, table, data)
    target, why = _target(names, facts, data)
    roles = _roles(names, facts, target, why, data)
    warnings = [w for name in names for w in facts[name].warnings]
    warnings += [*_passed_over(names, facts, target, why), *role_warnings(names, facts, roles)]
    task, said = _task(facts, roles, target, data)
    if target is not None:
        facts[target] = _target_facts(facts[target], task, table, data)
        warnings += _target_warnings(facts[target], task, table)
    warnings += column_spellings(facts, roles, table, data)
    columns = [facts[name].column(roles[name].role, roles[name].reason) for name in names]
    if target is not None and said:
        columns = [
            c.model_copy(update={"reason": f"{c.reason}; {said}"}) if c.name == target else c
            for c in columns
        ]
    if not any(c.role == "feature" for c in columns):
        raise MendableError(
            f"{table.where}: no column is left to learn from: "
            f"{_told_roles(names, facts, roles)}; name those to learn from in data.features"
        )
    return Schema(
        task=task, columns=tuple(columns), rows=len(table.frame), warnings=tuple(warnings),
        notes=(*table.found.notes, *_assumed_target(target, why, task)),
    )  # fmt: skip


def _assumed_target(target: str | None, why: str, task: Task) -> list[str]:
    """A sentence on a target that nobody named."""
    if target is None or why == "named":
        return []
    because = why.removesuffix(_NAMES_ANOTHER)
    return [f"{target} is predicted ({task}), because it is {because}{_NAMES_ANOTHER}"]


def _told_roles(
    names: Sequence[str], facts: dict[str, ColumnFacts], roles: dict[str, RoleChoice]
) -> str:
    """The columns, why each is no feature, and what its cells look like."""
    said = []
    for name in names[:MOST_TOLD]:
        fact, choice = facts[name], roles[name]
        if choice.role == "target":
            said.append(f"{name!r} is the target")
            continue
        role = {"id": "taken for an id"}.get(choice.role, "left out")
        why = f"{name!r} is {role} ({choice.reason}"
        if fact.examples and fact.kind != "number":
            why += f"; its cells are read as {fact.kind}, such as {fact.examples[0]!r}"
        said.append(f"{why})" + (f"; {fact.unread}" if fact.unread else ""))
    more = [f"and {len(names) - MOST_TOLD:,} more"] if len(names) > MOST_TOLD else []
    return ", ".join(said + more)


def _passed_over(
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


def _same_order(
    facts: dict[str, ColumnFacts], table: SourceTable, data: DataParams
) -> dict[str, ColumnFacts]:
    """The facts, with the order of day and month that other columns tell where none is told."""
    orders = {f.dates.day_first for f in facts.values() if f.dates and f.dates.order == "cells"
              and f.kind == "date" and f.dates.day_first is not None}  # fmt: skip
    if len(orders) != 1:
        return facts
    first = orders.pop()
    again = [name for name, fact in facts.items() if fact.dates is not None
             and fact.dates.order in ("assumed", "the order of the rows")]  # fmt: skip
    return facts | {n: facts_of(table.frame[n], n, data, table, first) for n in again}


def _check_named(names: Sequence[str], data: DataParams, where: str) -> None:
    """Refuse parameters that name a column that is not there, or give it two roles."""
    named: list[tuple[str, str | None]] = [
        ("target", data.target),
        ("time", data.time),
        ("group", data.group),
        *(("features", n) for n in data.features),
        *(("ids", n) for n in data.ids),
        *(("ignore", n) for n in data.ignore),
        *(("columns", n) for n in data.columns),
    ]
    for key, name in named:
        if name is not None and name not in names:
            near = get_close_matches(name, names, 1, 0.6)
            shown = ", ".join(names[:12]) + ("…" if len(names) > 12 else "")
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {shown}"
            raise MendableError(f"data.{key}: {where} has no column {name!r}; {hint}")
    roles: dict[str, str] = {}
    for key, name in named:
        if name is None or key == "columns":
            continue
        if key in ("time", "group", "features"):  # these may be looked at, too
            continue
        if name in roles and roles[name] != key:
            raise MendableError(f"data.{key}: column {name!r} is data.{roles[name]} already")
        roles[name] = key


def _target(
    names: Sequence[str], facts: dict[str, ColumnFacts], data: DataParams
) -> tuple[str | None, str]:
    """The column to be predicted, and why."""
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


def _roles(
    names: Sequence[str],
    facts: dict[str, ColumnFacts],
    target: str | None,
    why: str,
    data: DataParams,
) -> dict[str, RoleChoice]:
    """The role of each column."""
    chosen: dict[str, RoleChoice] = {}
    for name in names:
        over = data.columns.get(name)
        if over is not None and over.role is not None:
            chosen[name] = RoleChoice(over.role, "overruled", told=True)
        elif name == target:
            chosen[name] = RoleChoice("target", why, told=True)
        elif name in data.ids:
            chosen[name] = RoleChoice("id", "named", told=True)
        elif name in data.ignore:
            chosen[name] = RoleChoice("ignore", "named", told=True)
        elif name == data.time:
            chosen[name] = RoleChoice("time", "named", told=True)
        elif name == data.group:
            chosen[name] = RoleChoice("group", "named", told=True)
        elif data.features:
            said = name in data.features
            chosen[name] = RoleChoice("feature" if said else "ignore", "named" if said else
                                   "not among data.features", told=True)  # fmt: skip
        elif facts[name].distinct == 0:
            chosen[name] = RoleChoice("ignore", "no row has a value")
        elif facts[name].distinct == 1 and facts[name].missing == 0:
            chosen[name] = RoleChoice("ignore", "every row has the same value")
        elif facts[name].id_reason:
            chosen[name] = RoleChoice("id", facts[name].id_reason)
        else:
            chosen[name] = RoleChoice("feature")
    seen = [n for n in names if facts[n].kind == "image" and chosen[n].role == "feature"]
    for name in seen[1:]:
        chosen[name] = RoleChoice("ignore", f"pictures of one column are looked at, {seen[0]!r}")
    for role in ("target", "time", "group"):
        several = [name for name, c in chosen.items() if c.role == role]
        if len(several) > 1:
            raise MendableError(f"data: {several[0]!r} and {several[1]!r} are both the {role}")
    return chosen


def _task(
    facts: dict[str, ColumnFacts],
    roles: dict[str, RoleChoice],
    target: str | None,
    data: DataParams,
) -> tuple[Task, str]:
    """The task and the reason for it."""
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


def _target_facts(
    fact: ColumnFacts, task: Task, table: SourceTable, data: DataParams
) -> ColumnFacts:
    """The target's column as the task needs it: a number, or words."""
    if fact.distinct == 0:
        raise MendableError(f"data.target: column {fact.name!r} has no value in any row")
    if task == "regression":
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


def _target_warnings(fact: ColumnFacts, task: Task, table: SourceTable) -> list[str]:
    """Rows without a target, and rare classes."""
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


def typed(table: SourceTable, schema: Schema, data: DataParams) -> "pd.DataFrame":
    """The columns of a raw table in the types of its schema; ignored ones are left out."""
    import pandas as pd

    out: dict[str, Any] = {}
    for column in schema.columns:
        if column.role == "ignore":
            continue
        cells = table.frame[column.name]
        if column.role == "target" and schema.task != "regression":
            out[column.name] = target_words(cells, column.name, data, column.no_value)
        else:
            out[column.name] = typed_column(table, column)
    return pd.DataFrame(out, index=table.frame.index)
