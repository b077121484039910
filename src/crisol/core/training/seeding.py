"""Random numbers that depend on a name, not on earlier draws.

Training seeds every epoch from (seed, epoch, process). Resuming then needs no saved generator
state, and a validation pass or a notebook cell in between cannot change later draws.

The global generators belong to the whole process. They are seeded under :data:`PROCESS_STATE`
alone, so that trainings in several threads (Kedro's ThreadRunner) do not disturb one another.
"""

import hashlib
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

PROCESS_STATE = threading.RLock()
"""Held while global generators, or Accelerate's state, are those of one training. One lock for
both: two would be taken in either order."""


def derive_seed(*parts: object) -> int:
    """A seed in [0, 2**63) that depends on every part and its position.

    >>> derive_seed(7, "train", 1) == derive_seed(7, "train", 1) != derive_seed(7, "train", 2)
    True
    """
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def seed_everything(*parts: object) -> None:
    """Seed Python's, NumPy's and torch's global generators from ``parts``.

    Call it inside :func:`preserved_randomness`, which keeps other threads away.
    """
    seed = derive_seed(*parts)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


@contextmanager
def preserved_randomness() -> Iterator[None]:
    """Restore the state of the global generators at the end of the block.

    Of several threads one is in such a block at a time.
    """
    with PROCESS_STATE:
        python_state, numpy_state = random.getstate(), np.random.get_state()
        with torch.random.fork_rng():
            try:
                yield
            finally:
                random.setstate(python_state)
                np.random.set_state(numpy_state)


@contextmanager
def seeded(*parts: object) -> Iterator[None]:
    """Draw from generators seeded with ``parts`` inside the block, undisturbed outside it.

    Meant for building a network: its initial weights then depend on the seed alone.

    >>> with seeded(3, "network"):
    ...     a = torch.rand(2)
    >>> with seeded(3, "network"):
    ...     b = torch.rand(2)
    >>> bool((a == b).all())
    True
    """
    with preserved_randomness():
        seed_everything(*parts)
        yield
