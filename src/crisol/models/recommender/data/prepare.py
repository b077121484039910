"""From raw events to divided interactions, and from those to the arrays that models take.

A user and an item are positions: a user's among the users of the study (sorted by id), an item's
among the items of the source (sorted by id), which is also its place in the catalogue.
"""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crisol.core.data.read_params import ReadParams
from crisol.core.data.table_files import RAW
from crisol.models.recommender.data.event_order import OrderFinding, find_order, in_order
from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.data.raw_columns import TableError
from crisol.models.recommender.data.validation import (
    validate_events,
    validate_items,
    validate_users,
)
from crisol.models.recommender.study_params import (
    LeaveOneOutSplit,
    OfficialSplit,
    Split,
    StudyParams,
    TemporalSplit,
)

TRAIN, VALID, TEST = "train", "valid", "test"
PARTS = (TRAIN, VALID, TEST)
LEAST_TESTED = 20
"""Fewer tested users than this are too few for a temporal split that nobody asked for."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StudySplit:
    """The interactions of a study, and what was assumed to divide them.

    Attributes:
        rows: as from :func:`split`.
        notes: a sentence each.
    """

    rows: pd.DataFrame
    notes: list[str]


def clean(
    events_raw: pd.DataFrame,
    items_raw: pd.DataFrame,
    columns: Mapping[str, str] | None = None,
    item_columns: Mapping[str, str] | None = None,
    *,
    read: ReadParams = RAW,
    leave_out: Collection[str] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Raw tables to the canonical ones, after the checks that the catalog may lack.

    A source without a single row of items gets one for each item of its events, with nothing but
    the id. A source that has rows must have one for every item: an id that is not there is far
    more often a slip (``7`` for ``007``) than an item nobody describes.

    Args:
        events_raw: see :func:`~crisol.models.recommender.data.validation.validate_events`.
        items_raw: see :func:`~crisol.models.recommender.data.validation.validate_items`; without
            columns: there are none.
        columns: our names to columns of the events, where they are not the usual ones.
        item_columns: the same for the items.
        read: how numbers and dates are written, and words that are ids.
        leave_out: see :func:`~crisol.models.recommender.data.validation.validate_events`.

    Returns:
        Events: the columns of :func:`~crisol.models.recommender.data.validation.validate_events`,
        in the order of the file. Items: the columns of
        :func:`~crisol.models.recommender.data.validation.validate_items`, sorted by source and id.

    Raises:
        TableError: naming the row and the rule.
    """
    # The catalog's validators name the files; entries of one's own easily go without them.
    file = _file_of(events_raw, "events")
    events = validate_events(events_raw, file, columns, read, leave_out)
    if not len(items_raw.columns):
        items_raw = pd.DataFrame({"item": pd.Series([], dtype="str")})
    items = validate_items(items_raw, _file_of(items_raw, "items"), item_columns, read)
    if "source" not in items_raw and events["source"].nunique() == 1:
        items["source"] = events["source"].iloc[0]
    used = events[["source", "item"]].drop_duplicates()
    described = used["source"].isin(set(items["source"]))
    found = used.merge(items[["source", "item"]], how="left", indicator=True)["_merge"] == "both"
    unknown = used[described.to_numpy() & ~found.to_numpy()]
    if len(unknown):
        first = unknown.index[0]
        raise TableError(
            f"{file}, row {first + 1}: item {unknown['item'].iloc[0]!r} of source "
            f"{unknown['source'].iloc[0]!r} is not among the items ({len(unknown)} such items); "
            "add a row for it (item and source are enough), or give no items for this source"
        )
    events = events.reset_index(drop=True)
    bare = validate_items(used[~described.to_numpy()], read=read)
    told = items.attrs
    items = pd.concat([items, bare], ignore_index=True)
    items = items.sort_values(["source", "item"], ignore_index=True)
    items.attrs = told
    return events, items


def _file_of(table: pd.DataFrame, name: str) -> str:
    """The file that a table was read from, or its name."""
    return str(table.attrs.get("file", name))


