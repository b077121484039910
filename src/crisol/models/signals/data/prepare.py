"""From raw bars to labelled samples that know when they may be used.

A sample is one moment: the newest bar it may look at (``end``), what happened afterwards
(``label``, ``next_return``), and the fold in which it is tested.
"""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from crisol.models.signals.contract import SEQUENCE_BARS
from crisol.models.signals.data.bar_columns import read_file
from crisol.models.signals.data.bar_files import read_bars
from crisol.models.signals.data.bar_times import clocks_of_study, fill_holes, told_times
from crisol.models.signals.data.errors import BarsError
from crisol.models.signals.data.own_study import described as described_study
from crisol.models.signals.data.own_study import resolved
from crisol.models.signals.data.price_jumps import described, jumps
from crisol.models.signals.data.validation import validate_bars
from crisol.models.signals.network_params import NetworkParams
from crisol.models.signals.params import (
    BarReadParams,
    DataParams,
    FixedThreshold,
    Holdout,
    StudyParams,
    WalkForward,
)
from crisol.models.signals.window_inputs import window_inputs

logger = logging.getLogger(__name__)

VALUES = ["open", "high", "low", "close", "volume"]
SELL, HOLD, BUY = 0, 1, 2
NEVER = -1
"""Fold of a sample that is never tested."""


@dataclass(frozen=True)
class Fold:
    """Positions (in the study's part of the samples table) of one fold's parts."""

    number: int
    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray


def clean(bars_raw: pd.DataFrame | Path, params: DataParams | None = None) -> pd.DataFrame:
    """Raw bars to the canonical table.

    Args:
        bars_raw: a file, which is read with the options ``params.read``; or its table, cells as
            text or typed, of which ``attrs["file"]`` is the name of the file in errors.
        params: how the file is read, and when its exchanges are closed.

    Raises:
        BarsError: naming the row and the rule.

    Returns:
        symbol, exchange, timestamp (UTC), open, high, low, close, volume (float64), ordered by
        exchange, symbol and time, numbered from 0; ``attrs["notes"]`` lists what was assumed, a
        sentence each.
    """
    params = params or DataParams()
    if isinstance(bars_raw, Path):
        bars_raw = read_file(bars_raw, params.read)
    elif params.read != BarReadParams():
        raise BarsError(
            "signals.data.read is for a file, and the catalog gives a table: give "
            "signals.bars_raw the type crisol.catalog.raw_files.RawFolderDataset"
        )
    file = str(bars_raw.attrs.get("file", "bars"))
    if params.file and not Path(file).match(Path(params.file).name):
        raise BarsError(
            f"signals.data.file is {params.file}, and {file} was read: the catalog takes it from "
            "the command line alone; say --params signals.data.file=…, or name the file in "
            "conf/local/catalog.yml and not here"
        )
    table, notes = read_bars(bars_raw, params, file)
    if params.holes == "fill":
        table, added = fill_holes(table, params, file)
        notes.append(f"{added} missing bars are filled with the last close and no volume")
    bars = validate_bars(table, file, params)
    bars = bars.sort_values(["exchange", "symbol", "timestamp"], kind="stable")
    notes += told_times(bars, params)
    for note in notes:
        logger.info("%s: %s", file, note)
    splits = told_jumps(bars)
    for note in splits:
        logger.warning("%s: %s", file, note)
    bars = bars.reset_index(drop=True)
    own = resolved(params, bars)
    if own.studies != params.studies:
        notes.append(described_study(own.studies[0]))
        logger.info("%s: %s", file, notes[-1])
    bars.attrs["notes"] = notes + splits
    return bars


def told_jumps(bars: pd.DataFrame) -> list[str]:
    """The jumps of prices that look like splits, a sentence for each instrument."""
    told = []
    for _, part in bars.groupby(["exchange", "symbol"], sort=False):
        found = jumps(part[VALUES].to_numpy(float))
        if found:
            bar, ratio = found[0]
            more = f" ({len(found) - 1} more such jumps)" if len(found) > 1 else ""
            told.append(
                f"{part['symbol'].iloc[0]}: the bar of {part['timestamp'].iloc[bar].isoformat()} "
                f"opens at {1 / ratio:.3g} times the close before it, as after "
                f"{described(ratio)}{more}"
            )
    return told


