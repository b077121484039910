"""Background jobs, alone: nothing is lost, nothing is done twice, whatever is killed."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from crisol.core.errors import FieldError
from crisol.serving.http.config import ConfigurationError, Settings
from crisol.serving.http.errors import ApiError
from crisol.serving.state import jobs
from crisol.serving.state.job_rows import MAX_ATTEMPTS
from crisol.serving.state.job_runner import JobRunner
from crisol.serving.state.jobs import BackgroundJobStore, Claim, JobRow, ResultsQuery, Settled

OpenStore = Callable[..., BackgroundJobStore]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "products" / "jobs.sqlite3"


@pytest.fixture
def opened(path: Path) -> Iterator[OpenStore]:
    """Opens a store of the same file as another worker would."""
    stores: list[BackgroundJobStore] = []

    def open_store(**settings: Any) -> BackgroundJobStore:
        stores.append(BackgroundJobStore(path, Settings(**settings)))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: OpenStore) -> BackgroundJobStore:
    return opened()


def create(
    store: BackgroundJobStore,
    *items: str,
    caller: str = "me",
    version: str = "v1",
    kind: str = "shout",
) -> str:
    payloads = [item.encode() for item in items]
    return store.create(kind, caller, payloads, version=version, made_by="1").job_id


def take(store: BackgroundJobStore, limit: int = 10, version: str = "v1") -> Claim | None:
    return store.take("shout", version, limit, made_by=version)


def said(claim: Claim | None) -> list[str]:
    assert claim is not None
    return [one.payload.decode() for one in claim.items]


def settle(store: BackgroundJobStore, claim: Claim | None, version: str = "v1") -> None:
    assert claim is not None
    made = [Settled(one.position, one.payload.upper()) for one in claim.items]
    store.settle(claim, version, made)


def results(store: BackgroundJobStore, job_id: str, **page: int) -> list[Any]:
    _, rows, _ = store.results(job_id, "me", ResultsQuery(**page))
    return [(row.position, row.result, row.error, row.field) for row in rows]


def job(store: BackgroundJobStore, job_id: str) -> JobRow:
    return store.get(job_id, "me")


def refused(status: int, code: str, ask: Callable[[], Any]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        ask()
    assert (caught.value.status, caught.value.code) == (status, code)
    return caught.value


def test_a_job_goes_from_waiting_to_done(store: BackgroundJobStore) -> None:
    made = create(store, "a", "b", "c")
    row = job(store, made)
    assert (row.state, row.total, row.done, row.failed, row.expires_us) == (
        "waiting",
        3,
        0,
        0,
        None,
    )
    claim = take(store, 2)
    assert said(claim) == ["a", "b"]
    assert job(store, made).state == "running"
    settle(store, claim)
    assert (job(store, made).done, results(store, made)) == (
        2, [(0, b"A", None, None), (1, b"B", None, None)]
    )  # fmt: skip
    last = take(store)
    assert last is not None
    store.settle(last, "v1", [Settled(2, None, "is no letter", "title")])
    row = job(store, made)
    assert (row.state, row.done, row.failed) == ("done", 2, 1)
    assert row.expires_us is not None
    assert results(store, made)[2:] == [(2, None, "is no letter", "title")]
    assert take(store) is None


def test_results_come_in_pages_that_miss_nothing(store: BackgroundJobStore) -> None:
    made = create(store, *"abcdef")
    first, second = take(store, 2), take(store, 2)
    settle(store, second)
    assert store.results(made, "me", ResultsQuery())[1:] == ([], 0)
    settle(store, first)
    _, rows, next_position = store.results(made, "me", ResultsQuery(position=1, limit=2))
    assert ([row.position for row in rows], next_position) == ([1, 2], 3)
    _, rows, next_position = store.results(made, "me", ResultsQuery(position=3))
    assert ([row.position for row in rows], next_position) == ([3], 4)
    settle(store, take(store))
    assert store.results(made, "me", ResultsQuery(position=4))[2] == 6
    assert store.results(made, "me", ResultsQuery(position=600))[1:] == ([], 6)


def test_nobody_hears_of_the_jobs_of_another(store: BackgroundJobStore) -> None:
    made = create(store, "a")
    for ask in (
        lambda: store.get(made, "somebody"),
        lambda: store.results(made, "somebody", ResultsQuery()),
        lambda: store.cancel(made, "somebody"),
        lambda: store.get("0" * 32, "me"),
        lambda: store.get("'; DROP TABLE jobs; --", "me"),
    ):
        refused(404, "not_found", ask)
    assert job(store, made).state == "waiting"


def test_jobs_of_several_take_turns(store: BackgroundJobStore) -> None:
    create(store, *"abcd")
    create(store, *"ABCD", caller="other")
    assert [said(take(store, 2)) for _ in range(4)] == [
        ["a", "b"], ["A", "B"], ["c", "d"], ["C", "D"]
    ]  # fmt: skip
    create(store, "x", kind="whisper")
    assert take(store) is None


def test_a_cancelled_job_keeps_what_was_done_and_takes_nothing_more(
    store: BackgroundJobStore,
) -> None:
    made = create(store, *"abcd")
    first, second = take(store, 1), take(store, 1)
    settle(store, first)
    row = store.cancel(made, "me")
    assert (row.state, row.done) == ("cancelled", 1)
    assert row.expires_us is not None
    assert store.cancel(made, "me") == row
    settle(store, second)
    assert (job(store, made), take(store)) == (row, None)
    assert results(store, made) == [(0, b"A", None, None)]
    assert store.results(made, "me", ResultsQuery())[2] == 4


def test_a_finished_job_cannot_be_cancelled(store: BackgroundJobStore) -> None:
    made = create(store, "a")
    settle(store, take(store))
    assert store.cancel(made, "me").state == "done"


def test_the_input_is_deleted_when_nothing_more_is_done_with_it(store: BackgroundJobStore) -> None:
    finished, cancelled, waiting = create(store, "a"), create(store, "b"), create(store, "c")
    settle(store, take(store))
    store.cancel(cancelled, "me")
    with store.read() as reader:
        assert reader.execute("SELECT payload FROM payloads").fetchall() == [(b"c",)]
    assert job(store, finished).state == "done"
    assert job(store, waiting).state == "waiting"


def test_results_are_deleted_after_their_time_and_it_is_said(opened: OpenStore) -> None:
    store = opened(results_ttl_s=0.2)
    made, waiting = create(store, "a"), create(store, "b")
    claim = take(store)
    store.settle(claim, "v1", [Settled(0, b"A", key=b"k")])  # type: ignore[arg-type]
    assert job(store, made).state == "done"
    assert store.cached("v1", [b"k"]) == {b"k": b"A"}
    time.sleep(0.3)
    for _ in range(2):
        assert "deleted at 2" in str(refused(404, "expired", lambda: store.get(made, "me")))
        refused(404, "expired", lambda: store.results(made, "me", ResultsQuery()))
        refused(404, "expired", lambda: store.cancel(made, "me"))
        store.delete_expired()
    assert store.cached("v1", [b"k"]) == {}
    refused(404, "not_found", lambda: store.get(made, "somebody"))
    assert job(store, waiting).state == "waiting"
    with store.read() as reader:
        assert reader.execute("SELECT count(*) FROM items").fetchone() == (1,)


def test_what_may_wait_is_limited_by_caller_and_in_all(opened: OpenStore) -> None:
    store = opened(max_jobs=2, max_jobs_bytes=1024)
    made = create(store, "a")
    create(store, "b" * 500)
    error = refused(429, "too_many_jobs", lambda: create(store, "c"))
    assert error.headers["retry-after"]
    refused(503, "overloaded", lambda: create(store, "c" * 600, caller="other"))
    create(store, "c" * 500, caller="other")
    store.cancel(made, "me")
    create(store, "d")


def test_results_are_remembered_by_version_and_content(store: BackgroundJobStore) -> None:
    create(store, "a", "b")
    claim = take(store)
    assert claim is not None
    made = [Settled(0, b"A", key=b"ka"), Settled(1, None, "no", key=b"kb")]
    store.settle(claim, "v1", made)
    assert store.cached("v1", [b"ka", b"kb"]) == {b"ka": b"A"}
    assert store.cached("v2", [b"ka"]) == {}


def test_another_version_begins_a_job_anew_once_its_workers_are_gone(
    opened: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = opened(), opened()
    made = create(old, "a", "b", "c")
    settle(old, take(old, 1))
    held = take(old, 1)
    assert take(new, version="v2") is None
    monkeypatch.setattr(jobs, "ORPHAN_S", 0.0)
    assert take(new, version="v2") is None, "the old version still works on it"
    old.release(held)  # type: ignore[arg-type]
    claim = take(new, version="v2")
    assert said(claim) == ["a", "b", "c"]
    assert (job(new, made).done, job(new, made).made_by) == (0, "v2")
    settle(old, held)
    assert job(new, made).done == 0
    settle(new, claim, "v2")
    assert job(new, made).state == "done"


def test_what_a_closed_worker_had_taken_is_taken_again(opened: OpenStore) -> None:
    gone, here = opened(), BackgroundJobStore(opened().path)
    made = create(gone, "a", "b")
    claim = take(here)
    assert take(gone) is None
    here.close()
    again = take(gone)
    assert said(again) == ["a"], "what was interrupted is tried alone"
    settle(gone, again)
    settle(gone, take(gone))
    assert claim is not None
    assert [row[1] for row in results(gone, made)] == [b"A", b"B"]


def test_what_was_given_back_counts_as_not_tried(store: BackgroundJobStore) -> None:
    create(store, "a", "b")
    claim = take(store)
    store.release(claim)  # type: ignore[arg-type]
    assert said(take(store)) == ["a", "b"]


def test_an_item_that_ends_every_process_fails_and_the_others_do_not(path: Path) -> None:
    first = BackgroundJobStore(path)
    made = create(first, "a", "deadly", "c")
    first.close()
    deaths = 0
    for _ in range(20):
        store = BackgroundJobStore(path)
        while (claim := take(store)) is not None and "deadly" not in said(claim):
            settle(store, claim)
        store.close()
        deaths += claim is not None
    store = BackgroundJobStore(path)
    assert deaths <= MAX_ATTEMPTS
    assert [(row[1], row[2] is None) for row in results(store, made)] == [
        (b"A", True), (None, False), (b"C", True)
    ]  # fmt: skip
    assert job(store, made).state == "done"
    store.close()


class Shouting:
    """Upper case; ``bad`` is refused, ``broken`` fails in the model."""

    kind, version, made_by = "shout", "v1", "1"

    def __init__(self) -> None:
        self.ran: list[list[str]] = []

    def key(self, payload: bytes) -> bytes:
        return payload

    def prepare(self, payload: bytes) -> str:
        if payload.startswith(b"bad"):
            raise FieldError("title", "is bad", "bad")
        return payload.decode()

    def run(self, prepared: Sequence[str]) -> list[bytes]:
        self.ran.append(list(prepared))
        if "broken" in prepared:
            raise RuntimeError("the secret of the broken one")
        return [one.upper().encode() for one in prepared]


def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def worked(store: BackgroundJobStore, work: Any, job_id: str) -> JobRow:
    runner = JobRunner(store, work)
    runner.start()
    until(lambda: job(store, job_id).expires_us is not None)
    runner.close()
    return job(store, job_id)


def test_the_runner_works_and_each_bad_item_fails_alone(store: BackgroundJobStore) -> None:
    made = create(store, "a", "bad", "broken", "a", "b")
    work = Shouting()
    row = worked(store, work, made)
    assert (row.state, row.done, row.failed, row.cached) == ("done", 3, 2, 0)
    assert [r[1] for r in results(store, made)] == [b"A", None, None, b"A", b"B"]
    assert results(store, made)[1] == (1, None, "is bad", "title")
    assert "secret" not in str(results(store, made)[2])
    assert work.ran == [["a", "broken", "b"], ["a"], ["broken"], ["b"]]


def test_what_was_done_before_is_not_done_again(store: BackgroundJobStore) -> None:
    worked(store, Shouting(), create(store, "a", "b", "bad"))
    work = Shouting()
    row = worked(store, work, create(store, "b", "c", "bad"))
    assert (row.done, row.failed, row.cached) == (2, 1, 1)
    assert work.ran == [["c"]]


class Slow(Shouting):
    def run(self, prepared: Sequence[str]) -> list[bytes]:
        time.sleep(0.05)
        return super().run(prepared)


def test_a_runner_that_stops_gives_back_what_it_has_not_done(store: BackgroundJobStore) -> None:
    made = create(store, *map(str, range(500)))
    runner = JobRunner(store, Slow())
    runner.start()
    until(lambda: job(store, made).done > 0)
    runner.close()
    done = job(store, made).done
    assert 0 < done < 500
    with store.read() as reader:
        taken = reader.execute("SELECT count(*) FROM items WHERE state = 1 OR attempts > 1")
        assert taken.fetchone() == (0,)
    rest = Shouting()
    assert worked(store, rest, made).done == 500
    assert sum(map(len, rest.ran)) == 500 - done


def test_two_workers_share_a_job_and_do_nothing_twice(opened: OpenStore) -> None:
    first, second = opened(), opened()
    work, other = Slow(), Slow()
    runners = [JobRunner(first, work), JobRunner(second, other)]
    for runner in runners:
        runner.start()
    made = create(first, *map(str, range(600)))
    for runner in runners:
        runner.wake()
    until(lambda: job(first, made).state == "done")
    for runner in runners:
        runner.close()
    assert work.ran
    assert other.ran
    both = [one for lot in work.ran + other.ran for one in lot]
    assert sorted(map(int, both)) == list(range(600))


def test_preparing_goes_on_while_the_model_runs(store: BackgroundJobStore) -> None:
    """The model waits in its first lot until an item of the second is prepared."""
    prepared_more = threading.Event()

    class Overlapping(Shouting):
        def prepare(self, payload: bytes) -> str:
            if payload == b"40":
                prepared_more.set()
            return super().prepare(payload)

        def run(self, prepared: Sequence[str]) -> list[bytes]:
            assert prepared_more.wait(10)
            return super().run(prepared)

    assert worked(store, Overlapping(), create(store, *map(str, range(64)))).done == 64


def test_a_runner_outlives_a_file_that_cannot_be_written_for_a_while(
    store: BackgroundJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crisol.serving.state.job_runner.RETRY_S", 0.05)
    made = create(store, *map(str, range(100)))
    pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
    work = Shouting()
    original = store.settle

    def fill(*arguments: Any) -> None:
        monkeypatch.setattr(store, "settle", original)
        store._writer.execute(f"PRAGMA max_page_count = {pages}")
        refused(503, "state_unavailable", lambda: create(store, "x" * 100_000))
        store._writer.execute("PRAGMA max_page_count = 1000000")
        raise ApiError(503)

    monkeypatch.setattr(store, "settle", fill)
    assert worked(store, work, made).done == 100
    assert sum(map(len, work.ran)) == 100


WORKER = """
    import sys, time
    from pathlib import Path
    from crisol.serving.http.config import Settings
    from crisol.serving.state.job_runner import JobRunner
    from crisol.serving.state.jobs import BackgroundJobStore

    class Work:
        kind, version, made_by = "shout", "v1", "1"
        def key(self, payload): return payload
        def prepare(self, payload): return payload
        def run(self, prepared):
            time.sleep(0.02)
            return [one.upper() for one in prepared]

    runner = JobRunner(BackgroundJobStore(Path(sys.argv[1]), Settings()), Work())
    runner.start()
    print("started", flush=True)
    time.sleep(60)
