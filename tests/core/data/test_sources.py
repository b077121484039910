import hashlib
import logging
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from crisol.core.data.sources import Source, SourceError, fetch

CONTENT = b"date,close\n2020-01-01,1.5\n" * 200_000
NOWHERE = "http://127.0.0.1:9/table.csv"  # the discard port: nothing listens


def source(url=NOWHERE, content=CONTENT, **changed):
    fields = {
        "name": "raw/table.csv",
        "url": url,
        "sha256": hashlib.sha256(content).hexdigest(),
        "licence": "CC BY 4.0",
        "mirror_path": "signals/table.csv",
    }
    return Source(**{**fields, **changed})


@pytest.fixture
def mirror(tmp_path):
    folder = tmp_path / "mirror"
    (folder / "signals").mkdir(parents=True)
    (folder / "signals" / "table.csv").write_bytes(CONTENT)
    return folder


@pytest.fixture
def server():
    """A web server that breaks off every first answer in the middle and understands ranges."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path != "/table.csv":
                self.send_error(404)
                return
            begin = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
            asked.append(begin)
            body = CONTENT[begin:]
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if begin else body[: len(body) // 2])

        def log_message(self, *_):
            """Say nothing."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}", asked
    running.shutdown()
    running.server_close()


def names(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_mirrored_file_is_copied_and_its_licence_told_first(tmp_path, mirror):
    told = []
    (path,) = fetch([source()], tmp_path / "data", mirror, announce=told.append)
    assert path == tmp_path / "data" / "raw" / "table.csv"
    assert path.read_bytes() == CONTENT
    assert told[0] == "Licence of raw/table.csv: CC BY 4.0"
    assert told[-1].endswith("1 copied from the mirror")
    fetch([source()], tmp_path / "data", None, announce=told.append)
    assert told[-1].endswith("1 already there")


def test_a_mirror_with_another_file_is_refused(tmp_path, mirror):
    (mirror / "signals" / "table.csv").write_bytes(b"something else")
    with pytest.raises(SourceError, match=r"is not raw/table.csv: its SHA-256 is .*repair"):
        fetch([source()], tmp_path / "data", mirror, announce=str)
    assert names(tmp_path / "data") == []


def test_a_mirror_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SourceError, match="is not a folder; correct or unset it"):
        fetch([source()], tmp_path / "data", tmp_path / "nowhere", announce=str)


@pytest.mark.parametrize("with_mirror", [True, False])
def test_offline_the_error_says_how_to_go_on(tmp_path, mirror, with_mirror):
    (mirror / "signals" / "table.csv").unlink()
    with pytest.raises(
        SourceError, match=r"raw/table.csv could not be .* CRISOL_DATA_MIRROR .* signals/table.csv"
    ):
        fetch([source()], tmp_path / "data", mirror if with_mirror else None, announce=str)
    assert names(tmp_path / "data") == []


def test_a_changed_file_is_replaced_and_the_log_says_so(tmp_path, mirror, caplog):
    (path,) = fetch([source()], tmp_path / "data", mirror, announce=str)
    path.write_bytes(b"edited")
    with caplog.at_level(logging.WARNING):
        fetch([source()], tmp_path / "data", mirror, announce=str)
    assert path.read_bytes() == CONTENT
    assert "differs from its SHA-256 and is replaced" in caplog.text


def test_an_interrupted_download_goes_on_where_it_stopped(tmp_path, server):
    url, asked = server
    wanted = source(f"{url}/table.csv")
    with pytest.raises(SourceError, match="what was received is kept"):
        fetch([wanted], tmp_path, announce=str)
    assert names(tmp_path) == [".table.csv.part"]
    (path,) = fetch([wanted], tmp_path, announce=str)
    assert path.read_bytes() == CONTENT
    assert asked[0] == 0
    assert len(CONTENT) // 4 < asked[1] <= len(CONTENT) // 2
    assert names(tmp_path) == ["table.csv"]


def test_a_download_with_another_digest_is_refused(tmp_path, server):
    url, _ = server
    wanted = source(f"{url}/table.csv", content=b"expected")
    with pytest.raises(SourceError):
        fetch([wanted], tmp_path, announce=str)
    with pytest.raises(SourceError, match=r"did not give raw/table.csv with SHA-256"):
        fetch([wanted], tmp_path, announce=str)
    assert names(tmp_path) == []


def test_an_address_that_is_not_there_names_the_answer(tmp_path, server):
    with pytest.raises(SourceError, match="404"):
        fetch([source(f"{server[0]}/other.csv")], tmp_path, announce=str)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": "../table.csv"}, "name: .* must stay inside"),
        ({"mirror_path": "/etc/passwd"}, "mirror_path: .* must stay inside"),
        ({"sha256": "abc"}, "sha256: 'abc' is not 64"),
    ],
)
def test_bad_sources_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        source(**changed)
