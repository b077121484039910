"""Every parameter that a message of the family names exists."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from crisol.models import signals

SECTIONS = {"data": "DataParams", "model": "ModelParams", "train": "TrainParams"}
NAMED = re.compile(r"(?<![a-z_.])(signals\.)?((?:data|model|train)\.[a-z_][a-z_.]*)")
FOLDER = Path(signals.__file__).parent


def paths(section: type[BaseModel], prefix: str) -> Iterator[str]:
    """The path of every parameter; those of a list or mapping without index or key."""
    for name, field in section.model_fields.items():
        yield f"{prefix}.{name}"
        for kind in kinds(field.annotation):
            yield from paths(kind, f"{prefix}.{name}")


def kinds(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from kinds(part)


KNOWN = {
    path for section, name in SECTIONS.items() for path in paths(getattr(signals, name), section)
}


def texts(file: Path) -> Iterator[str]:
    """The texts of a module that are no docstrings."""
    tree = ast.parse(file.read_text())
    documented = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (part.value for part in node.values if isinstance(part, ast.Constant))
            yield "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and node not in documented:
            yield str(node.value) if " " in str(node.value) else ""  # a name is no hint


@pytest.mark.parametrize("file", sorted(FOLDER.rglob("*.py")), ids=lambda file: file.name)
def test_hints_name_parameters_that_exist(file: Path) -> None:
    for text in texts(file):
        for found in NAMED.finditer(text):
            path = found[2].rstrip(".")
            assert any(path == known or path.startswith(f"{known}.") for known in KNOWN), text


def test_a_wrong_hint_is_found() -> None:
    assert "model.serve.export" in KNOWN
    assert not {"model.export", "data.studies.horizon"} & KNOWN
    assert NAMED.search("train with model.export on")[2] == "model.export"
