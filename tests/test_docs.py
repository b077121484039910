"""The links, paths and Python names in the documentation exist."""

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest
from tests.conftest import ROOT

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE_BLOCK = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
PATH = re.compile(
    r"\b(?:src/crisol|tests|benchmarks|notebooks|conf/(?:base|ci|real|prod))/[\w./<>]*"
)
NAME = re.compile(r"\bcrisol(?:\.\w+)+")
NOT_IN_PYTHON = {"crisol.trial_state"}
"""Names of MLflow tags."""
EXAMPLE_FAMILY = "bricks"
"""The family that docs/new-family.md creates."""

page_by_page = pytest.mark.parametrize(
    "page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES]
)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    headings = HEADING.findall(CODE_BLOCK.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def resolve(name: str) -> object:
    """The module of a dotted name, or the attribute of one.

    Raises:
        AttributeError: no module and no attribute has this name.
    """
    first, *rest = name.split(".")
    found: object = importlib.import_module(first)
    for part in rest:
        if isinstance(found, ModuleType) and not hasattr(found, part):
            try:
                found = importlib.import_module(f"{found.__name__}.{part}")
            except ModuleNotFoundError as error:
                raise AttributeError(name) from error
        else:
            found = getattr(found, part)
    return found


@page_by_page
def test_relative_links_lead_to_files_and_headings(page: Path) -> None:
    links = LINK.findall(CODE_BLOCK.sub("", page.read_text(encoding="utf-8")))
    for link in links:
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@page_by_page
def test_named_paths_exist(page: Path) -> None:
    """A path with ``<family>`` exists for at least one family."""
    named = set(PATH.findall(page.read_text(encoding="utf-8")))
    for path in sorted(named):
        if EXAMPLE_FAMILY not in path:
            pattern = re.sub(r"<\w+>", "*", path).rstrip("./")
            assert any(ROOT.glob(pattern)), path


@page_by_page
def test_named_modules_and_attributes_exist(page: Path) -> None:
    for name in set(NAME.findall(page.read_text(encoding="utf-8"))) - NOT_IN_PYTHON:
        resolve(name)


def test_a_wrong_name_is_found() -> None:
    with pytest.raises(AttributeError):
        resolve("crisol.core.metrics.no_such_metric")
