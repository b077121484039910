"""The part of a contract that callers depend on: field names, types, required fields.

Descriptions, examples, ranges and the values of an enumeration are left out: a model that was
trained on other numbers may allow other ranges and still take the same requests.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

_KINDS = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def shape(schema: Mapping[str, Any]) -> Any:
    """The canonical shape of a JSON schema as plain JSON.

    >>> shape({"type": "object", "properties": {"x": {"type": "number", "maximum": 3}}})
    {'object': {'x': 'number'}, 'required': []}
    """
    return _shape(schema, schema.get("$defs", {}), ())


def shape_digest(request: type[BaseModel], response: type[BaseModel]) -> str:
    """SHA-256 (hex) of the shapes of a predictor's request and response."""
    both = {
        "request": shape(request.model_json_schema(mode="validation")),
        "response": shape(response.model_json_schema(mode="serialization")),
    }
    return hashlib.sha256(json.dumps(both, sort_keys=True).encode()).hexdigest()


def _shape(node: Mapping[str, Any], definitions: Mapping[str, Any], inside: tuple[str, ...]) -> Any:
    if "$ref" in node:
        name = node["$ref"].rpartition("/")[2]
        if name in inside:  # a type that contains itself
            return {"itself": inside[::-1].index(name)}
        return _shape(definitions[name], definitions, (*inside, name))
    for union in ("anyOf", "oneOf", "allOf"):
        if union in node:
            options = [_shape(option, definitions, inside) for option in node[union]]
            return {union: sorted(options, key=json.dumps)}
    if "properties" in node:
        fields = {k: _shape(v, definitions, inside) for k, v in node["properties"].items()}
        return {"object": fields, "required": sorted(node.get("required", []))}
    kind = node.get("type")
    if kind == "object":
        inner = node.get("additionalProperties")
        return {"map": _shape(inner, definitions, inside) if isinstance(inner, Mapping) else "any"}
    if kind == "array":
        if "prefixItems" in node:
            return {"tuple": [_shape(item, definitions, inside) for item in node["prefixItems"]]}
        return {"array": _shape(node["items"], definitions, inside) if "items" in node else "any"}
    if kind is None:
        values = [*node.get("enum", []), *([node["const"]] if "const" in node else [])]
        kinds = sorted({_KINDS.get(type(value), "any") for value in values})
        return "|".join(kinds) or "any"
    return f"{kind}:{node['format']}" if "format" in node else kind
