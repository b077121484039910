import os
import subprocess
import sys
from pathlib import Path

from crisol.core.locks import FileLock, is_locked


def test_a_lock_is_held_once_and_free_after_it_is_closed(tmp_path: Path) -> None:
    with FileLock.on(tmp_path / "lock") as mine, FileLock.on(tmp_path / "lock") as other:
        assert mine.attempt()
        assert not other.attempt()
        assert not other.attempt(patience_s=0.05)
        mine.release()
        assert other.attempt()
        assert not mine.attempt()
    assert not is_locked(tmp_path / "lock")


def test_the_test_of_a_lock_neither_takes_it_nor_makes_the_file(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "lock")
    assert not (tmp_path / "lock").exists()
    with FileLock.on(tmp_path / "lock") as lock:
        assert not is_locked(tmp_path / "lock")
        assert lock.attempt()
        assert is_locked(tmp_path / "lock")
        lock.sign()
        with FileLock.on(tmp_path / "lock") as other:
            assert other.signature == str(os.getpid())


def test_a_folder_can_be_locked(tmp_path: Path) -> None:
    with FileLock.on(tmp_path) as mine, FileLock.on(tmp_path) as other:
        mine.wait()
        assert not other.attempt()


def test_a_child_that_is_passed_the_descriptor_keeps_the_lock(tmp_path: Path) -> None:
    lock = FileLock.on(tmp_path / "lock")
    lock.wait()
    wait_for_input = [sys.executable, "-c", "input()"]
    with subprocess.Popen(
        wait_for_input, stdin=subprocess.PIPE, text=True, pass_fds=[lock.descriptor]
    ) as child:
        lock.close()
        assert is_locked(tmp_path / "lock")
        child.communicate("\n")
    assert not is_locked(tmp_path / "lock")


def test_a_child_that_is_not_passed_the_descriptor_does_not_keep_the_lock(tmp_path: Path) -> None:
    lock = FileLock.on(tmp_path / "lock")
    lock.wait()
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        lock.close()
        assert not is_locked(tmp_path / "lock")
        child.communicate("\n")


def test_files_are_made_with_the_mode_that_is_given(tmp_path: Path) -> None:
    FileLock.on(tmp_path / "lock", mode=0o600).close()
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_a_lock_tells_whether_its_file_was_removed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with FileLock.on(path) as first:
        assert first.attempt()
        assert first.is_at(path)
        path.unlink()
        assert not first.is_at(path)
        with FileLock.on(path) as second:
            assert second.attempt()
            assert (first.is_at(path), second.is_at(path)) == (False, True)
