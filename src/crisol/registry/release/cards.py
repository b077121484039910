"""The model card of a version: purpose, quality, baselines, limits, an example call.

After Mitchell et al., *Model Cards for Model Reporting* (arXiv:1810.03993).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from crisol.core.candidate import Candidate
from crisol.registry.release.gate import Decision
from crisol.registry.release.versions import MEASURED_TAG, SEMVER_TAG, SIZE_TAG

MAX_METRICS = 40


def card(candidate: Candidate, decision: Decision, tags: Mapping[str, str], run_id: str) -> str:
    """The card as Markdown."""
    report = candidate.report
    sections = [
        f"# {tags.get('crisol.model', report.family)}\n\n{report.headline}",
        _synthetic(report.synthetic),
        _section("Data", _bullets([*report.data, *_digests(tags)])),
        _section("Gate", _gate(decision)),
        _section("Limits", _bullets(report.limits)),
        *(_section(title, markdown_table(rows)) for title, rows in report.tables.items()),
        _section("How to call it", _example(candidate)),
        _section("Metrics", _metrics(report.metrics)),
        _section("Size and speed", _bullets([f"{k}: {v}" for k, v in measured_facts(tags)])),
        _section("Where it comes from", _origin(tags, run_id)),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with equal columns as a Markdown table.

    >>> print(markdown_table([{"model": "lstm", "accuracy": 0.5}]))
    | model | accuracy |
    | --- | --- |
    | lstm | 0.5 |
    """
    if not rows:
        return ""
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns)]
    lines += [[cell(row[column]) for column in columns] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell(value: Any, digits: int = 4) -> str:
    """The text of one value of a table.

    >>> cell(0.123456), cell(None), cell(12)
    ('0.1235', '', '12')
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    return str(value).replace("|", "\\|")


def _synthetic(synthetic: bool) -> str:
    if not synthetic:
        return ""
    return "> Trained on synthetic data: it shows that the pipeline works, nothing about the world."


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}" if body else ""


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _digests(tags: Mapping[str, str]) -> list[str]:
    prefix = "crisol.data."
    return [
        f"`{name.removeprefix(prefix)}`: SHA-256 `{digest}`"
        for name, digest in sorted(tags.items())
        if name.startswith(prefix)
    ]


def _gate(decision: Decision) -> str:
    rule = decision.rule
    verdict = (
        f"**{decision.verdict.capitalize()}** on {decision.rows} held-out rows "
        f"(paired bootstrap of {rule.title}, {rule.resamples} resamples)."
    )
    return f"{verdict}\n\n{_bullets(decision.sentences)}"


def _metrics(metrics: Mapping[str, float]) -> str:
    rows = [{"metric": k, "value": v} for k, v in metrics.items()]
    more = len(rows) - MAX_METRICS
    table = markdown_table(rows[:MAX_METRICS])
    return f"{table}\n\nand {more} more, in the run." if more > 0 else table


def _example(candidate: Candidate) -> str:
    if not candidate.predictor.golden:
        return ""
    golden, route = candidate.predictor.golden[0], candidate.predictor.route
    return (
        f"Request (`POST {route}`):\n\n```json\n{_short(golden.request)}\n```\n\n"
        f"Response:\n\n```json\n{_short(golden.response)}\n```"
    )


def _short(value: Any) -> str:
    """JSON with long arrays cut to their first two items, so that a card stays readable."""

    def cut(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: cut(inner) for key, inner in item.items()}
        if isinstance(item, list):
            kept = [cut(inner) for inner in item[:2]]
            return [*kept, f"… {len(item) - 2} more"] if len(item) > 3 else [cut(i) for i in item]
        return item

    return json.dumps(cut(value), indent=2, ensure_ascii=False)


def measured_facts(tags: Mapping[str, str]) -> list[tuple[str, str]]:
    """Size and measured speed of a version as text, where they are known."""
    facts: list[tuple[str, str]] = []
    if SIZE_TAG in tags:
        facts.append(("size", f"{int(tags[SIZE_TAG]) / 1e6:.3g} MB"))
    if MEASURED_TAG in tags:
        found = json.loads(tags[MEASURED_TAG])
        latency = found["latency_ms"]
        facts += [
            ("loads in", f"{found['load_s']:.3g} s"),
            ("latency of one request", f"p50 {latency['p50']:.3g} ms, p95 {latency['p95']:.3g} ms"),
            ("throughput", f"{found['throughput_requests_per_s']:.4g} requests/s in batches of 64"),
            ("memory", f"{found['resident_mb']:.4g} MB resident after loading and answering"),
            ("measured on", f"{found['cpu']}, {found['threads']} thread"),
        ]
    return facts


def _origin(tags: Mapping[str, str], run_id: str) -> str:
    dirty = " (with uncommitted changes)" if tags.get("crisol.git_dirty") == "true" else ""
    software = ", ".join(
        f"{name} {tags.get(tag, 'unknown')}"
        for name, tag in (("Crisol", "crisol.version"), ("Python", "crisol.python"))
    )
    return _bullets(
        [
            *([f"semantic version {tags[SEMVER_TAG]}"] if SEMVER_TAG in tags else []),
            f"run `{run_id}`, environment `{tags.get('crisol.env', 'unknown')}`",
            f"git commit `{tags.get('crisol.git_commit', 'unknown')}`{dirty}",
            f"lock file SHA-256 `{tags.get('crisol.lock_digest', 'unknown')}`",
            software,
        ]
    )
