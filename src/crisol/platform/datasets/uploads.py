"""Unfinished uploads: the bytes that have arrived lie in the state folder until the file is whole.

A part of a dataset has a folder with the bytes so far and ``upload.json`` about them. An
interrupted upload resumes at the size of the file on the disk, so the offset is right whatever
ended it: a cut connection, ``kill -9``, a power cut.

File locks keep the requests of all processes apart. A request holds the lock of a part as long as
it writes the part. The lock of the dataset is held for moments: when a request decides whether the
dataset takes a part, and again when the part is attached. The lock of a part is taken under the
lock of its dataset, and never waited for.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from crisol.core.locks import FileLock
from crisol.platform.datasets.dataset import Dataset, Part, StoredFile, UnknownDatasetError
from crisol.platform.datasets.dataset_store import DatasetStore
from crisol.platform.datasets.upload_files import (
    FACTS,
    LOOKED_AT,
    PARTS,
    BusyError,
    FileProgress,
    OffsetError,
    TooLargeError,
    UnfinishedError,
    UnwantedError,
    Upload,
    UploadError,
    Writer,
    alone,
    check_content,
    free_bytes,
    kept_name,
    reserve,
    room,
    too_large,
    write_facts,
)
from crisol.platform.settings import PlatformSettings

_PATIENCE_S = 10.0
"""How long a request waits for the lock of a dataset."""


class Uploads:
    """The unfinished uploads of every dataset.

    Args:
        settings: limits, and the state folder, which is made if it is missing.
        datasets: to which the files are attached.

    Raises:
        ConfigurationError: the state folder cannot be made or written.
    """

    def __init__(self, settings: PlatformSettings, datasets: DatasetStore) -> None:
        settings.make_state_dir()
        self._settings = settings
        self._datasets = datasets
        self._root = settings.state_dir / "uploads"

    def find(self, dataset_id: str, part: Part) -> tuple[Upload, int] | None:
        """An upload and the bytes that have arrived; ``None``: there is no such upload."""
        folder = self._root / dataset_id / part
        try:
            upload = Upload(**json.loads((folder / FACTS).read_bytes()))
        except FileNotFoundError:
            return None
        try:
            return upload, (folder / upload.file).stat().st_size
        except FileNotFoundError:  # not a byte yet, or forgotten just now
            return upload, 0

    def progress(self, dataset: Dataset) -> list[FileProgress]:
        """How much of each file of a dataset has arrived."""
        found = [FileProgress.of(file) for file in dataset.files]
        for part in PARTS:
            begun = self.find(dataset.id, part)
            if begun is not None and part not in {file.part for file in dataset.files}:
                upload, size = begun
                found.append(FileProgress(part, upload.name, size, upload.length))
        return found

    @contextmanager
    def writing(
        self, dataset_id: str, part: Part, name: str, offset: int, length: int | None
    ) -> Iterator["Writer"]:
        """Append to a file, locked for the block; at its end the bytes are on the disk.

        Args:
            dataset_id: whose.
            part: which file.
            name: what the client calls it.
            offset: where the client goes on; it must be where the file ends.
            length: how long the whole file will be, if the client says so.

        Raises:
            UploadError: the file is not taken: see its kinds. What had arrived before stays; when
                the block raises an error that is no :class:`UnfinishedError`, all is removed.
            UnknownDatasetError: the dataset is gone.
        """
        folder = self._root / dataset_id / part
        with room(), ExitStack() as stack:
            with self._locked(dataset_id):
                self._wanted(dataset_id, part)
                try:
                    stack.enter_context(alone(folder))
                    upload = self._agree(dataset_id, part, name, offset, length)
                finally:
                    if not (folder / FACTS).exists():
                        shutil.rmtree(folder, ignore_errors=True)
            try:
                with Writer(part, folder / upload.file, upload, self._settings) as writer:
                    yield writer
            except UnfinishedError:
                raise
            except (UploadError, UnknownDatasetError):
                with self._locked(dataset_id):
                    shutil.rmtree(folder)
                raise

    def keep(self, dataset_id: str, part: Part, digest: bytes | None) -> tuple[Dataset, StoredFile]:
        """Attach a whole file to its dataset. Call it while :meth:`writing` the file.

        Args:
            dataset_id: whose.
            part: which file.
            digest: SHA-256 of the whole file, if the client said it.

        Returns:
            The dataset as it is then, and the file.

        Raises:
            UploadError: the file is not what the client said or what its name says, or the dataset
                does not take it any more.
        """
        file, path = self.finish(dataset_id, part)
        if digest is not None and digest != bytes.fromhex(file.sha256):
            raise UploadError("the bytes that arrived do not have the Repr-Digest that was said")
        with self._locked(dataset_id):
            dataset = self._datasets.attach(self._wanted(dataset_id, part), file, path)
            shutil.rmtree(path.parent)
        return dataset, file

    def finish(self, dataset_id: str, part: Part) -> tuple[StoredFile, Path]:
        """The whole file with its digest. Call it while :meth:`writing` the file.

        Raises:
            UploadError: it is not as long as the client said, or not what its name says.
        """
        found = self.find(dataset_id, part)
        if found is None:
            raise UploadError("nothing was uploaded")
        upload, size = found
        path = self._root / dataset_id / part / upload.file
        if upload.length is not None and size != upload.length:
            raise OffsetError(f"{size} bytes are there, Upload-Length said {upload.length}", size)
        if size == 0:
            raise UploadError("the file is empty")
        with path.open("rb") as file:
            check_content(upload.file, file.read(LOOKED_AT))
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        write_facts(path.parent, replace(upload, length=size, sha256=digest))
        return StoredFile(part, upload.name, upload.file, size, digest), path

    def forget(self, dataset_id: str, part: Part) -> bool:
        """Remove what arrived of a file; whether there was anything.

        Raises:
            BusyError: somebody is writing it.
        """
        folder = self._root / dataset_id / part
        with self._locked(dataset_id):
            if not folder.exists():
                return False
            with alone(folder):
                shutil.rmtree(folder)
        return True

    def settle(self) -> None:
        """Attach the files that were whole when the service ended; remove those of no dataset."""
        for path in sorted(self._root.glob(f"*/*/{FACTS}")):
            folder, dataset_id = path.parent, path.parent.parent.name
            # A file that is busy is another process's, which is alive.
            with suppress(BusyError), self._locked(dataset_id), alone(folder):
                self._settle(dataset_id, folder)

    def _settle(self, dataset_id: str, folder: Path) -> None:
        part: Part = folder.name  # type: ignore[assignment]
        found = self.find(dataset_id, part)
        with suppress(UnknownDatasetError):  # deleted in the MLflow UI
            dataset = self._datasets.get(dataset_id)
            if dataset.state == "open" and found is not None:
                upload, _ = found
                if not upload.sha256:
                    return
                file = StoredFile(part, upload.name, upload.file, upload.length or 0, upload.sha256)
                self._datasets.attach(dataset, file, folder / upload.file)
        shutil.rmtree(folder)

    def expire(self) -> None:
        """Refuse the datasets whose files did not arrive in time, and remove what did arrive."""
        before_s = time.time() - self._settings.upload_expires_s
        for dataset in self._datasets.open_since(int(1000 * before_s)):
            # A dataset that is busy gets its files after all.
            with (
                suppress(BusyError, UnknownDatasetError),
                self._locked(dataset.id),
                ExitStack() as stack,
            ):
                if self._datasets.get(dataset.id).state != "open":
                    continue
                folders = [f for p in PARTS if (f := self._root / dataset.id / p).exists()]
                for folder in folders:
                    stack.enter_context(alone(folder))
                for folder in folders:
                    shutil.rmtree(folder)
                self._datasets.refuse(dataset, "its files were not uploaded in time")

    def free_bytes(self) -> int:
        """Room on the disk that the next file may take."""
        return free_bytes(self._settings)

    def _wanted(self, dataset_id: str, part: Part) -> Dataset:
        """The dataset, which takes this file. Call it with the dataset locked.

        Raises:
            UnwantedError: it does not take it.
        """
        dataset = self._datasets.get(dataset_id)
        if dataset.state != "open":
            raise UnwantedError(
                f"the dataset is {dataset.state} and takes no more files: make a new version",
                "dataset_closed",
            )
        there = {file.part for file in dataset.files}
        if part in there:
            raise UnwantedError(f"the file {part!r} is there already", "file_there")
        there |= {p for p in PARTS if (self._root / dataset_id / p / FACTS).exists()}
        if there - {part} and "all" in there | {part}:
            raise UnwantedError(
                "a dataset has one file 'all', or the files 'train' and 'test'; this one has "
                + ", ".join(sorted(there)),
                "parts_mixed",
            )
        return dataset

    def _agree(
        self, dataset_id: str, part: Part, name: str, offset: int, length: int | None
    ) -> Upload:
        """The upload with the facts of a request added; written to the disk."""
        found = self.find(dataset_id, part)
        if found is None:
            if offset:
                raise OffsetError("nothing of this file has arrived: begin with offset 0", 0)
            upload = Upload(name, kept_name(part, name), length, time.time())
        else:
            upload, size = found
            if offset != size:
                raise OffsetError(
                    f"{size} bytes of this file have arrived: go on from there "
                    f"(Upload-Offset: {size}), or DELETE what is there and begin anew",
                    size,
                )
            if length is not None and upload.length not in (None, length):
                raise UploadError(
                    f"Upload-Length was {upload.length} when the upload began, and is {length} now"
                )
            upload = replace(upload, length=upload.length if length is None else length, sha256="")
        if upload.length is not None:
            if upload.length > self._settings.max_file_bytes:
                raise TooLargeError(too_large(self._settings))
            reserve(upload.length - offset, self._settings)
        write_facts(self._root / dataset_id / part, upload)
        return upload

    @contextmanager
    def _locked(self, dataset_id: str) -> Iterator[None]:
        """Lock a dataset against the other requests of every process.

        The last one to leave removes the folder of a dataset of which nothing is on its way.
        """
        folder = self._root / dataset_id
        path = folder / "lock"
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                lock = FileLock.on(path)
            except (FileExistsError, FileNotFoundError):  # it was removed between two steps
                if time.monotonic() > deadline:
                    raise
                continue
            with lock:
                if not lock.attempt(deadline - time.monotonic()):
                    raise BusyError("another request is at work on this dataset")
                if not lock.is_at(path):
                    continue
                try:
                    yield
                finally:
                    if not any(entry.is_dir() for entry in folder.iterdir()):
                        path.unlink()
                        with suppress(OSError):  # the next request has begun in it
                            folder.rmdir()
                    lock.release()
                return
