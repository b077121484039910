"""The event store, alone: what was acknowledged is there, whoever asks and whatever was killed."""

import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from crisol.serving.http.config import ConfigurationError, Settings
from crisol.serving.http.errors import ApiError
from crisol.serving.state.events import EventStore, NewEvent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "recommender" / "events.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[EventStore]:
    one = EventStore(path)
    yield one
    one.close()


def event(item: str, at: int | None, user: str = "u", kind: str = "purchase") -> NewEvent:
    return NewEvent(user, item, at, kind, 1.0)


def items(store: EventStore, user: str = "u", limit: int = 1000) -> list[str]:
    return [e.item_id for e in store.newest(user, limit)]


def test_events_come_back_in_the_order_of_their_time_then_of_their_arrival(
    store: EventStore,
) -> None:
    store.append([[event("late", 30), event("early", 10)]])
    store.append([[event("middle", 20), event("middle-too", 20)]])
    assert items(store) == ["early", "middle", "middle-too", "late"]
    assert items(store, limit=2) == ["middle-too", "late"]
    assert items(store, "nobody") == []


def test_an_event_without_a_time_is_the_newest_and_never_a_duplicate(store: EventStore) -> None:
    store.append([[event("old", 10)]])
    assert store.append([[event("now", None), event("now", None)]]) == [2]
    assert store.append([[event("now", None)]]) == [1]
    assert items(store) == ["old", "now", "now", "now"]
    times = [e.time_us for e in store.newest("u", 10)]
    assert times == sorted(times)


def test_the_same_event_again_changes_nothing(store: EventStore) -> None:
    first = [event("a", 10), event("b", 20)]
    assert store.append([first]) == [2]
    assert store.append([first]) == [0]
    assert store.append([[event("a", 10)] * 3 + [event("c", 30)]]) == [1]
    assert store.append([[event("a", 10, kind="view")], [event("a", 10, user="other")]]) == [1, 1]
    assert items(store) == ["a", "a", "b", "c"]


def test_each_batch_of_a_commit_is_counted_for_itself(store: EventStore) -> None:
    batches = [[event("a", 1)], [event("a", 1), event("b", 2)], []]
    assert store.append(batches) == [1, 1, 0]


def test_what_two_stores_write_both_see(store: EventStore, path: Path) -> None:
    other = EventStore(path)
    store.append([[event("mine", 1)]])
    assert items(other) == ["mine"]
    other.append([[event("theirs", 2)]])
    assert items(store) == ["mine", "theirs"]
    other.close()


def test_strange_ids_are_kept_as_they_are(store: EventStore) -> None:
    strange = ["'; DROP TABLE events; --", "ключ", "a\x00b", " ", "😀"]
    store.append([[event(item, at, user=item) for at, item in enumerate(strange)]])
    for item in strange:
        assert items(store, item) == [item]


WRITER = """
    import sys
    from pathlib import Path
    from crisol.serving.state.events import EventStore, NewEvent

    store = EventStore(Path(sys.argv[1]))
    for number in range(int(sys.argv[3])):
        name = f"{sys.argv[2]}-{number}"
        assert store.append([[NewEvent("u", name, number, "", 1.0)]]) == [1]
        print(name, flush=True)
"""


def writer(path: Path, name: str, count: int) -> "subprocess.Popen[str]":
    code = textwrap.dedent(WRITER)
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path), name, str(count)], stdout=subprocess.PIPE, text=True
    )


def test_every_acknowledged_event_outlives_kill_9(path: Path) -> None:
    process = writer(path, "w", 1_000_000)
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().strip() for _ in range(50)]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += process.stdout.read().split()
    process.wait()
    assert process.returncode == -signal.SIGKILL
    store = EventStore(path)
    found = items(store, limit=1_000_000)
    # One more may have been written that nobody was told of.
    assert found[: len(acknowledged)] == acknowledged
    assert len(found) - len(acknowledged) in (0, 1)
    assert store.append([[event("after", None)]]) == [1]
    assert items(store)[-1] == "after"
    store.close()


def test_processes_that_write_all_the_time_take_turns_and_nothing_is_lost(path: Path) -> None:
    names = ("a", "b", "c")
    writers = [writer(path, name, 200) for name in names]
    for process in writers:
        process.communicate(timeout=60)
        assert process.returncode == 0
    store = EventStore(path)
    found = items(store)
    for name in names:
        assert [i for i in found if i.startswith(name)] == [f"{name}-{n}" for n in range(200)]
    store.close()


