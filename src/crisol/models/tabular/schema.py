"""The schema of a table: kind, role, range and categories of its columns.

Light: importing it loads neither pandas nor torch. The schema is shown to the person who brought
the data, can be overruled column by column (:class:`crisol.models.tabular.params.ColumnParams`),
travels with the predictor, and is what the contract is generated from.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, Strict

from crisol.core.data.profile import Task as Task
from crisol.core.params import Params, Words

Kind = Literal["number", "category", "boolean", "date", "text", "image"]
"""The type of a column's cells. ``category``: a word out of a list; ``text``: free words."""
Role = Literal["feature", "target", "id", "time", "group", "ignore"]
"""The use of a column. ``id`` names rows, ``time`` orders them (a test set lies after its training
set), ``group`` keeps rows together (a group is never on both sides of a split)."""


class Column(Params):
    """One column, as its training rows show it."""

    name: str
    kind: Kind
    role: Role = "feature"
    missing: float = 0.0
    """Share of rows without a value."""
    distinct: int = 0
    integer: bool = False
    """Whether every number is whole."""
    low: float | None = None
    """Smallest number (dates: seconds since 1970, UTC)."""
    high: float | None = None
    categories: Words = ()
    """Words of a category or boolean column, the most frequent first; of a class target, sorted."""
    true_word: str | None = None
    """The word of a boolean column that stands for yes, or several with `` | `` between them."""
    date_format: str | None = None
    """The form of a column of dates, or several with `` | `` between them
    (:func:`crisol.core.data.cells.dates.microseconds`); requests may use them, and ISO 8601."""
    merged: dict[str, str] = Field(default_factory=dict)
    """Other spellings of the words of a category."""
    merge_case: bool = False
    """Whether any case of a word is that word, in requests too."""
    unit: str | None = None
    """The unit or currency of a number column, as most cells of the file write it (``kg``, ``$``,
    ``%``); requests hold the number alone."""
    bare_unit: bool = False
    """Whether cells without the unit are numbers, too."""
    decimal: Literal[".", ","] = "."
    """The decimal mark of a number column's text cells."""
    no_value: Words = ()
    """Cells that say that there is no value in this column."""
    examples: Words = ()
    reason: str = ""
    """The reason for this kind and role: `2 to 9 distinct words in 32,561 rows`, `overruled`."""


class Schema(Params):
    """The columns of a table in file order, and the task they serve."""

    task: Task
    columns: Annotated[tuple[Column, ...], Strict(False)]
    rows: int
    warnings: Words = ()
    """Findings that need a look: constant columns, suspected ids, leakage."""
    notes: Words = ()
    """How the file was read: what was detected or assumed, with the option that changes it."""

    decisions: Words = ()
    """Choices that training made by its rows, with their reasons, one sentence each."""

    @property
    def reading(self) -> tuple[str, ...]:
        """The notes as one sentence for reports, and the decisions of training."""
        read = (f"How the file was read: {'; '.join(self.notes)}.",) if self.notes else ()
        return (*read, *(f"{decision.rstrip('.')}." for decision in self.decisions))

    @property
    def features(self) -> tuple[Column, ...]:
        """The columns a model may look at."""
        return tuple(c for c in self.columns if c.role == "feature")

    @property
    def target(self) -> Column | None:
        """The column to be predicted; ``None`` for clustering."""
        return next((c for c in self.columns if c.role == "target"), None)

    @property
    def classes(self) -> tuple[str, ...]:
        """The target's words, sorted; empty where the target is a number or there is none."""
        target = self.target
        return target.categories if target is not None and self.task != "regression" else ()

    def of_kind(self, *kinds: Kind) -> tuple[Column, ...]:
        """The features of these kinds, in order."""
        return tuple(c for c in self.features if c.kind in kinds)

    def column(self, name: str) -> Column:
        """A column by its name.

        Raises:
            KeyError: there is none.
        """
        return next(c for c in self.columns if c.name == name)

    def named(self, role: Role) -> Sequence[str]:
        """The names of the columns of a role."""
        return [c.name for c in self.columns if c.role == role]
