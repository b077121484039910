"""Epoch time of LightGCN: Crisol's training against the loop of PyG's example, on Gowalla.

    python benchmarks/lightgcn_epoch.py --data <folder of recommender/gowalla/gowalla.zip>
        [--steps 5] [--rounds 3]

Both train by BPR with the same batch size, dimensions, layers, learning rate and first weights, one
thread each. They alternate so that other load on the machine slows both. The time of an epoch is
the median step times the number of steps. PyG's loop is timed twice: with ``edge_index`` as in its
example (examples/lightgcn.py), and with a sparse CSR matrix, the faster way it knows without
extensions. Two comparisons show equal quality: the weights after all steps with the same batches
and negatives, and, after the timed steps with each loop's own negatives, the loss on the same
triples and NDCG@20. ``CRISOL_DATA_MIRROR`` replaces ``--data``.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor
from torch.nn.functional import softplus
from torch_geometric.nn.models import LightGCN as PygLightGCN

from crisol.core.training.loop import LoopParams, TensorBatches, train
from crisol.core.training.seeding import seeded
from crisol.models.recommender.data.histories import Histories, Interactions
from crisol.models.recommender.data.sources import read_gowalla
from crisol.models.recommender.method_params import LightGCNParams
from crisol.models.recommender.methods.ranking import measure, top_k
from crisol.models.recommender.networks.lightgcn_training import LightGCN, bpr_loss

BATCH_PAIRS, LEARNING_RATE, REGULARISATION = 8192, 1e-3, 1e-4
PARAMS = LightGCNParams(
    dimensions=64, layers=2, loss="bpr", regularisation=REGULARISATION, initial_scale=0.1
)
JUDGED_USERS, JUDGED_TRIPLES = 2000, 50_000
TARGET = 1.5


@dataclass
class Contestant:
    """One training loop: its network's embedding table, its steps and their seconds."""

    table: torch.nn.Parameter
    run: Callable[[Tensor, Tensor], None]
    embed: Callable[[], Tensor]
    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def take(self, users: Tensor, items: Tensor, steps: int) -> None:
        """Train on these pairs, and note the seconds a step took."""
        started, started_cpu = time.perf_counter(), time.process_time()
        self.run(users, items)
        self.seconds.append((time.perf_counter() - started) / steps)
        self.processor.append((time.process_time() - started_cpu) / steps)


def load(path: Path) -> tuple[Interactions, Histories]:
    """The items that users had, and the held-out items of each user, in the official split."""
    events = read_gowalla(path)
    users, items = events["user"].astype("category"), events["item"].astype("category")
    shape = (len(users.cat.categories), len(items.cat.categories))
    parts = []
    for part in ("train", "test"):
        rows = (events["part"] == part).to_numpy()
        codes = users.cat.codes[rows], items.cat.codes[rows]
        matrix = csr_matrix((np.ones(rows.sum(), np.float32), codes), shape=shape)
        parts.append(
            Histories(
                matrix.indptr.astype(np.int64),
                matrix.indices.astype(np.int32),
                matrix.data,
                np.arange(shape[0]),
            )
        )
    return Interactions(parts[0], shape[1]), parts[1]


def crisol(interactions: Interactions) -> Contestant:
    """Crisol's network under :func:`crisol.core.training.loop.train`, its set-up included."""
    with seeded(0, "network"):
        network = LightGCN(interactions, PARAMS)

    def run(users: Tensor, items: Tensor) -> None:
        train(
            network,
            loss=bpr_loss(PARAMS),
            train_data=TensorBatches({"users": users, "items": items}, BATCH_PAIRS),
            params=LoopParams(
                epochs=1,
                batch_size=BATCH_PAIRS,
                learning_rate=LEARNING_RATE,
                gradient_clip=None,
                monitor=None,
                device="cpu",
            ),
        )

    return Contestant(network.embedding, run, network.forward)


def pyg(interactions: Interactions, first: Tensor, *, sparse: bool) -> Contestant:
    """The loop of PyG's example, every batch with negatives drawn among all items."""
    matrix = interactions.matrix
    nodes, users_U = sum(matrix.shape), matrix.shape[0]
    model = PygLightGCN(nodes, PARAMS.dimensions, PARAMS.layers)
    model.embedding.weight.data.copy_(first)
    pairs = matrix.tocoo()
    users, items = torch.tensor(pairs.row).long(), torch.tensor(pairs.col).long() + users_U
    graph = torch.stack([torch.cat([users, items]), torch.cat([items, users])])
    if sparse:
        graph = torch.sparse_coo_tensor(graph, torch.ones(graph.shape[1]), (nodes, nodes))
        graph = graph.coalesce().to_sparse_csr()
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)

    def run(users: Tensor, items: Tensor) -> None:
        for mine, wanted in zip(users.split(BATCH_PAIRS), items.split(BATCH_PAIRS), strict=True):
            negatives = torch.randint(users_U, nodes, (len(mine),))
            ends = torch.stack([mine.repeat(2), torch.cat([wanted + users_U, negatives])])
            optimizer.zero_grad()
            positive, negative = model(graph, ends).chunk(2)
            loss = model.recommendation_loss(
                positive, negative, node_id=ends.unique(), lambda_reg=REGULARISATION
            )
            loss.backward()
            optimizer.step()

    return Contestant(model.embedding.weight, run, lambda: model.get_embedding(graph))


