import pytest
import torch
import torch.nn.functional as F

from crisol.core.training.losses import UncertaintyWeightedLoss, info_nce


def test_the_learned_weight_is_the_inverse_of_the_task_s_loss():
    # For a constant loss L the optimum of exp(-s) L / 2 + s / 2 is s = log L.
    weighted = UncertaintyWeightedLoss(["small", "large"], regressions=["small", "large"])
    optimizer = torch.optim.Adam(weighted.parameters(), lr=0.1)
    losses = {"small": torch.tensor(0.25), "large": torch.tensor(16.0)}
    for _ in range(400):
        optimizer.zero_grad()
        weighted(losses).backward()
        optimizer.step()
    weights = weighted.weights()
    assert weights["small"] == pytest.approx(0.5 / 0.25, rel=1e-2)
    assert weights["large"] == pytest.approx(0.5 / 16, rel=1e-2)


def test_the_tasks_must_be_those_that_were_named():
    weighted = UncertaintyWeightedLoss(["a", "b"])
    with pytest.raises(ValueError, match=r"expected \['a', 'b'\], got \['a'\]"):
        weighted({"a": torch.tensor(1.0)})
    with pytest.raises(ValueError, match="tasks: need at least one"):
        UncertaintyWeightedLoss([])
    with pytest.raises(ValueError, match="every regression among them"):
        UncertaintyWeightedLoss(["a"], regressions=["b"])


def test_info_nce_is_the_mean_of_two_classifications():
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(6, 4, generator=generator) for _ in range(2))
    cosine = F.cosine_similarity(left[:, None], right[None], dim=2) / 0.1
    target = torch.arange(6)
    expected = (F.cross_entropy(cosine, target) + F.cross_entropy(cosine.T, target)) / 2
    torch.testing.assert_close(info_nce(left, right, 0.1), expected)
    torch.testing.assert_close(info_nce(left, right, 0.1), info_nce(right, left, 0.1))


def test_info_nce_prefers_partners_that_are_alike():
    vectors = torch.eye(5)
    assert info_nce(vectors, 3 * vectors) < 0.01
    assert info_nce(vectors, vectors.roll(1, 0)) > 5
    with pytest.raises(ValueError, match="two matrices of one shape"):
        info_nce(vectors, vectors[:3])
