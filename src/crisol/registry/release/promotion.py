"""Promotion and rollback: moves of the alias ``champion``, also those made in the MLflow UI.

Moving an alias is one atomic write; a promotion is several (champion, previous, the records). So
the intent is written first, as a journal on the registered model; moving ``champion`` is the
commit; the rest follows from the journal. :func:`settle` finishes or drops an interrupted move, and
records an alias that somebody moved in the MLflow UI.
"""

import getpass
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Self

from crisol.registry import columns
from crisol.registry.release import gate, versions
from crisol.registry.release.archiving import recorded, refuse_archived
from crisol.registry.release.gate import Decision
from crisol.registry.release.versions import CHAMPION, PREVIOUS, Reference, Version
from crisol.registry.store import Store, StoreError
from crisol.registry.tracking import provenance
from crisol.registry.tracking.run_log import CHAMPION_TAG

if TYPE_CHECKING:
    from mlflow.entities.model_registry import RegisteredModel

JOURNAL_TAG = "crisol.journal"
KNOWN_TAG = "crisol.champion"
"""The champion's number as Crisol last saw it (empty: none), to detect moves by others."""
HISTORY_TAG = "crisol.history"
_HISTORY_LENGTH = 50


class GateRefusedError(StoreError):
    """A refusal of the gate; the message has the reasons, ``decision`` the numbers."""

    def __init__(self, message: str, decision: Decision) -> None:
        super().__init__(message)
        self.decision = decision


