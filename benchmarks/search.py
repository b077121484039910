"""Search in a million products: latency, and the recall of the graph index.

    python benchmarks/search.py [--products 1000000] [--dimensions 256] [--queries 500] [--k 10]
        [--approximate-from 1000000] [--folder DIR] [--json FILE]

The embeddings are drawn, not learned: clusters within groups, with sizes as uneven as those of
categories (synthetic). Half of the queries are drawn like the products, and stand for a product
that is not in the index. The other half are farther away, like queries of a few words. The filters
are the query's own category, a distant one, a brand, and a price range. One process builds and
saves the index; another maps it and searches. Every answer is compared with an exhaustive search of
the products that pass the filter. ``--folder`` keeps the index, and reuses an existing one.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

TARGET_P95_MS, TARGET_RECALL = 20.0, 0.98
BUILT = "built.json"
BLOCK = 50_000
TOGETHER = 50
"""Queries compared with all products at once, for the truth."""
PRODUCTS_A_CLUSTER, CLUSTERS_A_GROUP = 200, 40
MAINS, BRANDS = 20, 2_000
SPREAD, NOISE, FAR = 0.8, 0.25, 0.6
"""Distances of clusters from their group, products from their cluster, and words from a product, in
units of a group's own spread."""


def main() -> int:
    """Build, ask, print; 1 when a target is missed."""
    arguments = _arguments()
    if arguments.stage:
        stages = {"build": build, "ask": ask}
        print(json.dumps(stages[arguments.stage](arguments, arguments.folder)))
        return 0
    with tempfile.TemporaryDirectory(prefix="crisol-search-") as scratch:
        folder = arguments.folder or Path(scratch)
        if not (folder / BUILT).is_file():
            (folder / BUILT).write_text(json.dumps(_stage("build", arguments, folder)))
        found: dict[str, Any] = json.loads((folder / BUILT).read_text())
        found |= _stage("ask", arguments, folder)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2))
    print(table(found))
    whole = found["asked"]["everything"]
    missed = whole["p95_ms"] >= TARGET_P95_MS or whole["recall"] < TARGET_RECALL
    print(f"targets: p95 below {TARGET_P95_MS:g} ms, recall at least {TARGET_RECALL:g}:", end=" ")
    print("missed" if missed else "kept")
    return int(missed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--products", type=int, default=1_000_000)
    parser.add_argument("--dimensions", type=int, default=256)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--approximate-from",
        type=int,
        default=1_000_000,
        help="products from which on there is a graph",
    )
    parser.add_argument("--folder", type=Path, help="keep the index here, or take it from here")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--stage", choices=("build", "ask"), help=argparse.SUPPRESS)
    return parser.parse_args()


