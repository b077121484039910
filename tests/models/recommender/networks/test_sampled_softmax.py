"""The sampled softmax: its formula, without what a user had, and finite where nothing is left."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from crisol.core.training.seeding import seeded
from crisol.models.recommender.networks import sampled_softmax as module
from crisol.models.recommender.networks.negative_sampling import NegativeSampler
from crisol.models.recommender.networks.sampled_softmax import sampled_softmax

USERS, ITEMS, DIMENSIONS = 9, 14, 3


@pytest.fixture
def had() -> np.ndarray:
    """[U, I] who had what; the last user had everything."""
    had = np.random.default_rng(0).random((USERS, ITEMS)) < 0.4
    had[:, 0] = True
    had[-1] = True
    return had


@pytest.mark.parametrize("cells", [1 << 18, 20], ids=["one piece", "several pieces"])
@pytest.mark.parametrize("negatives", [6, 100])
def test_the_loss_is_that_of_a_loop(
    monkeypatch: pytest.MonkeyPatch, had: np.ndarray, negatives: int, cells: int
) -> None:
    monkeypatch.setattr(module, "_CELLS", cells)
    sampler = NegativeSampler(csr_matrix(had.astype(np.float32)), 0.5)
    users = torch.tensor([7, 2, 8, 0])
    with seeded(1):
        mine = torch.randn(len(users), DIMENSIONS, requires_grad=True)
        items = torch.randn(ITEMS, DIMENSIONS, requires_grad=True)
    rows, columns = sampler.positives(users)
    with seeded(2):
        drawn = sampler.shared(negatives).tolist()
    with seeded(2):
        found = sampled_softmax(
            mine, items, pairs=(rows, columns), users=users, sampler=sampler, negatives=negatives
        )
    losses = []
    for row, item in zip(rows.tolist(), columns.tolist(), strict=True):
        against = [j for j in drawn if not had[users[row], j]]
        logits = torch.stack([mine[row] @ items[j] for j in (item, *against)])
        losses.append(-logits.log_softmax(0)[0])
    expected = torch.stack(losses).mean()
    torch.testing.assert_close(found, expected)
    for one, other in zip(
        torch.autograd.grad(found, (mine, items)),
        torch.autograd.grad(expected, (mine, items)),
        strict=True,
    ):
        torch.testing.assert_close(one, other)
