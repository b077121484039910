"""Whether the order of rows can be taken for the order of events.

Times decide wherever there are some. Rows without times, or with equal ones, are looked at: files
are often sorted by item, by rating or by something else that says nothing of time. A file that is
sorted by a key is sorted without exception, while events in time order rise by any key in about
half of the neighbouring pairs. So the test asks for 99.5 % of them, and leaves out what a log in
time order explains too:

- A log of many users is interleaved. Rows of a user that do not stand together were sorted by
  nothing of that user, unless the whole file rises by the key.
- Ids are often numbered as they first appear, so a pair with an item's first row rises anyway.
- A visit ends with a purchase, so weights of two levels rise anyway.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Order = Literal["auto", "time", "rows", "none"]
"""``time``: by the column; ``rows``: as in the file; ``none``: there is no order."""

SORTED_SHARE, AGREED_SHARE = 0.995, 0.998
"""Share of neighbouring pairs that rise (or fall) in a sorted file, and of users that agree."""
MIN_PAIRS = 20
"""Fewer pairs than this prove nothing."""
NUMBERED_SHARE = 0.8
"""Share of items whose key is the highest so far, where ids are numbered as items appear."""
TOGETHER_SHARE = 0.5
"""Share of each user's neighbouring rows that stand together where a file is sorted by user."""
WINDOW, MOST_ROWS = 3, 200_000
"""Distance in a history, and rows, up to which two items are compared between users."""


@dataclass(frozen=True)
class OrderFinding:
    """The order of a study's events.

    Attributes:
        kind: ``time``, ``rows`` or ``none``.
        sorted_by: what the rows that times do not tell apart are sorted by; empty: by nothing.
        tied: share of the users' neighbouring events that times do not tell apart.
    """

    kind: Literal["time", "rows", "none"]
    sorted_by: str
    tied: float

    @property
    def draws_ties(self) -> bool:
        """Whether events that times do not tell apart are drawn at random."""
        return self.kind == "none" or bool(self.sorted_by)

    def note(self, study: str) -> str:
        """A sentence on the assumption and the option that changes it; empty for a clear order."""
        if self.kind == "none":
            why = (
                f"the rows are sorted by {self.sorted_by}, not by time"
                if self.sorted_by
                else "recommender.data says order: none"
            )
            return (
                f"{study}: the order of the events is not known ({why}). Validation and test are "
                "drawn at random for each user, and everything that reads an order is off "
                "(transitions, recency). recommender.data.order=rows takes the rows as they stand."
            )
        if self.kind == "rows":
            return (
                f"{study}: no times tell the events apart, and the order of the rows is taken for "
                "their order in time, oldest first. recommender.data.order=none takes it as chance."
            )
        if self.sorted_by:
            return (
                f"{study}: times leave {self.tied:.0%} of each user's neighbouring events equal, "
                f"whose rows are sorted by {self.sorted_by}; their order is drawn at random."
            )
        return ""


def find_order(events: pd.DataFrame, items: pd.DataFrame, wanted: Order) -> OrderFinding:
    """The order of the events of one source.

    Args:
        events: in the order of the file: ``user``, ``item``, ``time``, ``weight``, ``part``.
        items: those of the source: ``item`` and what is known of it.
        wanted: ``auto`` looks at the events; others are taken at their word.
    """
    if wanted == "rows" or wanted == "none":
        return OrderFinding(wanted, "", 1.0)
    pairs = _Pairs.of(events)
    tied = float(pairs.tied.mean()) if len(pairs.tied) else 0.0
    timed = bool(len(pairs.tied)) and tied < 1
    timed = timed or (len(pairs.tied) == 0 and bool(events["time"].notna().all()))
    sorted_by = _sorted_by(events, items, pairs, timed)
    if timed or wanted == "time":
        return OrderFinding("time", sorted_by, tied)
    return OrderFinding("none" if sorted_by else "rows", sorted_by, tied)


def in_order(rows: pd.DataFrame, finding: OrderFinding, seed: int = 0) -> pd.DataFrame:
    """The rows by user and then in their order; ties are drawn where rows say nothing.

    The draw depends on the events, not on the order of their rows.

    Args:
        rows: ``user``, ``item`` and ``time``, in the order of the file.
        finding: as from :func:`find_order`.
        seed: of the draw.
    """
    if finding.draws_ties:
        rows = rows.sort_values(["user", "item", "time"], kind="stable", ignore_index=True)
        rows = rows.iloc[np.random.default_rng(seed).permutation(len(rows))]
    keys = ["user", "time"] if finding.kind == "time" else ["user"]
    return rows.sort_values(keys, kind="stable", ignore_index=True)


