"""Registration of a candidate: its evidence, its MLflow model, its version.

The version is created with the name of its process, and gets ``crisol.complete`` after everything
else is written; then the alias ``candidate`` moves. A process that dies in between leaves a version
that :func:`sweep` removes, and that never becomes candidate.
"""

import json
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING

from crisol import __file__ as package_file
from crisol import models
from crisol.core.candidate import Candidate
from crisol.core.predictor import predictor_digest
from crisol.registry import columns
from crisol.registry.columns import fitting_json
from crisol.registry.release import cards, facts, versions
from crisol.registry.release.gate import Decision, decide
from crisol.registry.release.requirements import requirements
from crisol.registry.release.signature import signature
from crisol.registry.release.versions import Version
from crisol.registry.store import Store, StoreError
from crisol.registry.tracking import provenance, scratch
from crisol.registry.tracking.results import is_time
from crisol.registry.tracking.run_log import CHAMPION_TAG, PARAMETERS_TAG, RunLog

if TYPE_CHECKING:
    from mlflow.entities.model_registry import RegisteredModel

_COPIED = (
    "crisol.git_", "crisol.lock_digest", "crisol.data.", "crisol.env", PARAMETERS_TAG, CHAMPION_TAG
)  # fmt: skip
_MORE = "\n\n… the whole card is the run's artefact `model_card.md`."


def register(log: RunLog, candidate: Candidate) -> Version:
    """Log a candidate with its evidence, apply the gate, and make it the newest version.

    Args:
        log: the open run that trained it.
        candidate: its predictor has golden examples and its report names the run's family.

    Returns:
        The version, which now carries the alias ``candidate``.
    """
    _check(log, candidate)
    client = log.store.client()
    log.flush()
    run_tags = client.get_run(log.run_id).data.tags
    against = run_tags.get(CHAMPION_TAG, "none")
    champion = f"the champion {log.model}/{against}" if against != "none" else None
    if champion and "champion" not in candidate.scores.columns:
        champion = None
    decision = decide(candidate.scores, candidate.rule, champion)
    with scratch.folder() as aside:
        directory = _save(log, candidate, aside)
        known = facts.gather(log, candidate, directory, run_tags)
        card = cards.card(candidate, decision, {**run_tags, **known}, log.run_id)
        _log_model(log, candidate, directory, aside)
        _log_evidence(log, candidate, decision, card, aside)
        known["crisol.predictor_digest"] = predictor_digest(directory)
    version = _create(log, decision, candidate, known, run_tags, card)
    client.set_model_version_tag(log.model, version, versions.COMPLETE_TAG, "true")
    client.set_registered_model_alias(log.model, versions.CANDIDATE, version)
    log.tags({"crisol.version_registered": version, "crisol.gate": decision.verdict})
    reference = versions.Reference(log.model, version=version)
    return versions.find(log.store, reference)


def unfinished_models(store: Store) -> set[str]:
    """The models that have a version with an incomplete registration."""
    found = store.client().search_model_versions(f"tags.`{versions.COMPLETE_TAG}` = 'false'")
    return {version.name for version in found}


def is_unannounced(model: "RegisteredModel") -> bool:
    """Whether the newest version of a model is not its candidate.

    Its registration is incomplete, or only the alias is missing; :func:`sweep` handles both.
    """
    newest = max((int(v.version) for v in model.latest_versions), default=None)
    candidate = model.aliases.get(versions.CANDIDATE)
    return newest != (None if candidate is None else int(candidate))


def sweep(store: Store, model: str) -> list[str]:
    """Remove versions with an interrupted registration, and set an alias that is missing."""
    client = store.client()
    said = []
    made = versions.all_versions(store, model)
    for version in made:
        if version.complete or "crisol.pid" not in version.tags:
            continue
        if provenance.is_gone(version.tags):
            client.delete_model_version(model, version.number)
            said.append(
                f"{version} was being registered by a process that is gone "
                f"(pid {version.tags['crisol.pid']}): removed; its number is not used again"
            )
    complete = [v for v in made if v.complete]
    if complete and versions.CANDIDATE not in complete[-1].aliases:
        newest = complete[-1]
        client.set_registered_model_alias(model, versions.CANDIDATE, newest.number)
        said.append(
            f"{newest} is the newest version and was not announced: it is now the candidate"
        )
    return said


