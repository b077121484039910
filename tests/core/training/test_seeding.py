"""Global generators belong to one thread at a time."""

import random
import threading

import numpy as np
import pytest
import torch
from torch import nn

from crisol.core.training.seeding import derive_seed, preserved_randomness, seeded


def _draw() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(1))


def _train(tiny) -> None:
    tiny.run(tiny.params(epochs=1))


def _build(tiny) -> None:
    with preserved_randomness():
        nn.GRU(3, 8)


def _seed(tiny) -> None:
    with seeded(2, "other"):
        _draw()


@pytest.mark.parametrize("other", [_train, _build, _seed])
def test_another_thread_does_not_disturb_a_seeded_block(tiny, other):
    with seeded(1, "mine"):
        expected = [_draw() for _ in range(3)]
    thread = threading.Thread(target=other, args=(tiny,))
    with seeded(1, "mine"):
        found = [_draw()]
        thread.start()
        thread.join(0.1)
        assert thread.is_alive(), "it waits for the end of the block"
        found += [_draw(), _draw()]
    thread.join()
    assert found == expected


def test_two_blocks_in_one_thread_nest():
    with seeded(1):
        first = _draw()
        with seeded(2):
            _draw()
        second = _draw()
    with seeded(1):
        assert (_draw(), _draw()) == (first, second)


def test_a_seed_depends_on_every_part():
    assert derive_seed(1, "a") != derive_seed("a", 1) != derive_seed(1, "b")
