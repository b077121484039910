"""The canonical tables of the files that a run is given."""

from pathlib import Path

import pandas as pd

from crisol.core.data.named_paths import named_path
from crisol.core.data.table_files import read_raw_table
from crisol.core.data.tables.table_file import shown_name
from crisol.core.errors import MendableError
from crisol.models.recommender.data.studies import clean_tables
from crisol.models.recommender.params import DataParams


def clean_files(
    events: Path, items: Path, users: Path, data: DataParams
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Validated events, items and users, and notes on how their files were read.

    With events of one's own, items and users are read only where they are named, too: those of the
    catalog belong to the sample.

    Args:
        events: the file of events.
        items: the file of items.
        users: the file of users.
        data: the section ``recommender.data``.

    Raises:
        FileNotFoundError: there is no such file.
        MendableError: a file that cannot be read, a table that breaks a rule, or events of one's
            own that the catalog of this environment does not read.
    """
    if not all(isinstance(path, Path) for path in (events, items, users)):
        raise MendableError(
            "the catalog's recommender.events_raw, items_raw and users_raw are files that "
            "recommender reads itself: give them the type "
            "crisol.catalog.raw_files.RawFolderDataset, and put options of the reader into "
            "recommender.data.read"
        )
    _refuse_other_file(events, data)
    read = data.read
    return clean_tables(
        read_raw_table(events, read),
        read_raw_table(items, read) if data.items or not data.events else pd.DataFrame(),
        read_raw_table(users, read) if data.users or not data.events else pd.DataFrame(),
        data,
    )


def _refuse_other_file(events: Path, data: DataParams) -> None:
    """Refuse a run whose parameters name other events than its catalog reads."""
    if data.events and events.resolve() != named_path(data.events).resolve():
        raise MendableError(
            f"recommender.data.events names {data.events}, but the catalog of this environment "
            f"reads {shown_name(events)}; leave out --env, or name the file there"
        )
