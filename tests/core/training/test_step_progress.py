"""Steps are shown as a fraction of the node, and as lines where nobody watches."""

import logging

import pytest

from crisol.core import progress
from crisol.core.training import step_progress
from crisol.core.training.step_progress import StepProgress


@pytest.mark.parametrize(
    ("total", "steps", "ends"), [(4, [1, 1, 1, 1], 0.5), (10, [3, 3, 9], 1.0), (0, [], 0.25)]
)
def test_the_fraction_rises_to_the_end(
    monkeypatch: pytest.MonkeyPatch, total: int, steps: list[int], ends: float
) -> None:
    monkeypatch.setattr(step_progress, "EMIT_EVERY_S", 0.0)
    told: list[float] = []
    with (
        progress.callbacks(
            lambda *_: None, on_progress=lambda m: told.append(m["progress.fraction"])
        ),
        StepProgress("shop: ranks", total, 0.25, ends) as shown,
    ):
        for count in steps:
            shown.advance(count)
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0.25, ends)
    assert len(told) == len(steps) + 2


def test_a_line_appears_where_nobody_watches(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(step_progress, "LINE_EVERY_S", 0.0)
    with caplog.at_level(logging.INFO), StepProgress("shop: ranks lists", 8) as shown:
        shown.advance(3)
    assert "shop: ranks lists: 3 of 8" in caplog.text
