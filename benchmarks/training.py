"""Training speed: Crisol's loop against a bare PyTorch loop of the same network.

Both train a two-layer LSTM on windows of 60 bars, in one process, alternating in many short rounds
so that other load on the machine slows both. Run ``python benchmarks/training.py``; the ratio
should be at least 0.95. The ratio of processor time is printed too; other load on the machine
hardly changes it.
"""

import argparse
import statistics
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crisol.core.training.loop import LoopParams, TensorBatches, train
from crisol.core.training.seeding import seeded

STEPS_T, FEATURES_F, HIDDEN, CLASSES = 60, 5, 128, 3
BATCH_SIZE, LEARNING_RATE, CLIP = 64, 1e-3, 1.0


class Lstm(nn.Module):
    """(B, T, F) bars to (B, 3) logits."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(FEATURES_F, HIDDEN, num_layers=2, batch_first=True, dropout=0.2)
        self.head = nn.Linear(HIDDEN, CLASSES)

    def forward(self, bars: Tensor) -> Tensor:
        """The logits of the last bar's state."""
        return self.head(self.lstm(bars)[0][:, -1])


def bare(network: nn.Module, bars: Tensor, labels: Tensor, epochs: int) -> None:
    """A plain loop without Crisol."""
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=LEARNING_RATE, weight_decay=0.0, fused=True
    )
    network.train()
    for _ in range(epochs):
        total = torch.zeros(())
        for rows in torch.randperm(len(bars)).split(BATCH_SIZE):
            loss = F.cross_entropy(network(bars[rows]), labels[rows])
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), CLIP)
            optimizer.step()
            optimizer.zero_grad()
            total += loss.detach() * len(rows)
        total.item()


def crisol(network: nn.Module, bars: Tensor, labels: Tensor, epochs: int) -> None:
    """The same by :func:`crisol.core.training.loop.train`, its set-up included."""
    params = LoopParams(
        epochs=epochs,
        batch_size=BATCH_SIZE,
        learning_rate=LEARNING_RATE,
        gradient_clip=CLIP,
        monitor="train_loss",
        device="cpu",
    )
    train(
        network,
        loss=lambda network, batch: F.cross_entropy(network(batch[0]), batch[1]),
        train_data=TensorBatches((bars, labels), BATCH_SIZE, shuffle=True),
        params=params,
    )


def main() -> None:
    """Print the samples per second of both and the median ratio of the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--rows", type=int, default=1024)
    parser.add_argument("--epochs", type=int, default=1)
    chosen = parser.parse_args()
    with seeded(0, "benchmark"):
        bars = torch.randn(chosen.rows, STEPS_T, FEATURES_F)
        labels = torch.randint(CLASSES, (chosen.rows,))
    loops = {"bare": bare, "crisol": crisol}
    for loop in loops.values():
        loop(Lstm(), bars[: 4 * BATCH_SIZE], labels[: 4 * BATCH_SIZE], 1)  # warm up
    wall: dict[str, list[float]] = {name: [] for name in loops}
    processor: dict[str, list[float]] = {name: [] for name in loops}
    for number in range(chosen.rounds):
        # The order changes each round, so that neither always runs on the cooler machine.
        for name in list(loops) if number % 2 == 0 else reversed(loops):
            with seeded(number, "network"):
                network = Lstm()
            started, started_cpu = time.perf_counter(), time.process_time()
            loops[name](network, bars, labels, chosen.epochs)
            wall[name].append(time.perf_counter() - started)
            processor[name].append(time.process_time() - started_cpu)
    print(
        f"LSTM {STEPS_T}x{FEATURES_F}, hidden {HIDDEN}, 2 layers, batch {BATCH_SIZE}, "
        f"{torch.get_num_threads()} threads, {chosen.rounds} rounds of "
        f"{chosen.rows * chosen.epochs:,} samples"
    )
    for name, seconds in wall.items():
        speed = chosen.rows * chosen.epochs / statistics.median(seconds)
        print(f"{name:>8}: {speed:,.0f} samples/s (median)")
    for name, measured in (("wall clock", wall), ("processor time", processor)):
        ratios = [b / c for b, c in zip(measured["bare"], measured["crisol"], strict=True)]
        low, _, high = statistics.quantiles(ratios, n=4)
        print(
            f"crisol / bare by {name}: median {statistics.median(ratios):.3f} "
            f"(half of the rounds between {low:.3f} and {high:.3f})"
        )


if __name__ == "__main__":
    main()
