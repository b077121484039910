"""A training of milliseconds with dropout in it; also run as a script, to be killed or launched.

``python tiny_training.py <result.safetensors> <LoopParams as JSON> [<checkpoints> [<pause_s>]]``
"""

import json
import sys
import time
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from crisol.core.training.loop import LoopParams, TensorBatches, TrainResult, seeded, train

ROWS, STEPS_T, FEATURES_F, CLASSES = 96, 5, 3, 3
VOLATILE = ["seconds", "samples_per_second"]


class Tiny(nn.Module):
    """(B, T, F) to (B, 3) logits."""

    def __init__(self, dropout: float = 0.3) -> None:
        super().__init__()
        self.gru = nn.GRU(FEATURES_F, 8, batch_first=True)
        self.norm = nn.BatchNorm1d(8)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.dropout(self.norm(self.gru(x)[0][:, -1])))


class Plain(nn.Module):
    """As :class:`Tiny`, but without anything that depends on how rows are put into batches."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(FEATURES_F, 8, batch_first=True)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.gru(x)[0][:, -1])


def network(kind: type[nn.Module] = Tiny, seed: int = 1) -> nn.Module:
    with seeded(seed, "tiny"):
        return kind()


def tensors(seed: int, rows: int = ROWS) -> tuple[Tensor, Tensor]:
    """Windows whose class is the sign of their mean."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, STEPS_T, FEATURES_F, generator=generator)
    mean = x.mean(dim=(1, 2))
    return x, (mean > -0.1).long() + (mean > 0.1).long()


def params(**changed: object) -> LoopParams:
    defaults = {"epochs": 4, "batch_size": 16, "learning_rate": 0.02, "device": "cpu", "seed": 3}
    return LoopParams(**{**defaults, **changed})


def cross_entropy(network: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.cross_entropy(network(batch[0]), batch[1])


def accuracy(network: nn.Module) -> dict[str, float]:
    x, y = tensors(8)
    return {"accuracy": (network(x).argmax(1) == y).float().mean().item()}


def run(
    chosen: LoopParams,
    *,
    kind: type[nn.Module] = Tiny,
    built: nn.Module | None = None,
    **more: object,
) -> TrainResult:
    batches = {
        "train_data": TensorBatches(tensors(7), chosen.batch_size, shuffle=True, seed=chosen.seed),
        "valid_data": TensorBatches(tensors(8), 64),
        "loss": cross_entropy,
        "evaluate": accuracy,
    }
    made = network(kind) if built is None else built
    return train(made, params=chosen, **{**batches, **more})


def measured(history: pd.DataFrame) -> pd.DataFrame:
    """The history without what the clock decides."""
    return history.drop(columns=VOLATILE)


def main() -> None:
    target, chosen = Path(sys.argv[1]), LoopParams.model_validate_json(sys.argv[2])
    folder = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    pause_s = float(sys.argv[4]) if len(sys.argv) > 4 else 0.0

    def slow(network: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        time.sleep(pause_s)
        return cross_entropy(network, batch)

    kind = Tiny if folder is not None else Plain
    result = run(chosen, kind=kind, loss=slow, checkpoints=folder, label="killed")
    if torch.distributed.is_initialized():
        target = target.with_suffix(f".{torch.distributed.get_rank()}")
    save_file(result.network.state_dict(), target)
    told = {"history": measured(result.history).to_dict("list"), "device": str(result.device)}
    target.with_suffix(target.suffix + ".json").write_text(json.dumps(told))


if __name__ == "__main__":
    main()
