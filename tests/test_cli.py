"""The command line as a whole: quick to start, complete."""

import subprocess
import sys

import pytest
from tests.conftest import ROOT

HEAVY = "[m for m in ('torch', 'mlflow', 'bentoml', 'sklearn') if m in sys.modules]"


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["registry", "list"], ["promote", "--help"], ["family", "new", "--help"]],
)
def test_asking_for_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from kedro.framework.cli.cli import main\n"
        f"sys.argv = ['kedro', *{arguments}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        f"print('HEAVY', {HEAVY})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "HEAVY []" in done.stdout, done.stdout + done.stderr


def test_every_command_is_there() -> None:
    from crisol.cli import cli

    assert set(cli.commands) == {
        "run",
        "promote",
        "rollback",
        "archive",
        "platform",
        "lineage",
        "reproduce",
        "relocate",
        "models",
        "bundle",
        "fetch",
        "family",
    }
    assert all(command.help for command in cli.commands.values())
