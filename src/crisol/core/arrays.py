"""Array types and the scaling of vectors that several packages use."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
"""Numbers of single or double precision; the docstrings give their shape."""


def unit(x_ND: Floats) -> Floats:
    """[N, D] the rows at length one; rows of zeros stay.

    >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    length = np.linalg.norm(x_ND, axis=1, keepdims=True)
    return np.asarray(x_ND / np.where(length > 0, length, 1))
