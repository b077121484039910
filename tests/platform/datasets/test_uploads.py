"""Files on their way in: in pieces, cut off, somebody else's, too large, not what they say."""

import base64
import hashlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.platform.answering import (
    KEYS,
    WRITTEN,
    Answering,
    bare_store,
    error,
    new_dataset,
    rows,
    served,
    settled,
)
from tests.platform.conftest import job_process_environment, job_project, until

from crisol.platform.datasets.dataset import NewDataset
from crisol.platform.datasets.upload_files import UploadError, alone, kept_name

pytestmark = pytest.mark.usefixtures("_no_store")


@pytest.fixture(scope="module")
def _no_store() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("CRISOL_STORE", "")
        yield


@pytest.fixture(scope="module")
def service(
    _no_store: None, tmp_path_factory: pytest.TempPathFactory, template_database: Path
) -> Iterator[Answering]:
    store = bare_store(tmp_path_factory.mktemp("uploads") / "project", template_database)
    with served(store, max_file_bytes=200_000, upload_idle_s=0.5) as service:
        yield service


@pytest.fixture(scope="module")
def mine(service: Answering) -> Iterator[httpx.Client]:
    with service.client("trainer") as client:
        yield client


@pytest.fixture(scope="module")
def theirs(service: Answering) -> Iterator[httpx.Client]:
    with service.client("another") as client:
        yield client


def files_of(dataset: dict[str, Any]) -> str:
    return f"/v1/datasets/{dataset['id']}/files"


def digest_header(content: bytes) -> dict[str, str]:
    text = base64.b64encode(hashlib.sha256(content).digest()).decode()
    return {"Repr-Digest": f"sha-256=:{text}:"}


def test_a_file_in_pieces_is_the_file(mine: httpx.Client) -> None:
    content, dataset = rows(), new_dataset(mine, "pieces")
    place = files_of(dataset)
    begun = mine.post(
        f"{place}?name=a.csv", content=content[:300], headers={"Upload-Complete": "?0"}
    )
    assert (begun.status_code, begun.json()["complete"]) == (200, False)
    head = mine.head(f"{place}?part=all")
    assert (head.headers["upload-offset"], head.headers["upload-complete"]) == ("300", "?0")
    wrong = mine.patch(place, content=content[200:], headers={"Upload-Offset": "200"})
    assert error(wrong) == (409, "offset_mismatch")
    assert wrong.headers["upload-offset"] == "300"
    done = mine.patch(
        place, content=content[300:], headers={"Upload-Offset": "300", **digest_header(content)}
    )
    assert done.status_code == 201
    assert done.json()["sha256"] == hashlib.sha256(content).hexdigest()
    assert settled(mine, dataset["id"])["state"] == "ready"
    assert error(mine.post(f"{place}?name=a.csv", content=content)) == (409, "dataset_closed")
    shown = mine.get(place).json()["files"]
    assert [(f["offset"], f["complete"]) for f in shown] == [(len(content), True)]


def test_two_parts_make_one_dataset(mine: httpx.Client) -> None:
    dataset = new_dataset(mine, "official", target="churned")
    place = files_of(dataset)
    assert mine.post(f"{place}?part=train&name=a.data", content=rows()).status_code == 201
    mixed = mine.post(f"{place}?part=all&name=a.csv", content=rows())
    assert error(mixed) == (409, "parts_mixed")
    again = mine.post(f"{place}?part=train&name=a.data", content=rows())
    assert error(again) == (409, "file_there")
    assert mine.get(f"/v1/datasets/{dataset['id']}").json()["state"] == "open"
    assert mine.post(f"{place}?part=test&name=a.test", content=rows(20)).status_code == 201
    found = settled(mine, dataset["id"])
    assert found["state"] == "ready", found["reason"]
    assert found["rows"] == 80


def test_nobody_else_sees_or_touches_an_upload(mine: httpx.Client, theirs: httpx.Client) -> None:
    dataset = new_dataset(mine, "private")
    place = files_of(dataset)
    mine.post(f"{place}?name=a.csv", content=b"a,b\n1,", headers={"Upload-Complete": "?0"})
    tried = [
        theirs.get(f"/v1/datasets/{dataset['id']}"),
        theirs.get(place),
        theirs.patch(place, content=b"2\n", headers={"Upload-Offset": "6"}),
        theirs.post(f"{place}?name=a.csv", content=b"2\n"),
        theirs.delete(f"{place}?part=all"),
        theirs.post("/v1/datasets", json={"from": dataset["id"]}),
        theirs.get(f"/v1/datasets/{dataset['id']}/profile"),
    ]
    assert {error(answer) for answer in tried} == {(404, "dataset_unknown")}
    assert theirs.head(f"{place}?part=all").status_code == 404
    listed = theirs.get("/v1/datasets?limit=200").json()["items"]
    assert dataset["id"] not in [d["id"] for d in listed]
    assert mine.head(f"{place}?part=all").headers["upload-offset"] == "6"


