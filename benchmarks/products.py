"""Speed of the bundle of ``products``: latency of one product, embeddings a second.

It builds a bundle of a predictor directory, serves it and sends requests over HTTP:

- ``/analyze`` at one connection;
- a background job of N products, which come over HTTP, are stored, checked, read (words counted,
  pictures decoded), embedded and their results stored, against the same network called in a bare
  loop on the same products: once where they are read already, once where the loop reads them.

``python benchmarks/products.py --predictor data/06_models/products/predictor``

The products are generated: words like those of the sample, and pictures of smooth colours and
noise, saved as JPEG files.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

TARGET_P95_MS = 50.0
TARGET_SHARE = 0.9
SMALL, LARGE = "text, picture of 96 x 96", "text, picture of 400 x 500"
PICTURES = {"text": None, SMALL: (96, 96), LARGE: (400, 500)}
"""Kinds of products, and the size of their pictures."""
WORDS = (
    "classic", "leather", "watch", "steel", "bottle", "cotton", "shirt", "ceramic", "mug", "women",
    "men", "kids", "blue", "red", "green", "large", "small", "wireless", "speaker", "lamp", "brass",
    "glass", "running", "shoes", "formal", "slim", "fit", "printed", "kurta", "silver", "ring",
)  # fmt: skip


@dataclass
class Found:
    """The measurements; dictionaries by kind of product."""

    predictor_mb: float = 0.0
    ready_s: float = 0.0
    served_mb: float = 0.0
    p50_ms: dict[str, float] = field(default_factory=dict)
    p95_ms: dict[str, float] = field(default_factory=dict)
    stored_s: dict[str, float] = field(default_factory=dict)
    """From sending a job to its being stored."""
    embedded_per_s: dict[str, float] = field(default_factory=dict)
    """Products of a job a second, from its being stored to its end."""
    bare_per_s: dict[str, float] = field(default_factory=dict)
    """Products a second of the network alone, called in a loop on what is read already."""
    loop_per_s: dict[str, float] = field(default_factory=dict)
    """The same when the loop reads them, too."""


def main() -> int:
    """Measure, print a table and the targets; 0 when all are reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--predictor", type=Path, required=True, help="a predictor directory")
    parser.add_argument("--products", type=int, default=1000, help="of a job, at most 1000")
    parser.add_argument("--requests", type=int, default=300, help="to /analyze")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stage", choices=["bare"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        print(json.dumps(bare(arguments)))
        return 0
    found = measure(arguments)
    print(json.dumps(asdict(found), indent=2))
    print(table(found, arguments))
    return verdict(found)


def made_up(count: int, kind: str, seed: int, first: int = 0) -> list[dict[str, Any]]:
    """Products as a client sends them; no two are the same."""
    rng = np.random.default_rng(seed)
    products = []
    for number in range(first, first + count):
        words = rng.choice(WORDS, 40).tolist()
        product = {
            "title": f"{' '.join(words[:8]).title()} {number}",
            "description": " ".join(words).capitalize() + ".",
            "brand": words[9].title(),
            "price": float(rng.integers(99, 9999)),
            "currency": "INR",
        }
        size = PICTURES[kind]
        if size is not None:
            product["image"] = b64encode(_picture(rng, size)).decode()
        products.append(product)
    return products


def _picture(rng: np.random.Generator, size: tuple[int, int]) -> bytes:
    from PIL import Image

    corners = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8)).resize(size, 3)
    noise = rng.normal(0, 6, (size[1], size[0], 1))
    pixels = np.clip(np.asarray(corners) + noise, 0, 255).astype(np.uint8)
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=85)
    return stream.getvalue()


def measure(arguments: argparse.Namespace) -> Found:
    """Build, serve, ask; then the bare loop, when nothing else runs."""
    from crisol.core.predictor import predictor_digest
    from crisol.serving.bundle import package

    predictor = arguments.predictor.resolve()
    found = Found(sum(p.stat().st_size for p in predictor.rglob("*") if p.is_file()) / 1e6)
    with tempfile.TemporaryDirectory(prefix="crisol-products-") as name:
        folder = Path(name)
        os.environ["BENTOML_HOME"] = str(folder / "bentoml")
        stamp = dict.fromkeys(package.STAMP_KEYS, "benchmark")
        stamp["predictor_digest"] = predictor_digest(predictor)
        bundle = package.build("products", predictor, stamp)
        with _served(bundle.tag, folder) as server:
            found.ready_s = server.start_seconds
            for kind in PICTURES:
                _latency(server, kind, found, arguments)
            for kind in PICTURES:
                _job(server, kind, found, arguments)
            found.served_mb = _memory_mb(server.pid)
    command = [sys.executable, __file__, "--stage", "bare", *sys.argv[1:]]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found.bare_per_s, found.loop_per_s = json.loads(done.stdout.splitlines()[-1])
    return found


@contextmanager
def _served(tag: str, folder: Path) -> Iterator[Any]:
    from crisol.serving.bundle.local_server import serving

    environment = {**os.environ, "CRISOL_RATE_PER_S": "0", "CRISOL_TIMEOUT_S": "60"}
    with serving(
        tag, python=[sys.executable], cwd=folder, environment=environment, log=folder / "serve.log"
    ) as server:
        yield server


