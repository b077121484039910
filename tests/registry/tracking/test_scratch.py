"""Temporary folders of a killed process are cleared away; those of a living one are not."""

import tempfile
from pathlib import Path

from tests.registry.conftest import Project

from crisol.registry import recovery
from crisol.registry.tracking import scratch


def test_only_what_a_process_left_is_removed(project: Project) -> None:
    root = Path(tempfile.gettempdir())
    left = root / f"crisol-scratch-{'0' * 32}"
    foreign = root / "crisol-scratch-of-mine"
    for path in (left, foreign):
        path.mkdir()
        (path / "file").write_text("x")
    link = root / f"crisol-scratch-{'1' * 32}"
    link.symlink_to(foreign)
    with scratch.folder() as mine:
        assert recovery.recover(project.store) == [
            f"removed {left}, left by a process that is gone"
        ]
        assert mine.is_dir()
    assert not mine.exists()
    assert not left.exists()
    assert (foreign / "file").is_file()
    assert recovery.recover(project.store) == []
