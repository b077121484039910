import pytest
import torch
import torch.nn.functional as F

from crisol.core.training.losses import info_nce
from crisol.models.products.networks.head_losses import contrast, main_logs, task_losses

MAINS = torch.tensor([0, 1, 0, 1, 1])
NAN = float("nan")


@pytest.fixture
def out():
    torch.manual_seed(0)
    return {"leaf": torch.randn(4, 5), "log_price": torch.randn(4), "rating": torch.randn(4)}


@pytest.fixture
def targets():
    return {
        "leaf": torch.tensor([2, -1, 4, 0]),
        "log_price": torch.tensor([0.5, NAN, -30.0, 1.0]),
        "rating": torch.tensor([0.2, 1.0, NAN, NAN]),
    }


def losses(tasks, out, targets, smoothing=0.1):
    return task_losses(tasks, out, targets, MAINS, smoothing)


def test_each_loss_is_the_mean_over_known_answers(out, targets):
    found = losses(("leaf", "main", "log_price", "rating"), out, targets)
    known = [0, 2, 3]
    leaf = F.cross_entropy(out["leaf"][known], targets["leaf"][known], label_smoothing=0.1)
    torch.testing.assert_close(found["leaf"], leaf)
    logs = torch.stack([out["leaf"].log_softmax(1).exp()[:, m == MAINS].sum(1) for m in (0, 1)], 1)
    main = F.cross_entropy(logs.log()[known], MAINS[targets["leaf"][known]], label_smoothing=0.1)
    torch.testing.assert_close(found["main"], main)
    price = F.smooth_l1_loss(out["log_price"][known], targets["log_price"][known])
    torch.testing.assert_close(found["log_price"], price)
    rating = F.binary_cross_entropy_with_logits(out["rating"][:2], targets["rating"][:2])
    torch.testing.assert_close(found["rating"], rating)


def test_a_batch_without_an_answer_costs_nothing_and_breaks_nothing(out, targets):
    for part in out.values():
        part.requires_grad_()
    nothing = {n: torch.full_like(t, -1 if n == "leaf" else NAN) for n, t in targets.items()}
    total = sum(losses(("leaf", "main", "log_price", "rating"), out, nothing).values())
    total.backward()
    assert total == 0
    assert all(not part.grad.any() for part in out.values())


def test_main_categories_are_the_sums_of_their_leaves(out):
    logs = main_logs(out["leaf"].log_softmax(1), MAINS)
    torch.testing.assert_close(logs.exp().sum(1), torch.ones(4))


def test_the_contrast_is_over_the_named_rows(out):
    left, right = torch.randn(2, 4, 8)
    rows = torch.tensor([True, False, True, True])
    found = contrast(left, right, rows, torch.tensor(0.2).log())
    torch.testing.assert_close(found, info_nce(left[rows], right[rows], 0.2))
    assert contrast(left, right, torch.tensor([True, False, False, False]), torch.tensor(0.0)) == 0
