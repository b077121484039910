"""Every family marks the parameters that only an operator may set, and its dataset options fit."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from typing import Annotated, Any, get_args, get_origin

import pytest
from pydantic import AnyUrl, BaseModel
from tests.conformance.families import FAMILIES, Family

from crisol import models
from crisol.core.data.profile import DatasetOptions
from crisol.core.params import ChangesTo, OperatorOnly, operator_only
from crisol.models.tabular.settings import SETTINGS

SECTIONS = {"data": "DataParams", "model": "ModelParams", "train": "TrainParams"}
MARKED = {
    "products": {
        "data.file",
        "data.images",
        "data.pairs",
        "model.network.text_encoder",
        "model.network.image_encoder",
    },
    "signals": {"data.file"},
    "recommender": {"data.events", "data.items", "data.users"},
    "tabular": {"data.file", "model.auto.storage"},
}
MACHINE = re.compile(
    r"(^|_)(file|path|folder|dir|director(y|ie)|image|picture|pair|storage|database|ur[il]|host|"
    r"address(e)?|endpoint|bucket|root|location|encoder|tokenizer|checkpoint|mirror|cache)s?(_|$)"
)
"""Names of texts that are paths, addresses or encoders."""
UNTYPED = {"tabular": {"model.settings"}}
"""Fields of plain dictionaries whose values are checked by other classes; see below."""

each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def fields_of(section: type[BaseModel], prefix: str) -> Iterator[tuple[str, Any, bool]]:
    """Every field at any depth: its name, its annotation, whether it is marked."""
    for name, field in section.model_fields.items():
        where = f"{prefix}.{name}"
        whole = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        marked = any(isinstance(mark, OperatorOnly) for mark in kinds_in(whole))
        yield where, field.annotation, marked
        for kind in kinds_in(field.annotation):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from fields_of(kind, where)


def kinds_in(annotation: Any) -> Iterator[Any]:
    """The classes that an annotation names, without those of keys, and its marks."""
    parts = get_args(annotation)
    if not parts:
        yield annotation
    elif get_origin(annotation) is dict:
        parts = parts[1:]
    for part in parts:
        yield from kinds_in(part)


def unmarked(fields: Iterable[tuple[str, Any, bool]]) -> list[str]:
    """The fields that hold a path, an address or an encoder by name or type, without a mark."""

    def of_machine(name: str, annotation: Any) -> bool:
        kinds = [kind for kind in kinds_in(annotation) if isinstance(kind, type)]
        paths = any(issubclass(kind, PurePath | AnyUrl) for kind in kinds)
        return paths or (str in kinds and MACHINE.search(name.rpartition(".")[2]) is not None)

    return [
        name for name, annotation, marked in fields if not marked and of_machine(name, annotation)
    ]


def all_fields(family: str) -> list[tuple[str, Any, bool]]:
    front = models.family(family)
    return [
        field
        for section, name in SECTIONS.items()
        for field in fields_of(getattr(front, name), section)
    ]


@each_family
def test_every_path_and_encoder_is_marked(family: Family) -> None:
    found = all_fields(family.name)
    assert MARKED.get(family.name, set()) <= {name for name, _, marked in found if marked}
    assert unmarked(found) == []


class Source(BaseModel):
    location: str = ""


class Careless(BaseModel):
    """A section whose author forgot the marks, each in another way."""

    file: str = ""
    images_folder: str | None = None
    base_url: str = ""
    encoders: tuple[str, ...] = ()
    roots: dict[str, str] = {}
    anything: Path | None = None
    sources: list[Source] = []


class Careful(BaseModel):
    """Marks in every place where one can stand, and names that are no places."""

    file: Annotated[str, OperatorOnly("names a file")] = ""
    files: tuple[Annotated[str, OperatorOnly("names a file")], ...] = ()
    first: tuple[int, Annotated[str, OperatorOnly("names a file")]] = (0, "")
    by_name: dict[str, Annotated[str | None, OperatorOnly("names a file")]] = {}
    parts: dict[str, list[Source]] = {}
    profile: str = ""
    images_per_class: int = 3
    file_weights: dict[str, float] = {}


def test_a_forgotten_mark_is_found() -> None:
    assert unmarked(fields_of(Careless, "data")) == [
        "data.file", "data.images_folder", "data.base_url", "data.encoders", "data.roots",
        "data.anything", "data.sources.location",
    ]  # fmt: skip
    assert unmarked(fields_of(Careful, "data")) == ["data.parts.location"]


@pytest.mark.parametrize(
    ("values", "places"),
    [
        ({"file": "/etc/passwd", "profile": "a"}, [("file",)]),
        ({"files": ["a", "b"]}, [("files", 0), ("files", 1)]),
        ({"first": [1, "/etc/passwd"]}, [("first", 1)]),
        ({"by_name": {"a.b": "/etc/passwd"}}, [("by_name", "a.b")]),
    ],
)
def test_marks_inside_lists_and_mappings_are_found(values, places) -> None:
    assert sorted(operator_only(Careful, values)) == places


@each_family
def test_changes_by_study_keep_the_marks(family: Family) -> None:
    """A plain dictionary says whose fields it changes, or other classes check what is in it."""
    for section, name in SECTIONS.items():
        kind = getattr(models.family(family.name), name)
        for field, described in kind.model_fields.items():
            if Any in kinds_in(described.annotation):
                assert any(isinstance(mark, ChangesTo) for mark in described.metadata) or (
                    f"{section}.{field}" in UNTYPED[family.name]
                )


@pytest.mark.parametrize("algorithm", SETTINGS)
def test_settings_of_an_algorithm_name_nothing_of_the_machine(algorithm: str) -> None:
    found = list(fields_of(SETTINGS[algorithm], "settings"))
    assert unmarked(found) == []
    assert not any(Any in kinds_in(annotation) for _, annotation, _ in found)


@pytest.mark.parametrize("name", models.dataset_families())
def test_dataset_options_are_part_of_the_data_section(name: str) -> None:
    front = models.family(name)
    options, data = front.DatasetOptions, front.DataParams
    assert issubclass(options, DatasetOptions)
    whole = data.model_validate({**options().given(), "file": "x.csv", "dataset": "x"})
    assert (whole.file, whole.dataset) == ("x.csv", "x")
    for field, kind in options.model_fields.items():
        assert data.model_fields[field].annotation == kind.annotation
    marked = [where for where, _, marked in fields_of(options, "options") if marked]
    assert marked == [], "the owner of a dataset may set all of them"
