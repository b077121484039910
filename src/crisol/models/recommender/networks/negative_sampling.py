"""Negative items: what a user did not have, drawn uniformly or by smoothed popularity.

Random numbers come from torch's global generator, which the training loop seeds at every epoch; so
a resumed training draws what the uninterrupted one would have drawn.

Legend: U users, I items, B rows, C draws a row, S shared draws.
"""

import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn

_ROUNDS = 8
"""Rounds of drawing again before the few rows that remain are drawn exactly."""


class NegativeSampler(nn.Module):
    """Draws items with probability ∝ ``max(users of the item, 1) ** power``.

    Args:
        matrix: [U, I], the pairs that must not be drawn.
        power: 0 draws uniformly, 0.75 as in word2vec (arXiv:1310.4546), 1 by popularity.
    """

    starts: Tensor
    items: Tensor
    keys: Tensor
    probabilities: Tensor
    cumulative: Tensor

    def __init__(self, matrix: csr_matrix, power: float = 0.0) -> None:
        super().__init__()
        matrix = matrix.sorted_indices()
        self.item_count = matrix.shape[1]
        items = torch.from_numpy(matrix.indices).long()
        starts = torch.from_numpy(matrix.indptr).long()
        users = torch.repeat_interleave(torch.arange(len(starts) - 1), starts.diff())
        counts = torch.bincount(items, minlength=self.item_count).clamp_min(1).double()
        probabilities = counts**power / (counts**power).sum()
        for name, tensor in (
            ("starts", starts),
            ("items", items),
            ("keys", users * self.item_count + items),
            ("probabilities", probabilities),
            ("cumulative", probabilities.cumsum(0)),
        ):
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, users: Tensor, count: int) -> Tensor:
        """[B, C] items, none of which its row's user had.

        Args:
            users: [B] int64 user indices.
            count: C; a row's draws are independent of each other.

        Raises:
            ValueError: a user had every item.
        """
        rows = users.repeat_interleave(count)
        drawn = self._draw(len(rows))
        open_rows = torch.nonzero(self.are_positive(rows, drawn)).ravel()
        for _ in range(_ROUNDS):
            if not len(open_rows):
                break
            drawn[open_rows] = self._draw(len(open_rows))
            still = self.are_positive(rows[open_rows], drawn[open_rows])
            open_rows = open_rows[still]
        for row in open_rows.tolist():
            drawn[row] = self._draw_exactly(int(rows[row]))
        return drawn.view(len(users), count)

    def are_positive(self, users: Tensor, items: Tensor) -> Tensor:
        """[B] whether each user had the item beside it."""
        if not len(self.keys):
            return torch.zeros_like(users, dtype=torch.bool)
        keys = users * self.item_count + items
        places = torch.searchsorted(self.keys, keys).clamp_max(len(self.keys) - 1)
        return torch.eq(self.keys[places], keys)

    def shared(self, count: int) -> Tensor:
        """[S] distinct items for all rows of a batch; see :meth:`positives_among`.

        Args:
            count: S, at most I.
        """
        # The largest of log p + Gumbel noise are a draw without replacement (arXiv:1903.06059).
        noise = -torch.empty_like(self.probabilities).exponential_().log()
        return torch.topk(self.probabilities.log() + noise, min(count, self.item_count)).indices

    def positives_among(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Pairs of a user and a shared item they had: rows of ``users``, columns of ``items``."""
        column = torch.full((self.item_count,), -1, device=items.device)
        column[items] = torch.arange(len(items), device=items.device)
        rows, had = self.positives(users)
        columns = column[had]
        hit = columns >= 0
        return rows[hit], columns[hit]

    def positives(self, users: Tensor) -> tuple[Tensor, Tensor]:
        """Every item of each user: rows of ``users`` and item indices, row by row."""
        sizes = self.starts[users + 1] - self.starts[users]
        rows = torch.repeat_interleave(torch.arange(len(users), device=users.device), sizes)
        before = torch.cumsum(sizes, 0) - sizes
        places = torch.arange(len(rows), device=users.device) - (before - self.starts[users])[rows]
        return rows, self.items[places]

    def _draw(self, count: int) -> Tensor:
        uniform = torch.rand(count, dtype=torch.float64, device=self.cumulative.device)
        places = torch.searchsorted(self.cumulative, uniform, right=True)
        return places.clamp_max(self.item_count - 1)

    def _draw_exactly(self, user: int) -> Tensor:
        weights = self.probabilities.clone()
        weights[self.items[self.starts[user] : self.starts[user + 1]]] = 0
        if not bool(weights.any()):
            raise ValueError(f"user {user} had every item, there is no negative to draw")
        return torch.multinomial(weights, 1)[0]
