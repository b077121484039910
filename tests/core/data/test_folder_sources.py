"""Folders of public files: whole and right from a mirror, or checked one by one from a commit."""

import hashlib
from typing import Any

import pytest

from crisol.core.data import folder_sources
from crisol.core.data.folder_sources import (
    FolderSource,
    GitCommit,
    GitFile,
    fetch_folder,
    folder_sha256,
    save_all,
)
from crisol.core.data.sources import SourceError

COMMIT = GitCommit("someone/something", "a" * 40)


class _Answer:
    def __init__(self, content: bytes = b"", listing: Any = None) -> None:
        self.content, self._listing = content, listing

    def json(self) -> Any:
        return self._listing


def _blob(content: bytes) -> str:
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


@pytest.fixture
def public(monkeypatch) -> dict[str, bytes]:
    """What the public repository holds; a file may be changed."""
    files = {"images/1.jpg": b"one", "images/2.jpg": b"two"}
    tree = [{"path": name, "sha": _blob(body), "size": len(body), "type": "blob"}
            for name, body in files.items()]  # fmt: skip
    tree.append({"path": "images", "sha": "0" * 40, "type": "tree"})

    def get(url: str) -> _Answer:
        if url.startswith("https://api.github.com/repos/someone/something/git/trees/" + "a" * 40):
            return _Answer(listing={"tree": tree, "truncated": False})
        return _Answer(files[url.partition("a" * 40 + "/")[2]])

    monkeypatch.setattr(folder_sources, "_get", get)
    return files


@pytest.fixture
def mirror(tmp_path):
    folder = tmp_path / "mirror/pictures"
    folder.mkdir(parents=True)
    (folder / "1.jpg").write_bytes(b"one")
    return tmp_path / "mirror"


def _source(mirror) -> FolderSource:
    return FolderSource("own", "pictures", folder_sha256(mirror / "pictures"), "for all")


def _no_download(_folder):
    raise AssertionError("there is a mirror")


def test_a_mirror_is_copied_whole_once_and_repaired(tmp_path, mirror):
    said: list[str] = []
    source = _source(mirror)
    for _ in range(2):
        folder = fetch_folder(source, tmp_path, mirror, _no_download, announce=said.append)
    assert folder_sha256(folder) == source.sha256
    (folder / "1.jpg").write_bytes(b"changed")
    fetch_folder(source, tmp_path, mirror, _no_download, announce=said.append)
    assert (folder / "1.jpg").read_bytes() == b"one"
    assert ["already" in line for line in said] == [False, True, False]


def test_another_folder_in_the_mirror_is_refused_and_nothing_is_left(tmp_path, mirror):
    source = _source(mirror)
    (mirror / "pictures/2.jpg").write_bytes(b"two")
    with pytest.raises(SourceError, match="repair the mirror"):
        fetch_folder(source, tmp_path / "data", mirror, _no_download)
    assert not list((tmp_path / "data").iterdir())


def test_without_a_mirror_the_commits_files_are_made_smaller(tmp_path, mirror, public):
    def download(folder):
        wanted = {folder / file.path.split("/")[1]: file for file in COMMIT.files()}
        save_all(wanted, COMMIT, bytes.upper)

    said: list[str] = []
    folder = fetch_folder(_source(mirror), tmp_path, None, download, announce=said.append)
    assert sorted(path.name for path in folder.iterdir()) == ["1.jpg", "2.jpg"]
    assert (folder / "2.jpg").read_bytes() == b"TWO"
    assert folder_sha256(folder) in said[0]
    public.clear()  # what is there is not asked for again
    fetch_folder(_source(mirror), tmp_path, None, download, announce=said.append)


def test_a_file_that_is_not_the_commits_is_refused_and_leaves_nothing(tmp_path, public):
    file = GitFile("images/1.jpg", _blob(b"one"), 3)
    assert COMMIT.read(file) == b"one"
    public["images/1.jpg"] = b"ONE"
    with pytest.raises(SourceError, match="the commit names"):
        save_all({tmp_path / "1.jpg": file}, COMMIT, bytes.upper)
    assert not list(tmp_path.iterdir())