def clean_users(
    users_raw: pd.DataFrame, columns: Mapping[str, str] | None = None, read: ReadParams = RAW
) -> pd.DataFrame:
    """Raw users to canonical ones, after the checks that the catalog may lack.

    Returns:
        The columns of :func:`~crisol.models.recommender.data.validation.validate_users`, sorted by
        source and id.

    Raises:
        TableError: naming the row and the rule.
    """
    if not len(users_raw.columns):
        users_raw = pd.DataFrame({"user": [], "attributes": []}, dtype="str")
    users = validate_users(users_raw, _file_of(users_raw, "users"), columns, read)
    return users.sort_values(["source", "user"], ignore_index=True)


def split(events: pd.DataFrame, items: pd.DataFrame, study: StudyParams) -> pd.DataFrame:
    """The interactions of one study, each in its part; see :func:`split_study`."""
    return split_study(events, items, study).rows


def split_study(events: pd.DataFrame, items: pd.DataFrame, study: StudyParams) -> StudySplit:
    """The interactions of one study, each in its part, and what was assumed to divide them.

    Within a user they are in time order. Where times are equal or missing, they are in the order of
    the file, or in no order if the file is sorted by something else
    (:mod:`~crisol.models.recommender.data.event_order`).

    Args:
        events: as from :func:`clean`.
        items: as from :func:`clean`.
        study: which source, and how to divide it.

    Returns:
        Rows of ``study``, ``user_id``, ``user`` and ``item`` (int32 positions), ``time``,
        ``weight`` (float32), ``part`` (train, valid, test) and ``order`` (time, rows, none; the
        same in each row), ordered by user and then in time.

    Raises:
        TableError: the source has no events, or lacks the times or parts that the split needs; a
            type without a weight; a part without rows.
    """
    chosen = _weighted(_of_source(events, study), study)
    described = study_items(items, study)
    if described["source"].nunique() > 1:
        raise TableError(
            f"study {study.name!r}: the items are of several sources: "
            f"{', '.join(sorted(described['source'].unique()))}; name one of them with "
            "recommender.data.source"
        )
    finding = find_order(chosen.reset_index(drop=True), described, study.order)
    if study.order == "time" and chosen["time"].isna().any():
        raise TableError(f"study {study.name!r}: order 'time' needs times, and its source has none")
    user_codes, user_ids = pd.factorize(chosen["user"], sort=True)
    known = pd.Index(described["item"])
    item_codes = known.get_indexer(pd.Index(chosen["item"]))
    rows = pd.DataFrame(
        {
            "study": study.name,
            "user": user_codes.astype(np.int32),
            "item": item_codes.astype(np.int32),
            "time": chosen["time"].array,
            "weight": chosen["weight"].to_numpy(np.float32),
            "official": chosen["part"].to_numpy(),
        }
    )
    rows = in_order(rows, finding)
    chosen_split = study.split
    notes = [note] if (note := finding.note(study.name)) else []
    if chosen_split.kind == "auto":
        chosen_split, note = _derived_split(rows, study, finding)
        notes.append(note)
    for note in notes:
        logger.warning(note)
    rows = rows.assign(part=pd.Categorical(_parts(rows, study, chosen_split), categories=PARTS))
    rows = rows.drop(columns="official").assign(order=pd.Categorical([finding.kind] * len(rows)))
    rows = _core(rows, study)
    for name in PARTS:
        if not (rows["part"] == name).any():
            raise TableError(
                f"study {study.name!r}: the split leaves no {name} events; check its shares and "
                "minimum counts, or give it more events"
            )
    return StudySplit(_renumbered(rows, pd.Index(user_ids)), notes)


def _parts(rows: pd.DataFrame, study: StudyParams, split: Split) -> NDArray[np.object_]:
    if isinstance(split, OfficialSplit):
        return _official(rows, study, split)
    if isinstance(split, TemporalSplit):
        return _temporal(rows, study, split)
    return _leave_one_out(rows, split)


