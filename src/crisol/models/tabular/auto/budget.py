"""The time of a search: what is left, what a fit may take, what still fits in.

The end is fixed when the search begins. A part of the time is kept for choosing the ensemble; fits
have a deadline, and are killed a little after it.
"""

import statistics
import time

RESERVE_SHARE, LEAST_RESERVE_S, MOST_RESERVE_S = 0.08, 0.5, 15.0
SHARE_PORTFOLIO, SHARE_STUDY = 0.4, 0.25
"""Share of what is left of all workers' time that one trial may take."""
LEAST_FIT_S = 10.0
"""Seconds that a fit may always take: the first one also loads its library."""
SHORT_S = 30.0
"""Searches with less begin with a small model."""


class Budget:
    """Counts the time.

    Args:
        seconds: of the whole search, from now.
        workers: processes that share it.
        started: monotonic seconds when it began; ``None``: now.
    """

    def __init__(self, seconds: float, workers: int, started: float | None = None) -> None:
        self.started = time.monotonic() if started is None else started
        self.total, self._workers = seconds, workers
        reserve = min(max(RESERVE_SHARE * seconds, LEAST_RESERVE_S), MOST_RESERVE_S)
        self.whole_end = self.started + seconds
        self.end = self.whole_end - reserve
        """The monotonic seconds at which fits must have ended."""
        self._taken: dict[str, list[float]] = {}

    @property
    def left(self) -> float:
        """Seconds for fits."""
        return self.end - time.monotonic()

    @property
    def is_short(self) -> bool:
        """Whether a small model should come first."""
        return self.total < SHORT_S

    @property
    def fraction(self) -> float:
        """The share of the time that has passed, 0 to 1."""
        return min(1.0, max(0.0, (time.monotonic() - self.started) / self.total))

    @property
    def seconds_to_end(self) -> float:
        """Until the search has to be over, ensemble included."""
        return max(0.0, self.whole_end - time.monotonic())

    def learn(self, algorithm: str, seconds: float) -> None:
        """Remember what a fit took."""
        self._taken.setdefault(algorithm, []).append(seconds)

    def allows(self, algorithm: str, folds: int) -> bool:
        """Whether a trial of so many folds is likely to end in time; the unknown is tried."""
        left = self.left
        if algorithm not in self._taken:
            return left > 0
        rounds = -(-folds // self._workers)
        return statistics.median(self._taken[algorithm]) * rounds < left

    def share(self, folds: int, *, searched: bool) -> float:
        """Seconds a fit of a trial may take, by the time all workers have left."""
        share = SHARE_STUDY if searched else SHARE_PORTFOLIO
        fair = max(0.0, self.left) * min(self._workers, folds) * share / folds
        return max(fair, LEAST_FIT_S)
