"""Pictures from bytes, base64 and files: checked before they are decoded, then made square.

A picture may come from a stranger. Its format is read from its content, its size from its header,
and only then are pixels made of it; a large JPEG is decoded at the scale that is needed.
"""

import base64
import binascii
import re
import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# Named one by one, so that these three decoders are there before several threads ask for them.
from PIL import Image as Pillow
from PIL import JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from crisol.core.errors import FieldError

Pixels = NDArray[np.uint8]
"""[S, S, 3] RGB; the picture whole, on white where it is not square."""

MAX_BYTES = 10_000_000
MAX_PIXELS = 40_000_000
MAX_SIDE = 12_000
MAX_SCANS = 100
"""Most scans of a progressive JPEG: each goes over the whole picture again."""
ALLOWED = "a JPEG, PNG or WebP picture"
_FORMATS = (
    JpegImagePlugin.JpegImageFile.format,
    PngImagePlugin.PngImageFile.format,
    WebPImagePlugin.WebPImageFile.format,
)
_OTHERS = {
    b"GIF8": "a GIF", b"BM": "a BMP", b"II*\x00": "a TIFF", b"MM\x00*": "a TIFF", b"%PDF": "a PDF",
    b"<svg": "an SVG", b"<?xml": "an XML file", b"<!DOC": "a web page", b"<html": "a web page",
    b"PK\x03\x04": "a ZIP archive",
}  # fmt: skip
_BROKEN = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, OverflowError,
    struct.error, zlib.error,
)  # fmt: skip
"""The errors that Pillow's decoders raise at broken files."""
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
_TURNED = (5, 6, 7, 8)
_DATA_ADDRESS = re.compile(r"data:[\w.+-]+/[\w.+-]+(?:;[\w.+=-]+)*;base64,", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Image:
    """A picture, decoded.

    Attributes:
        pixels: [S, S, 3].
        width: of the file as it came, in pixels.
        height: of the file as it came.
    """

    pixels: Pixels
    width: int
    height: int


def decode(data: bytes, size: int, field: str = "image") -> Image:
    """The picture in a file's bytes, upright, whole, on white, as a square.

    Args:
        data: of a JPEG, PNG or WebP file, by its content.
        size: S, pixels of each side of the square.
        field: its name in errors.

    Returns:
        ``pixels`` [S, S, 3] uint8 RGB, and the width and height of the upright picture.

    Raises:
        FieldError: another format, broken or cut off, animated, or beyond the limits of bytes,
            pixels and sides; the message names the limits.
    """
    if not data:
        raise FieldError(field, f"is empty; send {ALLOWED}", "image_empty")
    if len(data) > MAX_BYTES:
        raise FieldError(
            field,
            f"has {len(data) / 1e6:.1f} MB; at most {MAX_BYTES / 1e6:.0f} MB are allowed",
            "image_too_large",
        )
    opened = _open(data, field)
    width, height = opened.size
    try:
        # Twice the size that is needed: the rest is averaged, which keeps fine patterns quiet.
        opened.draft(None, (2 * size, 2 * size))
        orientation = _orientation(opened)
        opened.load()
        pixels = _square(_eight_bits(opened), size, _UPRIGHT.get(orientation))
    except (Pillow.DecompressionBombError, MemoryError) as error:
        raise FieldError(field, f"unpacks to too much: {error}", "image_too_large") from error
    except _BROKEN as error:
        raise FieldError(
            field, f"is broken or cut off ({error}); send the whole file", "image_broken"
        ) from error
    if orientation in _TURNED:
        width, height = height, width
    return Image(pixels, width, height)


def decode_base64(text: str, size: int, field: str = "image") -> Image:
    """The picture in a file that came as base64, or as a ``data:`` address.

    Raises:
        FieldError: not base64, or as :func:`decode`.
    """
    # A message must not be matched whole against the pattern: it has millions of characters.
    found = _DATA_ADDRESS.match(text[:200])
    body = text[found.end() :] if found else text
    if len(body) > MAX_BYTES * 3 // 2:
        raise FieldError(
            field, f"is longer than {MAX_BYTES / 1e6:.0f} MB of file", "image_too_large"
        )
    body = "".join(body.split())
    try:
        data = base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise FieldError(
            field,
            f"is not base64 ({error}); send the bytes of {ALLOWED} in standard base64",
            "image_encoding",
        ) from error
    return decode(data, size, field)


def decode_file(path: Path, size: int, field: str = "image") -> Image:
    """The picture in a file.

    Raises:
        FieldError: there is no such file, it cannot be read, or as :func:`decode`.
    """
    try:
        if not path.is_file():
            raise FieldError(field, f"there is no file {path}", "image_missing")
        if path.stat().st_size > MAX_BYTES:
            with path.open("rb") as stream:
                return decode(stream.read(MAX_BYTES + 1), size, field)
        return decode(path.read_bytes(), size, field)
    except OSError as error:
        raise FieldError(field, f"cannot be read: {error}", "image_missing") from error


def _open(data: bytes, field: str) -> Pillow.Image:
    """The picture with its header read and within the limits, not yet decoded."""
    known = data[:3] == b"\xff\xd8\xff" or data[:8] == b"\x89PNG\r\n\x1a\n"
    if not known and not (data[:4] == b"RIFF" and data[8:12] == b"WEBP"):
        head = data[:64].lstrip()
        other = [name for start, name in _OTHERS.items() if head.startswith(start)]
        seen = f"looks like {other[0]}" if other else "is no picture that is known here"
        raise FieldError(field, f"{seen}; send {ALLOWED}", "image_format")
    if data[:2] == b"\xff\xd8" and data.count(b"\xff\xda") > MAX_SCANS:
        raise FieldError(field, f"has more than {MAX_SCANS} scans", "image_too_large")
    try:
        opened = Pillow.open(BytesIO(data), formats=_FORMATS)
        frames = 1 if opened.format == "MPO" else getattr(opened, "n_frames", 1)
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
        raise FieldError(field, _limits(), "image_too_large") from error
    except _BROKEN as error:
        raise FieldError(field, f"is broken; send the whole of {ALLOWED}", "image_broken") from (
            error
        )
    width, height = opened.size
    if min(width, height) < 1:
        raise FieldError(field, "has no pixels", "image_broken")
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise FieldError(field, f"has {width} x {height} pixels; {_limits()}", "image_too_large")
    if frames > 1:
        raise FieldError(field, f"is animated ({frames} frames); send one picture", "image_format")
    return opened


def _limits() -> str:
    return f"at most {MAX_PIXELS // 1_000_000} million pixels and {MAX_SIDE:,} a side are allowed"


def _orientation(opened: Pillow.Image) -> int:
    """The orientation tag of the file; 1 where it is missing or broken."""
    try:
        return int(opened.getexif().get(_ORIENTATION_TAG, 1))
    except _BROKEN:
        return 1


def _eight_bits(opened: Pillow.Image) -> Pillow.Image:
    """The picture in RGB, or RGBA where anything of it is transparent."""
    if opened.mode.startswith("I"):
        values = np.asarray(opened).astype(np.float64) / 257
        return Pillow.fromarray(values.clip(0, 255).round().astype(np.uint8)).convert("RGB")
    if opened.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in opened.info:
        return opened.convert("RGBA")
    return opened.convert("RGB")


def _square(opened: Pillow.Image, size: int, turn: Pillow.Transpose | None) -> Pixels:
    """[S, S, 3]: scaled until the longer side fits, centred, on white."""
    scale = size / max(opened.size)
    width, height = (min(size, max(1, round(side * scale))) for side in opened.size)
    small = opened.resize((width, height), Pillow.Resampling.BICUBIC, reducing_gap=2.0)
    if turn is not None:
        small = small.transpose(turn)
    canvas = Pillow.new("RGB", (size, size), "white")
    corner = ((size - small.width) // 2, (size - small.height) // 2)
    canvas.paste(small, corner, small if small.mode == "RGBA" else None)
    return np.array(canvas)