def _derived_split(
    rows: pd.DataFrame, study: StudyParams, finding: OrderFinding
) -> tuple[Split, str]:
    """The split of events about which nothing was said, and a sentence on it."""
    if (rows["official"] != "").all():
        by: Literal["newest", "random"] = "random" if finding.kind == "none" else "newest"
        return OfficialSplit(valid_by=by), f"{study.name}: split by the column part."
    if finding.kind == "time":
        split = TemporalSplit()
        parts = rows.assign(part=_temporal(rows, study, split))
        tested = min(len(histories_before(parts, part)[0]) for part in (VALID, TEST))
        if tested >= LEAST_TESTED:
            return split, (
                f"{study.name}: split in time: the newest {split.test_share:.0%} of the events "
                f"are tested, the {split.valid_share:.0%} before them validate."
            )
    which = (
        "one item of each user, drawn at random,"
        if finding.kind == "none"
        else ("each user's newest item")
    )
    return LeaveOneOutSplit(), (
        f"{study.name}: split by leaving one out: {which} is tested, and another one validates."
    )


def study_items(items: pd.DataFrame, study: StudyParams) -> pd.DataFrame:
    """The items of a study's source in the order of their positions."""
    if not study.source:
        return items.reset_index(drop=True)
    return items[items["source"] == study.source].reset_index(drop=True)


def user_ids(interactions: pd.DataFrame) -> tuple[str, ...]:
    """The ids of the study's users in the order of their positions."""
    first = interactions.drop_duplicates("user").sort_values("user")
    return tuple(first["user_id"].astype(str))


def interactions(rows: pd.DataFrame, parts: tuple[str, ...], item_count: int) -> Interactions:
    """The users' histories in these parts, the parts in time order.

    Args:
        rows: as from :func:`split`.
        parts: such as ``("train", "valid")``.
        item_count: I, the items of the source.
    """
    user_count = int(rows["user"].max()) + 1
    return Interactions(_histories(rows[rows["part"].isin(parts)], user_count), item_count)


def histories_before(rows: pd.DataFrame, part: str) -> tuple[Histories, Histories]:
    """The history of each tested user before ``part``, and the items new to the user in it.

    Users without a new item in the part, or with nothing before it, are left out: there is nothing
    to find, or nothing to find it with.

    Args:
        rows: as from :func:`split`.
        part: ``valid`` (before it: train) or ``test`` (before it: train and valid).

    Returns:
        Histories and, aligned with them, the targets; each target once, in time order.
    """
    before = (TRAIN,) if part == VALID else (TRAIN, VALID)
    earlier, later = rows[rows["part"].isin(before)], rows[rows["part"] == part]
    later = later.drop_duplicates(["user", "item"])
    had = pd.MultiIndex.from_frame(earlier[["user", "item"]])
    later = later[~pd.MultiIndex.from_frame(later[["user", "item"]]).isin(had)]
    user_count = int(rows["user"].max()) + 1
    histories, targets = _histories(earlier, user_count), _histories(later, user_count)
    tested = np.flatnonzero((histories.sizes > 0) & (targets.sizes > 0))
    return histories.take(tested), targets.take(tested)


def _histories(rows: pd.DataFrame, user_count: int) -> Histories:
    users = rows["user"].to_numpy()
    # A stable sort keeps each user's order in time; rows are nearly always sorted already.
    order = np.argsort(users, kind="stable")
    sizes = np.bincount(users, minlength=user_count)
    return Histories(
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        rows["item"].to_numpy(np.int32)[order],
        rows["weight"].to_numpy(np.float32)[order],
        np.arange(user_count, dtype=np.int64),
    )


def _of_source(events: pd.DataFrame, study: StudyParams) -> pd.DataFrame:
    if not study.source:
        several = sorted(events["source"].unique())
        if len(several) > 1:
            raise TableError(
                f"study {study.name!r}: the events are of several sources: {', '.join(several)}; "
                f"take one of them with recommender.data.source={several[0]}"
            )
        return events
    chosen = events[events["source"] == study.source]
    if chosen.empty:
        raise TableError(
            f"study {study.name!r}: no events of source {study.source!r}; there are: "
            + ", ".join(sorted(events["source"].unique()))
        )
    return chosen


