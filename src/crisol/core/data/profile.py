"""An uploaded dataset, as a family describes it to whoever stores and lists datasets.

A family that takes uploaded datasets exports two names from its package: ``DatasetOptions``, a
subclass of :class:`DatasetOptions`, and ``profile_dataset(file, options, max_columns)``, which
returns a :class:`DatasetProfile`. Light: importing this module loads neither pandas nor torch.
"""

from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from pydantic import JsonValue

from crisol.core.errors import MendableError
from crisol.core.params import Params

Task = Literal["classification", "regression", "clustering", "text", "image"]
"""The kind of model a dataset is for. ``text`` and ``image`` classify free text and pictures."""


class DatasetOptions(Params):
    """The part of a family's ``data`` section that the owner of an uploaded dataset may set.

    The section of a job on the dataset has these fields, ``file`` (the path to the data) and
    ``dataset`` (its name). Fields that are not set are inferred from the file.
    """

    default_family: ClassVar[bool] = False
    """Whether the family takes the datasets that name no family, where several take datasets."""

    def given(self) -> dict[str, Any]:
        """The fields that were set, as plain JSON."""
        return self.model_dump(mode="json", exclude_unset=True)


class DatasetProfile(Params):
    """The facts of a dataset for listings, and two JSON documents for people.

    Attributes:
        task: the kind of model it is for; ``None``: the family has one kind alone.
        target: the column to be predicted; ``None``: there is none.
        format: of the file, such as ``csv``.
        rows: how many.
        columns: how many.
        warnings: findings that a person should look at.
        columns_found: each column's kind, role and range, with the reason.
        content: the values of each column in numbers: missing, distinct, distribution.
    """

    task: Task | None
    target: str | None
    format: str
    rows: int
    columns: int
    warnings: tuple[str, ...]
    columns_found: dict[str, JsonValue]
    content: dict[str, JsonValue]


class ProfileDataset(Protocol):
    """The function ``profile_dataset`` that a family exports."""

    def __call__(
        self, file: Path, options: DatasetOptions, max_columns: int | None = None
    ) -> DatasetProfile:
        """Read and profile a file, or a folder with ``train.*`` and ``test.*``.

        Raises:
            MendableError: it cannot be read, is too wide, or the options do not fit it.
        """


def check_width(columns: int, max_columns: int | None) -> None:
    """Refuse a table with more columns than are allowed, before it costs more memory.

    >>> check_width(4, 3)
    Traceback (most recent call last):
    ...
    crisol.core.errors.MendableError: it has 4 columns, and the platform allows 3: leave out ...
    """
    if max_columns is not None and columns > max_columns:
        raise MendableError(
            f"it has {columns} columns, and the platform allows {max_columns}: "
            "leave out what no model needs"
        )