@dataclass(frozen=True)
class _Pairs:
    """Neighbouring events of the same user and part, by their rows in the file.

    Attributes:
        first: [P] row of the earlier event.
        second: [P] row of the later one.
        tied: [P] whether times do not tell the two apart.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    tied: NDArray[np.bool_]

    @classmethod
    def of(cls, events: pd.DataFrame) -> "_Pairs":
        """Pairs after a stable sort by user, part and time."""
        users = pd.factorize(events["user"])[0].astype(np.int64)
        parts = pd.factorize(events["part"])[0].astype(np.int64)
        groups = users * (int(parts.max(initial=0)) + 1) + parts
        times = events["time"].array.asi8 if len(events) else np.zeros(0, np.int64)
        order = np.lexsort((np.arange(len(groups)), times, groups))
        first, second = order[:-1], order[1:]
        same = groups[first] == groups[second]
        first, second = first[same], second[same]
        return cls(first, second, times[first] == times[second])

    def only_tied(self) -> "_Pairs":
        """Those whose order is that of the file."""
        return _Pairs(self.first[self.tied], self.second[self.tied], self.tied[self.tied])

    @property
    def together(self) -> float:
        """Share of the pairs that are neighbours in the file too."""
        return float((self.second - self.first == 1).mean()) if len(self.first) else 0.0


def _sorted_by(events: pd.DataFrame, items: pd.DataFrame, pairs: _Pairs, timed: bool) -> str:
    """The key that the rows of each user are sorted by, in words; empty if there is none."""
    pairs = pairs.only_tied()
    if len(pairs.first) < MIN_PAIRS:
        return ""
    by_user = pairs.together >= TOGETHER_SHARE
    codes = pd.factorize(events["item"])[0].astype(np.int64)
    if not timed and not by_user and _stand_together(codes):
        return "item (the rows of each item stand together)"
    as_numbers: NDArray[np.float64] | None = None
    for name, key, is_id in _keys(events, items):
        as_numbers = key if as_numbers is None else as_numbers
        numbers = (as_numbers, key) if is_id and by_user and not timed else ()
        share, count = _rising(key, pairs, codes, numbers)
        if count < MIN_PAIRS or max(share, 1 - share) < SORTED_SHARE:
            continue
        if timed or by_user or _file_rises(key, rising=share > 0.5):
            way = "rising" if share > 0.5 else "falling"
            return f"{name}, {way} ({max(share, 1 - share):.1%} of {count:,} neighbouring pairs)"
    if by_weight := _sorted_by_weight(events, codes, pairs):
        return by_weight
    if by_user and _agree(codes, pairs):
        return "something that is the same for each item (users agree on the order of any two)"
    return ""


def _keys(
    events: pd.DataFrame, items: pd.DataFrame
) -> Iterator[tuple[str, NDArray[np.float64], bool]]:
    """The keys files are sorted by: name, rank of each event (NaN: unknown), whether an id is."""
    codes, ids = pd.factorize(events["item"])
    names = pd.Series(ids, dtype="str")
    padded = names.str.replace(r"\d+", lambda digits: digits.group().zfill(24), regex=True)
    yield "item", _ranks(padded)[codes], True
    yield "item as text", _ranks(names)[codes], True
    yield "item as text", _ranks(names.str.casefold())[codes], True
    yield "how often items occur", np.bincount(codes).astype(np.float64)[codes], False
    for column in ("category", "brand", "title", "price"):
        if column not in items:
            continue
        known = items.drop_duplicates("item").set_index("item")[column].reindex(names)
        known = known.where(known.notna() & (known != "")) if column != "price" else known
        if known.nunique() > 1:
            yield f"the items' {column}", _ranks(known.reset_index(drop=True))[codes], False


def _ranks(values: "pd.Series[str]") -> NDArray[np.float64]:
    """The rank of each value; NaN where there is none."""
    ranks, _ = pd.factorize(values, sort=True)
    return np.where(ranks < 0, np.nan, ranks.astype(np.float64))


def _rising(
    key: NDArray[np.float64],
    pairs: _Pairs,
    codes: NDArray[np.int64],
    numbers: tuple[NDArray[np.float64], ...],
) -> tuple[float, int]:
    """The share of pairs that rise by the key, of those that differ, and the number of these.

    Where one of ``numbers`` seems to be given to items as they appear, pairs with an item's first
    row (its last one, where the others fall) are left out: they rise in time order too.
    """
    step = key[pairs.second] - key[pairs.first]
    differ = np.isfinite(step) & (step != 0)
    if not differ.any():
        return 0.5, 0
    share = float((step[differ] > 0).mean())
    turned = slice(None) if share > 0.5 else slice(None, None, -1)
    new = np.zeros(len(codes), dtype=bool)
    new[np.unique(codes[turned], return_index=True)[1]] = True
    if any(_numbered_as_new(number[turned], new) for number in numbers):
        new = new[turned]
        differ &= ~new[pairs.first] & ~new[pairs.second]
        share = float((step[differ] > 0).mean()) if differ.any() else 0.5
    return share, int(differ.sum())


def _numbered_as_new(key: NDArray[np.float64], new: NDArray[np.bool_]) -> bool:
    """Whether most items have a higher key than all that appeared before them."""
    highest = np.maximum.accumulate(np.where(np.isfinite(key), key, -np.inf))
    first = np.flatnonzero(new)[1:]
    return bool(len(first)) and float((key[first] > highest[first - 1]).mean()) >= NUMBERED_SHARE


def _file_rises(key: NDArray[np.float64], *, rising: bool) -> bool:
    """Whether the whole file is sorted by the key, whoever the users are."""
    step = np.diff(key[np.isfinite(key)]) * (1 if rising else -1)
    return bool((step == 0).any() and (step[step != 0] > 0).mean() >= SORTED_SHARE)


def _stand_together(codes: NDArray[np.int64]) -> bool:
    """Whether the rows of each item stand together, as after sorting the file by item."""
    distinct = int(codes.max(initial=-1)) + 1
    runs = 1 + int((np.diff(codes) != 0).sum())
    return len(codes) >= distinct + MIN_PAIRS and runs <= distinct + (len(codes) - distinct) // 50


def _sorted_by_weight(events: pd.DataFrame, codes: NDArray[np.int64], pairs: _Pairs) -> str:
    """Falling weights, or rising ones of three levels and more: two may be views and a purchase."""
    weights = events["weight"].to_numpy(np.float64)
    step = weights[pairs.second] - weights[pairs.first]
    step[codes[pairs.second] == codes[pairs.first]] = 0
    users = pd.factorize(events["user"])[0]
    levels = pd.Series(weights).groupby(users).transform("nunique").to_numpy()
    many = levels[pairs.first] >= 3
    for way, moved in (("falling", step < 0), ("rising", (step > 0) & many)):
        told = (step != 0) & (many if way == "rising" else True)
        if told.sum() >= MIN_PAIRS and moved[told].mean() >= SORTED_SHARE:
            return f"weight, {way} ({moved[told].mean():.1%} of {told.sum():,} neighbouring pairs)"
    return ""


def _agree(codes: NDArray[np.int64], pairs: _Pairs) -> bool:
    """Whether users who had the same two items had them in the same order, nearly always.

    Sorting by any key of the items makes it so. In time order some had the one first, some the
    other.
    """
    firsts, seconds = pairs.first, pairs.second
    linked = np.full(len(codes), -1)
    linked[firsts[seconds - firsts == 1]] = seconds[seconds - firsts == 1]
    starts = np.flatnonzero(linked >= 0)
    if len(starts) > MOST_ROWS:
        starts = starts[:MOST_ROWS]
    later, found = linked[starts], []
    for _ in range(WINDOW):
        one, other = codes[starts], codes[later]
        differ = one != other
        low, high = np.minimum(one, other)[differ], np.maximum(one, other)[differ]
        found.append(np.stack([low * (codes.max() + 1) + high, (one < other)[differ]]))
        going = linked[later] >= 0
        starts, later = starts[going], linked[later[going]]
    together = np.concatenate(found, axis=1)
    _, index, counts = np.unique(together[0], return_inverse=True, return_counts=True)
    forward = np.bincount(index, weights=together[1])
    several = counts > 1
    most = np.maximum(forward, counts - forward)[several]
    return bool(
        several.sum() >= MIN_PAIRS
        and (counts[several] - 1).sum() >= 5 * MIN_PAIRS
        and most.sum() / counts[several].sum() >= AGREED_SHARE
    )
