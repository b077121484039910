"""Reproduction: train a version again from its record, beside the working data, and compare."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kedro.framework.session import KedroSession

from crisol.registry.release import versions
from crisol.registry.release.versions import Version
from crisol.registry.store import Store, StoreError
from crisol.registry.tracking import results, scratch
from crisol.registry.tracking.parameters import DATA_ROOT, MODEL, REPRODUCE
from crisol.registry.tracking.run_log import dotted

DIGITS = 9
"""Required agreement of metrics, in decimal digits: the same machine gives the same bits."""


@dataclass(frozen=True)
class Difference:
    """The old and the new value of one metric (``None``: missing)."""

    metric: str
    then: float | None
    now: float | None


@dataclass(frozen=True)
class Reproduction:
    """The result of a reproduction."""

    version: str
    run_id: str
    compared: int
    differences: tuple[Difference, ...]
    conditions: tuple[str, ...]
    """The differences of the conditions from the record, one sentence each."""

    @property
    def same(self) -> bool:
        """Whether every metric is the same."""
        return self.compared > 0 and not self.differences

    def to_json(self) -> dict[str, Any]:
        """Plain JSON for ``--json``."""
        return {**asdict(self), "same": self.same}


def reproduce(store: Store, version: Version) -> Reproduction:
    """Train a version again and compare the metrics of its report.

    Parameters, environment and champion are those of the record; the code and the raw data are
    the current ones, and differences are listed. Nothing is registered, and nothing under the
    working ``data/`` is written: results go to a scratch folder.

    Raises:
        StoreError: the record is incomplete.
    """
    project = Path(store.project)
    tags = store.client().get_run(version.run_id).data.tags
    given = versions.run_json(store, version.run_id, "parameters/given.json")
    with scratch.folder() as aside:
        session = KedroSession.create(
            project,
            save_on_close=False,
            env=tags["crisol.env"],
            runtime_params={
                version.family: given,
                DATA_ROOT: str(aside),
                REPRODUCE: str(version),
                MODEL: version.model,
            },
        )
        with session:
            session.run(pipeline_names=[version.family])
    new = _new_run(store, version)
    then, now = _final_metrics(store, version.run_id), _final_metrics(store, new)
    if not then:  # its run was a part that evaluated nothing; the version has those of its report
        then = dict(version.metrics)
        now = {name: value for name, value in now.items() if name in then}
    if not then or not now:
        missing = new if then else version.run_id
        raise StoreError(f"run {missing} has no final metrics to compare")
    names = sorted(name for name in then.keys() | now.keys() if not results.is_time(name))
    differences = [
        Difference(name, then.get(name), now.get(name))
        for name in names
        if not _equal(then.get(name), now.get(name))
    ]
    conditions = _conditions(store, version, new, tags)
    return Reproduction(str(version), new, len(names), tuple(differences), tuple(conditions))


def _equal(then: float | None, now: float | None) -> bool:
    if then is None or now is None:
        return False
    if math.isnan(then) or math.isnan(now):
        return math.isnan(then) and math.isnan(now)
    return math.isclose(then, now, rel_tol=10**-DIGITS, abs_tol=10**-DIGITS)


def _new_run(store: Store, version: Version) -> str:
    found = store.client().search_runs(
        [store.experiment_id(version.family)],
        filter_string=f"tags.`crisol.reproduces` = '{version}'",
        order_by=["attributes.start_time DESC"],
        max_results=1,
    )
    if not found:
        raise StoreError(f"training {version} again left no run in MLflow")
    return str(found[0].info.run_id)


def _final_metrics(store: Store, run_id: str) -> dict[str, float]:
    """Every metric of the run's reports and metrics files."""
    client = store.client()
    values: dict[str, float] = {}
    for file in client.list_artifacts(run_id, results.FOLDER):
        values.update(versions.run_json(store, run_id, file.path))
    return values


def _conditions(store: Store, version: Version, new: str, then: Mapping[str, str]) -> list[str]:
    now = store.client().get_run(new).data.tags
    said = []
    for tag, label in (
        ("crisol.git_commit", "git commit"),
        ("crisol.lock_digest", "lock file"),
        ("crisol.python", "Python"),
        ("crisol.torch", "torch"),
        ("crisol.host", "machine"),
    ):
        if then.get(tag) != now.get(tag):
            said.append(f"{label}: {then.get(tag)} then, {now.get(tag)} now")
    if "true" in (then["crisol.git_dirty"], now["crisol.git_dirty"]):
        said.append(
            "uncommitted changes: "
            f"{_yes(then['crisol.git_dirty'])} then, {_yes(now['crisol.git_dirty'])} now"
        )
    digests = {k.removeprefix("crisol.data."): v for k, v in now.items() if "crisol.data." in k}
    for name in sorted(version.data_digests.keys() | digests.keys()):
        old, fresh = version.data_digests.get(name), digests.get(name)
        if old != fresh:
            said.append(f"data {name}: SHA-256 {_short(old)} then, {_short(fresh)} now")
    before = versions.run_json(store, version.run_id, "parameters/resolved.json")
    after = versions.run_json(store, new, "parameters/resolved.json")
    flat_before, flat_after = dict(dotted(before)), dict(dotted(after))
    return said + [
        f"parameter {version.family}.{name}: {flat_before.get(name)} then, "
        f"{flat_after.get(name)} now"
        for name in sorted(flat_before.keys() | flat_after.keys())
        if flat_before.get(name) != flat_after.get(name)
    ]


def _yes(flag: str) -> str:
    return {"true": "yes", "false": "no"}.get(flag, flag)


def _short(digest: str | None) -> str:
    return "none" if digest is None else f"{digest[:12]}…"
