"""The hybrid ranks exactly, learns whom to believe, and accounts for its scores by events."""

import dataclasses

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from crisol.models.recommender.answers import candidates, hybrid, hybrid_weights
from crisol.models.recommender.answers.hybrid import Hybrid, log_share, rank_together
from crisol.models.recommender.answers.hybrid_lesson import Lesson, fit_hybrid
from crisol.models.recommender.data.catalogue import Catalogue
from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.method_params import ContentParams, HybridParams, TransitionParams
from crisol.models.recommender.methods.content import fit_content
from crisol.models.recommender.methods.popularity import PopularityScorer, fit_popularity
from crisol.models.recommender.methods.transitions import fit_transitions

ITEMS, TAGS, USERS = 40, 8, 150
COLD = 3
"""Items at the end that nobody had; the very last has no tags either."""
PARAMS = HybridParams(candidates=12, cutoff=5)


class _World:
    """Users who walk from an item to one of its three successors, mostly of the same kind."""

    def __init__(self) -> None:
        rng = np.random.default_rng(11)
        kinds = rng.integers(0, TAGS, ITEMS)
        tags = np.eye(TAGS, dtype=np.float32)[kinds]
        tags[np.arange(ITEMS), rng.integers(0, TAGS, ITEMS)] = 1
        tags[-1] = 0
        nothing = ("",) * ITEMS
        self.catalogue = Catalogue(
            tuple(f"i{item}" for item in range(ITEMS)), nothing, nothing, nothing,
            np.full(ITEMS, np.nan, np.float32), csr_matrix(tags),
            tuple(f"word:{tag}" for tag in range(TAGS)),
        )  # fmt: skip
        follow = rng.integers(0, ITEMS - COLD, (ITEMS, 3))
        walks = [self._walk(rng, follow) for _ in range(USERS)]
        self.histories = Histories.of([walk[:-1] for walk in walks], users=range(USERS))
        self.targets = Histories.of([walk[-1:] for walk in walks], users=range(USERS))
        self.interactions = Interactions(self.histories, ITEMS)
        self.scorers = {
            "popularity": fit_popularity(self.interactions, self.catalogue),
            "transitions": fit_transitions(
                self.interactions, self.catalogue, TransitionParams(recency=0.7)
            ),
            "content": fit_content(self.interactions, self.catalogue, ContentParams(recency=0.9)),
        }

    @staticmethod
    def _walk(rng, follow) -> list[int]:
        walk = [int(rng.integers(0, ITEMS - COLD))]
        for _ in range(40):
            near = int(follow[walk[-1], rng.integers(0, 3)])
            step = near if rng.random() < 0.9 else int(rng.integers(0, ITEMS - COLD))
            if step not in walk:
                walk.append(step)
        return walk[: rng.integers(5, 10)]

    def fit(self, scorers=None, **changed) -> Hybrid:
        params = PARAMS.model_copy(update=changed)
        return fit_hybrid(
            scorers or self.scorers, self.histories, self.targets, self.catalogue,
            self.interactions, params,
        )  # fmt: skip


@pytest.fixture(scope="module")
def world() -> _World:
    return _World()


@pytest.fixture(scope="module")
def fitted(world) -> Hybrid:
    return world.fit()


def _ndcg(lists, targets) -> float:
    hits = lists == targets.items[:, None]
    return float((hits / np.log2(np.arange(2, lists.shape[1] + 2))).sum(axis=1).mean())


def test_with_every_item_a_candidate_the_ranking_is_that_of_all_scores(world):
    ranker = world.fit(candidates=ITEMS)
    everything = np.tile(np.arange(ITEMS), (USERS, 1))
    scores = ranker.score_items(world.histories, everything)
    ranked = ranker.rank(world.histories, 30)
    for row in range(USERS):
        free = np.setdiff1d(np.arange(ITEMS), world.histories.row(row))
        order = free[np.lexsort((free, -ranker.popularity[free], -scores[row, free]))][:30]
        np.testing.assert_array_equal(ranked.items[row], order)
        np.testing.assert_allclose(ranked.scores[row], scores[row, order], rtol=1e-5)


def test_items_of_the_history_are_never_returned(world, fitted):
    ranked = fitted.rank(world.histories, ITEMS)
    for row, items in enumerate(ranked.items):
        assert not np.intersect1d(items, world.histories.row(row)).size


def test_only_allowed_items_are_returned_and_fewer_leave_the_end_empty(world, fitted):
    allowed = np.zeros((USERS, ITEMS), dtype=bool)
    allowed[:, [1, 5, ITEMS - 1]] = True
    ranked = fitted.rank(world.histories, 6, allowed=allowed)
    for row, items in enumerate(ranked.items):
        free = np.setdiff1d([1, 5, ITEMS - 1], world.histories.row(row))
        assert sorted(items[: len(free)]) == free.tolist()
        assert (items[len(free) :] == -1).all()
        assert not ranked.scores[row, len(free) :].any()