def test_a_ready_dataset_is_seen_but_its_files_stay_its_owners(
    mine: httpx.Client, theirs: httpx.Client
) -> None:
    dataset = new_dataset(mine, "shared")
    mine.post(f"{files_of(dataset)}?name=a.csv", content=rows())
    settled(mine, dataset["id"])
    assert theirs.get(f"/v1/datasets/{dataset['id']}").json()["mine"] is False
    assert error(theirs.get(files_of(dataset))) == (404, "dataset_unknown")


def test_a_cut_connection_keeps_what_arrived(mine: httpx.Client, service: Answering) -> None:
    dataset = new_dataset(mine, "cut_off")
    with sending(service.url, "trainer", f"{files_of(dataset)}?name=a.csv", 10_000) as connection:
        connection.sendall(b"a,b\n" + b"1,2\n" * 99)
        until(lambda: mine.get(files_of(dataset)).json()["files"], 5)
        time.sleep(0.2)  # what the server had not read when it heard of the end would be lost
    place = f"{files_of(dataset)}?part=all"

    def offset() -> str | None:
        return mine.head(place).headers.get("upload-offset")

    until(lambda: offset() == "400", 10)


def test_a_silent_client_is_cut_off_and_keeps_its_place(
    mine: httpx.Client, service: Answering
) -> None:
    dataset = new_dataset(mine, "silent")
    with sending(service.url, "trainer", f"{files_of(dataset)}?name=a.csv", 10_000) as connection:
        connection.sendall(b"a,b\n1,2\n")
        connection.settimeout(10)
        assert b"408" in connection.recv(1000).split(b"\r\n")[0]
    assert mine.head(f"{files_of(dataset)}?part=all").headers["upload-offset"] == "8"


def test_one_writer_at_a_time(mine: httpx.Client, service: Answering) -> None:
    dataset = new_dataset(mine, "busy")
    place = f"{files_of(dataset)}?name=a.csv"
    with sending(service.url, "trainer", place, 10_000) as connection:
        connection.sendall(b"a,b\n")
        until(lambda: mine.get(files_of(dataset)).json()["files"], 5)
        assert error(mine.post(place, content=b"x,y\n")) == (409, "upload_busy")
        assert error(mine.delete(f"{files_of(dataset)}?part=all")) == (409, "upload_busy")


def test_a_part_that_comes_too_late_is_refused_and_removed(
    mine: httpx.Client, service: Answering
) -> None:
    dataset = new_dataset(mine, "late")
    content, place = rows(), files_of(dataset)
    with sending(
        service.url, "trainer", f"{place}?part=train&name=a.csv", len(content)
    ) as connection:
        connection.sendall(content[:100])
        until(lambda: mine.get(place).json()["files"], 5)
        assert error(mine.post(f"{place}?name=a.csv", content=content)) == (409, "parts_mixed")
        service.platform.datasets.refuse(service.platform.datasets.get(dataset["id"]), "too late")
        connection.sendall(content[100:])
        connection.settimeout(10)
        answer = connection.recv(5000)
    assert answer.split(b"\r\n")[0].split()[1] == b"409"
    assert b'"dataset_closed"' in answer
    assert mine.get(place).json()["files"] == []
    assert not (service.platform.platform_settings.state_dir / "uploads" / dataset["id"]).exists()


def sending(url: str, who: str, path: str, length: int) -> socket.socket:
    """A request whose body is yet to be sent."""
    host, _, port = url.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)))
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {KEYS[who]}\r\n"
        f"Content-Length: {length}\r\n\r\n"
    )
    connection.sendall(head.encode())
    return connection


