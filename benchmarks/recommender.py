"""Recommendations at scale: time, memory and latency of the bundle on synthetic events.

    python benchmarks/recommender.py [--users 100000] [--items 10000 30000 100000]
        [--events 5000000] [--methods popularity filter] [--workers 1] [--figure] [--json FILE]

For each number of items: events are drawn (:mod:`community_events`; synthetic), the hybrid is
fitted in a process of its own, the Bento is built and served, and asked by 1 and 4 connections at a
time: half known users, half visitors with a history, reasons included. The lists it answers are
compared with a brute-force computation: every item scored and sorted by every method, the best of
each re-ranked.
"""

import argparse
import http.client
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
FIGURE = ROOT / "docs" / "images" / "recommender_scale.png"
TARGET_P95_MS = 50.0
LESSONS = 500
"""Users whose last event is held out, for the weights of the hybrid."""
ASKED, TOP = 50, 20
"""Requests whose answers are compared with brute force, and how long their lists are."""
CONNECTIONS = (1, 4)


@dataclass
class Size:
    """The measurements for one number of items."""

    users: int
    items: int
    events: int
    draw_s: float = 0.0
    fit_s: float = 0.0
    hybrid_s: float = 0.0
    drawn_peak_mb: float = 0.0
    fit_peak_mb: float = 0.0
    predictor_mb: float = 0.0
    load_s: float = 0.0
    loaded_mb: float = 0.0
    bundle_s: float = 0.0
    ready_s: float = 0.0
    served_mb: float = 0.0
    p50_ms: dict[str, float] | None = None
    p95_ms: dict[str, float] | None = None
    requests_per_s: dict[str, float] | None = None
    livez_idle_p95_ms: float = 0.0
    livez_batch_p95_ms: float = 0.0
    batch_of_100_s: float = 0.0
    equal_lists: float = 0.0
    without_cut: float = 0.0
    largest_difference: float = 0.0


