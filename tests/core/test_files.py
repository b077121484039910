import hashlib
from pathlib import Path

import pytest

from crisol.core.files import file_sha256, remove_scratch, replacing_file, replacing_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert file_sha256(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


def touch_below(path: Path) -> None:
    path.write_text("new")
    (path / "below").touch()


@pytest.mark.parametrize("fsync", [False, True])
def test_a_file_is_replaced_at_the_end_of_the_block(tmp_path: Path, fsync: bool) -> None:
    target = tmp_path / "new" / "a.txt"
    for text in ("first", "second"):
        with replacing_file(target, fsync=fsync) as scratch:
            scratch.write_text(text)
            assert scratch.name.startswith(".a.txt.")
            assert target.exists() == (text == "second")
        assert target.read_text() == text
        assert names(target.parent) == ["a.txt"]


def test_a_folder_is_replaced_at_the_end_of_the_block(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a"
    for name in ("first", "second"):
        with replacing_folder(target) as scratch:
            (scratch / name).touch()
        assert names(target) == [name]
        assert names(target.parent) == ["a"]


def test_an_error_in_the_block_leaves_the_old_content(tmp_path: Path) -> None:
    file, folder = tmp_path / "a", tmp_path / "b"
    file.write_text("old")
    folder.mkdir()
    with pytest.raises(NotADirectoryError), replacing_file(file) as scratch:
        touch_below(scratch)
    with pytest.raises(NotADirectoryError), replacing_folder(folder) as scratch:
        touch_below(scratch / "new")
    assert file.read_text() == "old"
    assert names(folder) == []
    assert names(tmp_path) == ["a", "b"]


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".a.0a1b2c3d.tmp").touch()
    (tmp_path / ".a.00000000.tmp").mkdir()
    (tmp_path / ".ab.0a1b2c3d.tmp").touch()
    remove_scratch(tmp_path / "a")
    assert names(tmp_path) == [".ab.0a1b2c3d.tmp"]
