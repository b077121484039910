"""Public files a family trains on: fetched once, never trusted without their SHA-256."""

import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from crisol.core.files import file_sha256, replacing_file

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60
_BLOCK_BYTES = 1 << 16

logger = logging.getLogger(__name__)


class SourceError(RuntimeError):
    """A public file that could not be had, or is not the one it should be."""


@dataclass(frozen=True)
class Source:
    """One public file.

    Attributes:
        name: where it goes, relative to the folder it is fetched into.
        url: where it comes from; the address of one commit or release, not of a moving branch.
        sha256: of its bytes (hex).
        licence: the licence in a few words; shown before it is fetched.
        mirror_path: where it lies relative to a local mirror; ``name`` if empty.
    """

    name: str
    url: str
    sha256: str
    licence: str
    mirror_path: str = ""

    def __post_init__(self) -> None:
        for field, path in (("name", self.name), ("mirror_path", self.mirror_path)):
            if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                raise ValueError(f"{field}: {path!r} must stay inside the folder it is relative to")
        if len(self.sha256) != 64 or set(self.sha256) - set("0123456789abcdef"):
            raise ValueError(f"sha256: {self.sha256!r} is not 64 lower-case hex digits")


def fetch(
    sources: Sequence[Source],
    directory: Path | str,
    mirror: Path | str | None = None,
    *,
    announce: Callable[[str], None] = print,
) -> list[Path]:
    """Fetch every source into ``directory`` that is not there: from the mirror, or by download.

    Files appear whole and checked, or not at all; an interrupted download goes on where it
    stopped. A file in ``directory`` that differs from its digest is replaced.

    Args:
        sources: the files to fetch.
        directory: made if missing.
        mirror: a folder with local copies, looked into before the network is.
        announce: called with the licences before, and with a summary afterwards.

    Returns:
        The paths, in the order of ``sources``.

    Raises:
        SourceError: the mirror is missing or holds another file under that name, the download
            fails (the message says how to go on offline), or its bytes are not the expected ones.
    """
    directory = Path(directory)
    mirror = None if mirror is None else Path(mirror)
    if mirror is not None and not mirror.is_dir():
        raise SourceError(f"the data mirror {mirror} is not a folder; correct or unset it")
    for licence in dict.fromkeys(source.licence for source in sources):
        names = [source.name for source in sources if source.licence == licence]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        announce(f"Licence of {', '.join(names[:3])}{more}: {licence}")
    origins = [_fetch_one(source, directory, mirror) for source in sources]
    counts = {origin: origins.count(origin) for origin in dict.fromkeys(origins)}
    told = ", ".join(f"{count} {origin}" for origin, count in counts.items())
    announce(f"{directory}: {told or 'nothing to fetch'}")
    return [directory / source.name for source in sources]


def _fetch_one(source: Source, directory: Path, mirror: Path | None) -> str:
    target = directory / source.name
    if target.is_file():
        if file_sha256(target) == source.sha256:
            return "already there"
        logger.warning("%s differs from its SHA-256 and is replaced", target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if mirror is not None:
        copy = mirror / (source.mirror_path or source.name)
        if copy.is_file():
            _copy_checked(copy, target, source)
            return "copied from the mirror"
        logger.info("%s is not in the mirror, downloading it", copy.relative_to(mirror))
    _download(source, target)
    return "downloaded"


def _copy_checked(copy: Path, target: Path, source: Source) -> None:
    digest = file_sha256(copy)
    if digest != source.sha256:
        raise SourceError(
            f"{copy} is not {source.name}: its SHA-256 is {digest}, expected {source.sha256}; "
            "repair the mirror or run without it"
        )
    with replacing_file(target) as scratch:
        shutil.copyfile(copy, scratch)
        # The copy will be used, so the copy is checked as well.
        if file_sha256(scratch) != source.sha256:
            raise SourceError(f"{copy} changed while it was copied; try again")


def _download(source: Source, target: Path) -> None:
    import pooch
    import requests

    try:
        with replacing_file(target) as scratch:
            pooch.retrieve(
                source.url,
                known_hash=f"sha256:{source.sha256}",
                fname=scratch.name,
                path=scratch.parent,
                downloader=_Resuming(target.with_name(f".{target.name}.part")),
            )
    except requests.RequestException as error:
        wanted = source.mirror_path or source.name
        raise SourceError(
            f"{source.name} could not be downloaded from {source.url}: {error}. Try again when "
            f"the network is there (what was received is kept), or set CRISOL_DATA_MIRROR to a "
            f"folder that holds {wanted}"
        ) from error
    except ValueError as error:  # pooch's word for a wrong hash
        raise SourceError(
            f"{source.url} did not give {source.name} with SHA-256 {source.sha256}: {error}"
        ) from error


class _Resuming:
    """A downloader for pooch that resumes after an interruption."""

    def __init__(self, part: Path) -> None:
        self._part = part

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        import requests

        received = self._part.stat().st_size if self._part.is_file() else 0
        with requests.get(
            url,
            headers={"Range": f"bytes={received}-"} if received else {},
            stream=True,
            timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
        ) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                logger.info("%s is complete already", self._part.name)
            else:
                response.raise_for_status()
                goes_on = response.status_code == requests.codes.partial_content
                with self._part.open("ab" if goes_on else "wb") as stream:
                    for block in response.iter_content(_BLOCK_BYTES):
                        stream.write(block)
        self._part.replace(output_file)
