"""The MLflow signature of a family, made from its contract alone."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from mlflow.models import ModelSignature
    from mlflow.types.schema import Schema

_SCALARS: Mapping[str, str | None] = {
    "number": "double",
    "integer": "long",
    "string": "string",
    "boolean": "boolean",
}


def signature(request: type[BaseModel], response: type[BaseModel]) -> "ModelSignature":
    """The signature with requests as inputs and responses as outputs, one row each.

    Numbers of requests are of any type: MLflow's check refuses 36 for a ``double`` and 36.0 for a
    ``long``, which the contract takes, as the service does. The model checks requests by the
    contract.

    Raises:
        ValueError: the contract uses a type MLflow cannot express; the message names the field.
    """
    from mlflow.models import ModelSignature

    return ModelSignature(
        inputs=_schema(request.model_json_schema(mode="validation"), any_number=True),
        outputs=_schema(response.model_json_schema(mode="serialization")),
    )


def _schema(contract: Mapping[str, Any], any_number: bool = False) -> "Schema":
    from mlflow.types.schema import ColSpec, Schema

    definitions = contract.get("$defs", {})
    required = set(contract.get("required", []))
    scalars = {**_SCALARS, **(dict.fromkeys(("number", "integer"), None) if any_number else {})}
    return Schema(
        [
            ColSpec(
                _type(field, definitions, name, scalars),
                name=name,
                required=name in required and not _nullable(field),
            )
            for name, field in contract["properties"].items()
        ]
    )


def _nullable(field: Mapping[str, Any]) -> bool:
    return any(option.get("type") == "null" for option in field.get("anyOf", []))


def _anything() -> Any:
    from mlflow.types.schema import AnyType

    make: Any = AnyType
    return make()


def _type(
    field: Mapping[str, Any],
    definitions: Mapping[str, Any],
    path: str,
    scalars: Mapping[str, str | None],
) -> Any:
    from mlflow.types.schema import Array, DataType, Map, Object, Property

    if "$ref" in field:
        return _type(definitions[field["$ref"].rpartition("/")[2]], definitions, path, scalars)
    if "anyOf" in field:
        options = [o for o in field["anyOf"] if o.get("type") != "null"]
        # A union of several types has no MLflow name of its own.
        return _type(options[0], definitions, path, scalars) if len(options) == 1 else _anything()
    kind = field.get("type")
    if kind is None and ("enum" in field or "const" in field):
        kind = "string"
    if isinstance(kind, str) and kind in scalars:
        name = scalars[kind]
        return _anything() if name is None else DataType[name]
    if kind == "array":
        if "items" not in field:
            return Array(_anything())
        return Array(_type(field["items"], definitions, f"{path}[]", scalars))
    if kind == "object" and "properties" in field:
        required = set(field.get("required", []))
        return Object(
            [
                Property(
                    name,
                    _type(part, definitions, f"{path}.{name}", scalars),
                    required=name in required and not _nullable(part),
                )
                for name, part in field["properties"].items()
            ]
        )
    if kind == "object":
        inner = field.get("additionalProperties")
        return Map(
            _type(inner, definitions, f"{path}.*", scalars)
            if isinstance(inner, Mapping)
            else _anything()
        )
    raise ValueError(f"the contract's field {path} has no MLflow type: {dict(field)}")
