"""Prices adjusted for splits and dividends, so that neither is a move of the market."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from crisol.models.signals.data.price_jumps import split_ratio

PRICES = ("open", "high", "low", "close")


def adjust(
    bars: pd.DataFrame, splits: Mapping[str, float], dividends: Mapping[str, float]
) -> pd.DataFrame:
    """Daily bars of one instrument as if there had been neither splits nor dividends.

    Every bar before a split of ``r`` new shares for an old one has its prices divided by ``r`` and
    its volume multiplied by it. Every bar before a dividend of ``d`` has its prices multiplied by
    ``1 - d / c``, where ``c`` is the last close before it. This is how "adjusted close" is made.

    Args:
        bars: timestamp, open, high, low, close, volume as they were traded, in time order.
        splits: first day of the new price (ISO 8601) to ``r``; below 1 for a reverse split.
        dividends: first day without the dividend to its amount, at the price of that day's shares.

    Returns:
        The same bars; the newest ones are unchanged.
    """
    days = pd.to_datetime(bars["timestamp"], utc=True).dt.strftime("%Y-%m-%d")
    price, volume = np.ones(len(bars)), np.ones(len(bars))
    closes = bars["close"].to_numpy(float)
    for day, ratio in splits.items():
        before = (days < day).to_numpy()
        price[before] /= ratio
        volume[before] *= ratio
    for day, amount in dividends.items():
        before = (days < day).to_numpy()
        if before.any():
            last = closes[np.flatnonzero(before)[-1]] / splits.get(day, 1.0)
            price[before] *= 1 - amount / last
    adjusted = {name: bars[name] * price for name in PRICES}
    return bars.assign(**adjusted, volume=bars["volume"] * volume)


def follow_adjusted_close(bars: pd.DataFrame, adjusted: pd.Series) -> tuple[pd.DataFrame, int]:
    """Bars of one instrument whose close becomes the adjusted one, and the splits found in it.

    Open, high and low follow by the ratio of both closes; high and low are widened where rounding
    leaves the close outside them. Where that ratio itself jumps as in a split, the closes were
    those of the day, and so was the volume: it is multiplied before the jump.

    Args:
        bars: open, high, low, close, volume, in time order.
        adjusted: the adjusted close of each.
    """
    factor = (adjusted / bars["close"]).to_numpy(float)
    steps = factor[1:] / factor[:-1]
    ratios = np.array([split_ratio(step, 0.02) or 1.0 for step in steps.tolist()])
    later = np.append(np.cumprod(ratios[::-1])[::-1], 1.0)  # of the splits after each bar
    high = np.maximum(bars["high"] * factor, adjusted)
    low = np.minimum(bars["low"] * factor, adjusted)
    found = bars.assign(
        open=bars["open"] * factor,
        high=np.maximum(high, bars["open"] * factor),
        low=np.minimum(low, bars["open"] * factor),
        close=adjusted,
        volume=bars["volume"] * later,
    )
    return found, int((ratios != 1).sum())
