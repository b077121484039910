"""The cosine of items by their common users: the baseline of every report.

``c(i, j) = |U_i ∩ U_j| / sqrt(|U_i| |U_j|)``, and a history scores the sum over its items (Sarwar et
al., WWW 2001; Linden et al., IEEE Internet Computing 2003). It is what a team would use instead of
this family, and no part of the hybrid.

Legend: B histories, I items, U users.
"""

import numpy as np
from scipy.sparse import csr_matrix, diags, vstack

from crisol.core.arrays import Floats
from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.methods.sparse_rows import strongest

NEIGHBOURS = 200
_BLOCK_ITEMS = 2000

ITEM_COSINE = "item cosine"
"""Its name in reports."""


class ItemCosine:
    """Sums the cosines of a history's items.

    Args:
        cosines: [I, I], the strongest of each row.
    """

    def __init__(self, cosines: csr_matrix) -> None:
        self.cosines = cosines

    @classmethod
    def fit(cls, interactions: Interactions) -> "ItemCosine":
        """Count the users that two items have in common."""
        had = interactions.matrix.copy()
        had.data[:] = 1.0
        counts = np.asarray(had.sum(axis=0)).ravel()
        scaled = (had @ diags(1 / np.sqrt(np.maximum(counts, 1)))).astype(np.float32).tocsr()
        by_item = scaled.T.tocsr()
        blocks = []
        for start in range(0, interactions.item_count, _BLOCK_ITEMS):
            block = (by_item[start : start + _BLOCK_ITEMS] @ scaled).tocoo()
            others = block.row + start != block.col
            kept = csr_matrix(
                (block.data[others], (block.row[others], block.col[others])), shape=block.shape
            )
            blocks.append(strongest(kept, NEIGHBOURS))
        return cls(vstack(blocks, format="csr"))

    def score(self, histories: Histories) -> Floats:
        """[B, I] float32, at least 0."""
        profiles = histories.matrix(self.cosines.shape[0]).astype(np.float32)
        profiles.data[:] = 1.0
        return np.asarray((profiles @ self.cosines).toarray())