def _weighted(chosen: pd.DataFrame, study: StudyParams) -> pd.DataFrame:
    if not study.type_weights:
        return chosen
    unknown = sorted(set(chosen["type"]) - set(study.type_weights))
    if unknown:
        raise TableError(
            f"study {study.name!r}: events of type {unknown[0]!r} have no weight; type_weights "
            f"has: {', '.join(study.type_weights)}"
        )
    weight = chosen["weight"] * chosen["type"].map(study.type_weights).astype(float)
    return chosen.assign(weight=weight)[weight > 0]


def _first_of_pair(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether a row is the user's first event with the item."""
    return ~rows.duplicated(["user", "item"]).to_numpy()


def _official(rows: pd.DataFrame, study: StudyParams, params: OfficialSplit) -> NDArray[np.object_]:
    part = rows["official"].to_numpy(object)
    if (part == "").any():
        raise TableError(
            f"study {study.name!r}: its source has no official parts; fill the column part, or "
            "split by leave_one_out or temporal"
        )
    part = part.copy()
    known = rows[part == TRAIN]
    pairs = known[_first_of_pair(known)][["user", "item"]]
    if params.valid_by == "random":
        # Ordered by item, so that the order of a user's rows does not decide who is drawn.
        pairs = pairs.sort_values(["user", "item"])
        key = np.random.default_rng(params.seed).random(len(pairs))
    else:
        key = -np.arange(len(pairs), dtype=np.float64)
    by_user = pd.Series(key, index=pairs.index).groupby(pairs["user"])
    count = by_user.transform("size").to_numpy()
    held = by_user.rank(method="first").to_numpy() <= np.floor(count * params.valid_share + 0.5)
    chosen = pd.MultiIndex.from_frame(pairs[held & (count > 1)])
    mine = pd.MultiIndex.from_frame(known[["user", "item"]]).isin(chosen)
    part[known.index.to_numpy()[mine]] = VALID
    return part


def _leave_one_out(rows: pd.DataFrame, params: LeaveOneOutSplit) -> NDArray[np.object_]:  # noqa: ARG001
    """A part begins with the user's first event with the item that is held out."""
    users = rows["user"].to_numpy()
    first = _first_of_pair(rows).astype(np.int64)
    nth = pd.Series(first).groupby(users).cumsum().to_numpy()
    distinct = pd.Series(first).groupby(users).transform("sum").to_numpy()
    left = np.where(distinct >= 3, distinct - nth, 2)
    return np.select([left == 0, left == 1], [TEST, VALID], TRAIN).astype(object)


def _temporal(rows: pd.DataFrame, study: StudyParams, params: TemporalSplit) -> NDArray[np.object_]:
    if rows["time"].isna().any():
        raise TableError(
            f"study {study.name!r}: a temporal split needs times, and its source has none; split "
            "by leave_one_out, or by auto"
        )
    times = np.sort(rows["time"].to_numpy())
    test = times[int(len(times) * (1 - params.test_share))]
    valid = times[int(len(times) * (1 - params.test_share - params.valid_share))]
    at = rows["time"].to_numpy()
    return np.select([at >= test, at >= valid], [TEST, VALID], TRAIN).astype(object)


def _core(rows: pd.DataFrame, study: StudyParams) -> pd.DataFrame:
    """Without the users and items that *training* has too few of; held-out rows do not count."""
    train = rows[rows["part"] == TRAIN].drop_duplicates(["user", "item"])
    left = rows
    while True:
        kept = left
        for column, least in (("user", study.min_user_events), ("item", study.min_item_events)):
            count = train[column].value_counts().reindex(left[column].unique(), fill_value=0)
            left = left[left[column].isin(count[count >= least].index)]
            train = train[train[column].isin(count[count >= least].index)]
        if len(left) == len(kept):
            return left


def _renumbered(rows: pd.DataFrame, ids: pd.Index) -> pd.DataFrame:
    """Users numbered without gaps after the filter, with their ids beside."""
    left, codes = np.unique(rows["user"].to_numpy(), return_inverse=True)
    names = pd.Categorical.from_codes(codes, categories=ids[left])
    columns = ["study", "user_id", "user", "item", "time", "weight", "part", "order"]
    return rows.assign(user=codes.astype(np.int32), user_id=names)[columns].reset_index(drop=True)