def test_nothing_allowed_gives_an_empty_list(world, fitted):
    ranked = fitted.rank(Histories.of([[1], []]), 4, allowed=np.zeros((2, ITEMS), dtype=bool))
    assert (ranked.items == -1).all()


@pytest.mark.parametrize("history", [[], [ITEMS - 1]], ids=["empty", "unknown"])
def test_who_is_not_known_gets_what_is_popular_the_lower_index_first(world, fitted, history):
    ranked = fitted.rank(Histories.of([history]), 10)
    counts = world.interactions.item_counts
    order = np.lexsort((np.arange(ITEMS), -counts))[:10]
    np.testing.assert_array_equal(ranked.items[0], order)
    assert (np.diff(ranked.scores[0]) <= 0).all()


def test_no_histories_give_no_lists(fitted):
    assert fitted.rank(Histories.of([]), 4).items.shape == (0, 4)


def test_equal_scores_are_ordered_by_popularity_then_index(world):
    """What content does not know scores 0: those items come as popularity has them."""
    ranker = world.fit({"content": world.scorers["content"]}, candidates=ITEMS)
    ranked = ranker.rank(world.histories, 39)
    tied = 0
    for items, scores in zip(ranked.items, ranked.scores, strict=True):
        unknown = items[(scores == 0) & (items >= 0)]
        order = np.lexsort((unknown, -ranker.popularity[unknown]))
        np.testing.assert_array_equal(order, np.arange(len(unknown)))
        tied += len(unknown)
    assert tied > 3 * USERS


def test_lists_do_not_depend_on_who_is_ranked_with_whom(world, fitted, monkeypatch):
    together = fitted.rank(world.histories, 8)
    monkeypatch.setattr(candidates, "_BLOCK_CELLS", 3 * ITEMS)
    apart = fitted.rank(world.histories, 8)
    np.testing.assert_array_equal(apart.items, together.items)
    for row in (0, 7):
        np.testing.assert_array_equal(
            fitted.rank(world.histories.take([row]), 8).items[0], together.items[row]
        )


def test_a_restored_hybrid_answers_the_same(world, fitted):
    again = Hybrid.restore(*fitted.state(), world.interactions, world.catalogue, world.scorers)
    one, other = fitted.rank(world.histories, 8), again.rank(world.histories, 8)
    np.testing.assert_array_equal(one.items, other.items)
    np.testing.assert_array_equal(one.scores, other.scores)


def test_learning_twice_gives_the_same_weights(world, fitted):
    np.testing.assert_array_equal(world.fit().weights.level, fitted.weights.level)


@pytest.mark.parametrize("left_out", ["popularity", "transitions", "content"])
def test_an_ablation_is_the_hybrid_that_never_had_the_part(world, left_out):
    lesson = Lesson(world.scorers, world.histories, world.targets, world.interactions, PARAMS)
    without = lesson.teach(without=(left_out,))
    remaining = {name: s for name, s in world.scorers.items() if name != left_out}
    alone = world.fit(remaining)
    np.testing.assert_array_equal(without.weights.level, alone.weights.level)
    lists = rank_together({"full": lesson.teach(), "without": without}, world.histories, 8)
    np.testing.assert_array_equal(lists["without"].items, alone.rank(world.histories, 8).items)


def test_the_informative_method_is_believed(world):
    """Beside it: transitions learned from walks whose items were swapped with others."""
    swapped = np.random.default_rng(0).permutation(ITEMS).astype(np.int32)[world.histories.items]
    noise = Interactions(dataclasses.replace(world.histories, items=swapped), ITEMS)
    ranker = world.fit(
        {
            "noise": fit_transitions(noise, world.catalogue, TransitionParams()),
            "transitions": world.scorers["transitions"],
        }
    )
    assert ranker.weights.level[1] > 5 * abs(ranker.weights.level[0])


def test_one_method_alone_keeps_its_order(world):
    """Equal scores never count for the held-out item, or the best weight would be none."""
    ranker = world.fit({"transitions": world.scorers["transitions"]})
    assert ranker.weights.level[0] > 0.1


def test_learning_raises_the_ndcg_that_it_is_for(world, fitted):
    of_one = {name: world.fit({name: s}) for name, s in world.scorers.items()}
    reached = {
        name: _ndcg(ranker.rank(world.histories, 5).items, world.targets)
        for name, ranker in {**of_one, "hybrid": fitted}.items()
    }
    assert reached["hybrid"] >= max(reached.values())
    assert reached["transitions"] > reached["popularity"] + 0.05


@pytest.mark.parametrize("noise", [0, 1e-4])
def test_a_method_that_tells_nothing_apart_does_not_silence_the_others(world, noise):
    """Where all items are equally popular, or all but, popularity is of no use: that is all."""
    flat = world.scorers["popularity"].popularity * 0 + 2
    flat += np.float32(noise) * np.random.default_rng(0).standard_normal(ITEMS).astype(np.float32)
    scorers = {**world.scorers, "popularity": PopularityScorer(flat)}
    ranked = world.fit(scorers).rank(world.histories, 5).items
    without = {name: scorers[name] for name in ("transitions", "content")}
    expected = world.fit(without).rank(world.histories, 5).items
    assert _ndcg(ranked, world.targets) >= 0.98 * _ndcg(expected, world.targets)


