"""The role of a column with its reason, and the warnings about roles and spellings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crisol.models.tabular.data.columns.column_facts import ColumnFacts
from crisol.models.tabular.data.columns.hints import of_column, of_data
from crisol.models.tabular.data.columns.word_facts import boolean_warnings, spelling_warnings
from crisol.models.tabular.data.source_table import SourceTable
from crisol.models.tabular.params import DataParams
from crisol.models.tabular.schema import Role


@dataclass(frozen=True)
class RoleChoice:
    """A column's role and the reason for it."""

    role: Role
    reason: str = ""
    told: bool = False


def role_warnings(
    names: Sequence[str], facts: Mapping[str, ColumnFacts], roles: Mapping[str, RoleChoice]
) -> list[str]:
    """Warnings about the roles."""
    said = []
    for name in names:
        choice, fact = roles[name], facts[name]
        if choice.role == "ignore" and not choice.told:
            said.append(f"{name}: {choice.reason}; left out")
        elif choice.role == "id" and not choice.told:
            said.append(
                f"{name}: taken for an id ({choice.reason}) and not learned from; "
                f"{of_column(name, 'role', 'feature')} overrules it"
            )
        elif choice.role == "feature" and fact.repeated_id:
            said.append(
                f"{name}: names things that have several rows ({fact.distinct:,}); "
                f"{of_data('group', value=name)} keeps the rows of each on one side of the split"
            )
    dates = [n for n in names if facts[n].kind == "date" and roles[n].role == "feature"]
    if dates and not any(c.role == "time" for c in roles.values()):
        ordered = of_data("time", value=dates[0])
        said.append(
            f"{dates[0]}: holds dates; {ordered} tests on the latest rows, which is what counts if "
            "the future is to be predicted"
        )
    said += [
        f"{name}: orders the rows, but holds neither dates nor numbers: its words are sorted by "
        f"letters; {of_column(name, 'date_format', '%d/%m/%Y')} says how its dates are written"
        for name in names
        if roles[name].role == "time" and facts[name].kind not in ("date", "number")
    ]
    return said


def column_spellings(
    facts: Mapping[str, ColumnFacts],
    roles: Mapping[str, RoleChoice],
    table: SourceTable,
    data: DataParams,
) -> list[str]:
    """Warnings about the spellings of words that are learned from or predicted."""
    said = []
    for name, fact in facts.items():
        role = roles[name].role
        if fact.kind == "boolean" and role == "feature":
            said += boolean_warnings(table.frame[name], fact)
        if fact.kind == "category" and role in ("feature", "target"):
            said += spelling_warnings(table.frame[name], fact, data, target=role == "target")
    return said
