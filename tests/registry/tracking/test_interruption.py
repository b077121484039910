"""A run whose process ends, in whatever way, does not stay RUNNING."""

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from tests.registry.conftest import Project, environment
from tests.warm_process import Command, warm_process

from crisol.registry import recovery
from crisol.registry.release import versions
from crisol.registry.tracking.interruption import Interruption

Finished = subprocess.CompletedProcess[str]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


@pytest.fixture(scope="module")
def interrupted(make_shared) -> dict[signal.Signals, tuple[Project, Finished]]:
    """`kedro run` in three projects, each ended in mid-training by another signal."""
    ended = {}
    for number in SIGNALS:
        project = make_shared()
        parameters = project.folder / "conf/base/parameters_linear.yml"
        parameters.write_text("linear: {data: {}, model: {}, train: {epochs: 2000, pause_s: 0.05}}")
        arguments = ("kedro", "run", "--pipelines", "linear")
        process = warm_process(1).start(arguments, project.folder, environment())
        wait_for(project.folder / "data/06_models/linear/checkpoints/epoch", process)
        os.kill(process.pid, number)
        ended[number] = (project, process.wait())
    return ended


def wait_for(path: Path, process: Command) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert psutil.pid_exists(process.pid), process.wait().stderr
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_marks_the_run_killed_at_once(interrupted, number: signal.Signals) -> None:
    project, process = interrupted[number]
    assert process.returncode not in (0, -signal.SIGKILL), process.stderr
    [run] = project.runs()
    assert run.info.status == "KILLED"
    assert run.data.tags["crisol.killed"] == number.name
    assert run.data.metrics["line.train_loss"] <= 1.0
    assert recovery.recover(project.store) == []


def test_kill_9_is_found_by_the_next_command(interrupted) -> None:
    project, process = interrupted[signal.SIGKILL]
    assert process.returncode == -signal.SIGKILL
    assert [r.info.status for r in project.runs()] == ["RUNNING"]
    result = project.command("models", "linear")
    assert result.exit_code == 0
    assert "marked KILLED" in result.stderr
    [run] = project.runs()
    assert run.info.status == "KILLED"
    assert versions.registered(project.store, "linear") is None
    assert project.command("models", "linear").stderr == ""


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """As under nohup: the run goes on, so it must not be marked as killed."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        watch = Interruption({})
        signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) == watch._on_signal
        watch.settle()
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
