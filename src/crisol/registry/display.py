"""Output of the commands in the terminal: reports, verdicts, repairs."""

import json
import sys
from collections.abc import Mapping, Sequence
from textwrap import shorten
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from crisol.core.candidate import Report
from crisol.registry.release import versions
from crisol.registry.release.cards import cell
from crisol.registry.release.gate import Decision
from crisol.registry.release.lineage import Lineage
from crisol.registry.release.promotion import Outcome
from crisol.registry.release.reproduce import Reproduction
from crisol.registry.release.versions import Version
from crisol.registry.relocation import Relocation
from crisol.registry.tracking.run_log import RunLog


def console() -> Console:
    """A console on the current standard output, wide enough for tables when piped."""
    return Console(width=None if sys.stdout.isatty() else 120, soft_wrap=False)


def say(sentences: Sequence[str]) -> None:
    """Print sentences about repairs on standard error, one line each."""
    for sentence in sentences:
        print(f"crisol: {sentence}", file=sys.stderr)  # noqa: T201


def table(title: str | None, rows: Sequence[Mapping[str, Any]], digits: int = 4) -> Table:
    """Rows with equal columns; numbers to the right, with so many significant ``digits``."""
    shown = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    if not rows:
        return shown
    for column in rows[0]:
        numeric = all(isinstance(row[column], int | float | None) for row in rows)
        shown.add_column(str(column), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        shown.add_row(*[escape(cell(value, digits)) for value in row.values()])
    return shown


def run_summary(log: RunLog, reports: Sequence[Report]) -> None:
    """Print the reports of a finished run, its version, the gate's verdict and the next command."""
    out = console()
    for report in reports:
        out.rule(f"[bold]{escape(report.family)}")
        for title, rows in report.tables.items():
            out.print(table(title, rows))
        out.print(escape(report.headline), style="bold")
        if report.synthetic:
            out.print(
                "Synthetic data: this shows that the pipeline works, nothing more.", style="yellow"
            )
    tags = log.store.client().get_run(log.run_id).data.tags
    number = tags.get("crisol.version_registered")
    out.print(
        f"run      {log.run_id} (MLflow experiment {escape(log.family)}; kedro lineage, make ui)"
    )
    if number is None:
        return
    version = versions.find(log.store, versions.Reference(log.model, version=number))
    out.print(f"version  {version}, alias candidate")
    if version.gate is None:
        return
    verdict(version.gate)
    if version.gate.passed:
        out.print(f"next     kedro promote {log.model}")


def verdict(decision: Decision) -> None:
    """Print the gate's verdict and its comparisons."""
    out = console()
    colour = "green" if decision.passed else "red"
    out.print(f"gate     [{colour}]{decision.verdict}[/{colour}] on {decision.rows} held-out rows")
    for sentence in decision.sentences:
        out.print(f"         {escape(sentence)}", soft_wrap=True)


def outcome(done: Outcome) -> None:
    """Print the result of a promotion or a rollback."""
    out, move = console(), done.move
    if done.decision is not None:
        verdict(done.decision)
    if not done.changed:
        out.print(f"{move.model}/{move.new} is already the champion: nothing to do")
        if done.decision is not None and not done.decision.passed:
            out.print("[red]warning  the gate refuses it[/red]: see its reasons above")
        return
    forced = (
        f" [red]against the gate[/red], because: {escape(move.reason or '')}" if move.forced else ""
    )
    before = f"{move.model}/{move.old}" if move.old else "none"
    out.print(f"champion [bold]{move.model}/{move.new}[/bold] (before: {before}){forced}")
    out.print(f"next     kedro bundle {move.model}")


def lineage(chain: Lineage) -> None:
    """Print the chain as a table, then the parameters."""
    out = console()
    shown = Table(title=f"Lineage of {chain.version}", title_justify="left", title_style="bold")
    for column in ("step", "what", "value"):
        shown.add_column(column, overflow="fold")
    last = ""
    for link in chain.links:
        shown.add_row("" if link.step == last else link.step, escape(link.what), escape(link.value))
        last = link.step
    out.print(shown)
    rows = [{"parameter": k, "value": v} for k, v in sorted(chain.parameters.items())]
    out.print(table("Parameters", rows))


def reproduction(result: Reproduction) -> None:
    """Print the result of a reproduction, and the differences of its conditions."""
    out = console()
    for sentence in result.conditions:
        out.print(f"[yellow]differs[/yellow]  {escape(sentence)}")
    if result.differences:
        rows = [{"metric": d.metric, "then": d.then, "now": d.now} for d in result.differences]
        out.print(table(f"Metrics that differ from {result.version}", rows, digits=10))
    count = len(result.differences)
    text = (
        f"[green]reproduced[/green]: all {result.compared} metrics are the same"
        if result.same
        else f"[red]not reproduced[/red]: {count} of {result.compared} metrics differ"
    )
    out.print(f"{result.version} {text} (run {result.run_id})")


def models(found: Sequence[Version], names: Sequence[str]) -> None:
    """Print the registered versions, the newest of each model last."""
    if not found:
        console().print(f"nothing is registered yet for {', '.join(names)} (kedro run)")
        return
    rows = [
        {
            "version": str(v),
            "semver": v.semver or "",
            "status": versions.status(v),
            "aliases": ", ".join(v.aliases),
            "gate": v.tags.get("crisol.gate", "none") if v.complete else "incomplete",
            "trained": v.tags.get("crisol.trained_at", "")[:16],
            "env": v.tags.get("crisol.env", ""),
            "commit": v.tags.get("crisol.git_commit", "")[:8]
            + ("*" if v.tags.get("crisol.git_dirty") == "true" else ""),
            "headline": shorten(v.tags.get("crisol.headline", ""), 90, placeholder=" …"),
        }
        for v in found
    ]
    console().print(table(None, rows))


def relocation(done: Relocation | None) -> None:
    """Print the result of a relocation (``None``: the store is not inside the project)."""
    if done is None:
        text = (
            "nothing was changed: runs or artefacts are kept outside of the project folder, and "
            "do not move with it"
        )
    elif not done.old:
        text = f"nothing to do: the MLflow store names {done.new} already"
    else:
        old = ", ".join(str(root) for root in done.old)
        text = f"{old} became {done.new}: {done.addresses} addresses, {done.files} records"
        if done.fetched:
            text += f"; the artefacts of {done.fetched} runs were copied from the old place"
        if done.missing:
            text += f"; {done.missing} runs have no artefacts at either place"
    print(text)  # noqa: T201


def archived(version: Version) -> None:
    """Print the status of a version that was archived, or taken out of the archive."""
    console().print(f"{version} [bold]{versions.status(version)}[/bold]")


def bundle(built: Any, version: Version, decision: Decision) -> None:
    """Print the bundle, its version, and the gate's verdict of today."""
    out = console()
    verdict(decision)
    promoted = version.tags.get("crisol.promote")
    if promoted and json.loads(promoted)["forced"]:
        out.print(f"[red]promoted against the gate[/red]: {escape(json.loads(promoted)['reason'])}")
    out.print(f"bundle   [bold]{escape(built.tag)}[/bold] from {version}")
    out.print(f"path     {escape(str(built.path))} ({built.size_bytes / 1e6:.1f} MB)")
    out.print(f"image    {escape(str(built.dockerfile))}")
    out.print(f"next     bentoml serve {escape(built.tag)}")
    if not decision.passed:
        out.print(f"[red]warning  the gate refuses {version}[/red]: see its reasons above")