def test_a_commit_of_another_process_does_not_hold_up_a_read(store: EventStore, path: Path) -> None:
    store.append([[event("a", 1)]])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("DELETE FROM events")
    assert items(store) == ["a"]
    other.execute("ROLLBACK")
    other.close()


def test_a_file_that_stays_locked_is_503_and_nothing_is_stored(
    store: EventStore, path: Path
) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ApiError) as caught:
        store.append([[event("a", 1)]])
    assert (caught.value.status, caught.value.code) == (503, "state_unavailable")
    other.execute("ROLLBACK")
    other.close()
    assert items(store) == []
    assert store.append([[event("a", 1)]]) == [1]


def test_a_full_disk_is_503_and_what_was_there_stays(store: EventStore) -> None:
    store.append([[event("a", 1)]])
    pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
    store._writer.execute(f"PRAGMA max_page_count = {pages}")
    many = [event(f"item-{n}" * 100, n) for n in range(100)]
    with pytest.raises(ApiError) as caught:
        store.append([many])
    assert caught.value.status == 503
    assert items(store) == ["a"]


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_was_taken_away_is_503_not_silent_loss(
    store: EventStore, path: Path, replaced: bool
) -> None:
    store.append([[event("a", 1)]])
    shutil.rmtree(path.parent)
    if replaced:
        EventStore(path).close()
    for ask in (lambda: store.append([[event("b", 2)]]), lambda: store.newest("u", 10)):
        with pytest.raises(ApiError) as caught:
            ask()
        assert (caught.value.status, caught.value.code) == (503, "state_unavailable")


def test_a_store_opens_while_another_thread_writes(path: Path) -> None:
    EventStore(path).close()

    def write() -> None:
        one = EventStore(path)
        for number in range(50):
            one.append([[event("x", number)]])
        one.close()

    thread = threading.Thread(target=write)
    thread.start()
    for _ in range(10):
        EventStore(path).close()
    thread.join()
    store = EventStore(path)
    assert len(items(store)) == 50
    store.close()


def damage(path: Path) -> None:
    """Overwrite the inside of the file, leaving its first page."""
    store = EventStore(path)
    store.append([[event(f"item-{n}", n, user=f"user-{n}") for n in range(2000)]])
    store._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    content = bytearray(path.read_bytes())
    assert len(content) > 10 * 4096
    content[2 * 4096 : 8 * 4096] = os.urandom(6 * 4096)
    path.write_bytes(content)


def of_something_else(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")


def of_a_newer_version(path: Path) -> None:
    EventStore(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 2")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.write_bytes(b"these are no events\n" * 500), "not a database"),
        (damage, "damaged|malformed"),
        (of_something_else, "of something else"),
        (of_a_newer_version, "version 2, this service knows 1"),
        (lambda path: path.mkdir(), "unable to open"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused_with_the_reason(
    path: Path, spoil: object, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir(parents=True)
    spoil(path)  # type: ignore[operator]
    log = logging.getLogger("crisol.serving")
    log.addHandler(caplog.handler)
    try:
        with pytest.raises(ConfigurationError, match=reason) as caught:
            EventStore(path)
    finally:
        log.removeHandler(caplog.handler)
    assert "CRISOL_STATE_DIR" in str(caught.value)
    assert str(path) not in str(caught.value), "everybody may read it on /readyz"
    [told] = caplog.records
    assert str(path) in f"{told.getMessage()} {told.__dict__}"


def test_a_folder_that_cannot_be_written_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="Not a directory"):
        EventStore(tmp_path / "file" / "recommender" / "events.sqlite3")


def test_a_file_that_may_only_be_read_is_refused(path: Path) -> None:
    EventStore(path).close()
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        if os.access(path, os.W_OK):
            pytest.skip("this user may write anything")
        with pytest.raises(ConfigurationError, match=r"readonly|unable"):
            EventStore(path)
    finally:
        path.parent.chmod(0o755)


def test_the_folder_is_the_one_that_is_set_and_one_of_bentoml_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_here = EventStore.of_family("recommender", Settings(state_dir=tmp_path / "mine"))
    assert set_here.path == tmp_path / "mine" / "recommender" / "events.sqlite3"
    set_here.close()
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "bentoml"))
    default = EventStore.of_family("recommender", Settings())
    assert default.path == tmp_path / "bentoml" / "crisol-state" / "recommender" / "events.sqlite3"
    assert default.path.is_file()
    default.close()