def main() -> int:
    """Measure every size, print the table; 1 when a target is missed."""
    arguments = _arguments()
    if arguments.stage:
        stages = {"fit": fit, "check": check}
        print(json.dumps(stages[arguments.stage](arguments, Path(arguments.folder))))
        return 0
    sizes = []
    for items in arguments.items:
        with tempfile.TemporaryDirectory(prefix="crisol-scale-") as folder:
            sizes.append(measure(arguments, items, Path(folder)))
            print(json.dumps(asdict(sizes[-1])), file=sys.stderr, flush=True)
    print(table(sizes))
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(size) for size in sizes], indent=2))
    if arguments.figure:
        draw_figure(sizes).savefig(FIGURE)
    return verdict(sizes)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 30_000, 100_000])
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--methods", nargs="+", default=["popularity", "filter"])
    parser.add_argument("--dimensions", type=int, default=256, help="of the filter")
    parser.add_argument("--seconds", type=float, default=10.0, help="of load per window")
    parser.add_argument("--workers", type=int, default=1, help="processes of the bundle")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--figure", action="store_true", help=f"write {FIGURE.relative_to(ROOT)}")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--stage", choices=("fit", "check"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


# -- stages, each in a process of its own so that its memory can be told ---------------------------


def fit(arguments: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Draw the events, fit the methods and the hybrid, save the predictor."""
    from community_events import draw, hold_out
    from crisol.models.recommender.answers.hybrid_lesson import fit_hybrid
    from crisol.models.recommender.contract import RecommendationRequest
    from crisol.models.recommender.method_fitting import Task, fit_method
    from crisol.models.recommender.method_params import FilterParams, HybridParams
    from crisol.models.recommender.params import LoopsParams, MethodsParams
    from crisol.models.recommender.predictor import RecommenderPredictor

    began = time.perf_counter()
    everything, catalogue = draw(
        arguments.users, arguments.items[0], arguments.events, arguments.seed
    )
    interactions, targets = hold_out(everything, LESSONS, arguments.seed)
    del everything
    found = {"draw_s": time.perf_counter() - began, "drawn_peak_mb": _peak_mb()}
    most = min(arguments.dimensions, arguments.items[0] // 4, arguments.users // 4)
    params = MethodsParams(methods=tuple(arguments.methods), filter=FilterParams(dimensions=most))
    task = Task(interactions, catalogue, params, LoopsParams(), folder, "scale")
    began = time.perf_counter()
    scorers = {name: fit_method(name, task)[0] for name in arguments.methods}
    found |= {"fit_s": time.perf_counter() - began, "fit_peak_mb": _peak_mb()}
    began = time.perf_counter()
    asked = interactions.histories.take(targets.users)
    hybrid = fit_hybrid(scorers, asked, targets, catalogue, interactions, HybridParams())
    found["hybrid_s"] = time.perf_counter() - began
    users = [f"user-{number}" for number in range(arguments.users)]
    predictor = RecommenderPredictor(catalogue, users, interactions, hybrid, study="scale")
    predictor.record_golden([RecommendationRequest(user_id="user-0")])
    predictor.save(folder / "predictor")
    questions = make_questions(interactions, arguments.seed)
    (folder / "questions.json").write_text(json.dumps(questions))
    return found


def make_questions(interactions: Any, seed: int, count: int = 400) -> list[dict[str, Any]]:
    """Known users and visitors, alternating; a visitor sends the first 1 to 30 items of a user."""
    rng = np.random.default_rng(seed + 1)
    known = [
        {"user_id": f"user-{u}"} for u in rng.integers(interactions.user_count, size=count // 2)
    ]
    visitors = []
    for user, length in rng.integers((interactions.user_count, 30), size=(count // 2, 2)).tolist():
        items = interactions.histories.row(user)[: length + 1]
        visitors.append({"history": [f"item-{i}" for i in items.tolist()]})
    return [question for pair in zip(known, visitors, strict=True) for question in pair]


def check(_: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Load the predictor; compare the bundle's answers with brute force."""
    from crisol.models.recommender.data.histories import Histories
    from crisol.models.recommender.predictor import RecommenderPredictor

    began = time.perf_counter()
    predictor = RecommenderPredictor.load(folder / "predictor")
    found = {"load_s": time.perf_counter() - began, "loaded_mb": _peak_mb()}
    equal = whole = 0
    differences = [0.0]
    for question, answer in json.loads((folder / "answers.json").read_text()):
        items = [predictor.catalogue.index[i] for i in question.get("history", [])]
        user = int(question.get("user_id", "user--1").removeprefix("user-"))
        if user >= 0:
            items = predictor.interactions.histories.row(user).tolist()
        history = Histories.of([items], [user])
        equal += _brute_force(predictor, history, predictor.hybrid.candidates) == answer
        whole += _brute_force(predictor, history, len(predictor.catalogue)) == answer
        if "filter" in predictor.hybrid.scorers:
            differences.append(_filter_difference(predictor, history))
    found |= {"equal_lists": equal / ASKED, "without_cut": whole / ASKED}
    return {**found, "largest_difference": max(differences)}


def _brute_force(predictor: Any, history: Any, cut: int) -> list[str]:
    """The best items: the ``cut`` best of each method and of popularity, sorted by final score."""
    hybrid, every = predictor.hybrid, np.arange(len(predictor.catalogue))
    chosen = np.zeros(len(every), bool)
    for scores in (hybrid.popularity, *(s.score(history)[0] for s in hybrid.scorers.values())):
        masked = scores.astype(np.float32)
        masked[history.items] = -np.inf
        best = np.lexsort((every, -masked))[:cut]
        above = -np.inf if scores is hybrid.popularity else 0
        chosen[best[masked[best] > above]] = True
    final = np.where(chosen, hybrid.score_items(history, every[None])[0], -np.inf)
    best = np.lexsort((every, -final))[:TOP]
    return [predictor.catalogue.ids[i] for i in best if chosen[i]]


def _filter_difference(predictor: Any, history: Any) -> float:
    """Between the filter's scores and its definition in float64, relative to the largest score."""
    from crisol.models.recommender.methods.event_weights import recent

    scorer = predictor.hybrid.scorers["filter"]
    arrays, settings = scorer.state()
    if settings["sharpening"]:
        return 0.0
    seen = predictor.interactions.matrix.astype(bool).astype(np.float64)
    degrees_U = np.maximum(np.asarray(seen.sum(axis=1)).ravel(), 1)
    degrees_I = np.asarray(seen.sum(axis=0)).ravel()
    root_I = np.sqrt(np.maximum(degrees_I, 1)) * (degrees_I > 0)
    inverse_I = np.divide(1, root_I, out=np.zeros_like(root_I), where=root_I > 0)
    fading = recent(history, settings["recency"])
    row_I = np.asarray(fading.matrix(len(root_I)).todense(), np.float64).ravel()
    linear_I = inverse_I * (seen.T @ ((seen @ (inverse_I * row_I)) / degrees_U))
    vectors_ID = (scorer.item_vectors() / arrays["values"]).astype(np.float64)
    ideal_I = root_I * (vectors_ID @ (vectors_ID.T @ (inverse_I * row_I)))
    wanted_I = linear_I + settings["ideal"] * ideal_I
    scores_I = scorer.score(history)[0]
    return float(np.abs(scores_I - wanted_I).max() / np.abs(wanted_I).max())


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# -- the bundle ------------------------------------------------------------------------------------


def measure(arguments: argparse.Namespace, items: int, folder: Path) -> Size:
    """Everything about one number of items."""
    from crisol.core.predictor import predictor_digest
    from crisol.serving.bundle import package

    size = Size(arguments.users, items, arguments.events)
    _update(size, _stage("fit", arguments, items, folder))
    files = (folder / "predictor").iterdir()
    size.predictor_mb = sum(path.stat().st_size for path in files) / 1e6
    os.environ["BENTOML_HOME"] = str(folder / "bentoml")
    stamp = dict.fromkeys(package.STAMP_KEYS, "benchmark")
    stamp["predictor_digest"] = predictor_digest(folder / "predictor")
    began = time.perf_counter()
    bundle = package.build("recommender", folder / "predictor", stamp)
    size.bundle_s = time.perf_counter() - began
    with _served(bundle.tag, folder, arguments.workers) as server:
        size.ready_s = server.start_seconds
        _ask_everything(server, size, arguments, folder)
    _update(size, _stage("check", arguments, items, folder))
    return size


def _update(size: Size, found: dict[str, float]) -> None:
    for name, value in found.items():
        setattr(size, name, value)


def _stage(name: str, arguments: argparse.Namespace, items: int, folder: Path) -> dict[str, float]:
    command = [
        sys.executable, __file__, "--stage", name, "--folder", str(folder), "--items", str(items),
        "--users", str(arguments.users), "--events", str(arguments.events),
        "--dimensions", str(arguments.dimensions), "--seed", str(arguments.seed),
        "--methods", *arguments.methods,
    ]  # fmt: skip
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


@contextmanager
def _served(tag: str, folder: Path, workers: int) -> Iterator[Any]:
    from crisol.serving.bundle.local_server import serving

    environment = {
        **os.environ,
        "CRISOL_RATE_PER_S": "0",
        "CRISOL_TIMEOUT_S": "60",
        "BENTOML_CONFIG_OPTIONS": f"services.recommender.workers={workers}",
    }
    with serving(
        tag, python=[sys.executable], cwd=folder, environment=environment, log=folder / "serve.log"
    ) as server:
        yield server


def _ask_everything(server: Any, size: Size, arguments: argparse.Namespace, folder: Path) -> None:
    questions = json.loads((folder / "questions.json").read_text())
    Load(server, questions, 2, min(arguments.seconds, 2.0)).run()
    size.p50_ms, size.p95_ms, size.requests_per_s = {}, {}, {}
    for connections in CONNECTIONS:
        load = Load(server, questions, connections, arguments.seconds).run()
        name = str(connections)
        size.p50_ms[name], size.p95_ms[name] = np.percentile(load.milliseconds, [50, 95]).tolist()
        size.requests_per_s[name] = len(load.milliseconds) / load.seconds
    size.served_mb = _memory_mb(server.pid)
    asked = [{**q, "num_recs": TOP, "explain": False} for q in questions[:ASKED]]
    answers = [server.post("/recommendations", question).body for question in asked]
    lists = [[item["item_id"] for item in answer["items"]] for answer in answers]
    (folder / "answers.json").write_text(json.dumps(list(zip(asked, lists, strict=True))))
    size.livez_idle_p95_ms = _livez(server, lambda: time.sleep(1.0))
    began = time.perf_counter()
    batch = {"requests": list(islice(cycle(questions), 100))}
    size.livez_batch_p95_ms = _livez(server, lambda: server.post("/recommendations/batch", batch))
    size.batch_of_100_s = time.perf_counter() - began


class Load:
    """Some connections, each with one request in flight, for some seconds."""

    def __init__(
        self, server: Any, questions: list[dict[str, Any]], connections: int, seconds: float
    ) -> None:
        self._server, self._bodies = server, [json.dumps(q).encode() for q in questions]
        self._connections, self.seconds = connections, seconds
        self.milliseconds: list[float] = []

    def run(self) -> "Load":
        """Ask; the latencies are in ``milliseconds``.

        Raises:
            SystemExit: an answer that was not 200.
        """
        failed: list[str] = []
        threads = [
            threading.Thread(target=self._ask, args=(number, failed))
            for number in range(self._connections)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise SystemExit(f"the bundle answered {failed[0]}")
        return self

    def _ask(self, number: int, failed: list[str]) -> None:
        connection = http.client.HTTPConnection(urlsplit(self._server.url).netloc, timeout=60)
        headers = {"Content-Type": "application/json", "X-API-Key": self._server.api_key}
        until = time.perf_counter() + self.seconds
        bodies = islice(cycle(self._bodies), number * 97, None)
        while time.perf_counter() < until and not failed:
            began = time.perf_counter()
            connection.request("POST", "/recommendations", next(bodies), headers)
            answer = connection.getresponse()
            content = answer.read()
            self.milliseconds.append(1000 * (time.perf_counter() - began))
            if answer.status != 200:
                failed.append(f"{answer.status}: {content.decode()}")
        connection.close()


def _livez(server: Any, work: Any) -> float:
    """p95 of ``/livez`` in milliseconds while something is done, asked every 10 ms."""
    thread = threading.Thread(target=work)
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    took = []
    thread.start()
    while thread.is_alive():
        began = time.perf_counter()
        connection.request("GET", "/livez")
        connection.getresponse().read()
        took.append(1000 * (time.perf_counter() - began))
        time.sleep(0.01)
    thread.join()
    connection.close()
    return float(np.percentile(took, 95))


def _memory_mb(pid: int) -> float:
    import psutil

    first = psutil.Process(pid)
    return sum(p.memory_info().rss for p in (first, *first.children(recursive=True))) / 2**20


# -- what is said ----------------------------------------------------------------------------------


def table(sizes: list[Size]) -> str:
    """One column per number of items, as Markdown."""
    rows = [
        ("fit of the methods, s", lambda s: f"{s.fit_s:.1f}"),
        ("weights of the hybrid, s", lambda s: f"{s.hybrid_s:.1f}"),
        ("peak memory after drawing, MB", lambda s: f"{s.drawn_peak_mb:,.0f}"),
        ("peak memory of fitting, MB", lambda s: f"{s.fit_peak_mb:,.0f}"),
        ("predictor on disk, MB", lambda s: f"{s.predictor_mb:,.0f}"),
        ("load, s", lambda s: f"{s.load_s:.1f}"),
        ("bundle: build, s", lambda s: f"{s.bundle_s:.1f}"),
        ("bundle: ready after, s", lambda s: f"{s.ready_s:.1f}"),
        ("bundle: memory, MB", lambda s: f"{s.served_mb:,.0f}"),
        *[
            (f"{name}, {n} at a time", lambda s, f=field, n=n: f"{getattr(s, f)[str(n)]:.1f}")
            for n in CONNECTIONS
            for name, field in (
                ("p50 ms", "p50_ms"), ("p95 ms", "p95_ms"), ("requests/s", "requests_per_s")
            )
        ],
        ("batch of 100, s", lambda s: f"{s.batch_of_100_s:.2f}"),
        ("/livez p95 ms, idle", lambda s: f"{s.livez_idle_p95_ms:.1f}"),
        ("/livez p95 ms, during that batch", lambda s: f"{s.livez_batch_p95_ms:.1f}"),
        (f"top {TOP} equal to brute force", lambda s: f"{s.equal_lists:.0%}"),
        ("… to brute force re-ranking all items", lambda s: f"{s.without_cut:.0%}"),
        ("filter against float64, relative", lambda s: f"{s.largest_difference:.1e}"),
    ]  # fmt: skip
    first = sizes[0]
    head = f"{first.users:,} users, {first.events:,} synthetic events"
    lines = [f"| {head} | " + " | ".join(f"{s.items:,} items" for s in sizes) + " |"]
    lines += ["|---|" + "---:|" * len(sizes)]
    lines += [f"| {name} | " + " | ".join(cell(s) for s in sizes) + " |" for name, cell in rows]
    return "\n".join(lines)


def draw_figure(sizes: list[Size]) -> Any:
    """Time, memory and latency over the number of items."""
    from matplotlib.figure import Figure

    from crisol.core.drawing.style import COLOURS, DPI, INK, MUTED

    figure = Figure(figsize=(10.5, 3.4), dpi=DPI, facecolor="white", layout="constrained")
    panels = [
        ("Fit, seconds", {"methods and hybrid": [s.fit_s + s.hybrid_s for s in sizes]}),
        ("Memory, MB", {"peak of fitting": [s.fit_peak_mb for s in sizes],
                        "bundle serving": [s.served_mb for s in sizes],
                        "predictor on disk": [s.predictor_mb for s in sizes]}),
        ("Answer, ms", {f"p{p}, {n} at a time": [getattr(s, f"p{p}_ms")[str(n)] for s in sizes]
                        for n in CONNECTIONS for p in (50, 95)}),
    ]  # fmt: skip
    for axes, (title, lines) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        for colour, (name, values) in zip(COLOURS, lines.items(), strict=False):
            axes.plot([s.items for s in sizes], values, marker="o", color=colour, label=name)
        axes.set_title(title, loc="left", fontsize=11, fontweight="bold", color=INK)
        axes.set_xscale("log")
        axes.set_xticks([s.items for s in sizes], [f"{s.items:,}" for s in sizes], minor=False)
        axes.set_xticks([], minor=True)
        axes.set_ylim(0)
        axes.set_xlabel("items", color=INK)
        axes.tick_params(colors=MUTED, labelcolor=INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8, labelcolor=INK)
    first = sizes[0]
    figure.suptitle(
        f"{first.users:,} users, {first.events:,} synthetic events", fontsize=10, color=MUTED
    )
    return figure


def verdict(sizes: list[Size]) -> int:
    """Say which targets are reached at the largest size; 0 when all are."""
    largest = max(sizes, key=lambda s: s.items)
    p95 = (largest.p95_ms or {})["1"]
    checks = {
        f"p95 at {largest.items:,} items {p95:.1f} ms (below {TARGET_P95_MS:.0f})":
            p95 < TARGET_P95_MS,
        "every list equal to brute force": all(s.equal_lists == 1 for s in sizes),
    }  # fmt: skip
    for text, reached in checks.items():
        print(f"{'reached' if reached else 'MISSED'}: {text}")
    return int(not all(checks.values()))


if __name__ == "__main__":
    sys.exit(main())
