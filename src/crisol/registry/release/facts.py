"""Facts of a version: its semantic version, its size, its measured speed.

The rule of the semantic version, against the complete version of the same model before it:

- MAJOR: the contract's shape changed (:mod:`crisol.registry.release.contract_shape`), so a caller
  must;
- MINOR: the data or a parameter other than a seed changed;
- PATCH: neither: another seed, other code, another machine.

The first is 1.0.0.
"""

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path

from crisol.core.candidate import Candidate
from crisol.registry.release import measuring, versions
from crisol.registry.release.contract_shape import shape_digest
from crisol.registry.release.versions import Version
from crisol.registry.store import Store
from crisol.registry.tracking.run_log import PARAMETERS_TAG, RunLog

SHAPE_TAG = "crisol.contract_shape"
_SEMVER = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_DATA = "crisol.data."

logger = logging.getLogger(__name__)


def gather(
    log: RunLog, candidate: Candidate, directory: Path, run_tags: Mapping[str, str]
) -> dict[str, str]:
    """The tags with the facts of a version.

    Args:
        log: the run that registers it.
        candidate: the candidate whose predictor was saved.
        directory: the saved predictor.
        run_tags: of the run.
    """
    predictor = candidate.predictor
    shape = shape_digest(predictor.request_type, predictor.response_type)
    described = {**run_tags, SHAPE_TAG: shape}
    tags = {
        SHAPE_TAG: shape,
        versions.SEMVER_TAG: next_version(newest(log.store, log.model), described),
        versions.SIZE_TAG: str(sum(p.stat().st_size for p in directory.rglob("*") if p.is_file())),
    }
    for reference in predictor.backbones:
        tags[f"{versions.BACKBONE_TAG}{reference.name}.{reference.precision}"] = reference.digest
    if log.store.measure_versions:
        try:
            tags[versions.MEASURED_TAG] = json.dumps(measuring.measure(directory))
        except measuring.MeasuringError as error:
            logger.warning("the speed of the new version was not measured: %s", error)
            tags["crisol.measuring_failed"] = str(error)
    return tags


def newest(store: Store, model: str) -> Version | None:
    """The newest complete version of a model that has a semantic version, if there is one."""
    made = [v for v in versions.all_versions(store, model) if v.complete]
    return next((v for v in reversed(made) if versions.SEMVER_TAG in v.tags), None)


def next_version(before: Version | None, tags: Mapping[str, str]) -> str:
    """The semantic version after ``before`` of a version with these ``tags``."""
    if before is None:
        return "1.0.0"
    match = _SEMVER.fullmatch(before.tags[versions.SEMVER_TAG])
    if match is None:  # somebody changed the tag in the MLflow UI
        return "1.0.0"
    major, minor, patch = (int(part) for part in match.groups())
    if tags[SHAPE_TAG] != before.tags.get(SHAPE_TAG):
        return f"{major + 1}.0.0"
    if _content(tags) != _content(before.tags):
        return f"{major}.{minor + 1}.0"
    return f"{major}.{minor}.{patch + 1}"


def _content(tags: Mapping[str, str]) -> dict[str, str]:
    """The digests of the data and of the parameters."""
    return {k: v for k, v in tags.items() if k.startswith(_DATA) or k == PARAMETERS_TAG}