def label(bars: pd.DataFrame, params: DataParams) -> pd.DataFrame:
    """Every sample of every study.

    Returns:
        ``row`` (stable id: a hash of study, instrument and time), ``study``, ``exchange``,
        ``symbol``, ``end`` (position of the newest input bar in ``bars``), ``start`` (position of
        the first bar of its instrument), ``timestamp`` (of the ``end`` bar), ``target_time`` (of
        the bar that decides the label), ``group`` (day of ``target_time``; what the bootstrap
        resamples), ``next_return`` (log return over the horizon), ``scale`` (volatility per bar at
        ``end``), ``label`` (0 sell, 1 hold, 2 buy), ``fold`` (where it is tested; -1 never) and
        ``split`` (its part in the newest fold: train, valid, test or unused).

    Raises:
        BarsError: a study finds no bars, not enough of them, or bars of different intervals.
    """
    tables = []
    params = resolved(params, bars)
    for study in params.studies:
        samples = _study_samples(bars, study)
        clocks_of_study(bars, study, params)
        folds = split(samples, study)
        fold, part = np.full(len(samples), NEVER), np.full(len(samples), "unused", dtype=object)
        for one in folds:
            fold[one.test] = one.number
        for name in ("train", "valid", "test"):
            part[getattr(folds[-1], name)] = name
        tables.append(samples.assign(fold=fold, split=part))
    return pd.concat(tables, ignore_index=True)


def split(samples: pd.DataFrame, study: StudyParams) -> list[Fold]:
    """The folds of one study's samples.

    Raises:
        BarsError: a fold without training, validation or test samples.
    """
    if isinstance(study.split, Holdout):
        folds = [_holdout(samples, study.split)]
    else:
        folds = _walk_forward(samples, study, study.split)
    for fold in folds:
        for name in ("train", "valid", "test"):
            if len(getattr(fold, name)) == 0:
                raise BarsError(
                    f"study {study.name!r}: fold {fold.number} has no {name} samples; check the "
                    "dates or fractions of its split, or give it more bars"
                )
    return folds


def windows(bars: pd.DataFrame, samples: pd.DataFrame, network: NetworkParams) -> np.ndarray:
    """The network's input for each sample, float32 [B, T, F]; chunked to bound memory."""
    values = bars[VALUES].to_numpy(float)
    seconds = seconds_since_1970(bars["timestamp"])
    ends, starts = samples["end"].to_numpy(), samples["start"].to_numpy()
    out = np.empty((len(samples), network.steps, len(network.features)), np.float32)
    for chunk in range(0, len(samples), 4096):
        part = slice(chunk, chunk + 4096)
        some_bars, times = gather(values, seconds, ends[part], starts[part])
        out[part] = window_inputs(some_bars, times, network.steps, network.features)
    return out


