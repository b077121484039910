"""The raw tables of a run to its interactions, with what was assumed on the way.

Notes are a table of ``about`` (a file, or a study) and ``note`` (a sentence). They reach the report
and the model card.
"""

import logging
from collections.abc import Iterable

import pandas as pd

from crisol.models.recommender.data.prepare import clean, clean_users, split_study
from crisol.models.recommender.data.raw_columns import NOTES, notes_of
from crisol.models.recommender.params import OWN_STUDY, DataParams

logger = logging.getLogger(__name__)


def clean_tables(
    events_raw: pd.DataFrame, items_raw: pd.DataFrame, users_raw: pd.DataFrame, data: DataParams
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Validated events, items and users, and notes on how their files were read.

    Raises:
        MendableError: a table that breaks a rule.
    """
    events, items = clean(
        events_raw,
        items_raw,
        data.columns,
        data.item_columns,
        read=data.read,
        leave_out=data.leave_out,
    )
    users = clean_users(users_raw, data.user_columns, data.read)
    if len(users) and not users["user"].isin(events["user"].unique()).any():
        users.attrs[NOTES].append(
            f"{users_raw.attrs.get('file', 'users')}: none of its users has an event; are their "
            "ids written as in the events?"
        )
    notes = [("files", note) for table in (events, items, users) for note in notes_of(table)]
    for _, note in notes:
        logger.info(note)
    for table in (events, items, users):
        table.attrs = {}
    return events, items, users, notes_table(notes)


def split_studies(
    events: pd.DataFrame, items: pd.DataFrame, reading: pd.DataFrame, data: DataParams
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The interactions of every study, and notes on how they were read and divided."""
    notes, parts = list(reading[["about", "note"]].itertuples(index=False, name=None)), []
    for study in data.ordered_studies:
        divided = split_study(events, items, study)
        parts.append(divided.rows)
        if study.name == OWN_STUDY and data.events:
            derived = (
                f"{OWN_STUDY}: this study was derived from {data.events}; lists of {study.k} items "
                "are judged (recommender.data.k)."
            )
            notes.append((OWN_STUDY, derived))
        notes += [(study.name, note) for note in divided.notes]
    rows = pd.concat(parts, ignore_index=True)
    order = rows["order"].astype("str")  # categories differ between studies
    return rows.assign(order=pd.Categorical(order)), notes_table(notes)


def notes_table(notes: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """Notes as a table."""
    return pd.DataFrame(list(notes), columns=["about", "note"], dtype="str")
