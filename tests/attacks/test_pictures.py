"""Pictures that unpack to too much, that are something else as well, or that must be fetched."""

import base64
import gzip
import io
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from PIL import Image
from tests.attacks.answering import Target
from tests.attacks.wire import refused, stays_alive

pytestmark = pytest.mark.parametrize("target", ["products"], indirect=True)
PNG = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file."""
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def png(width: int, height: int, pixels: bytes, *extra: bytes, depth: int = 8) -> bytes:
    """A PNG that says its size, whatever its pixels are."""
    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    whole = [chunk(b"IHDR", header), *extra, chunk(b"IDAT", zlib.compress(pixels, 9))]
    return PNG + b"".join([*whole, chunk(b"IEND", b"")])


def picture(form: str = "PNG", size: tuple[int, int] = (60, 40), **more: Any) -> bytes:
    """A picture that nothing is wrong with."""
    stream = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(stream, form, **more)
    return stream.getvalue()


def animated(form: str, frames: int) -> bytes:
    shades = [Image.new("RGB", (30, 30), (n % 256, n // 256, 7)) for n in range(frames)]
    stream = io.BytesIO()
    shades[0].save(stream, form, save_all=True, append_images=shades[1:])
    return stream.getvalue()


def jpeg_of_size(width: int, height: int) -> bytes:
    """A JPEG whose header says another size."""
    data = bytearray(picture("JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def jpeg_of_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    data = picture("JPEG", (600, 400), progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + b"\xff\xd9"


def with_exif(exif: bytes) -> bytes:
    return picture("JPEG", exif=b"Exif\0\0" + exif)


def directory(*entries: tuple[int, int, int, int], follows: int = 0) -> bytes:
    """A TIFF header with one directory of (tag, type, count, value)."""
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    start = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    return start + packed + struct.pack("<I", follows)


TEXT = b"a\0\0" + zlib.compress(b"a" * 60_000_000, 9)
REFUSED = {
    "30,000 x 30,000 pixels": png(30_000, 30_000, b"\0" * 1_000_000),
    "the largest PNG there can be": png(2**31 - 1, 2**31 - 1, b""),
    "no pixels": png(0, 0, b""),
    "a line of pixels": png(40_000, 1, b"\0" * 120_001),
    "a JPEG of 65,500 x 65,500": jpeg_of_size(65_500, 65_500),
    "a JPEG of 1,000 scans": jpeg_of_scans(1_000),
    "an animated GIF": animated("GIF", 1_000),
    "an animated PNG": animated("PNG", 200),
    "an animated WebP": animated("WEBP", 100),
    "half a PNG": png(500, 500, b"\0" * 750_500)[:-40],
    "a PNG whose pixels are missing": png(3_000, 3_000, b"\0" * 10),
    "half a JPEG": picture("JPEG", (800, 800))[:-900],
    "half a WebP": picture("WEBP", (300, 300))[:60],
    "a wrong checksum": picture().replace(b"IDAT", b"IDAX"),
    "PNG's name alone": PNG,
    "JPEG's name alone": b"\xff\xd8\xff",
    "WebP's name alone": b"RIFF\xff\xff\xff\xffWEBP",
    "an SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "an SVG of entities": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">'
    b"]><svg>&b;</svg>",
    "a compressed SVG": gzip.compress(b"<svg/>"),
    "a page": b"<!DOCTYPE html><script>1</script>",
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9999 9999\n",
    "a PDF that is a JPEG as well": b"%PDF-1.7\n" + picture("JPEG"),
    "a GIF that is a script as well": b"GIF89a/*" + picture("GIF")[6:] + b"*/=1;",
    "a BMP": picture("BMP"),
    "a TIFF": picture("TIFF"),
    "an icon": picture("ICO"),
    "a layered picture": b"8BPS" + b"\0" * 100,
    "a ZIP": b"PK\x03\x04" + b"\0" * 100,
    "a program": b"\x7fELF" + b"\0" * 100,
    "a pickle": b"\x80\x04\x95" + b"\0" * 100,
}  # fmt: skip
READ_OR_REFUSED = {
    "more pixels than it says": png(1, 1, b"\0" * 60_000_000),
    "a text of 60 MB": png(30, 30, b"\0" * 2_730, chunk(b"zTXt", TEXT)),
    "texts of 600 MB": png(30, 30, b"\0" * 2_730, *[chunk(b"zTXt", TEXT)] * 10),
    "a profile of 60 MB": png(30, 30, b"\0" * 2_730, chunk(b"iCCP", TEXT)),
    "100,000 chunks": png(30, 30, b"\0" * 2_730, chunk(b"tEXt", b"a\0b") * 100_000),
    "a directory that leads to itself": with_exif(directory((0x8769, 4, 1, 8), follows=8)),
    "a billion values": with_exif(directory((0x0112, 3, 2**30, 8))),
    "an orientation that is none": with_exif(directory((0x0112, 3, 1, 9999))),
    "an orientation that is a text": with_exif(directory((0x0112, 2, 4, 0x00616161))),
    "60,000 empty entries": with_exif(directory(*[(0x9000, 2, 1, 0)] * 5_000)),
    "a JPEG with a ZIP behind it": picture("JPEG") + b"PK\x03\x04" + b"\0" * 100_000,
    "a PNG with a page behind it": picture() + b"<script>1</script>",
    "36 million pixels": png(6_000, 6_000, b"\0" * 108_006_000),
    "16 bits a colour": png(300, 300, b"\0" * 540_300, depth=16),
}


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def analyze(target: Target, image: Any) -> httpx.Response:
    with target.client() as client:
        return client.post("/analyze", json={"title": "Red Mug", "image": image})


def upload(target: Target, content: bytes, name: str = "a.png", kind: str = "") -> httpx.Response:
    file = (name, content, kind or "image/png")
    with target.client() as client:
        return client.post("/analyze", data={"title": "Red Mug"}, files={"image": file})


@pytest.mark.parametrize("send", [lambda t, c: analyze(t, base64_of(c)), upload],
                         ids=["json", "form"])  # fmt: skip
@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED)
def test_what_is_no_picture_or_too_much_of_one_is_refused(
    target: Target, content: bytes, send: Callable[[Target, bytes], httpx.Response]
) -> None:
    with stays_alive(target):
        body = refused(send(target, content), 422)
    assert [detail["field"] for detail in body["details"]] == ["image"]


@pytest.mark.parametrize("content", READ_OR_REFUSED.values(), ids=READ_OR_REFUSED)
def test_what_hides_in_a_picture_is_not_unpacked(target: Target, content: bytes) -> None:
    with stays_alive(target):
        answer = analyze(target, base64_of(content))
    if answer.status_code != 200:
        refused(answer, 422)


@pytest.mark.parametrize("name", ["a.svg", "a.php", "../../../etc/passwd", "a\0.png", "", "é" * 300,
                                  "a.png; filename=b.svg", "CON"])  # fmt: skip
@pytest.mark.parametrize("kind", ["image/svg+xml", "text/html", "application/octet-stream"])
def test_the_content_says_what_a_file_is(target: Target, name: str, kind: str) -> None:
    good = upload(target, picture(), name or "x", kind)
    assert good.status_code == 200, good.text
    refused(upload(target, b"<svg/>", name or "x", "image/png"), 422)


ADDRESSES = {
    "SVG": "data:image/svg+xml;base64," + base64_of(b"<svg/>"),
    "not base64": "data:image/png," + picture().hex(),
    "text": "data:text/html,<script>1</script>",
    "nothing": "data:image/png;base64,",
    "no type": "data:;base64," + base64_of(picture()),
    "twice": "data:image/png;base64,data:image/png;base64," + base64_of(picture()),
    "a million parameters": "data:image/png" + ";a=b" * 1_000_000 + ";base64,AAAA",
    "a long type": "data:image/" + "a" * 3_000_000,
    "padding alone": "=" * 1_000_000,
    "spaces alone": " \n" * 1_000_000,
    "URL-safe": base64.urlsafe_b64encode(b"\xff\xd8\xff" + b"\xfb\xff" * 50).decode(),
    "a file": "file:///etc/passwd",
    "a path": "/etc/passwd",
    "a share": "\\\\127.0.0.1\\share\\a.png",
    "FTP": "ftp://127.0.0.1/a.png",
    "gopher": "gopher://127.0.0.1:6379/_FLUSHALL",
    "the cloud's own": "http://169.254.169.254/latest/meta-data/",
    "NUL": "\0" * 1_000,
    "letters of another script": "\uff21" * 1_000,
}


@pytest.mark.parametrize("text", ADDRESSES.values(), ids=ADDRESSES)
def test_an_address_that_holds_no_picture_is_refused(target: Target, text: str) -> None:
    with stays_alive(target):
        body = refused(analyze(target, text), 422)
    assert [detail["field"] for detail in body["details"]] == ["image"]
    assert "root:" not in str(body)


def test_an_address_that_holds_a_picture_is_read(target: Target) -> None:
    answer = analyze(target, "data:image/png;base64," + base64_of(picture()))
    assert answer.status_code == 200, answer.text


@contextmanager
def nobody_comes() -> Iterator[str]:
    """The address of a server that nobody asks during the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.settimeout(0.1)
        with pytest.raises(TimeoutError):
            listener.accept()


