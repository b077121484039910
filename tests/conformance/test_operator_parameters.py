"""Every family marks the parameters that only an operator may set, and its dataset options fit."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from tests.conformance.families import FAMILIES, Family

from crisol import models
from crisol.core.data.profile import DatasetOptions
from crisol.core.params import ChangesTo, OperatorOnly

SECTIONS = {"data": "DataParams", "model": "ModelParams", "train": "TrainParams"}
MARKED = {
    "products": {
        "data.file",
        "data.images",
        "data.pairs",
        "model.network.text_encoder",
        "model.network.image_encoder",
    },
    "recommender": {"data.events", "data.items", "data.users"},
    "tabular": {"data.file", "model.auto.storage"},
}
MACHINE = re.compile(r"(^|_)(file|files|folder|path|directory|dir|storage|url|encoder)$")
"""Names of texts that are paths, addresses or encoders."""

each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def fields_of(section: type[BaseModel], prefix: str) -> Iterator[tuple[str, Any, bool]]:
    """Every field at any depth: its name, its annotation, whether it is marked."""
    for name, field in section.model_fields.items():
        where = f"{prefix}.{name}"
        marked = any(isinstance(mark, OperatorOnly) for mark in field.metadata)
        yield where, field.annotation, marked
        for kind in kinds_in(field.annotation):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from fields_of(kind, where)


def kinds_in(annotation: Any) -> Iterator[Any]:
    """The classes that an annotation names."""
    parts = get_args(annotation)
    if not parts:
        yield annotation
    for part in parts:
        yield from kinds_in(part)


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
    for name, annotation, marked in found:
        kinds = [kind for kind in kinds_in(annotation) if isinstance(kind, type)]
        is_path = any(issubclass(kind, Path | PurePath) for kind in kinds)
        of_machine = str in kinds and MACHINE.search(name.rpartition(".")[2]) is not None
        assert marked or not (is_path or of_machine), f"{family.name}.{name} is not marked"


@each_family
def test_changes_by_study_keep_the_marks(family: Family) -> None:
    """A section with marks whose ``by_study`` changes it says so."""
    for section, name in SECTIONS.items():
        kind = getattr(models.family(family.name), name)
        by_study = kind.model_fields.get("by_study")
        marks = any(marked for _, _, marked in fields_of(kind, section))
        if by_study is not None and marks:
            assert any(isinstance(mark, ChangesTo) for mark in by_study.metadata)


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
