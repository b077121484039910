"""Promotion, by command and by hand; killed anywhere, the registry is before or after."""

import itertools
import json
import multiprocessing
import os
import signal
from collections.abc import Iterator

import mlflow
import pytest
from tests.registry.conftest import Project, beside_the_real_ones
from tests.registry.release.test_registration import candidate

from crisol.registry import recovery
from crisol.registry.datasets import ChampionPredictor, RegisteredPredictor
from crisol.registry.release import promotion, versions
from crisol.registry.release.promotion import GateRefusedError
from crisol.registry.release.versions import Reference
from crisol.registry.store import Store, StoreError


@pytest.fixture(scope="module")
def three(make_shared) -> Project:
    """Versions of slope 2.0 (right), 2.005 (as good), 9.0 (bad)."""
    project = make_shared()
    project.store.activate()
    for slope in (2.0, 2.005, 9.0):
        RegisteredPredictor(family="linear").save(candidate(slope))
    return project


@pytest.fixture
def registry(three: Project) -> Project:
    """The three versions, none of them promoted."""
    three.store.activate()
    client = three.store.client()
    for alias in ("champion", "previous"):
        client.delete_registered_model_alias("linear", alias)
    for tag in (promotion.JOURNAL_TAG, promotion.KNOWN_TAG, promotion.HISTORY_TAG):
        if tag in client.get_registered_model("linear").tags:
            client.delete_registered_model_tag("linear", tag)
    return three


def state(project: Project) -> tuple[str | None, str | None]:
    """Champion and previous."""
    named = versions.aliases(project.store, "linear")
    return named.get("champion"), named.get("previous")


def promote(project: Project, number: int, **options) -> promotion.Outcome:
    return promotion.promote(project.store, Reference("linear", str(number)), **options)


def test_promote_and_roll_back(registry: Project) -> None:
    assert promote(registry, 1).changed
    assert state(registry) == ("1", None)
    assert promote(registry, 2).move.old == "1"
    assert state(registry) == ("2", "1")
    assert ChampionPredictor(family="linear").load().model_version == "2"
    assert promotion.rollback(registry.store, "linear").move.new == "1"
    assert state(registry) == ("1", "2")
    kinds = [m.kind for m in promotion.history(registry.store, "linear")]
    assert kinds == ["promote", "promote", "rollback"]
    assert recovery.recover(registry.store) == []


def test_promoting_the_champion_again_changes_nothing(registry: Project) -> None:
    promote(registry, 1)
    assert not promote(registry, 1).changed
    assert state(registry) == ("1", None)


def test_the_gate_is_read_again_against_the_champion_of_now(registry: Project) -> None:
    """Version 3 beats its baseline at nothing; version 2 passes against 1 on stored scores."""
    promote(registry, 1)
    with pytest.raises(
        GateRefusedError, match=r"does not beat mean.*kedro promote linear/3 --force"
    ) as refused:
        promote(registry, 3)
    assert "does not beat mean" in refused.value.decision.refusals[0]
    assert state(registry) == ("1", None)
    against = promote(registry, 2).decision.comparisons[-1]
    assert (against.role, against.against) == ("champion", "the champion linear/1")
    assert against.other == pytest.approx(0.0)


def test_force_needs_a_reason_and_is_recorded(registry: Project) -> None:
    with pytest.raises(StoreError, match="needs a reason"):
        promote(registry, 3, force=True, reason=" ")
    outcome = promote(registry, 3, force=True, reason="a drill")
    assert outcome.move.forced
    version = versions.find(registry.store, Reference("linear", "3"))
    assert json.loads(version.tags["crisol.promote"])["reason"] == "a drill"


def test_other_rows_cannot_be_compared(registry: Project) -> None:
    promote(registry, 1)
    made = candidate(2.001)
    made.scores["row"] += 1000
    RegisteredPredictor(family="linear").save(made)
    number = versions.find(registry.store, Reference("linear", alias="candidate")).number
    try:
        with pytest.raises(GateRefusedError, match="scored on different rows"):
            promotion.promote(registry.store, Reference("linear"))
        assert state(registry) == ("1", None)
    finally:
        registry.store.client().delete_model_version("linear", number)
        recovery.recover(registry.store)


def test_rollback_without_previous_is_refused(registry: Project) -> None:
    promote(registry, 1)
    with pytest.raises(StoreError, match="no previous champion"):
        promotion.rollback(registry.store, "linear")


def test_a_champion_moved_in_the_ui_is_honoured(registry: Project) -> None:
    promote(registry, 1)
    registry.store.client().set_registered_model_alias("linear", "champion", "3")
    [said] = recovery.recover(registry.store)
    assert "linear/1 → linear/3" in said
    assert state(registry) == ("3", "1")
    last = promotion.history(registry.store, "linear")[-1]
    assert (last.kind, last.gate) == ("elsewhere", "refused")
    assert recovery.recover(registry.store) == []
    promotion.rollback(registry.store, "linear")
    assert state(registry) == ("1", "3")