def test_nothing_is_ever_fetched(target: Target) -> None:
    with nobody_comes() as host, target.client() as client:
        for address in (f"http://{host}/a.png", f"//{host}/a.png", f"https://{host}/a.png"):
            refused(analyze(target, address), 422)
            refused(client.post("/search", json={"image": address}), 422)
        svg = f'<svg><image href="http://{host}/a.png"/></svg>'.encode()
        refused(upload(target, svg), 422)
        described = {"title": f"http://{host}/", "description": f'<img src="http://{host}/a.png">'}
        assert client.post("/analyze", json=described).status_code == 200


def form(*parts: bytes, boundary: bytes = b"x") -> bytes:
    pieces = [b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts]
    return b"".join([*pieces, b"--" + boundary + b"--\r\n"])


def field(name: str, value: bytes = b"a", *lines: str) -> bytes:
    head = [f'Content-Disposition: form-data; name="{name}"', *lines, "", ""]
    return "\r\n".join(head).encode() + value


FORMS = {
    "no parts": form(),
    "100,000 parts": form(*[field("a")] * 100_000),
    "100,000 empty parts": b"--x\r\n\r\n\r\n" * 100_000 + b"--x--\r\n",
    "a part without a name": form(b"Content-Disposition: form-data\r\n\r\na"),
    "a part without a header": form(b"\r\na"),
    "a header of 1 MB": form(field("title", b"a", "X-A: " + "a" * 1_000_000)),
    "100,000 headers": form(field("title", b"a", *["X-A: b"] * 100_000)),
    "a name of 1 MB": form(field("a" * 1_000_000)),
    "a form in a form": form(field("title", form(field("title")), "Content-Type: multipart/mixed; "
                                   "boundary=x")),
    "the title twice": form(field("title"), field("title")),
    "an object and its title": form(field("product", b'{"title": "a"}'), field("title")),
    "a deep object": form(field("product", b'{"attributes":' * 100_000)),
    "a deep attribute": form(field("title"), field("attributes", b"[" * 100_000)),
    "another encoding": form(field("title", b"YQ==", "Content-Transfer-Encoding: base64")),
    "10 MB before it begins": b"a" * 10_000_000,
    "no end": form(field("title"))[:-6],
    "bare LF": form(field("title")).replace(b"\r\n", b"\n"),
    "NUL in a name": form(field("ti\0tle")),
    "NUL in the title": form(field("title", b"a\0")),
    "a title that is a file": form(field("title").replace(b'le"', b'le"; filename="a"')),
}  # fmt: skip
FINE = ("NUL in the title", "another encoding", "a form in a form")
"""Forms that may be answered: what they say is legal."""