def gather(
    values: np.ndarray, seconds: np.ndarray, ends: np.ndarray, starts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Windows of bars [B, N, 5] and their times [B, N], each ending at ``ends``.

    A history shorter than a window repeats its first bar in front, at the interval of its first
    two bars.
    """
    wanted = ends[:, None] + np.arange(1 - SEQUENCE_BARS, 1)
    found = np.maximum(wanted, starts[:, None])
    lacking = found - wanted
    times = seconds[found]
    if lacking.any():
        interval = (seconds[starts + 1] - seconds[starts])[:, None]
        times = times - lacking * interval
    return values[found], times


def seconds_since_1970(timestamps: pd.Series) -> np.ndarray:
    """UTC timestamps to float64 seconds."""
    return np.asarray(timestamps.dt.as_unit("ns").astype("int64").to_numpy() / 1e9)


def _study_samples(bars: pd.DataFrame, study: StudyParams) -> pd.DataFrame:
    chosen = bars[bars.exchange.isin(study.exchanges)]
    if chosen.empty:
        raise BarsError(
            f"study {study.name!r}: no bars of {', '.join(study.exchanges)}; there are: "
            + ", ".join(sorted(bars.exchange.unique()))
        )
    if study.symbols is not None:
        absent = sorted(set(study.symbols) - set(chosen.symbol))
        if absent:
            raise BarsError(
                f"study {study.name!r}: no bars of {absent[0]!r}; there are: "
                + ", ".join(sorted(chosen.symbol.unique())[:20])
            )
        chosen = chosen[chosen.symbol.isin(study.symbols)]
    grouped = chosen.groupby(["exchange", "symbol"], sort=True)
    tables = [_symbol_samples(series, study) for _, series in grouped]
    samples = pd.concat(tables, ignore_index=True)
    if samples.empty:
        raise BarsError(
            f"study {study.name!r}: no instrument has {study.min_history_bars} bars of history"
        )
    # Positions in time, shared by all instruments, are what folds are cut by.
    times = np.sort(chosen["timestamp"].unique())
    samples["position"] = np.searchsorted(times, samples["timestamp"].to_numpy())
    samples["positions"] = len(times)
    keys = samples["exchange"] + "|" + samples["symbol"] + "|" + samples["timestamp"].astype(str)
    samples.insert(0, "row", [_row_id(f"{study.name}|{key}") for key in keys])
    samples.insert(1, "study", study.name)
    return samples


def _symbol_samples(series: pd.DataFrame, study: StudyParams) -> pd.DataFrame:
    """Samples of one instrument, whose bars lie next to one another in the bars table."""
    close = series["close"].to_numpy()
    log_close, count, horizon = np.log(close), len(close), study.horizon_bars
    log_returns = pd.Series(np.diff(log_close, prepend=log_close[0]))
    bars = study.label.bars if not isinstance(study.label, FixedThreshold) else SEQUENCE_BARS
    scale = log_returns.rolling(bars, min_periods=2).std().to_numpy()
    first = study.min_history_bars - 1
    if not isinstance(study.label, FixedThreshold):
        first = max(first, study.label.bars)
    end = np.arange(first, count - horizon)
    forward = log_close[end + horizon] - log_close[end]
    if isinstance(study.label, FixedThreshold):
        simple = close[end + horizon] / close[end] - 1
        up, down = simple > study.label.buy_above, simple < study.label.sell_below
    else:
        threshold = study.label.sigmas * scale[end] * np.sqrt(horizon)
        up, down = forward > threshold, forward < -threshold
    start = int(series.index[0])
    time = series["timestamp"].reset_index(drop=True)
    samples = pd.DataFrame(
        {
            "exchange": series["exchange"].iloc[0],
            "symbol": series["symbol"].iloc[0],
            "end": end + start,
            "start": start,
            "timestamp": time.iloc[end].to_numpy(),
            "target_time": time.iloc[end + horizon].to_numpy(),
            "next_return": forward,
            "scale": scale[end],
            "label": np.where(up, BUY, np.where(down, SELL, HOLD)),
        }
    )
    for name in ("timestamp", "target_time"):
        samples[name] = pd.to_datetime(samples[name], utc=True)
    samples["group"] = samples["target_time"].dt.strftime("%Y-%m-%d")
    return samples[samples.label != HOLD] if study.drop_hold else samples


def _row_id(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest()) >> 1


def _holdout(samples: pd.DataFrame, params: Holdout) -> Fold:
    day = samples["target_time"].dt.date.to_numpy()

    def between(start: object, stop: object) -> np.ndarray:
        return np.flatnonzero((day >= start) & (day < stop))

    return Fold(
        0,
        between(params.train_from, params.valid_from),
        between(params.valid_from, params.test_from),
        between(params.test_from, params.test_until),
    )


def _walk_forward(samples: pd.DataFrame, study: StudyParams, params: WalkForward) -> list[Fold]:
    position = samples["position"].to_numpy()
    count = int(samples["positions"].iloc[0])
    first = count - int(count * params.test_fraction)
    distance = study.horizon_bars + params.embargo_bars
    moment, decided = (
        samples[name].dt.as_unit("ns").astype("int64").to_numpy()
        for name in ("timestamp", "target_time")
    )

    def known_before(start: int) -> np.ndarray:
        """Labels decided earlier: an instrument that pauses while others trade reaches further."""
        first = moment[position >= start].min(initial=np.iinfo(np.int64).max)
        return np.asarray(decided < first)

    folds = []
    for number in range(params.folds):
        start = first + (count - first) * number // params.folds
        stop = first + (count - first) * (number + 1) // params.folds
        past = position[position < start - distance]
        if len(past) == 0:
            return [Fold(number, past, past, past)]
        valid_start = int(np.quantile(past, 1 - params.valid_fraction))
        folds.append(
            Fold(
                number,
                np.flatnonzero((position < valid_start - distance) & known_before(valid_start)),
                np.flatnonzero(
                    (position >= valid_start) & (position < start - distance) & known_before(start)
                ),
                np.flatnonzero((position >= start) & (position < stop)),
            )
        )
    return folds