@pytest.mark.parametrize(
    ("name", "content", "headers", "expected"),
    [
        ("a.exe", rows(), {}, (422, "file_refused")),
        ("", rows(), {}, (422, "file_refused")),
        ("a.parquet", rows(), {}, (422, "file_refused")),
        ("a.zip", rows(), {}, (422, "file_refused")),
        ("a.csv", b"PAR1\0\0\0\0" * 9, {}, (422, "file_refused")),
        ("a.csv", b"", {}, (422, "file_refused")),
        ("a.csv", rows(), digest_header(b"other"), (422, "file_refused")),
        ("a.csv", rows(), {"Repr-Digest": "md5=:aa:"}, (422, "invalid_request")),
        ("a.csv", rows(), {"Upload-Length": "7"}, (422, "invalid_request")),
        ("a.csv", rows(), {"Upload-Complete": "yes"}, (422, "invalid_request")),
        ("a.csv", rows(), {"Upload-Offset": "-1"}, (422, "invalid_request")),
        ("a.csv", rows(), {"Upload-Offset": "9"}, (409, "offset_mismatch")),
        ("a.csv", b"x" * 200_001, {}, (413, "body_too_large")),
        ("../a.csv", rows(), {}, (422, "invalid_request")),
    ],
)
def test_what_is_not_taken_leaves_nothing(
    mine: httpx.Client,
    name: str,
    content: bytes,
    headers: dict[str, str],
    expected: tuple[int, str],
) -> None:
    dataset = new_dataset(mine, "refused_files")
    place = files_of(dataset)
    answer = mine.post(place, params={"name": name}, content=content, headers=headers)
    assert error(answer) == expected
    begun = {"Upload-Complete": "?0"}  # a whole file would be profiled, which takes seconds
    good = mine.post(f"{place}?name=a.csv", content=rows(), headers=begun)
    assert (good.status_code, good.json()["offset"]) == (200, len(rows())), good.text


def test_a_stream_of_unknown_length_ends_at_the_limit(mine: httpx.Client) -> None:
    dataset = new_dataset(mine, "endless")

    def pieces() -> Iterator[bytes]:
        for _ in range(300):
            yield b"1,2\n" * 250

    answer = mine.post(f"{files_of(dataset)}?name=a.csv", content=pieces())
    assert error(answer) == (413, "body_too_large")


def test_an_unfinished_file_can_be_forgotten(mine: httpx.Client) -> None:
    dataset = new_dataset(mine, "forgotten")
    place = files_of(dataset)
    assert error(mine.delete(place)) == (404, "upload_unknown")
    mine.post(f"{place}?name=a.csv", content=b"a,b\n", headers={"Upload-Complete": "?0"})
    assert mine.delete(place).status_code == 204
    assert mine.head(f"{place}?part=all").status_code == 404
    begun = {"Upload-Complete": "?0"}
    assert mine.post(f"{place}?name=b.csv", content=rows(), headers=begun).status_code == 200


def test_without_room_on_the_disk_nothing_is_begun(tmp_path: Path, template_database: Path) -> None:
    store = bare_store(tmp_path / "project", template_database)
    with (
        served(store, min_free_bytes=10**15, upload_expires_s=3600) as service,
        service.client("trainer") as mine,
    ):
        dataset = new_dataset(mine, "large")
        answer = mine.post(f"{files_of(dataset)}?name=a.csv", content=rows())
        assert error(answer) == (507, "insufficient_storage")
        assert error(httpx.get(f"{service.url}/v1/health")) == (503, "unhealthy")
        # What never comes is given up.
        object.__setattr__(service.platform.platform_settings, "upload_expires_s", 1e-6)
        service.platform.uploads.expire()
        found = mine.get(f"/v1/datasets/{dataset['id']}").json()
        assert (found["state"], found["reason"]) == (
            "refused",
            "its files were not uploaded in time",
        )


def test_a_full_disk_ends_a_request_and_not_the_upload(
    tmp_path: Path, template_database: Path
) -> None:
    """The limit of the process on the size of a file stands for the disk's end."""
    store = bare_store(tmp_path / "project", template_database)
    content = b"a,b\n" + b"1,2\n" * 1_500_000
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with served(store) as service, service.client("trainer") as mine:
        dataset = new_dataset(mine, "no_room")
        place = files_of(dataset)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, hard))
        try:
            answer = mine.post(f"{place}?name=a.csv", content=content)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert error(answer) == (507, "insufficient_storage")
        offset = int(mine.head(f"{place}?part=all").headers["upload-offset"])
        assert offset == 4_000_000
        done = mine.patch(
            place,
            content=content[offset:],
            headers={"Upload-Offset": str(offset), **digest_header(content)},
        )
        assert done.status_code == 201, done.text


def test_a_file_that_was_whole_when_the_service_ended_is_kept(service: Answering) -> None:
    datasets, uploads = service.platform.datasets, service.platform.uploads
    dataset = datasets.create(NewDataset(name="half_kept"), "somebody")
    deleted = datasets.create(NewDataset(name="deleted"), "somebody")
    for one in (dataset, deleted):
        with uploads.writing(one.id, "all", "a.csv", 0, None) as writer:
            writer.write(rows())
            writer.close()
            stored, path = uploads.finish(one.id, "all")
    service.platform.store.client().delete_run(deleted.id)
    uploads.settle()
    kept = datasets.get(dataset.id)
    assert (kept.state, kept.files) == ("profiling", (stored,))
    assert datasets.attach(dataset, stored, path).files == kept.files
    assert not path.parent.parent.exists()
    assert uploads.find(deleted.id, "all") is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists what a process has open")
