"""The facts about a raw column, of which its schema is made."""

from dataclasses import dataclass, field

from crisol.core.data.cells.date_columns import FoundDates
from crisol.core.data.cells.number_styles import Decimal
from crisol.models.tabular.schema import Column, Kind, Role


@dataclass(frozen=True)
class ColumnFacts:
    """The facts about one column; see :class:`crisol.models.tabular.schema.Column`."""

    name: str
    kind: Kind
    reason: str
    missing: float
    distinct: int
    integer: bool = False
    low: float | None = None
    high: float | None = None
    categories: tuple[str, ...] = ()
    true_word: str | None = None
    date_format: str | None = None
    dates: FoundDates | None = None
    """What was found out of a column of dates that are written as text."""
    merged: dict[str, str] = field(default_factory=dict)
    merge_case: bool = False
    unit: str | None = None
    bare_unit: bool = False
    decimal: Decimal = "."
    no_value: tuple[str, ...] = ()
    unread: str = ""
    """Why its numbers cannot be read, where it holds words for that reason."""
    examples: tuple[str, ...] = ()
    id_reason: str = ""
    """The reason why the column is an id; empty if it is none."""
    repeated_id: bool = False
    warnings: tuple[str, ...] = ()

    def column(self, role: Role, why: str = "") -> Column:
        """The schema's column of a role.

        Args:
            role: the column's.
            why: the reason for the role.
        """
        return Column(
            name=self.name,
            kind=self.kind,
            role=role,
            missing=self.missing,
            distinct=self.distinct,
            integer=self.integer,
            low=self.low,
            high=self.high,
            categories=self.categories,
            true_word=self.true_word,
            date_format=self.date_format,
            merged=self.merged,
            merge_case=self.merge_case,
            unit=self.unit,
            bare_unit=self.bare_unit,
            decimal=self.decimal,
            no_value=self.no_value,
            examples=self.examples,
            reason="; ".join(part for part in (self.reason, why) if part),
        )