@dataclass(frozen=True)
class Move:
    """One recorded move of the champion."""

    kind: Literal["promote", "rollback", "elsewhere"]
    model: str
    old: str | None
    new: str | None
    at: str
    by: str
    reason: str | None = None
    forced: bool = False
    gate: str = "none"

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The move of a stored record; old records name the model ``family``."""
        return cls(**{("model" if k == "family" else k): v for k, v in stored.items()})


@dataclass(frozen=True)
class Outcome:
    """The result of a promotion or a rollback."""

    move: Move
    decision: Decision | None
    changed: bool

    def to_json(self) -> dict[str, Any]:
        """Plain JSON for ``--json``."""
        decision = None if self.decision is None else self.decision.to_json()
        return {**asdict(self.move), "changed": self.changed, "decision": decision}


def promote(
    store: Store,
    reference: Reference,
    *,
    force: bool = False,
    reason: str | None = None,
    by: str | None = None,
) -> Outcome:
    """Make a version the champion, after comparing it again with the current champion.

    Args:
        store: the MLflow store.
        reference: names the version; a bare model means its candidate.
        force: promote although the gate refuses.
        reason: recorded with the move; required with ``force``.
        by: the user that is recorded; default: that of this process.

    Raises:
        GateRefusedError: the gate refuses and ``force`` is not given.
        StoreError: there is no such version, it is archived, or ``force`` comes without a reason.
    """
    if force and not (reason and reason.strip()):
        raise StoreError('--force needs a reason: --reason "why the gate is overruled"')
    version = versions.find(store, reference, default_alias=versions.CANDIDATE)
    champion = versions.try_find(store, version.model, CHAMPION)
    if champion is None or champion.number != version.number:
        refuse_archived(version)
    decision = judge(store, version, champion)
    old = champion.number if champion else None
    if old == version.number:
        return Outcome(_move("promote", version.model, old, old), decision, changed=False)
    if not decision.passed and not force:
        raise GateRefusedError(
            f"the gate refuses {version}: "
            + "; ".join(decision.refusals)
            + f'. To promote it all the same: kedro promote {version} --force --reason "..."',
            decision,
        )
    forced = force and not decision.passed
    move = _move(
        "promote", version.model, old, version.number, reason, forced, decision.verdict, by
    )
    _carry_out(store, move, version.number)
    return Outcome(move, decision, changed=True)


def rollback(store: Store, model: str, reason: str | None = None, by: str | None = None) -> Outcome:
    """Return to the previous champion; the two swap their aliases.

    Raises:
        StoreError: there is no previous champion, or it is archived.
    """
    named = versions.aliases(store, model)
    if PREVIOUS not in named:
        raise StoreError(f"{model} has no previous champion to return to")
    target = versions.find(store, Reference(model, alias=PREVIOUS))
    refuse_archived(target)
    move = _move("rollback", model, named.get(CHAMPION), target.number, reason, by=by)
    _carry_out(store, move, target.number)
    return Outcome(move, target.gate, changed=True)


def judge(store: Store, version: Version, champion: Version | None) -> Decision:
    """The gate's decision on a version against the current champion.

    The champion's stored scores are used when both were scored on the same rows; else its answers
    during the version's evaluation; without either the gate refuses.
    """
    stored = version.gate
    if stored is None:
        raise StoreError(f"{version} carries no gate numbers: it was not registered by Crisol")
    table = versions.scores(store, version)
    if champion is None or champion.number == version.number:
        return gate.decide(table, stored.rule)
    name = f"the champion {champion}"
    side_by_side = gate.with_champion(table, versions.scores(store, champion))
    if side_by_side is not None:
        return gate.decide(side_by_side, stored.rule, name)
    evaluated_against = version.tags.get(CHAMPION_TAG)
    if "champion" in table.columns and evaluated_against == champion.number:
        return gate.decide(table, stored.rule, name)
    decision = gate.decide(table, stored.rule)
    note = (
        f"{version} cannot be compared with {name}: they were scored on different rows, and the "
        f"champion was not part of {version}'s evaluation (train again, and it will be)"
    )
    return Decision(
        "refused", decision.rule, decision.comparisons, decision.rows, (*decision.notes, note)
    )


def is_unsettled(model: "RegisteredModel") -> bool:
    """Whether :func:`settle` has something to repair, or another process is repairing it."""
    known = model.tags.get(KNOWN_TAG) or None
    champion = model.aliases.get(CHAMPION)
    return JOURNAL_TAG in model.tags or (None if champion is None else str(champion)) != known


def settle(store: Store, model: str) -> list[str]:
    """Repair a model's aliases and records; one sentence for each repair.

    A move whose process is alive is left alone.
    """
    entry = _journal(store, model)
    if entry is not None and not provenance.is_gone(entry["process"]):
        return []
    said = [] if entry is None else [_recover(store, Move.from_json(entry["move"]))]
    found = versions.registered(store, model)
    return said if found is None else said + _honour(store, model, dict(found.tags))


def history(store: Store, model: str) -> list[Move]:
    """Every recorded move of the champion, oldest first."""
    found = versions.registered(store, model)
    text = found.tags.get(HISTORY_TAG) if found is not None else None
    return [Move.from_json(entry) for entry in json.loads(text)] if text else []


def _journal(store: Store, model: str) -> dict[str, Any] | None:
    """The move in progress or interrupted: its ``move`` and its ``process``."""
    found = versions.registered(store, model)
    text = found.tags.get(JOURNAL_TAG) if found is not None else None
    return dict(json.loads(text)) if text else None


def _carry_out(store: Store, move: Move, new: str) -> None:
    """Write the journal, move the alias, complete the records."""
    _refuse_to_collide(store, move)
    client = store.client()
    entry = {"move": asdict(move), "process": provenance.process_tags()}
    client.set_registered_model_tag(move.model, JOURNAL_TAG, _json(entry))
    client.set_registered_model_alias(move.model, CHAMPION, new)
    _complete(store, move)


def _refuse_to_collide(store: Store, move: Move) -> None:
    """Refuse a move when somebody else moved the champion during the comparison."""
    entry = _journal(store, move.model)
    if entry is not None:
        process = entry["process"]
        raise StoreError(
            f"a {entry['move']['kind']} of {move.model} is in progress (pid "
            f"{process['crisol.pid']} on {process['crisol.host']}); if that machine is gone, "
            f"delete the tag {JOURNAL_TAG} of the registered model in the MLflow UI"
        )
    champion = versions.aliases(store, move.model).get(CHAMPION)
    if champion != move.old:
        raise StoreError(
            f"the champion of {move.model} was moved meanwhile, to version {champion or 'none'}: "
            "nothing was changed; say it again"
        )
    if move.new is not None:  # archived since it was looked at
        refuse_archived(versions.find(store, Reference(move.model, move.new)))


def _complete(store: Store, move: Move) -> None:
    """Write all records of a moved champion. A second call does no harm."""
    client = store.client()
    named = versions.aliases(store, move.model)
    # An old champion that was deleted from the registry cannot be returned to.
    if move.old is not None and versions.exists(store, move.model, move.old):
        client.set_registered_model_alias(move.model, PREVIOUS, move.old)
    elif move.new is not None and named.get(PREVIOUS) == move.new:
        client.delete_registered_model_alias(move.model, PREVIOUS)
    if move.new is not None:
        client.set_model_version_tag(
            move.model, move.new, f"crisol.{move.kind}", _json(asdict(move))
        )
    moves = history(store, move.model)
    if move not in moves:
        client.set_registered_model_tag(move.model, HISTORY_TAG, _newest([*moves, move]))
    client.set_registered_model_tag(move.model, KNOWN_TAG, move.new or "")
    found = versions.registered(store, move.model)
    if found is not None and JOURNAL_TAG in found.tags:
        client.delete_registered_model_tag(move.model, JOURNAL_TAG)


def _newest(moves: list[Move]) -> str:
    """The JSON of as many of the newest moves as fit into the column."""
    kept = [asdict(move) for move in moves[-_HISTORY_LENGTH:]]
    while len(text := _json(kept)) > columns.MODEL_TAG and len(kept) > 1:
        del kept[0]
    return text


def _json(value: Any) -> str:
    """JSON in which a letter with an accent takes one character, not six."""
    return json.dumps(value, ensure_ascii=False)


def _recover(store: Store, move: Move) -> str:
    """Finish an interrupted move whose champion was set; drop one whose champion was not."""
    champion = versions.aliases(store, move.model).get(CHAMPION)
    text = f"a {move.kind} of {move.model}/{move.new} was cut short"
    if champion == move.new:
        _complete(store, move)
        return f"{text} after the champion had moved: finished it"
    store.client().delete_registered_model_tag(move.model, JOURNAL_TAG)
    still = f"the champion is still {move.model}/{champion}" if champion else "there is no champion"
    return f"{text} before the champion had moved: dropped it, {still}"


def _honour(store: Store, model: str, tags: dict[str, str]) -> list[str]:
    """Record a champion that was moved elsewhere, such as in the MLflow UI."""
    champion = versions.aliases(store, model).get(CHAMPION)
    known = tags.get(KNOWN_TAG) or None
    if champion == known:
        return []
    verdict = "none"
    if champion is not None:
        raw = store.client().get_model_version(model, champion)
        if raw.tags.get(versions.COMPLETE_TAG) != "true":
            return [_put_back(store, model, champion, known)]
        verdict = raw.tags.get("crisol.gate", "none")
    move = _move("elsewhere", model, known, champion, "alias moved outside of Crisol", gate=verdict)
    _complete(store, move)
    before = f"{model}/{known}" if known else "none"
    after = f"{model}/{champion}" if champion else "none"
    gate_said = "; the gate had refused it" if verdict == "refused" else ""
    return [
        f"the champion of {model} was moved elsewhere (MLflow UI?), {before} → {after}: recorded"
        + gate_said
    ]


def _put_back(store: Store, model: str, champion: str, known: str | None) -> str:
    """Undo an alias that was set elsewhere on an incomplete version."""
    client = store.client()
    text = f"the champion was set elsewhere on {model}/{champion}, which is not complete"
    if known is not None and versions.exists(store, model, known):
        client.set_registered_model_alias(model, CHAMPION, known)
        return f"{text}: put it back on {model}/{known}"
    client.delete_registered_model_alias(model, CHAMPION)
    client.set_registered_model_tag(model, KNOWN_TAG, "")
    return f"{text}: took the alias away, there is no champion"


def _move(
    kind: Literal["promote", "rollback", "elsewhere"],
    model: str,
    old: str | None,
    new: str | None,
    reason: str | None = None,
    forced: bool = False,
    gate: str = "none",
    by: str | None = None,
) -> Move:
    now = datetime.now(tz=UTC).isoformat(timespec="milliseconds")
    user = columns.cut(by or getpass.getuser(), columns.USER)
    why = None if reason is None else recorded(reason)
    return Move(kind, model, old, new, now, user, why, forced, gate)
