"""Means of the losses of an epoch, without waiting for the device at every step."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor


class NonFiniteLossError(FloatingPointError):
    """A loss became NaN or infinite; the weights after it are worthless and are not saved."""


class LossMeans:
    """Row-weighted means of the losses of one epoch.

    Values stay on the device until :meth:`flush` reads them back together.

    Args:
        phase: ``training`` or ``validation``, for the error message.
        where: names training run and epoch in the error message.
    """

    def __init__(self, phase: str, where: str) -> None:
        self._phase, self._where = phase, where
        self._pending: dict[str, list[Tensor]] = {}
        self._pending_rows: list[int] = []
        self._sums: dict[str, float] = {}
        self._flushed_batches = 0
        self.rows = 0
        self.latest = float("nan")

    def add(self, parts: Tensor | Mapping[str, Tensor], rows: int) -> Tensor:
        """Count one batch in and return its loss.

        Raises:
            TypeError: a mapping without ``loss``.
        """
        if isinstance(parts, Tensor):
            parts = {"loss": parts}
        elif "loss" not in parts:
            raise TypeError(f"loss: the mapping must hold 'loss', it holds {sorted(parts)}")
        for name, value in parts.items():
            self._pending.setdefault(name, []).append(value.detach())
        self._pending_rows.append(rows)
        return parts["loss"]

    def flush(self) -> None:
        """Read back the losses that were added since the last call.

        Raises:
            NonFiniteLossError: one of the losses is NaN or infinite; names the batch.
        """
        if not self._pending_rows:
            return
        rows = torch.tensor(self._pending_rows, dtype=torch.float64)
        for name, values in self._pending.items():
            read = torch.stack(values).cpu().double()
            if name == "loss":
                self._check(read)
                self.latest = read[-1].item()
            self._sums[name] = self._sums.get(name, 0.0) + (read @ rows).item()
        self.rows += sum(self._pending_rows)
        self._flushed_batches += len(self._pending_rows)
        self._pending, self._pending_rows = {}, []

    def peek(self) -> float:
        """The newest loss, waiting for the device, without counting anything in.

        Unlike :meth:`flush` it may be called at any moment: where the sums are cut decides their
        last bit, and a clock must not.
        """
        waiting = self._pending.get("loss")
        return waiting[-1].item() if waiting else self.latest

    def means(self, total: Callable[[Tensor], Tensor]) -> dict[str, float]:
        """The means over the rows of all processes; ``total`` adds a vector up over them."""
        self.flush()
        names = sorted(self._sums)
        vector = torch.tensor([*(self._sums[n] for n in names), self.rows], dtype=torch.float64)
        *sums, rows = total(vector).tolist()
        return {name: value / rows for name, value in zip(names, sums, strict=True)}

    def _check(self, losses: Tensor) -> None:
        bad = torch.nonzero(~torch.isfinite(losses)).flatten()
        if len(bad):
            index = int(bad[0])
            raise NonFiniteLossError(
                f"{self._where}: the {self._phase} loss became {losses[index].item()} at step "
                f"{self._flushed_batches + index + 1} of the epoch; lower learning_rate, set "
                "gradient_clip, or look for NaN and infinite values in the data"
            )
