"""Forms with files (``multipart/form-data``), which stand for a JSON body with the file in base64.

A form may hold the JSON object in one part and a file in another, or the fields of the object as
parts of their own, as an HTML form sends them. Either way it becomes the JSON that could have been
sent instead, so that one contract checks both.
"""

from base64 import b64encode
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import BaseModel
from pydantic_core import from_json, to_json
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException, MultiPartParser

from crisol.core.errors import FieldError
from crisol.serving.http.errors import ApiError

MEDIA_TYPE = "multipart/form-data"
MAX_PARTS = 64
_PLAIN = (b"binary", b"8bit", b"7bit")


@dataclass(frozen=True)
class Upload:
    """The form that a route takes beside JSON.

    Attributes:
        contract: of the JSON body that the form stands for.
        part: name of the part that holds the JSON object.
        file: field of the object that may come as a file.
        max_file_bytes: of that file.
    """

    contract: type[BaseModel]
    part: str
    file: str
    max_file_bytes: int

    async def as_json(self, content_type: bytes, body: bytes) -> tuple[bytes, bool]:
        """The JSON body of a form, and whether all of its values are typed.

        They are where they come as JSON or as a file; those of a plain field are text.

        Raises:
            ApiError: 400, it is no form.
            FieldError: a part that is not known, there twice, too large, or not readable.
        """
        parts = await _read_form(content_type, body)
        content: Any = {}
        if self.part in parts:
            content = _parse(self.part, parts.pop(self.part).content)
            if not isinstance(content, dict):
                raise FieldError(self.part, "is not a JSON object", "dict_type")
        typed = True
        for name, part in parts.items():
            if name not in self.contract.model_fields:
                known = ", ".join((self.part, *self.contract.model_fields))
                raise FieldError(name, f"there is no such part; there are: {known}", "unknown_part")
            if name in content:
                message = f"is there twice: as a part and in the part {self.part!r}"
                raise FieldError(name, message, "twice")
            if name == self.file and not part.content and not part.is_file:
                continue  # an HTML form in which no file was chosen
            if part.is_file:
                content[name] = self._encoded(name, part.content)
            elif name in self._structured:
                content[name] = _parse(name, part.content)
            else:
                content[name] = _text(name, part.content)
                typed = False
        return to_json(content, inf_nan_mode="constants"), typed

    def request_body(self) -> dict[str, Any]:
        """The form for the API page, beside the JSON."""
        reference = {"$ref": f"#/components/schemas/{self.contract.__name__}"}
        file = {"type": "string", "format": "binary", "contentMediaType": "image/*"}
        form = {
            "schema": {
                "type": "object",
                "description": (
                    f"The JSON object in the part {self.part!r} (or its fields as parts of their "
                    f"own) and {self.file!r} as a file."
                ),
                "properties": {self.part: reference, self.file: file},
            },
            "encoding": {self.part: {"contentType": "application/json"}},
        }
        return {"content": {MEDIA_TYPE: form}}

    @cached_property
    def _structured(self) -> frozenset[str]:
        """Fields that no text can stand for: objects and lists."""
        fields = self.contract.model_json_schema()["properties"]
        return frozenset(name for name, schema in fields.items() if _is_structured(schema))

    def _encoded(self, name: str, content: bytes) -> str:
        if name != self.file:
            raise FieldError(name, "is no file; send it as a plain field", "unexpected_file")
        if len(content) > self.max_file_bytes:
            limit = self.max_file_bytes / 1e6
            message = f"the file has {len(content) / 1e6:.1f} MB; at most {limit:g} MB"
            raise FieldError(name, message, "file_too_large")
        return b64encode(content).decode("ascii")


@dataclass(frozen=True, slots=True)
class _Part:
    content: bytes
    is_file: bool


class _Parser(MultiPartParser):
    """Starlette's parser, which takes a form that ends too early for a whole one."""

    ended = False

    def on_end(self) -> None:
        self.ended = True

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        for name, value in self._current_part.item_headers:
            if name == b"content-transfer-encoding" and value.lower() not in _PLAIN:
                raise MultiPartException("one of its parts is encoded")


async def _read_form(content_type: bytes, body: bytes) -> dict[str, _Part]:
    async def whole() -> AsyncGenerator[bytes, None]:
        yield body

    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"").decode("latin-1")
    # As Latin-1 every text has its bytes: Starlette would take them for Latin-1 where they are not
    # UTF-8, without a word.
    headers = Headers({"content-type": f'{MEDIA_TYPE}; boundary="{boundary}"; charset=latin-1'})
    limits = {"max_files": MAX_PARTS, "max_fields": MAX_PARTS, "max_part_size": len(body)}
    parser = _Parser(headers, whole(), **limits)
    try:
        form = await parser.parse()
    except (MultiPartException, ValueError) as error:
        if "Too many" in str(getattr(error, "message", "")):
            raise _malformed(f"it has more than {MAX_PARTS} parts") from error
        raise _malformed("its parts cannot be told apart") from error
    if not parser.ended:
        raise _malformed("it ends before its last boundary")
    parts: dict[str, _Part] = {}
    try:
        for name, value in form.multi_items():
            key = name.encode("latin-1").decode("utf-8", "replace")
            if key in parts:
                raise FieldError(key, "is there twice", "twice")
            if len(parts) == MAX_PARTS:
                raise _malformed(f"it has more than {MAX_PARTS} parts")
            if isinstance(value, str):
                parts[key] = _Part(value.encode("latin-1"), is_file=False)
            else:
                parts[key] = _Part(await value.read(), is_file=bool(value.filename))
    finally:
        await form.close()
    return parts


def _malformed(why: str) -> ApiError:
    return ApiError(400, f"The body is not a valid form: {why}.", code="malformed_form")


def _text(name: str, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise FieldError(name, "is not UTF-8 text", "not_text") from None


def _parse(name: str, content: bytes) -> Any:
    try:
        return from_json(content)
    except ValueError:
        raise FieldError(name, "is not valid JSON", "json_invalid") from None


def _is_structured(schema: dict[str, Any]) -> bool:
    if "anyOf" in schema:
        return any(_is_structured(option) for option in schema["anyOf"])
    return "$ref" in schema or schema.get("type") in ("object", "array")