def _check(log: RunLog, candidate: Candidate) -> None:
    predictor = candidate.predictor
    if predictor.family != log.family or candidate.report.family != log.family:
        raise StoreError(
            f"{log.family}.predictor was given a predictor of {predictor.family!r} with a report "
            f"of {candidate.report.family!r}"
        )
    if not predictor.golden:
        raise StoreError(
            f"the {log.family} predictor has no golden examples: call "
            "predictor.record_golden([...]) before it is registered"
        )


def _save(log: RunLog, candidate: Candidate, aside: Path) -> Path:
    """Write the predictor directory, and check that it answers as the predictor does."""
    predictor = candidate.predictor
    directory = predictor.save(aside / "saved" / versions.MODEL_PATH)
    differences = models.load_predictor(directory).replay_golden()
    if differences:
        raise StoreError(
            f"the saved {log.family} predictor does not answer as the one in memory: "
            + "; ".join(differences[:3])
        )
    return directory


def _log_model(log: RunLog, candidate: Candidate, directory: Path, aside: Path) -> None:
    """Write the MLflow model around the predictor directory and log it to the run."""
    import mlflow

    predictor = candidate.predictor

    mlflow.pyfunc.save_model(
        path=str(aside / "model"),
        python_model=str(Path(__file__).with_name("pyfunc_model.py")),
        artifacts={versions.MODEL_PATH: str(directory)},
        code_paths=[str(_code(log.family, aside / "code" / "crisol"))],
        signature=signature(predictor.request_type, predictor.response_type),
        input_example=[predictor.golden[0].request],
        pip_requirements=[f"mlflow=={installed('mlflow')}", *requirements(log.family)],
        model_config={"run_id": log.run_id},
    )
    log.artifact(aside / "model", versions.MODEL_PATH)


def _code(family: str, target: Path) -> Path:
    """Copy the code that a predictor needs: the core and its own family."""
    root = Path(package_file).parent
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(root / "core", target / "core", ignore=skip)
    shutil.copytree(_family_folder(family), target / "models" / family, ignore=skip)
    shutil.copy(root / "__init__.py", target / "__init__.py")
    shutil.copy(root / "models" / "__init__.py", target / "models" / "__init__.py")
    return target


def _family_folder(family: str) -> Path:
    file = models.family(family).__file__
    if file is None:
        raise StoreError(f"the family {family!r} is a package without an __init__.py")
    return Path(file).parent


def _log_evidence(
    log: RunLog, candidate: Candidate, decision: Decision, card: str, aside: Path
) -> None:
    client = log.store.client()
    path = aside / Path(versions.SCORES_FILE).name
    candidate.scores.to_parquet(path, index=False)
    log.artifact(path, str(Path(versions.SCORES_FILE).parent))
    client.log_dict(log.run_id, decision.to_json(), "gate/decision.json")
    client.log_text(log.run_id, card, "model_card.md")


def _create(
    log: RunLog,
    decision: Decision,
    candidate: Candidate,
    known: Mapping[str, str],
    run_tags: Mapping[str, str],
    card: str,
) -> str:
    client = log.store.client()
    if versions.registered(log.store, log.model) is None:
        client.create_registered_model(log.model, tags={"crisol.family": log.family})
    uri = client.get_run(log.run_id).info.artifact_uri
    copied = {k: v for k, v in run_tags.items() if k.startswith(_COPIED)}
    created = client.create_model_version(
        log.model,
        source=f"{uri}/{versions.MODEL_PATH}",
        run_id=log.run_id,
        tags={
            versions.COMPLETE_TAG: "false",
            **provenance.process_tags(),
            **copied,
            "crisol.run_id": log.run_id,
            **known,
            "crisol.trained_at": datetime.now(tz=UTC).isoformat(timespec="seconds"),
            "crisol.synthetic": str(candidate.report.synthetic).lower(),
            "crisol.headline": candidate.report.headline,
            "crisol.metrics": fitting_json(_lasting(candidate), columns.VERSION_TAG),
            "crisol.gate": decision.verdict,
            versions.GATE_TAG: json.dumps(decision.to_json()),
        },
        description=_description(card),
    )
    return str(created.version)


def _lasting(candidate: Candidate) -> dict[str, float]:
    return {k: v for k, v in candidate.report.metrics.items() if not is_time(k)}


def _description(card: str) -> str:
    """The card, or its first lines and where the whole of it is."""
    if len(card) <= columns.DESCRIPTION:
        return card
    return card[: columns.DESCRIPTION - len(_MORE)].rpartition("\n")[0] + _MORE