def same_steps(interactions: Interactions, batches: list[tuple[Tensor, Tensor]]) -> float:
    """Largest difference of the embeddings when both get the same pairs and negatives."""
    with seeded(0, "network"):
        network = LightGCN(interactions, PARAMS)
    other = pyg(interactions, network.embedding.data, sparse=True)
    optimizer = torch.optim.Adam([other.table], lr=LEARNING_RATE)
    ours = torch.optim.Adam([network.embedding], lr=LEARNING_RATE)
    for number, (users, items) in enumerate(batches):
        with seeded(number, "negatives"):
            loss = bpr_loss(PARAMS)(network, {"users": users, "items": items})["loss"]
        ours.zero_grad()
        loss.backward()
        ours.step()
        with seeded(number, "negatives"):
            negatives = network.sampler(users, 1)[:, 0]
        optimizer.zero_grad()
        bpr(other, users, items, negatives, network.users).backward()
        optimizer.step()
    return float((other.embed() - network()).detach().abs().max())


def bpr(who: Contestant, users: Tensor, items: Tensor, negatives: Tensor, first: int) -> Tensor:
    """The loss of some triples, written out."""
    nodes, table = who.embed(), who.table
    gap = (nodes[users] * (nodes[first + items] - nodes[first + negatives])).sum(1)
    squares = sum(table[n].square().sum() for n in (users, first + items, first + negatives))
    return softplus(-gap).mean() + REGULARISATION * squares / len(users)


@torch.no_grad()
def judge(who: Contestant, interactions: Interactions, targets: Histories) -> tuple[float, float]:
    """Loss on fixed triples of held-out pairs, and NDCG@20 of some users."""
    first = interactions.user_count
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(targets.items), JUDGED_TRIPLES, replace=False)
    users, items = targets.rows[chosen], targets.items[chosen].astype(np.int64)
    negatives = rng.integers(0, interactions.item_count, JUDGED_TRIPLES)
    triple = (torch.from_numpy(part) for part in (users, items, negatives))
    loss = float(bpr(who, *triple, first))
    nodes = who.embed().numpy()

    def rank(histories: Histories) -> np.ndarray:
        scores = nodes[histories.users] @ nodes[first:].T
        return top_k(scores, 20, exclude=histories.matrix(interactions.item_count))[0]

    some = np.sort(rng.choice(first, JUDGED_USERS, replace=False))
    measured = measure(rank, interactions.histories.take(some), targets.take(some), ks=(20,))
    return loss, measured.mean("ndcg@20")


def main() -> None:
    """Print the seconds of an epoch, the ratios and the qualities."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of recommender/gowalla/gowalla.zip")
    parser.add_argument("--steps", type=int, default=5, help="steps of a turn")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    folder = chosen.data or os.environ.get("CRISOL_DATA_MIRROR")
    if not folder:
        parser.error("name the data: --data, or CRISOL_DATA_MIRROR")
    torch.set_num_threads(1)
    interactions, targets = load(Path(folder) / "recommender" / "gowalla" / "gowalla.zip")
    ways = {"crisol": crisol(interactions)}
    start = ways["crisol"].table.data.clone()
    ways["PyG, edge_index"] = pyg(interactions, start, sparse=False)
    ways["PyG, CSR"] = pyg(interactions, start, sparse=True)
    pairs = interactions.matrix.tocoo()
    users, items = torch.tensor(pairs.row).long(), torch.tensor(pairs.col).long()
    order = torch.randperm(len(users), generator=torch.Generator().manual_seed(0))
    turn = chosen.steps * BATCH_PAIRS
    for number in range(chosen.rounds):
        rows = order[number * turn : (number + 1) * turn]
        # The order changes each round, so that none always runs on the cooler machine.
        for name in list(ways) if number % 2 == 0 else reversed(ways):
            ways[name].take(users[rows], items[rows], chosen.steps)
    report(ways, interactions, targets, chosen.steps * chosen.rounds)
    batches = [(users[rows], items[rows]) for rows in order[:turn].split(BATCH_PAIRS)]
    difference = same_steps(interactions, batches)
    print(
        f"same pairs and negatives, {chosen.steps} steps: embeddings differ by at most "
        f"{difference:.1e}"
    )


def report(
    ways: dict[str, Contestant], interactions: Interactions, targets: Histories, steps: int
) -> None:
    """Print the table."""
    per_epoch = -(-len(interactions.matrix.indices) // BATCH_PAIRS)
    print(
        f"LightGCN on Gowalla: {PARAMS.dimensions} dimensions, {PARAMS.layers} layers, batches of "
        f"{BATCH_PAIRS:,} pairs, {per_epoch} steps an epoch, one thread; {steps} steps each\n"
        f"{'':>16} {'epoch, s':>9} {'cpu, s':>9} {'crisol is':>10} {'loss':>8} {'NDCG@20':>8}"
    )
    for name, way in ways.items():
        epoch, cpu = (per_epoch * statistics.median(x) for x in (way.seconds, way.processor))
        times = statistics.median(
            theirs / ours for theirs, ours in zip(way.seconds, ways["crisol"].seconds, strict=True)
        )
        loss, ndcg = judge(way, interactions, targets)
        told = "" if name == "crisol" else f"{times:.1f}x"
        print(f"{name:>16} {epoch:9.1f} {cpu:9.1f} {told:>10} {loss:8.4f} {ndcg:8.4f}")
    print(f"target: at least {TARGET} times as fast as the example's loop")


if __name__ == "__main__":
    main()
