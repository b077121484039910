"""The validation of a body, whose work is bounded before it begins.

pydantic checks a whole body and keeps every error. It holds Python's lock all the time, so that a
thread does not keep the event loop free. A body of 300,000 unknown keys took it up to 0.5 s, and
the listing of the errors several seconds. So a large body is refused when it has more values than
its contract has room for, and errors are listed only while they are few.

Measured on one core: the scan takes 1 ms a MiB, and 5 ms where there are many commas; a valid body
takes 31 ms a MiB of numbers by name, and under 1 ms a MiB of text; the costliest refusal of 4 MiB,
300,000 unknown keys in a contract with room for 2.6 million values, takes 0.35 s.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from crisol.serving.http.errors import ApiError, ErrorDetail, from_validation

UNSCANNED_BYTES = 64 * 1024
"""Smaller bodies cost a few milliseconds whatever is in them."""
MAX_LISTED = 5000
"""Beyond this number of errors only their count is told."""
MAX_FREE_VALUES = 200_000
"""Values of a body whose contract sets no limit, such as the parameters of a job."""
_CHUNK = 1 << 18
_BEGINS_VALUE = np.isin(np.arange(256), list(b",[{"))


def validate(adapter: TypeAdapter[Any], body: bytes, *, strict: bool) -> Any:
    """The checked content of a JSON body.

    Args:
        adapter: of the contract.
        body: its bytes.
        strict: whether ``"3"`` is no number.

    Raises:
        ApiError: 400, it is no JSON; 422, it breaks the contract, with at most 50 details.
    """
    if len(body) > UNSCANNED_BYTES:
        _check_size(adapter, body)
    try:
        return adapter.validate_json(body, strict=strict)
    except ValidationError as error:
        raise _refusal(error) from None


def _check_size(adapter: TypeAdapter[Any], body: bytes) -> None:
    most = max_values(adapter)
    # Texts hold commas too, so that the quick count can only say that there are few enough.
    if body.count(b",") >= most and (values := count_values(body)) > most:
        message = f"the body holds {values} values, and its contract has room for {most}"
        raise _too_much(message, "too_many_values")


def _refusal(error: ValidationError) -> ApiError:
    count = error.error_count()
    if count > MAX_LISTED:
        return _too_much(f"{count} fields break the contract, too many to list", "too_many_errors")
    return from_validation(error)


def _too_much(message: str, kind: str) -> ApiError:
    detail = ErrorDetail(field="", message=message, type=kind)
    return ApiError(422, "The body breaks the contract; see details.", details=[detail])


def count_values(body: bytes) -> int:
    """How many values a JSON document has at most, those of its objects and lists included.

    >>> count_values(b'{"a": [1, "x, y"], "b": 2}')
    5
    """
    plain = body.replace(rb"\\", b"").replace(rb"\"", b"")  # every quote left begins or ends a text
    found, quoted = 1, 0
    for start in range(0, len(plain), _CHUNK):
        chunk = np.frombuffer(plain, np.uint8, min(_CHUNK, len(plain) - start), start)
        inside = (np.cumsum(chunk == ord('"'), dtype=np.int32) + quoted) & 1
        found += int(np.count_nonzero(_BEGINS_VALUE[chunk] & (inside == 0)))
        quoted = int(inside[-1])
    return found


@lru_cache(maxsize=256)
def max_values(adapter: TypeAdapter[Any]) -> int:
    """How many values a valid body has at most, as :func:`count_values` counts.

    >>> max_values(TypeAdapter(dict[str, int] | None))
    200001
    """
    free = 0

    def of(schema: Any, around: tuple[str, ...]) -> int:
        """The values of one schema; what has no limit adds :data:`MAX_FREE_VALUES` once."""
        nonlocal free
        kind = schema["type"]
        if kind == "definitions":
            known.update({d["ref"]: d for d in schema["definitions"]})
            return of(schema["schema"], around)
        if kind == "definition-ref" and schema["schema_ref"] not in around:
            reference = schema["schema_ref"]
            return of(known[reference], (*around, reference))
        if kind in ("list", "tuple", "set", "frozenset", "dict"):
            if "max_length" in schema:
                inner = [schema[key] for key in ("items_schema", "values_schema") if key in schema]
                inner = inner[0] if inner and isinstance(inner[0], list) else inner
                most: int = schema["max_length"]
                return 1 + most * max((of(i, around) for i in inner), default=1)
        elif kind in ("model-fields", "dataclass-args", "typed-dict"):
            fields = schema["fields"]
            fields = fields.values() if isinstance(fields, dict) else fields
            return 1 + sum(of(field, around) for field in fields)
        elif kind in ("union", "tagged-union"):
            choices = schema["choices"]
            choices = choices.values() if isinstance(choices, dict) else choices
            return max(of(c[0] if isinstance(c, tuple) else c, around) for c in choices)
        elif kind == "chain":
            return max(of(step, around) for step in schema["steps"])
        elif kind in ("lax-or-strict", "json-or-python"):
            return of(schema["strict_schema" if kind == "lax-or-strict" else "json_schema"], around)
        elif "schema" in schema:
            return of(schema["schema"], around)
        elif kind not in ("any", "definition-ref"):
            return 1
        free = MAX_FREE_VALUES
        return 1

    known: dict[str, Any] = {}
    return of(adapter.core_schema, ()) + free
