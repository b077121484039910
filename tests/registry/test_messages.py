"""What a person can mend is told in one line."""

import numpy as np
import pytest
from tests.registry.conftest import Project

from crisol.core.errors import MendableError


def test_an_error_a_user_can_mend_has_no_traceback(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise MendableError("linear.train.init_from: promote a version first")

    monkeypatch.setattr(np, "polyfit", refuse)
    result = project.command("run", "--pipelines", "linear")
    assert result.exit_code == 1
    assert "Error: linear.train.init_from: promote a version first" in result.output
    assert "Traceback" not in result.output
    assert [r.info.status for r in project.runs()] == ["FAILED"]
