"""Writes the committed sample: made-up bars in which there is something to learn.

    python -m crisol.models.signals.data.sample

No market was observed. A burst of volume sets a hidden mood: *followed* if the bar closes near its
high, *faded* if near its low. Until the next burst, some dozen bars later, a busy bar (volume above
its usual level) is followed by a rise in the one mood and by a fall in the other, and a quiet bar
by the opposite. On top of it the mood pulls a little one way, and a bar's own move is partly taken
back by the next. Who remembers the newest burst can forecast the next bar; who sees only the newest
bar finds the reversal and little else.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

SYMBOLS = ("SYN/USDT", "SYNB/USDT")
EXCHANGE = "binance"
BARS = 4000
START = "2023-01-01T00:00:00Z"
BURST_EVERY = 12
MOOD_DRIFT = 1.1
"""Expected move in a mood, in standard deviations of the noise."""
PLAIN_SHARE = 0.2
"""Share of that move that comes in any bar; the rest depends on the newest bar being busy."""
REVERSAL = 0.5
NOISE = 0.0015
README = """# sample_bars.csv is synthetic

Made by `python -m crisol.models.signals.data.sample` from a random generator with a fixed seed. The
symbols SYN/USDT and SYNB/USDT do not exist; `binance` only says that they trade around the clock.
A hidden rule makes the next bar partly predictable (see the module's docstring), so that a model
that reads the whole window can be told from one that does not. Nothing measured on these bars says
anything about a market.
"""


def bars(symbol: str, count: int = BARS, seed: int = 0) -> pd.DataFrame:
    """Hourly bars of one made-up instrument, in the raw table's columns."""
    rng = np.random.default_rng(seed)
    busy = rng.normal(size=count)
    burst = rng.random(count) < 1 / BURST_EVERY
    burst[0] = True
    followed = rng.random(count) < 0.5
    shock = rng.normal(size=count) * NOISE
    place = rng.uniform(0.3, 0.7, size=count)  # of the close within the bar, 0 low to 1 high
    place[burst] = np.where(followed[burst], 0.95, 0.05)
    mood = np.where(followed, 1.0, -1.0)[
        np.maximum.accumulate(np.where(burst, np.arange(count), 0))
    ]
    log_volume = 6.0 + 0.4 * np.sign(busy) + 0.1 * busy + np.where(burst, 2.2, 0.0)
    code = PLAIN_SHARE + (1 - PLAIN_SHARE) * np.sign(busy)
    returns = np.empty(count)
    returns[0] = shock[0]
    for t in range(1, count):
        drift = NOISE * MOOD_DRIFT * mood[t - 1] * code[t - 1]
        returns[t] = drift - REVERSAL * returns[t - 1] + shock[t]
    close = 100.0 * np.exp(np.cumsum(returns - returns.mean()))
    opened = np.concatenate([[100.0], close[:-1]])
    body_high, body_low = np.maximum(opened, close), np.minimum(opened, close)
    # The range is as wide as the place of the close in it asks for, beyond open and close.
    spread = NOISE * close * rng.uniform(0.6, 1.4, size=count) * np.where(burst, 2.5, 1.0)
    high = np.maximum(body_high, close + (1 - place) * spread)
    low = np.minimum(body_low, close - place * spread)
    return pd.DataFrame(
        {
            "symbol": symbol,
            "exchange": EXCHANGE,
            "timestamp": pd.date_range(START, periods=count, freq="h").strftime(
                "%Y-%m-%dT%H:%M:%SZ"
            ),
            "open": opened.round(4),
            "high": high.round(4),
            "low": low.round(4),
            "close": close.round(4),
            "volume": np.exp(log_volume).round(1),
        }
    )


def write(directory: Path) -> Path:
    """Write ``sample_bars.csv`` and the note beside it; the same bytes every time."""
    directory.mkdir(parents=True, exist_ok=True)
    table = pd.concat([bars(symbol, seed=seed) for seed, symbol in enumerate(SYMBOLS)])
    path = directory / "sample_bars.csv"
    table.to_csv(path, index=False, lineterminator="\n")
    (directory / "sample_README.md").write_text(README)
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=Path("data/01_raw/signals"))
    write(parser.parse_args().directory)
