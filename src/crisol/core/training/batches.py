"""Batches of tensors that lie in memory, in an order that only (seed, epoch) decides."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from crisol.core.training.seeding import derive_seed


class TensorBatches:
    """Aligned tensors, cut into batches; faster than a ``DataLoader`` for data in memory.

    Iterating yields slices of rows: a mapping or a tuple of tensors, as it was given. Without
    ``shuffle`` the batches are views. Under several processes ``batch_size`` rows is the *whole*
    batch, of which every process gets its share (:meth:`shard`): the number of processes does not
    change the result.

    Args:
        tensors: at least one tensor; all with the same first dimension (rows).
        batch_size: rows of a batch, over all processes together.
        shuffle: draw a new order each epoch (training); otherwise keep the rows' order.
        seed: decides the orders, together with the epoch given to :meth:`set_epoch`.
        drop_last: leave out a last batch that is not full.

    Raises:
        ValueError: no tensors, no rows, or tensors of different lengths.

    >>> batches = TensorBatches((torch.arange(5),), batch_size=2)
    >>> [batch[0].tolist() for batch in batches]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        tensors: Mapping[str, Tensor] | Sequence[Tensor],
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        self._names = tuple(tensors) if isinstance(tensors, Mapping) else None
        self._tensors = tuple(tensors.values() if isinstance(tensors, Mapping) else tensors)
        if not self._tensors:
            raise ValueError("tensors: at least one tensor is needed")
        lengths = [len(tensor) for tensor in self._tensors]
        if len(set(lengths)) > 1:
            raise ValueError(f"tensors: all need the same number of rows, these have {lengths}")
        if lengths[0] == 0:
            raise ValueError("tensors: there are no rows")
        if batch_size < 1:
            raise ValueError(f"batch_size: must be at least 1, is {batch_size}")
        self.rows = lengths[0]
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        if drop_last and self.rows < batch_size:
            raise ValueError(
                f"drop_last: {self.rows} rows do not fill one batch of {batch_size}; "
                "lower batch_size"
            )
        self._epoch = 0
        self._rank, self._world = 0, 1

    def __len__(self) -> int:
        full, rest = divmod(self.rows, self.batch_size)
        return full if self.drop_last or not rest else full + 1

    def set_epoch(self, epoch: int) -> None:
        """Use the order of this epoch at the next iteration."""
        self._epoch = epoch

    def to(self, device: torch.device) -> Self:
        """The same batches with the tensors on ``device``."""
        return self._changed(_tensors=tuple(tensor.to(device) for tensor in self._tensors))

    def shard(self, rank: int, world: int, *, even: bool) -> Self:
        """The share of process ``rank`` of ``world``.

        Args:
            rank: from 0.
            world: number of processes.
            even: every batch gives all processes equally many rows, repeating a few if need be
                (training: the processes' gradients weigh the same). Otherwise every row is given
                exactly once, and the processes may have different numbers of batches.

        Raises:
            ValueError: there are fewer rows than processes, or a batch cannot be divided.
        """
        if self.rows < world:
            raise ValueError(f"batches: {self.rows} rows do not suffice for {world} processes")
        if not even:
            share = tuple(tensor[rank::world] for tensor in self._tensors)
            batch_size = max(1, self.batch_size // world)
            return self._changed(_tensors=share, rows=len(share[0]), batch_size=batch_size)
        if self.batch_size % world:
            raise ValueError(
                f"batch_size: {self.batch_size} cannot be divided among {world} processes; "
                f"take a multiple of {world}"
            )
        return self._changed(_rank=rank, _world=world)

    def __iter__(self) -> Iterator[Any]:
        order = self._order()
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            stop = min(start + self.batch_size, self.rows)
            if order is None:
                yield self._batch([tensor[start:stop] for tensor in self._tensors])
                continue
            rows = order[start:stop]
            if self._world > 1:
                filled = torch.cat([rows, order[: -len(rows) % self._world]])
                rows = filled[self._rank :: self._world]
            yield self._batch([tensor.index_select(0, rows) for tensor in self._tensors])

    def _order(self) -> Tensor | None:
        if self.shuffle:
            generator = torch.Generator().manual_seed(derive_seed(self.seed, "order", self._epoch))
            order = torch.randperm(self.rows, generator=generator)
        elif self._world > 1:
            order = torch.arange(self.rows)
        else:
            return None
        return order.to(self._tensors[0].device)

    def _batch(self, tensors: list[Tensor]) -> Any:
        if self._names is None:
            return tuple(tensors)
        return dict(zip(self._names, tensors, strict=True))

    def _changed(self, **attributes: Any) -> Self:
        copy = type(self).__new__(type(self))
        copy.__dict__.update(self.__dict__, **attributes)
        return copy


def count_rows(batch: Any) -> int:
    """Rows of a batch: the first dimension of the first tensor in it.

    Raises:
        TypeError: the batch holds no tensor.
    """
    if isinstance(batch, Tensor):
        return len(batch)
    if isinstance(batch, Mapping):
        batch = tuple(batch.values())
    if isinstance(batch, Sequence) and not isinstance(batch, str):
        for part in batch:
            if isinstance(part, Tensor | Mapping | tuple | list):
                return count_rows(part)
    raise TypeError(f"a batch must be a tensor, or a tuple or mapping of them, not {type(batch)}")