@pytest.fixture
def fourth(registry: Project) -> Iterator[str]:
    """A version that a test may delete."""
    RegisteredPredictor(family="linear").save(candidate(2.0))
    number = versions.find(registry.store, Reference("linear", alias="candidate")).number
    yield number
    if versions.exists(registry.store, "linear", number):
        registry.store.client().delete_model_version("linear", number)
    recovery.recover(registry.store)


def test_an_alias_taken_away_in_the_ui_is_honoured(registry: Project) -> None:
    promote(registry, 1)
    registry.store.client().delete_registered_model_alias("linear", "champion")
    [said] = recovery.recover(registry.store)
    assert "linear/1 → none" in said
    assert state(registry) == (None, "1")
    promotion.rollback(registry.store, "linear")
    assert state(registry) == ("1", None)  # not its own predecessor
    assert recovery.recover(registry.store) == []


def test_a_champion_deleted_in_the_ui_leaves_the_registry_usable(
    registry: Project, fourth: str
) -> None:
    promote(registry, 1)
    promote(registry, int(fourth))
    registry.store.client().delete_model_version("linear", fourth)
    said = recovery.recover(registry.store)
    assert f"linear/{fourth} → none" in said[0]
    assert state(registry) == (None, "1")
    promotion.rollback(registry.store, "linear")
    assert state(registry) == ("1", None)
    assert recovery.recover(registry.store) == []


def test_an_alias_on_an_unfinished_version_is_put_back(registry: Project) -> None:
    client = registry.store.client()
    source = versions.find(registry.store, Reference("linear", "1")).source
    made = [str(client.create_model_version("linear", source).version) for _ in range(2)]
    try:
        client.set_registered_model_alias("linear", "champion", made[0])
        [said] = recovery.recover(registry.store)
        assert "took the alias away" in said
        assert state(registry) == (None, None)
        promote(registry, 1)
        client.set_registered_model_alias("linear", "champion", made[1])
        [said] = recovery.recover(registry.store)
        assert f"linear/{made[1]}, which is not complete: put it back on linear/1" in said
        assert state(registry) == ("1", None)
        assert recovery.recover(registry.store) == []
    finally:
        for number in made:
            client.delete_model_version("linear", number)


def test_two_promotions_at_once_are_refused(registry: Project) -> None:
    from crisol.registry.tracking import provenance

    promote(registry, 1)
    entry = {"move": {"kind": "promote"}, "process": provenance.process_tags()}
    client = registry.store.client()
    client.set_registered_model_tag("linear", promotion.JOURNAL_TAG, json.dumps(entry))
    assert promotion.settle(registry.store, "linear") == []  # that process ends it itself
    with pytest.raises(StoreError, match="is in progress"):
        promote(registry, 2)
    assert state(registry) == ("1", None)


def test_a_champion_moved_while_the_gate_was_read_is_not_overwritten(
    registry: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = promotion.judge

    def slow(*arguments):
        decision = judge(*arguments)
        registry.store.client().set_registered_model_alias("linear", "champion", "3")
        return decision

    monkeypatch.setattr(promotion, "judge", slow)
    with pytest.raises(StoreError, match="moved meanwhile, to version 3"):
        promote(registry, 1)
    assert state(registry) == ("3", None)


def promote_and_die(store: Store, write: int) -> None:
    """In a process of its own: promote version 2, killed just before the given write."""
    with beside_the_real_ones():
        store.activate()
        writes = itertools.count(1)
        for name in (
            "set_registered_model_tag",
            "set_registered_model_alias",
            "set_model_version_tag",
            "delete_registered_model_tag",
        ):
            original = getattr(mlflow.MlflowClient, name)

            def call(self, *arguments, original=original, **options):
                if next(writes) == write:
                    os.kill(os.getpid(), signal.SIGKILL)
                return original(self, *arguments, **options)

            setattr(mlflow.MlflowClient, name, call)
        promotion.promote(store, Reference("linear", "2"))


@pytest.fixture(scope="module")
def processes():
    """Processes that start with MLflow loaded, and share no database connection with this one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["mlflow", "kedro.framework.session", "tests.registry.release.test_promotion"]
    )
    return context


@pytest.mark.parametrize("write", [1, 2, 3, 5])
def test_killed_before_any_write_the_registry_is_before_or_after(
    registry: Project, processes, write: int
) -> None:
    """The writes of a promotion: journal, champion, previous, tag, history, known, journal off."""
    promote(registry, 1)
    process = processes.Process(target=promote_and_die, args=(registry.store, write))
    process.start()
    process.join(timeout=60)
    assert process.exitcode == -signal.SIGKILL
    said = recovery.recover(registry.store)
    if write == 1:
        assert (state(registry), said) == (("1", None), [])
    elif write == 2:
        assert state(registry) == ("1", None)
        assert "dropped it, the champion is still linear/1" in said[0]
    else:
        assert state(registry) == ("2", "1")
        assert "finished it" in said[0]
        assert [m.new for m in promotion.history(registry.store, "linear")] == ["1", "2"]
    assert recovery.recover(registry.store) == []