def test_scores_beyond_the_tie_are_ranked_too():
    """From 2,000 on, neighbours in single precision are further apart than what counts as equal."""
    features = np.array([[3000.0], [3001.0], [3002.0]], dtype=np.float32)
    rows = np.zeros(3, dtype=np.int64)
    contest = hybrid_weights._Contest.of(features, rows, np.array([False, True, False]), 3)
    assert contest._ndcg(features.T.copy()) == pytest.approx(1 / np.log2(3))


def test_shuffled_answers_teach_nothing_to_rely_on(world):
    """The leak test: who learns from others' items does not come near who learns from his own."""
    shuffled = world.targets.take(np.random.default_rng(0).permutation(USERS))
    ranker = fit_hybrid(
        world.scorers, world.histories, shuffled, world.catalogue, world.interactions, PARAMS
    )
    wrong = _ndcg(ranker.rank(world.histories, 5).items, shuffled)
    assert wrong < 0.6 * _ndcg(world.fit().rank(world.histories, 5).items, world.targets)


def test_the_contributions_sum_to_the_score_less_popularity(world, fitted):
    history, items = world.histories.take([4]), np.array([0, 9, 21, 38])
    carried = fitted.contributions(history, items)
    assert carried.shape == (4, len(history.items))
    popular = fitted.weights.level[0] * np.arcsinh(
        world.scorers["popularity"].popularity[items] / fitted.weights.scales[0]
    )
    scores = fitted.score_items(history, items[None, :])[0]
    np.testing.assert_allclose(carried.sum(axis=1) + popular, scores, rtol=1e-4, atol=1e-5)


def test_deleting_what_carried_an_item_lowers_its_score_more_than_deleting_at_random(world, fitted):
    rng, named, others = np.random.default_rng(0), [], []
    best = fitted.rank(world.histories, 1).items[:, 0]
    for row in range(60):
        history, item = world.histories.take([row]), best[[row]]
        carrier = int(fitted.contributions(history, item)[0].argmax())
        other = int(rng.choice(np.setdiff1d(np.arange(len(history.items)), carrier)))
        events = history.items.tolist()
        tried = [events] + [events[:cut] + events[cut + 1 :] for cut in (carrier, other)]
        scores = fitted.score_items(Histories.of(tried), np.repeat(item[None, :], 3, axis=0))
        named.append(scores[0, 0] - scores[1, 0])
        others.append(scores[0, 0] - scores[2, 0])
    assert np.mean(named) > np.mean(others) + 0.1
    assert np.mean(np.array(named) >= np.array(others)) > 0.8


def test_a_boost_is_measured_in_standard_deviations_of_the_candidates(world):
    ranker = world.fit(candidates=ITEMS)
    history = world.histories.take([3])
    boost = np.zeros((1, ITEMS), dtype=np.float32)
    boost[0, 30] = 1.5
    plain, boosted = ranker.rank(history, ITEMS), ranker.rank(history, ITEMS, boost=boost)
    listed = plain.items[0] >= 0
    spread = plain.scores[0, listed].std()
    before = plain.scores[0, plain.items[0] == 30]
    after = boosted.scores[0, boosted.items[0] == 30]
    np.testing.assert_allclose(after - before, 1.5 * spread, rtol=1e-4)


def test_a_boost_brings_an_item_among_the_candidates(world, fitted):
    boost = np.zeros((USERS, ITEMS), dtype=np.float32)
    boost[:, ITEMS - 1] = 50  # nobody had it, it has no tags: no method would propose it
    assert (fitted.rank(world.histories, 1, boost=boost).items[:, 0] == ITEMS - 1).all()


def test_several_held_out_items_of_a_user_all_count(world):
    pairs = [[int(item), (int(item) + 1) % ITEMS] for item in world.targets.items]
    ranker = fit_hybrid(
        world.scorers, world.histories, Histories.of(pairs), world.catalogue,
        world.interactions, PARAMS,
    )  # fmt: skip
    assert np.isfinite(ranker.weights.level).all()
    assert not np.array_equal(ranker.weights.level, world.fit().weights.level)


def test_nothing_to_learn_from_is_an_error(world):
    nobody = Histories.of([[]] * USERS)
    with pytest.raises(ValueError, match="held-out"):
        fit_hybrid(
            world.scorers, world.histories, nobody, world.catalogue, world.interactions, PARAMS
        )
    lesson = Lesson(world.scorers, world.histories, world.targets, world.interactions, PARAMS)
    with pytest.raises(ValueError, match="at least one"):
        lesson.teach(without=tuple(world.scorers))


def test_the_share_of_users_is_never_all_or_nothing(world):
    shares = log_share(world.interactions)
    assert np.isfinite(shares).all()
    assert (shares < 0).all()
    assert hybrid.log_share(Interactions(Histories.of([[0]]), 2))[0] < 0
