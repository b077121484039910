import pytest
import torch
import torch.nn.functional as F
from torch import nn

from crisol.core.layers import attention
from crisol.core.layers.attention import Attention, Rotation, Stack, plain_attention


@pytest.fixture
def tokens():
    return torch.randn(3, 7, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def may_see():
    drawn = torch.rand(3, 7, 7, generator=torch.Generator().manual_seed(1)) < 0.5
    return drawn | torch.eye(7, dtype=torch.bool)


PLACES = torch.arange(7)[:, None].expand(-1, 2)


def stack(layers: int = 2, **changes) -> Stack:
    torch.manual_seed(2)
    return Stack(layers, 16, 2, 24, changes.pop("dropout", 0.0), **changes)


def run(network: Stack, tokens: torch.Tensor, *args):
    """Output and the gradients of every weight."""
    network.zero_grad()
    torch.manual_seed(3)
    out = network(tokens, PLACES, *args)
    out.square().sum().backward()
    return [out.detach(), *(part.grad.clone() for part in network.parameters())]


def close(left, right, **tolerance):
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        torch.testing.assert_close(a, b, **tolerance)


def test_fused_attention_equals_the_formula_in_outputs_and_gradients(monkeypatch, tokens, may_see):
    network = stack()
    fused = [run(network, tokens), run(network, tokens, may_see)]

    def formula(q, k, v, attn_mask):
        return plain_attention(q, k, v, attn_mask)

    monkeypatch.setattr(attention.F, "scaled_dot_product_attention", formula)
    plain = [run(network, tokens), run(network, tokens, may_see)]
    for left, right in zip(fused, plain, strict=True):
        close(left, right, atol=1e-5, rtol=1e-5)


def test_checkpointing_changes_no_output_and_no_gradient(tokens, may_see):
    network = stack(dropout=0.3)
    kept = run(network, tokens, may_see)
    network.gradient_checkpointing = True
    close(kept, run(network, tokens, may_see), atol=0, rtol=0)


def test_the_last_tokens_alone_are_what_they_are_among_all(tokens, may_see):
    network = stack()
    close([network(tokens, PLACES, may_see)[:, -2:]], [network(tokens, PLACES, may_see, 2)])


def test_only_differences_of_places_matter(tokens):
    network = stack()
    moved = network(tokens, PLACES + torch.tensor([5, 11]))
    torch.testing.assert_close(moved, network(tokens, PLACES), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(network(tokens, 2 * PLACES), network(tokens, PLACES), atol=1e-3)


def test_each_half_of_a_head_turns_by_one_coordinate():
    x = torch.randn(1, 2, 1, 8)
    turned = Rotation(torch.tensor([[0, 0], [3, 0]]), 8)(x)
    torch.testing.assert_close(turned[0, 0], x[0, 0])
    torch.testing.assert_close(turned[0, 1, 0, 4:], x[0, 1, 0, 4:])
    angle = torch.tensor(3.0)
    a, b = x[0, 1, 0, 0], x[0, 1, 0, 1]
    expected = torch.stack([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()])
    torch.testing.assert_close(turned[0, 1, 0, :2], expected)
    assert torch.allclose(turned.norm(dim=-1), x.norm(dim=-1))


def test_a_token_that_nobody_may_see_changes_nobody(tokens):
    network = stack(layers=3)
    hidden = torch.ones(1, 7, 7, dtype=torch.bool)
    hidden[:, :, 4] = False
    hidden[:, 4, 4] = True
    changed = tokens.clone()
    changed[:, 4] += 1
    left, right = network(tokens, PLACES, hidden), network(changed, PLACES, hidden)
    others = [0, 1, 2, 3, 5, 6]
    assert torch.equal(left[:, others], right[:, others])
    assert not torch.equal(left[:, 4], right[:, 4])


def test_the_formula_is_softmax_of_scaled_products():
    q, k, v = torch.randn(3, 1, 1, 2, 4)
    weights = F.softmax(q @ k.transpose(-1, -2) / 2, dim=-1)
    torch.testing.assert_close(plain_attention(q, k, v, None), weights @ v)


def test_attention_equals_torchs_own():
    torch.manual_seed(0)
    own, reference = Attention(12, 3).eval(), nn.MultiheadAttention(12, 3, batch_first=True).eval()
    reference.in_proj_weight.data = own.project.weight.data
    reference.in_proj_bias.data = own.project.bias.data
    reference.out_proj.load_state_dict(own.out.state_dict())
    x = torch.randn(4, 5, 12)
    there = torch.tensor(
        [[1, 1, 1, 1, 1], [1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 0]]
    ).bool()
    expected, _ = reference(x, x, x, key_padding_mask=~there)
    mask = there[:, None, None, :]
    torch.testing.assert_close(own(x, mask), expected)
    torch.testing.assert_close(own(x, mask, last=2), expected[:, -2:])
    torch.testing.assert_close(own(x), reference(x, x, x)[0])


@pytest.mark.parametrize(("dimensions", "heads", "named"), [(16, 3, "heads"), (12, 2, "multiple")])
def test_sizes_that_cannot_be_divided_are_refused(dimensions, heads, named):
    with pytest.raises(ValueError, match=named):
        Stack(1, dimensions, heads, 8, 0.0)(torch.zeros(1, 7, dimensions), PLACES)