def _latency(server: Any, kind: str, found: Found, arguments: argparse.Namespace) -> None:
    bodies = [json.dumps(p).encode() for p in made_up(50, kind, arguments.seed)]
    took = []
    with _connection(server) as ask:
        for number in range(arguments.requests + 20):
            began = time.perf_counter()
            ask("POST", "/analyze", bodies[number % len(bodies)])
            took.append(1000 * (time.perf_counter() - began))
    found.p50_ms[kind], found.p95_ms[kind] = np.percentile(took[20:], [50, 95]).tolist()


def _job(server: Any, kind: str, found: Found, arguments: argparse.Namespace) -> None:
    seed, count = arguments.seed + 1, arguments.products
    warm = made_up(64, kind, seed + 1, first=10_000)
    with _connection(server) as ask:
        for products in (warm, made_up(count, kind, seed)):
            body = json.dumps({"products": products}).encode()
            began = time.perf_counter()
            job = ask("POST", "/embeddings/batch", body)
            stored = time.perf_counter()
            while job["state"] != "done":
                time.sleep(0.02)
                job = ask("GET", f"/embeddings/batch/{job['job_id']}")
            ended = time.perf_counter()
            if job["failed"] or job["cached"]:
                raise SystemExit(f"a job did not embed every product: {job}")
    found.stored_s[kind] = stored - began
    found.embedded_per_s[kind] = count / (ended - stored)


@contextmanager
def _connection(server: Any) -> Iterator[Any]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=120)
    headers = {"Content-Type": "application/json", "X-API-Key": server.api_key}

    def ask(method: str, path: str, body: bytes | None = None) -> Any:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status not in (200, 202):
            raise SystemExit(f"the bundle answered {answer.status}: {content.decode()}")
        return json.loads(content)

    yield ask
    connection.close()


def bare(arguments: argparse.Namespace) -> list[dict[str, float]]:
    """Products a second of the network alone, and of reading followed by the network."""
    import torch

    from crisol.models.products.contract import Product
    from crisol.models.products.predictor import ProductsPredictor
    from crisol.serving.state.job_runner import BATCH_ITEMS

    torch.set_num_threads(1)
    predictor = ProductsPredictor.load(arguments.predictor)
    network, both = {}, {}
    for kind in PICTURES:
        made = made_up(arguments.products, kind, arguments.seed + 1)
        products = [Product.model_validate(product) for product in made]
        batches = [products[at : at + BATCH_ITEMS] for at in range(0, len(products), BATCH_ITEMS)]
        read_s = network_s = 0.0
        predictor.embed_encoded([predictor.encode(product) for product in batches[0]])
        for batch in batches:
            began = time.perf_counter()
            encoded = [predictor.encode(product) for product in batch]
            read = time.perf_counter()
            predictor.embed_encoded(encoded)
            read_s += read - began
            network_s += time.perf_counter() - read
        network[kind] = len(products) / network_s
        both[kind] = len(products) / (read_s + network_s)
    return [network, both]


def _memory_mb(pid: int) -> float:
    import psutil

    first = psutil.Process(pid)
    return sum(p.memory_info().rss for p in (first, *first.children(recursive=True))) / 2**20


def table(found: Found, arguments: argparse.Namespace) -> str:
    """One column per kind of product, as Markdown."""
    rows = [
        ("`/analyze` p50, ms", found.p50_ms),
        ("`/analyze` p95, ms", found.p95_ms),
        (f"job of {arguments.products}: stored after, s", found.stored_s),
        ("embeddings a second, as a job", found.embedded_per_s),
        ("… of the network alone in a loop", found.bare_per_s),
        ("… of a loop that reads them, too", found.loop_per_s),
        ("job / network alone", {k: _share(found, k) for k in PICTURES}),
        ("job / loop", {k: found.embedded_per_s[k] / found.loop_per_s[k] for k in PICTURES}),
    ]
    head = (
        f"predictor {found.predictor_mb:,.0f} MB, ready after {found.ready_s:.1f} s, "
        f"{found.served_mb:,.0f} MB of memory"
    )
    lines = [f"| {head} | " + " | ".join(PICTURES) + " |", "|---|" + "---:|" * len(PICTURES)]
    for name, values in rows:
        lines.append(f"| {name} | " + " | ".join(f"{values[k]:,.2f}" for k in PICTURES) + " |")
    return "\n".join(lines)


def _share(found: Found, kind: str) -> float:
    return found.embedded_per_s[kind] / found.bare_per_s[kind]


def verdict(found: Found) -> int:
    """Say which targets are reached; 0 when all are."""
    p95 = found.p95_ms[LARGE]
    checks = {
        f"/analyze p95 with a picture {p95:.1f} ms (below {TARGET_P95_MS:.0f})":
            p95 < TARGET_P95_MS,
        **{
            f"{kind}: {_share(found, kind):.2f} of the network alone (at least {TARGET_SHARE})":
                _share(found, kind) >= TARGET_SHARE
            for kind in PICTURES
        },
    }  # fmt: skip
    for text, reached in checks.items():
        print(f"{'reached' if reached else 'MISSED'}: {text}")
    return int(not all(checks.values()))


if __name__ == "__main__":
    sys.exit(main())
