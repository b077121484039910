"""The return of following the signals, traded one bar later and after costs."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from crisol.core.metrics import Interval, bootstrap_interval
from crisol.models.signals.params import StudyParams

_RUIN = -1 + 1e-9
"""A loss of everything has no logarithm."""


@dataclass(frozen=True)
class Backtest:
    """A strategy's path.

    Attributes:
        times: one per bar traded.
        returns: simple return of the equally weighted instruments in that bar, after costs.
        turnover: mean change of position per bar (0 to 2).
    """

    times: np.ndarray
    returns: np.ndarray
    turnover: float

    @property
    def equity(self) -> np.ndarray:
        """Value of 1 invested at the start, after each bar."""
        return np.cumprod(1 + self.returns)

    def sharpe(self, bars_per_year: float) -> float:
        """Annualised mean over spread of the returns; 0 when nothing moved."""
        spread = float(self.returns.std())
        return float(self.returns.mean()) / spread * bars_per_year**0.5 if spread > 0 else 0.0

    def return_interval(self) -> Interval:
        """The whole return with its 95 % interval, from days drawn with replacement."""
        growth = np.log1p(np.maximum(self.returns, _RUIN))
        days = pd.DatetimeIndex(self.times).normalize().to_numpy()
        mean = bootstrap_interval(growth, growth, days, "mean")
        low, high = np.expm1(len(growth) * np.array([mean.low, mean.high])).tolist()
        return Interval(float(self.equity[-1] - 1), low, high)


def trade(
    bars: pd.DataFrame,
    samples: pd.DataFrame,
    positions: np.ndarray,
    study: StudyParams,
    *,
    cost_bps: float | None = None,
) -> Backtest:
    """Hold ``positions`` (-1 short, 0 flat, 1 long) and pay for every change of them.

    A signal is known when its bar has closed. The position is taken at the open of the next bar
    and held until the open of the one after, so no price is used that was already past. Samples
    follow one another bar by bar within an instrument; a pause between test spans closes the
    position.

    Args:
        bars: the canonical bars.
        samples: tested samples, at most one per instrument and time.
        positions: one per sample.
        study: its cost per unit of position changed.
        cost_bps: another cost than the study's.
    """
    cost = (study.cost_bps if cost_bps is None else cost_bps) / 1e4
    opened, close = bars["open"].to_numpy(), bars["close"].to_numpy()
    table = samples[["symbol", "end", "target_time"]].assign(position=positions)
    table = table.sort_values(["symbol", "end"], kind="stable")
    end = table["end"].to_numpy()
    same = (table["symbol"].to_numpy()[1:] == table["symbol"].to_numpy()[:-1]) & (np.diff(end) == 1)
    follows = np.concatenate([[False], same])
    continues = np.concatenate([same, [False]])
    last = len(bars) - 1
    leave = np.where(continues, opened[np.minimum(end + 2, last)], close[end + 1])
    moved = leave / opened[end + 1] - 1
    held = table["position"].to_numpy(float)
    before = np.where(follows, np.concatenate([[0.0], held[:-1]]), 0.0)
    changed = np.abs(held - before) + np.where(continues, 0.0, np.abs(held))
    table = table.assign(earned=held * moved - cost * changed, changed=changed)
    by_time = table.groupby("target_time", sort=True)[["earned", "changed"]].mean()
    times = pd.DatetimeIndex(by_time.index).tz_convert(None).to_numpy()
    return Backtest(times, by_time["earned"].to_numpy(), float(by_time["changed"].mean()))
