"""The hybrid leaves out what costs it, and is never surely below one of its methods."""

import numpy as np
import pytest

from crisol.core.arrays import Floats
from crisol.models.recommender.answers.hybrid_lesson import Lesson
from crisol.models.recommender.answers.part_choice import choose_parts
from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.method_params import HybridParams
from crisol.models.recommender.methods.popularity import PopularityScorer
from crisol.models.recommender.methods.scorer import Scorer

USERS, ITEMS = 240, 30
PARAMS = HybridParams(candidates=15, cutoff=10)


class Told(Scorer):
    """Knows each user's target and says it with so much noise; ``wrong`` of them are others."""

    name = "told"

    def __init__(self, targets: np.ndarray, noise: float, seed: int, only: slice) -> None:
        rng = np.random.default_rng(seed)
        self.scores = np.abs(rng.normal(0, noise, (USERS, ITEMS))).astype(np.float32)
        users = np.arange(USERS)[only]
        self.scores[users, targets[only]] += 1
        self.blank = False

    def score(self, histories: Histories) -> Floats:
        return self.scores[histories.users]

    def item_vectors(self) -> Floats | None:
        return None if self.blank else np.eye(ITEMS, dtype=np.float32)

    contributions = state = restore = None  # type: ignore[assignment]


Told.__abstractmethods__ = frozenset()


@pytest.fixture
def world() -> tuple[np.ndarray, Histories, Histories, Interactions]:
    rng = np.random.default_rng(3)
    had = rng.integers(0, 10, (USERS, 3))
    targets = rng.integers(10, ITEMS, USERS)
    before = Histories.of(had.tolist(), users=range(USERS))
    wanted = Histories.of(targets[:, None].tolist(), users=range(USERS))
    return targets, before, wanted, Interactions(before, ITEMS)


def lesson_of(world, **scorers: Scorer) -> Lesson:
    _, before, wanted, known = world
    return Lesson(scorers, before, wanted, known, PARAMS)


def everybody(world, noise: float, seed: int = 0) -> Told:
    return Told(world[0], noise, seed, slice(None))


def test_parts_that_bring_something_stay(world) -> None:
    halves = {
        "filter": Told(world[0], 0.3, 1, slice(0, None, 2)),
        "ease": Told(world[0], 0.3, 2, slice(1, None, 2)),
    }
    choice = choose_parts(lesson_of(world, **halves), fixed=False)
    assert choice.kept == ("filter", "ease")
    assert all(decision.gain > 0 and decision.kept for decision in choice.decisions)


@pytest.mark.parametrize("seed", range(4))
def test_a_part_without_which_validation_is_better_leaves(world, seed: int) -> None:
    parts = {"filter": everybody(world, 0.6), "ease": everybody(world, 3.0, 10 + seed)}
    called: list[int] = []
    lesson = lesson_of(world, **parts)
    choice = choose_parts(lesson, fixed=False, done=lambda: called.append(1))
    gone = [decision for decision in choice.decisions if not decision.kept]
    folds = lesson.folds(3)
    change = lesson.cross_fitted(("filter",), folds) - lesson.cross_fitted(
        ("filter", "ease"), folds
    )
    costs = bool(change.mean() > change.std() / np.sqrt(len(change)))
    assert ("ease" not in choice.kept) is costs
    assert bool(gone) is costs
    assert all("were better" in decision.reason and decision.gain < 0 for decision in gone)
    assert len(called) == 3


def test_named_parts_stay_and_their_cost_is_told(world) -> None:
    parts = {"filter": everybody(world, 0.35), "ease": everybody(world, 50.0, 10)}
    choice = choose_parts(lesson_of(world, **parts), fixed=True)
    assert choice.kept == ("filter", "ease")


def test_the_last_method_that_places_items_stays(world) -> None:
    parts = {"ease": everybody(world, 0.35), "content": everybody(world, 50.0, 12)}
    assert "content" in choose_parts(lesson_of(world, **parts), fixed=False).kept


def test_a_method_without_vectors_places_nothing(world) -> None:
    parts = {
        "ease": everybody(world, 0.35),
        "filter": everybody(world, 50.0, 12),
        "content": everybody(world, 50.0, 13),
    }
    parts["content"].blank = True
    kept = choose_parts(lesson_of(world, **parts), fixed=False).kept
    assert "filter" in kept
    assert "content" not in kept


@pytest.mark.parametrize("best", ["ease", "filter", "transitions"])
def test_a_hybrid_that_is_surely_below_a_method_is_replaced_by_it(
    world, best: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = {best: everybody(world, 0.3), "content": everybody(world, 40.0, 5)}
    lesson = lesson_of(world, **parts)
    alone = lesson.alone(best)
    monkeypatch.setattr(lesson, "cross_fitted", lambda *_: alone * 0.6)
    choice = choose_parts(lesson, fixed=True)
    hybrid = lesson.teach(without=tuple(p for p in parts if p not in choice.kept), idle=choice.idle)
    if best == "filter":
        assert (choice.kept, choice.idle) == (("filter",), ())
    else:
        assert (choice.kept, choice.idle) == ((best, "content"), ("content",))
        assert hybrid.weights.level[list(hybrid.scorers).index("content")] == 0
    assert all(f"surely below {best} alone" in decision.reason for decision in choice.decisions)
    listed = hybrid.rank(world[1], 10).items
    assert (listed == world[0][:, None]).any(axis=1).mean() > 0.9


def test_few_histories_choose_nothing(world) -> None:
    _, before, wanted, known = world
    few = np.arange(20)
    parts = {"filter": everybody(world, 0.3), "ease": everybody(world, 50.0, 1)}
    lesson = Lesson(parts, before.take(few), wanted.take(few), known, PARAMS)
    choice = choose_parts(lesson, fixed=False)
    assert (choice.kept, choice.decisions) == (("filter", "ease"), ())


def test_cross_fitted_ndcg_is_that_of_the_lists(world) -> None:
    scorers = {
        "filter": everybody(world, 0.3),
        "popularity": PopularityScorer(np.ones(ITEMS, np.float32)),
    }
    lesson = lesson_of(world, **scorers)
    lists = lesson.teach(without=("popularity",)).rank(world[1], PARAMS.cutoff).items
    place = (lists == world[0][:, None]).argmax(axis=1)
    hit = (lists == world[0][:, None]).any(axis=1)
    expected = np.where(hit, 1 / np.log2(place + 2.0), 0)
    np.testing.assert_allclose(lesson.alone("filter"), expected, atol=1e-6)