@pytest.mark.parametrize("name", FORMS)
def test_a_form_that_is_none_is_refused(target: Target, name: str) -> None:
    headers = {"content-type": "multipart/form-data; boundary=x"}
    with stays_alive(target), target.client() as client:
        answer = client.post("/analyze", content=FORMS[name], headers=headers)
    if name not in FINE or answer.status_code != 200:
        refused(answer, 400, 413, 422)
    assert len(answer.content) < 20_000


@pytest.mark.parametrize("boundary", ["", "a" * 10_000, 'a"b', "%00", "\u00e9"])
def test_a_boundary_that_is_none_is_refused(target: Target, boundary: str) -> None:
    headers = {"content-type": f"multipart/form-data; boundary={boundary}".encode()}
    with target.client() as client:
        answer = client.post("/analyze", content=form(field("title")), headers=headers)  # type: ignore[arg-type]
    refused(answer, 400, 415, 422)


def test_a_job_of_bombs_fails_product_by_product(target: Target) -> None:
    bombs = [{"title": "Mug", "image": base64_of(content)} for content in REFUSED.values()]
    with stays_alive(target), target.client() as client:
        made = client.post("/embeddings/batch", json={"products": [*bombs, {"title": "Mug"}]})
        assert made.status_code == 202, made.text
        path = f"/embeddings/batch/{made.json()['job_id']}"
        while (job := client.get(path).json())["state"] in ("waiting", "running"):
            pass
    assert (job["done"], job["failed"]) == (1, len(bombs))
