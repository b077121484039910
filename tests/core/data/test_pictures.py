"""Pictures: whole, upright and on white; or refused before anything is unpacked."""

import base64
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from crisol.core.data import pictures
from crisol.core.errors import FieldError

RED, WHITE = (255, 0, 0), (255, 255, 255)


def _file(picture: Image.Image, form: str = "PNG", **options) -> bytes:
    stream = BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def _red(width: int = 40, height: int = 20, mode: str = "RGB") -> Image.Image:
    return Image.new("RGB", (width, height), RED).convert(mode)


def _png_claiming(width: int, height: int) -> bytes:
    """A small file whose header promises many pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))  # fmt: skip # noqa: E501

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")  # fmt: skip # noqa: E501


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_picture_is_whole_and_centred_on_white(form):
    found = pictures.decode(_file(_red(), form), 32)
    assert (found.width, found.height) == (40, 20)
    assert found.pixels.shape == (32, 32, 3)
    assert found.pixels.dtype == np.uint8
    assert tuple(found.pixels[0, 0]) == WHITE
    assert tuple(found.pixels[-1, -1]) == WHITE
    assert np.abs(found.pixels[16, 16].astype(int) - RED).max() < 8


@pytest.mark.parametrize(
    ("mode", "form"),
    [("L", "JPEG"), ("CMYK", "JPEG"), ("P", "PNG"), ("1", "PNG"), ("LA", "PNG"), ("RGBA", "WEBP")],
)
def test_every_mode_becomes_rgb(mode, form):
    assert pictures.decode(_file(_red(mode=mode), form), 16).pixels.shape == (16, 16, 3)


def test_sixteen_bits_keep_their_greys():
    grey = Image.fromarray(np.full((8, 8), 128 * 257, np.uint16))
    assert (pictures.decode(_file(grey), 8).pixels == 128).all()


def test_what_is_transparent_is_white():
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    assert (pictures.decode(_file(clear), 8).pixels == 255).all()
    palette = Image.new("P", (8, 8), 0)
    assert (pictures.decode(_file(palette, transparency=0), 8).pixels == 255).all()


def test_a_camera_held_sideways_is_set_upright():
    picture = Image.new("RGB", (40, 20), WHITE)
    picture.paste(RED, (0, 0, 20, 20))  # the left half
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise: left becomes top
    found = pictures.decode(_file(picture, "JPEG", exif=exif, quality=95), 40)
    assert (found.width, found.height) == (20, 40)
    assert found.pixels[5, 20, 1] < 50 < 200 < found.pixels[35, 20, 1]


def test_a_large_jpeg_says_its_own_size():
    found = pictures.decode(_file(_red(2000, 1000), "JPEG"), 32)
    assert (found.width, found.height) == (2000, 1000)


@pytest.mark.parametrize(
    ("data", "kind", "said"),
    [
        (b"", "image_empty", "is empty"),
        (b"hello", "image_format", "JPEG, PNG or WebP"),
        (b"<svg xmlns=''></svg>", "image_format", "SVG"),
        (_file(_red(), "GIF"), "image_format", "GIF"),
        (_file(_red(), "BMP"), "image_format", "BMP"),
        (_file(_red(), "TIFF"), "image_format", "TIFF"),
        (_file(_red(), "WEBP")[:-20] + b"", "image_broken", "broken"),
        (_file(_red(300, 300), "JPEG")[:-400], "image_broken", "broken"),
        (_file(_red())[:60], "image_broken", "broken"),
        (b"\xff\xd8\xff" + bytes(50), "image_broken", "broken"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "image_broken", "broken"),
        (_png_claiming(6000, 7000), "image_too_large", "6000 x 7000"),
        (_png_claiming(50_000, 50_000), "image_too_large", "million pixels"),
        (_png_claiming(12_001, 1), "image_too_large", "12,000 a side"),
        (_png_claiming(3000, 3000), "image_broken", "broken"),
        (_file(_red(), "PNG", save_all=True, append_images=[_red()]), "image_format", "animated"),
        (
            _file(_red(), "WEBP", save_all=True, append_images=[_red().rotate(90)]),
            "image_format",
            "animated",
        ),
        (b"\xff\xd8\xff" + b"\xff\xda" * 101, "image_too_large", "scans"),
        (b"\xff\xd8\xff" + bytes(pictures.MAX_BYTES), "image_too_large", "10 MB"),
    ],
)
def test_what_is_no_picture_is_refused_by_field_and_reason(data, kind, said):
    with pytest.raises(FieldError, match=said) as refused:
        pictures.decode(data, 16, "product.image")
    assert (refused.value.field, refused.value.kind) == ("product.image", kind)


def test_base64_comes_plain_wrapped_or_as_an_address():
    data = _file(_red())
    plain = base64.b64encode(data).decode()
    wanted = pictures.decode(data, 16).pixels
    lines = "\n".join(plain[start : start + 76] for start in range(0, len(plain), 76))
    for text in (plain, lines, plain.rstrip("="), f"data:image/png;base64,{plain}"):
        assert (pictures.decode_base64(text, 16).pixels == wanted).all()


@pytest.mark.parametrize("text", ["not base64!", "é", "A", "data:image/png,rawbytes"])
def test_what_is_not_base64_is_refused(text):
    with pytest.raises(FieldError) as refused:
        pictures.decode_base64(text, 16)
    assert refused.value.kind == "image_encoding"


def test_files_are_read_or_missed(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(_file(_red()))
    assert pictures.decode_file(path, 16).width == 40
    with pytest.raises(FieldError, match="no file"):
        pictures.decode_file(tmp_path / "b.png", 16)
    path.write_bytes(bytes(pictures.MAX_BYTES + 1))
    with pytest.raises(FieldError, match="10 MB"):
        pictures.decode_file(path, 16)


def test_threads_decode_alike():
    rng = np.random.default_rng(0)
    files = [_file(Image.fromarray(rng.integers(0, 255, (90, 70, 3), np.uint8)), form)
             for form in ("PNG", "JPEG", "WEBP") for _ in range(4)]  # fmt: skip
    alone = [pictures.decode(data, 32).pixels for data in files]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda data: pictures.decode(data, 32).pixels, files))
    for one, other in zip(alone, together, strict=True):
        assert (one == other).all()
