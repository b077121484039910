"""The families that take uploaded datasets: which one a dataset belongs to, and its options."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import GetJsonSchemaHandler, JsonValue, create_model
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from crisol import models
from crisol.core.data.profile import DatasetOptions
from crisol.core.errors import FieldError
from crisol.core.params import Params


def dataset_family(name: str | None) -> str:
    """The family of a dataset: the one that is named, the only one, or the default.

    Raises:
        FieldError: the named family takes no datasets, or one has to be named.
    """
    names = models.dataset_families()
    if name is not None:
        if name not in names:
            there = ", ".join(names)
            raise FieldError("family", f"takes no datasets; these do: {there}", "family_unknown")
        return name
    found = default_family()
    if found is None:
        raise FieldError("family", f"is missing; name one of: {', '.join(names)}", "missing")
    return found


def default_family() -> str | None:
    """The family of datasets that name none; ``None``: they have to name one."""
    names = models.dataset_families()
    found = names if len(names) == 1 else [n for n in names if options_class(n).default_family]
    return found[0] if len(found) == 1 else None


def options_class(family: str) -> type[DatasetOptions]:
    """The options of a family that takes datasets."""
    kind: type[DatasetOptions] = models.family(family).DatasetOptions
    return kind


def checked_options(family: str, given: Mapping[str, JsonValue]) -> DatasetOptions:
    """The options of a request, as the family reads them.

    Raises:
        ValidationError: naming each field that is wrong under ``options``.
    """
    request = create_model("Request", __base__=Params, options=(options_class(family), ...))
    checked: DatasetOptions = request.model_validate({"options": dict(given)}).options  # type: ignore[attr-defined]
    return checked


class _AnyFamilysOptions:
    """Describes the field ``options`` of a request by the options of all families."""

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        kinds = [options_class(name) for name in models.dataset_families()]
        described: list[dict[str, Any]] = [handler(k.__pydantic_core_schema__) for k in kinds]
        return described[0] if len(described) == 1 else {"anyOf": described}


Options = Annotated[dict[str, JsonValue], _AnyFamilysOptions()]
"""The options of a request, unread."""
