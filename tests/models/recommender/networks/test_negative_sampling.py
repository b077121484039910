"""The negative sampler: never a positive, and the distribution that was asked for."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from crisol.core.training.seeding import seeded
from crisol.models.recommender.networks.negative_sampling import NegativeSampler


@pytest.fixture
def matrix() -> csr_matrix:
    """Two users of six items; items 0 and 1 have two users, 2 has one, the others none."""
    return csr_matrix(np.array([[1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0]], np.float32))


def test_a_positive_is_never_drawn() -> None:
    dense = np.random.default_rng(0).random((40, 30)) < 0.7
    sampler = NegativeSampler(csr_matrix(dense.astype(np.float32)))
    with seeded(0):
        drawn = sampler(torch.arange(40), 200)
    assert drawn.shape == (40, 200)
    assert not dense[np.arange(40)[:, None], drawn.numpy()].any()


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_draws_follow_the_power_of_popularity(matrix: csr_matrix, power: float) -> None:
    sampler = NegativeSampler(matrix, power)
    with seeded(1):
        drawn = sampler(torch.tensor([0]), 60_000)
    shares = np.bincount(drawn.numpy().ravel(), minlength=6) / drawn.numel()
    weights = np.array([0, 0, 1, 1, 1, 1])  # item 2 has one user, those without count as one
    np.testing.assert_allclose(shares, weights / weights.sum(), atol=0.01)


def test_popular_items_are_drawn_more_often() -> None:
    dense = np.zeros((9, 3), np.float32)
    dense[:8, 0], dense[0, 1] = 1, 1
    sampler = NegativeSampler(csr_matrix(dense), power=2 / 3)
    with seeded(2):
        drawn = sampler(torch.tensor([8]), 60_000)
    shares = np.bincount(drawn.numpy().ravel(), minlength=3) / drawn.numel()
    np.testing.assert_allclose(shares, np.array([4, 1, 1]) / 6, atol=0.01)


def test_a_user_with_all_but_one_item_gets_that_one() -> None:
    dense = np.ones((1, 500), np.float32)
    dense[0, 123] = 0
    with seeded(3):
        drawn = NegativeSampler(csr_matrix(dense))(torch.tensor([0]), 50)
    assert (drawn == 123).all()


def test_a_user_with_every_item_is_an_error() -> None:
    with pytest.raises(ValueError, match="had every item"):
        NegativeSampler(csr_matrix(np.ones((1, 4), np.float32)))(torch.tensor([0]), 1)


def test_shared_items_are_distinct_and_follow_the_distribution() -> None:
    dense = np.zeros((8, 4), np.float32)
    dense[:, 0] = 1
    sampler = NegativeSampler(csr_matrix(dense), power=1.0)
    with seeded(4):
        draws = torch.stack([sampler.shared(1) for _ in range(4000)])
        three = sampler.shared(3)
    shares = np.bincount(draws.numpy().ravel(), minlength=4) / len(draws)
    np.testing.assert_allclose(shares, np.array([8, 1, 1, 1]) / 11, atol=0.03)
    assert len(set(three.tolist())) == 3
    assert len(sampler.shared(99)) == 4


def test_positives_among_the_shared_are_found(matrix: csr_matrix) -> None:
    users, items = torch.tensor([1, 0]), torch.tensor([5, 2, 0])
    rows, columns = NegativeSampler(matrix).positives_among(users, items)
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == {(0, 1), (0, 2), (1, 2)}


def test_positives_come_row_by_row(matrix: csr_matrix) -> None:
    rows, items = NegativeSampler(matrix).positives(torch.tensor([1, 0]))
    assert rows.tolist() == [0, 0, 0, 1, 1]
    assert items.tolist() == [0, 1, 2, 0, 1]


def test_the_seed_decides(matrix: csr_matrix) -> None:
    sampler, draws = NegativeSampler(matrix, 0.5), []
    for seed in (5, 5, 6):
        with seeded(seed):
            draws.append(sampler(torch.tensor([0, 1]), 40))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
