"""Array types that several packages use."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
"""Numbers of single or double precision; the docstrings give their shape."""