"""


def test_killed_in_mid_job_again_and_again_it_goes_on_with_nothing_lost_or_done_twice(
    store: BackgroundJobStore, path: Path
) -> None:
    with store.write() as writer:
        writer.execute("CREATE TABLE log (position INTEGER, state INTEGER)")
        writer.execute(
            "CREATE TRIGGER settled AFTER UPDATE OF state ON items WHEN new.state > 1"
            " BEGIN INSERT INTO log VALUES (new.position, new.state); END"
        )
    made = create(store, *(f"item-{n}" for n in range(1000)))
    reached = 0
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WORKER), str(path)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        until(lambda reached=reached: job(store, made).done > reached)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert job(store, made).done >= reached
        reached = job(store, made).done
    assert reached < 1000, "the kills came too late to prove anything"
    assert worked(store, Shouting(), made).done == 1000
    found = results(store, made, limit=1000)
    assert [row[:2] for row in found] == [(n, f"ITEM-{n}".encode()) for n in range(1000)]
    with store.read() as reader:
        twice = reader.execute("SELECT 1 FROM log GROUP BY position HAVING count(*) > 1").fetchall()
    assert not twice
    assert not [p for p in path.parent.glob("*.worker-*") if store._leases.name not in p.name]


def test_a_file_of_something_else_is_refused(path: Path) -> None:
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    with pytest.raises(ConfigurationError, match=r"jobs cannot be kept there: .* something else"):
        BackgroundJobStore(path)
