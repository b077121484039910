"""Writes a family's files from the templates: all of them or none, and never over another file."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from jinja2 import Environment, StrictUndefined

from crisol.core.errors import MendableError
from crisol.skeleton.names import check_name

TEMPLATES = Path(__file__).parent / "templates"
TEMPLATE_ENDING = ".jinja"
FAMILY = "__family__"
LISTED = Path("tests/conformance/families.py")
FOLDERS = ("src/crisol/models", "src/crisol/pipelines", "src/crisol/serving/families", "conf/base")
_LIST = re.compile(r"^FAMILIES = \[\n(?:    .*\n)*(?=\]$)", re.MULTILINE)


class SkeletonError(MendableError):
    """The files of a family that cannot be written; the message says why."""


def write(name: str, project: Path, *, network: bool = True) -> list[Path]:
    """Write the files of a new family, and its line in the conformance tests.

    Args:
        name: of the family.
        project: a checkout of Crisol.
        network: a network trained by the shared loop; otherwise a regression without torch.

    Returns:
        The new folders and files, and the changed list, relative to the project.

    Raises:
        FamilyNameError: no family can have this name.
        SkeletonError: this is no checkout of Crisol, or a file of that name is there already.
    """
    check_name(name)
    missing = [folder for folder in (*FOLDERS, str(LISTED)) if not (project / folder).exists()]
    if missing:
        raise SkeletonError(
            f"{project} has no {missing[0]}: a family is written into a checkout of Crisol"
        )
    files = render(name, network=network)
    tops = sorted({file.top for file in files})
    taken = [path for path in tops if (project / path).exists()]
    if taken:
        raise SkeletonError(
            f"NAME: {taken[0]} exists already, and no file is written over; choose another name, "
            "or move it away"
        )
    listed = _listed(project / LISTED, name)
    scratch = project / f".new-family-{uuid4().hex[:8]}"
    try:
        for file in files:
            _write(scratch / file.path, file.content)
        _write(scratch / LISTED, listed)
        _move(scratch, project, tops)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return [*tops, LISTED]


@dataclass(frozen=True)
class File:
    """A file of a new family.

    Attributes:
        path: in the project.
        top: the path, or the folder above it, that is named after the family.
        content: as text.
    """

    path: Path
    top: Path
    content: str


def render(name: str, *, network: bool) -> list[File]:
    """Every file of the family."""
    environment = Environment(  # noqa: S701 - Python, YAML and Markdown, no HTML
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    spaced = name.replace("_", " ")
    values = {
        "family": name,
        "Name": spaced.title().replace(" ", ""),
        "Title": spaced.capitalize(),
        "network": network,
    }
    files = []
    for source in sorted(path for path in TEMPLATES.rglob("*") if path.is_file()):
        path = source.relative_to(TEMPLATES)
        if path.as_posix() in _left_out(network):
            continue
        content = source.read_text(encoding="utf-8")
        if path.suffix == TEMPLATE_ENDING:
            path = path.with_suffix("")
            content = environment.from_string(content).render(values)
        parts = [part.replace(FAMILY, name) for part in path.parts]
        depth = next(at for at, part in enumerate(path.parts, start=1) if FAMILY in part)
        files.append(File(Path(*parts), Path(*parts[:depth]), content))
    return files


def _left_out(network: bool) -> tuple[str, ...]:
    """The templates of the other kind of family."""
    models = f"src/crisol/models/{FAMILY}"
    if network:
        return (f"{models}/methods/regression.py{TEMPLATE_ENDING}",)
    return tuple(
        f"{models}/networks/{file}{TEMPLATE_ENDING}" for file in ("__init__.py", "network.py")
    )


def _listed(path: Path, name: str) -> str:
    """The list of the conformance tests with a line for the family."""
    text = path.read_text(encoding="utf-8")
    found = _LIST.search(text)
    if found is None:
        raise SkeletonError(
            f"{path} has no list FAMILIES with one family a line; add it: FAMILIES = [ … ]"
        )
    line = f'    Family("{name}", "/predict", ("weight_g",), -1.0),\n'
    return text[: found.end()] + line + text[found.end() :]


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def _move(scratch: Path, project: Path, tops: list[Path]) -> None:
    """Move everything from the scratch folder to its place; undo that when something fails."""
    try:
        for top in tops:
            target = project / top
            target.parent.mkdir(parents=True, exist_ok=True)
            (scratch / top).rename(target)
        (scratch / LISTED).replace(project / LISTED)
    except BaseException:
        for moved in (project / top for top in tops if not (scratch / top).exists()):
            if moved.is_dir():
                shutil.rmtree(moved)
            else:
                moved.unlink(missing_ok=True)
        raise
