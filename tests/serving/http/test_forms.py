"""Forms with files: the JSON they stand for, and what is no form."""

import asyncio
import base64
import json
from typing import Any

import httpx
import pytest
from pydantic import Field

from crisol.core.contract import Contract
from crisol.core.errors import FieldError
from crisol.serving.http.errors import ApiError
from crisol.serving.http.forms import MAX_PARTS, Upload


class Parcel(Contract):
    title: str
    weight: float | None = None
    labels: dict[str, str] | None = None
    sizes: tuple[int, ...] | None = Field(default=None)
    photo: str | None = None


UPLOAD = Upload(Parcel, "parcel", "photo", max_file_bytes=1000)
PIXELS = bytes(range(256)) + b"\r\n--boundary\r\n"


def form(
    files: dict[str, Any] | list[tuple[str, Any]], data: dict[str, Any] | None = None
) -> tuple[bytes, bytes]:
    """Content type and body as a client sends them."""
    request = httpx.Request("POST", "http://service/", files=files, data=data)
    return request.headers["content-type"].encode(), request.read()


def read(
    files: dict[str, Any] | list[tuple[str, Any]], data: dict[str, Any] | None = None
) -> tuple[dict[str, Any], bool]:
    body, typed = asyncio.run(UPLOAD.as_json(*form(files, data)))
    return json.loads(body), typed


def test_a_file_beside_the_json_becomes_base64_in_it() -> None:
    parcel = {"title": "Ünï", "weight": 2.5}
    wanted = {**parcel, "photo": base64.b64encode(PIXELS).decode()}
    as_field = {
        "parcel": (None, json.dumps(parcel), "application/json"),
        "photo": ("a b.png", PIXELS),
    }
    as_file = {"parcel": ("blob", json.dumps(parcel)), "photo": ("x", PIXELS, "image/png")}
    for files in (as_field, as_file):
        assert read(files) == (wanted, True)


def test_the_fields_may_be_parts_of_their_own() -> None:
    data = {"title": "12", "weight": "2.5", "labels": '{"a": "b"}', "sizes": "[1, 2]"}
    found, typed = read({"photo": ("x", PIXELS)}, data)
    assert not typed
    parcel = Parcel.model_validate_json(json.dumps(found))
    assert (parcel.title, parcel.weight, parcel.sizes) == ("12", 2.5, (1, 2))
    assert parcel.labels == {"a": "b"}
    assert parcel.photo == base64.b64encode(PIXELS).decode()


def test_a_form_in_which_no_file_was_chosen_has_none() -> None:
    assert read({"photo": ("", b"")}, {"title": "a"})[0] == {"title": "a"}


@pytest.mark.parametrize(
    ("files", "data", "field", "kind"),
    [
        ({"photo": ("x", b"." * 1001)}, {"title": "a"}, "photo", "file_too_large"),
        ({"title": ("x", b"a")}, None, "title", "unexpected_file"),
        ({"colour": ("x", b"a")}, None, "colour", "unknown_part"),
        ([("photo", ("x", b"a")), ("photo", ("y", b"b"))], None, "photo", "twice"),
        ({"parcel": (None, '{"photo": "AA=="}'), "photo": ("x", b"a")}, None, "photo", "twice"),
        ({"parcel": (None, "[1]")}, None, "parcel", "dict_type"),
        ({"parcel": (None, "{")}, None, "parcel", "json_invalid"),
        ({"photo": ("x", b"a")}, {"labels": "a=b"}, "labels", "json_invalid"),
        ({"title": (None, b"\xff")}, None, "title", "not_text"),
    ],
)
def test_a_part_that_cannot_be_taken_is_named(files: Any, data: Any, field: str, kind: str) -> None:
    with pytest.raises(FieldError) as caught:
        read(files, data)
    assert (caught.value.field, caught.value.kind) == (field, kind)


def test_what_is_no_form_is_refused() -> None:
    content_type, body = form({"photo": ("x", PIXELS)}, {"title": "a"})
    many = form({f"part{n}": (None, "a") for n in range(MAX_PARTS + 1)})
    for kind, content in (
        (b"multipart/form-data; boundary=other", body),
        (b"multipart/form-data; boundary=", body),
        (b"multipart/form-data;", body),
        (content_type, body[:-10]),
        (content_type, body[: len(body) // 2]),
        (content_type, b""),
        (content_type, body.replace(b'name="title"', b'mane="title"')),
        many,
    ):
        with pytest.raises(ApiError) as caught:
            asyncio.run(UPLOAD.as_json(kind, content))
        assert (caught.value.status, caught.value.code) == (400, "malformed_form")