def _stage(name: str, arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run a stage in a process of its own, so that its memory can be told."""
    passed = ["products", "dimensions", "queries", "k", "seed", "approximate_from"]
    options = [f"--{key.replace('_', '-')}={getattr(arguments, key)}" for key in passed]
    command = [sys.executable, __file__, "--stage", name, "--folder", str(folder), *options]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# -- drawing ---------------------------------------------------------------------------------------


def draw(count: int, arguments: argparse.Namespace) -> tuple[Any, Any]:
    """``count`` vectors of length 1 [N, D], and the main category of each [N]."""
    rng = np.random.default_rng(arguments.seed)
    clusters = max(arguments.products // PRODUCTS_A_CLUSTER, 50)
    size = arguments.dimensions
    groups = rng.standard_normal((max(clusters // CLUSTERS_A_GROUP, MAINS), size))
    group_of = rng.integers(len(groups), size=clusters)
    centres = groups[group_of] + SPREAD * rng.standard_normal((clusters, size))
    share = np.arange(1, clusters + 1) ** -0.8
    cluster_of = rng.choice(clusters, size=count, p=share / share.sum())
    vectors = np.empty((count, size), np.float32)
    for start in range(0, count, BLOCK):
        rows = slice(start, start + BLOCK)
        centre = centres[cluster_of[rows]].astype(np.float32)
        noise = rng.standard_normal(centre.shape, np.float32)
        drawn = centre + (SPREAD * rng.random((len(centre), 1), np.float32) + NOISE) * noise
        vectors[rows] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return vectors, group_of[cluster_of] % MAINS


def build(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Draw products and queries, build the index, save both."""
    from crisol.models.products.search.search_index import ProductIndex

    count, queries = arguments.products, arguments.queries
    vectors, mains = draw(count + queries, arguments)
    rng = np.random.default_rng(arguments.seed + 1)
    asked = vectors[count:].copy()
    far = rng.standard_normal(asked.shape, np.float32) / np.sqrt(arguments.dimensions)
    asked[queries // 2 :] += FAR * far[queries // 2 :]
    prices = np.exp(rng.normal(6 + mains / 10, 1.0))
    brands = np.minimum(rng.zipf(1.3, count), BRANDS)
    began = time.perf_counter()
    index = ProductIndex.of(
        "synthetic", vectors[:count],
        [f"product-{row}" for row in range(count)], [f"Product {row}" for row in range(count)],
        categories=[f"Main {main} > Sub {row % 5}" for row, main in enumerate(mains[:count])],
        brands=[f"Brand {brand}" for brand in brands], prices=prices[:count],
        has_image=rng.random(count) < 0.7,
        approximate_from=arguments.approximate_from,
    )  # fmt: skip
    built = time.perf_counter() - began
    began = time.perf_counter()
    index.save(folder / "index")
    np.savez(folder / "queries.npz", queries=asked, mains=mains[count:], prices=prices[count:])
    return {
        "products": count,
        "build_s": built,
        "cpu_s": time.process_time(),
        "save_s": time.perf_counter() - began,
        "build_peak_mb": _peak_mb(),
        "graph_mb": 0 if index.graph is None else index.graph.nbytes / 1e6,
        "disk_mb": sum(path.stat().st_size for path in (folder / "index").iterdir()) / 1e6,
    }


# -- asking ----------------------------------------------------------------------------------------


def ask(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Map the index, ask every query with every filter, compare with comparing all."""
    from crisol.models.products.search.search_index import ProductIndex

    began = time.perf_counter()
    index = ProductIndex.load(folder / "index", "synthetic")
    found: dict[str, Any] = {"load_s": time.perf_counter() - began, "loaded_mb": _peak_mb()}
    stored = np.load(folder / "queries.npz")
    cases: dict[str, dict[str, Any]] = {}
    for name, filters in _filters(stored).items():
        cases[name] = _case(index, stored["queries"], filters, arguments.k)
        print(name, json.dumps(cases[name]), file=sys.stderr, flush=True)
    return {**found, "asked": cases, "asked_mb": _peak_mb()}


def _filters(stored: Any) -> dict[str, list[Any]]:
    from crisol.models.products.contract import Filters

    mains, prices = stored["mains"].tolist(), stored["prices"].tolist()
    return {
        "everything": [None] * len(mains),
        "own main category": [Filters(categories=(f"Main {main}",)) for main in mains],
        "own sub-category": [Filters(categories=(f"Main {main} > Sub 1",)) for main in mains],
        "far main category": [Filters(categories=(f"Main {(m + 7) % MAINS}",)) for m in mains],
        "a large brand": [Filters(brands=("Brand 1",))] * len(mains),
        "a small brand": [Filters(brands=("Brand 300",))] * len(mains),
        "half to double price": [Filters(min_price=p / 2, max_price=p * 2) for p in prices],
        "with a picture": [Filters(with_image=True)] * len(mains),
    }


def _case(index: Any, queries: Any, filters: list[Any], k: int) -> dict[str, Any]:
    for query, wanted in list(zip(queries, filters, strict=True))[:20]:
        index.search(query, k, wanted)
    milliseconds, answers, began_cpu = [], [], time.process_time()
    for query, wanted in zip(queries, filters, strict=True):
        began = time.perf_counter()
        answers.append(index.search(query, k, wanted))
        milliseconds.append(1000 * (time.perf_counter() - began))
    cpu = 1000 * (time.process_time() - began_cpu) / len(answers)
    hits = expected = 0
    proposed = [at for at, answer in enumerate(answers) if not answer.exact]
    for start in range(0, len(proposed), TOGETHER):
        places = proposed[start : start + TOGETHER]
        wanted = [filters[at] for at in places]
        for at, best in zip(places, truth(index, queries[places], k, wanted), strict=True):
            hits += len(best & set(answers[at].rows.tolist()))
            expected += len(best)
    quantiles = np.quantile(milliseconds, (0.5, 0.95, 0.99)).tolist()
    return {
        "recall": hits / expected if expected else 1.0,
        **dict(zip(("p50_ms", "p95_ms", "p99_ms"), quantiles, strict=True)),
        "cpu_ms": cpu,
        "compared_all": float(np.mean([answer.exact for answer in answers])),
        "fitting": float(np.mean([answer.searched for answer in answers])),
    }


def truth(index: Any, queries: Any, k: int, filters: list[Any]) -> list[set[int]]:
    """The best ``k`` of all that fit each query's filters, without the index's own code."""
    cosines = (queries / np.linalg.norm(queries, axis=1, keepdims=True)) @ index.vectors.T
    found = []
    for line, wanted in zip(cosines, filters, strict=True):
        line[~_mask(index, wanted)] = -np.inf
        best = np.argpartition(line, -k)[-k:]
        found.append({int(row) for row in best if np.isfinite(line[row])})
    return found


def _mask(index: Any, filters: Any) -> Any:
    fits = np.ones(len(index), bool)
    if filters is not None:
        names = np.array([_fits(name, filters.categories) for name in index.categories.names])
        fits &= names[index.categories.codes]
        brands = np.array([not filters.brands or b in filters.brands for b in index.brands.names])
        fits &= brands[index.brands.codes]
        fits &= ~(index.prices < (filters.min_price or 0))
        fits &= ~(index.prices > (filters.max_price or np.inf))
        fits &= index.has_image | (not filters.with_image)
    return fits


def _fits(name: str, wanted: Any) -> bool:
    return not wanted or name in wanted or name.split(" > ")[0] in wanted


def table(found: dict[str, Any]) -> str:
    """The figures as text."""
    lines = [
        f"{name}: {found[name]:,.1f}"
        for name in found
        if name.endswith(("_s", "_mb")) or name == "products"
    ]
    lines.append(f"{'filter':24}{'recall':>8}{'p50 ms':>8}{'p95 ms':>8}{'p99 ms':>8}{'CPU ms':>8}"
                 f"{'all compared':>14}{'fitting':>12}")  # fmt: skip
    for name, case in found["asked"].items():
        lines.append(
            f"{name:24}{case['recall']:8.4f}{case['p50_ms']:8.2f}{case['p95_ms']:8.2f}"
            f"{case['p99_ms']:8.2f}{case['cpu_ms']:8.2f}{case['compared_all']:14.2f}{case['fitting']:12,.0f}"
        )
    return "\n".join(lines)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    sys.exit(main())
