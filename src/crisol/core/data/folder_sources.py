"""Public folders of many files: copied from a mirror under one digest, or made of a git commit.

A file of a git commit needs no digest of ours: its name in the commit's tree is the digest of its
content, and the commit is named by its own.
"""

import hashlib
import logging
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crisol.core.data.sources import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, SourceError
from crisol.core.files import file_sha256, replacing_file, replacing_folder

WORKERS = 8
_TREE_URL = "https://api.github.com/repos/{repository}/git/trees/{commit}?recursive=1"
_RAW_URL = "https://raw.githubusercontent.com/{repository}/{commit}/{path}"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class GitFile:
    """A file of a commit; ``sha1`` is git's digest of it, ``size`` in bytes."""

    path: str
    sha1: str
    size: int


@dataclass(frozen=True)
class GitCommit:
    """One commit of a public GitHub repository."""

    repository: str
    commit: str

    def files(self) -> list[GitFile]:
        """Every file of the commit.

        Raises:
            SourceError: the listing cannot be downloaded, or is incomplete.
        """
        url = _TREE_URL.format(repository=self.repository, commit=self.commit)
        listing: dict[str, Any] = _get(url).json()
        if listing.get("truncated"):
            raise SourceError(f"{url}: the listing of the commit is cut")
        return [
            GitFile(entry["path"], entry["sha"], entry["size"])
            for entry in listing["tree"]
            if entry["type"] == "blob"
        ]

    def read(self, file: GitFile) -> bytes:
        """The content of a file of the commit.

        Raises:
            SourceError: it cannot be downloaded, or its digest is not that of the commit.
        """
        url = _RAW_URL.format(repository=self.repository, commit=self.commit, path=file.path)
        content: bytes = _get(url).content
        header = f"blob {len(content)}\0".encode()
        if hashlib.sha1(header + content, usedforsecurity=False).hexdigest() != file.sha1:
            raise SourceError(f"{url} did not give the file that the commit names {file.sha1}")
        return content


@dataclass(frozen=True)
class FolderSource:
    """A folder of many files.

    Attributes:
        name: where it goes, relative to the folder it is fetched into.
        mirror_path: where it lies relative to a local mirror.
        sha256: :func:`folder_sha256` of it in the mirror.
        licence: the licence in a few words.
    """

    name: str
    mirror_path: str
    sha256: str
    licence: str


def folder_sha256(folder: Path) -> str:
    """SHA-256 over the sorted names and digests of a folder's files, without those in folders."""
    total = hashlib.sha256()
    for file in sorted(path for path in folder.iterdir() if path.is_file()):
        total.update(f"{file.name}\0{file_sha256(file)}\n".encode())
    return total.hexdigest()


def fetch_folder(
    source: FolderSource,
    directory: Path,
    mirror: Path | None,
    download: Callable[[Path], None],
    *,
    announce: Callable[[str], None] = print,
) -> Path:
    """Fetch a folder into ``directory`` unless it is there: from the mirror, or by download.

    Args:
        source: which folder.
        directory: made if missing.
        mirror: looked into before the network is; may lack the folder.
        download: fills the given folder with the missing files, and checks its downloads. The
            bytes may differ from the mirror's, as those of pictures that are made smaller here.
        announce: called with a line about what was done.

    Raises:
        SourceError: the mirror's folder has another digest, or ``download`` failed.
    """
    target = directory / source.name
    if target.is_dir() and folder_sha256(target) == source.sha256:
        announce(f"{target}: already there")
        return target
    copy = None if mirror is None else mirror / source.mirror_path
    if copy is not None and copy.is_dir():
        _copy_checked(copy, target, source)
        announce(f"{target}: copied from the mirror")
        return target
    target.mkdir(parents=True, exist_ok=True)
    download(target)
    announce(
        f"{target}: downloaded, each file checked against its commit; made smaller here, so the "
        f"folder's digest is its own: {folder_sha256(target)}"
    )
    return target


def save_all(
    wanted: Mapping[Path, GitFile], commit: GitCommit, convert: Callable[[bytes], bytes]
) -> None:
    """Download files of a commit to paths and convert them; existing paths are left alone.

    Raises:
        SourceError: a download failed; finished ones are kept, so a second call resumes.
    """

    def save(item: tuple[Path, GitFile]) -> None:
        path, file = item
        with replacing_file(path) as scratch:
            scratch.write_bytes(convert(commit.read(file)))

    missing = [(path, file) for path, file in wanted.items() if not path.is_file()]
    logger.info("%d of %d files are to be downloaded", len(missing), len(wanted))
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            for done, _ in enumerate(pool.map(save, missing), start=1):
                if done % 500 == 0:
                    logger.info("%d of %d", done, len(missing))
        except SourceError:
            pool.shutdown(cancel_futures=True)
            raise


def _copy_checked(copy: Path, target: Path, source: FolderSource) -> None:
    with replacing_folder(target) as scratch:
        shutil.copytree(copy, scratch, dirs_exist_ok=True)
        digest = folder_sha256(scratch)
        if digest != source.sha256:
            raise SourceError(
                f"{copy} is not {source.name}: its digest is {digest}, expected {source.sha256}; "
                "repair the mirror or run without it"
            )
        for path in (scratch, *scratch.iterdir()):
            path.chmod(0o755 if path.is_dir() else 0o644)


def _get(url: str) -> Any:
    import requests

    try:
        response = requests.get(url, timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S))
        response.raise_for_status()
    except requests.RequestException as error:
        raise SourceError(
            f"{url} could not be had: {error}. Try again when the network is there (what was "
            "received is kept), or set CRISOL_DATA_MIRROR to a folder that holds a copy"
        ) from error
    return response