def test_a_file_is_free_when_its_request_ends_whatever_is_being_started(tmp_path: Path) -> None:
    """A process that is being started has copies of all that is open, until it runs its program."""
    with alone(tmp_path):
        copies = [os.dup(int(n.name)) for n in Path("/proc/self/fd").iterdir() if is_lock(n)]
    with alone(tmp_path):
        assert copies
    for copy in copies:
        os.close(copy)


def is_lock(descriptor: Path) -> bool:
    return descriptor.exists() and descriptor.readlink().name == "lock"


def test_the_kept_name_says_the_part_and_the_format() -> None:
    assert kept_name("test", "Adult.test") == "test.csv"
    assert kept_name("all", "Rows.JSONL.GZ") == "all.jsonl.gz"
    for name in ("noending", "rows.gz", "d.zip.gz"):
        with pytest.raises(UploadError, match="must end as a known format"):
            kept_name("all", name)


@pytest.mark.slow
def test_requests_that_come_at_once_leave_no_dataset_open(
    tmp_path: Path, template_database: Path
) -> None:
    """Whole files, first bytes and removals of all parts, of twelve datasets at once."""
    store = bare_store(tmp_path / "project", template_database)
    content, begun = rows(10), {"Upload-Complete": "?0"}
    with served(store) as service, service.client("trainer") as client:
        places = [files_of(new_dataset(client, f"at_once_{n}")) for n in range(12)]

        def ask(place: str, wish: tuple[str, str]) -> tuple[int, str]:
            part, what = wish
            if what == "forget":
                answer = client.delete(f"{place}?part={part}")
            elif what == "begin":
                answer = client.post(
                    f"{place}?part={part}&name=a.csv", content=content[:50], headers=begun
                )
            else:
                answer = client.post(f"{place}?part={part}&name=a.csv", content=content)
            return (answer.status_code, "") if answer.is_success else error(answer)

        wishes = [(p, w) for p in ("train", "test", "all") for w in ("whole", "forget", "begin")]
        with ThreadPoolExecutor(12) as pool:
            answers = [pool.submit(ask, place, wish) for wish in wishes for place in places]
        assert {answer.result() for answer in answers} <= {
            (200, ""), (201, ""), (204, ""), (404, "upload_unknown"), (409, "upload_busy"),
            (409, "dataset_closed"), (409, "file_there"), (409, "parts_mixed"),
            (409, "offset_mismatch"),
        }  # fmt: skip
        for place in places:
            for part in ("all", "train", "test"):
                ask(place, (part, "forget"))
            for part in ("train", "test"):
                ask(place, (part, "whole"))
            found = client.get(place).json()
            assert found["state"] != "open", found
            assert {f["part"] for f in found["files"]} in ({"all"}, {"train", "test"})
            assert all(f["complete"] for f in found["files"])
        assert not list((service.platform.platform_settings.state_dir / "uploads").iterdir())


@pytest.mark.slow
def test_an_upload_goes_on_after_kill_9(
    tmp_path: Path, template_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow keeps the last store in it
    project = job_project(tmp_path / "project", template_database)
    content = rows(200_000)  # 4 MB: more than is written at once
    process, url = start(project.folder)
    try:
        with httpx.Client(base_url=url, headers={"X-API-Key": KEYS["trainer"]}) as mine:
            dataset = new_dataset(mine, "survives")
            place = f"{files_of(dataset)}?name=a.csv"
            with sending(url, "trainer", place, len(content)) as connection:
                connection.sendall(content[:3_000_000])
                file = project.folder / f"data/platform/uploads/{dataset['id']}/all/all.csv"
                until(lambda: file.exists() and file.stat().st_size >= 2_000_000, 10)
                process.send_signal(signal.SIGKILL)
                process.wait()
    finally:
        process.kill()
    with served(project.store) as again, again.client("trainer") as mine:
        offset = int(mine.head(f"{files_of(dataset)}?part=all").headers["upload-offset"])
        assert 2_000_000 <= offset <= 3_000_000
        done = mine.patch(
            files_of(dataset),
            content=content[offset:],
            headers={"Upload-Offset": str(offset), **digest_header(content)},
        )
        assert done.status_code == 201, done.text


def start(folder: Path) -> tuple["subprocess.Popen[bytes]", str]:
    """A service of its own process, when it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "crisol.platform", "--port", str(port)],
        cwd=folder,
        env=job_process_environment(CRISOL_API_KEYS=WRITTEN),
        stdout=subprocess.DEVNULL,
        stderr=(folder / "service.log").open("wb"),
    )
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, (folder / "service.log").read_text()
        try:
            return httpx.get(f"{url}/v1/health", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    until(answers)
    return process, url
