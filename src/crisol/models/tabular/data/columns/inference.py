"""The inferred schema of a raw table, with reasons; parameters can overrule it.

Kinds are inferred from all rows (a kind is no statistic that could leak);
:meth:`crisol.models.tabular.features.encoder.Encoder.fit` takes ranges and words again, from the
training rows alone.
"""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from crisol.core.errors import MendableError
from crisol.models.tabular.data.columns.column_facts import ColumnFacts
from crisol.models.tabular.data.columns.column_kinds import facts_of
from crisol.models.tabular.data.columns.column_types import typed_column
from crisol.models.tabular.data.columns.role_warnings import (
    RoleChoice,
    column_spellings,
    role_warnings,
)
from crisol.models.tabular.data.columns.targets import (
    MOST_TOLD,
    assumed_target,
    find_target,
    find_task,
    passed_over,
    target_facts,
    target_warnings,
)
from crisol.models.tabular.data.columns.word_facts import target_words
from crisol.models.tabular.data.source_table import SourceTable
from crisol.models.tabular.params import DataParams
from crisol.models.tabular.schema import Schema

if TYPE_CHECKING:
    import pandas as pd


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
    target, why = find_target(names, facts, data)
    roles = _roles(names, facts, target, why, data)
    warnings = [w for name in names for w in facts[name].warnings]
    warnings += [*passed_over(names, facts, target, why), *role_warnings(names, facts, roles)]
    task, said = find_task(facts, roles, target, data)
    if target is not None:
        facts[target] = target_facts(facts[target], task, table, data)
        warnings += target_warnings(facts[target], task, table)
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
        notes=(*table.found.notes, *assumed_target(target, why, task)),
    )  # fmt: skip


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
