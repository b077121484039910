"""A process that has imported what commands import, and forks a child for each of them.

A command spends about five seconds on imports and often less than one on its work. A forked child
is a process of its own all the same: it has its own environment, folder, output and exit code, and
can be killed. The children of one process share its seeds, of hashes and of NumPy: a test that
compares the results of two commands forks them from two warm processes.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PRELOADED = (
    "accelerate",
    "kedro.framework.cli.cli",
    "kedro.framework.session",
    "kedro_datasets.pandas",
    "matplotlib.figure",
    "mlflow.pyfunc",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "pandas",
    "pandera.pandas",
    "pyarrow.parquet",
    "sklearn.linear_model",
    "torch",
    "torch._dynamo",  # the first optimiser imports it
)


@dataclass(frozen=True)
class Command:
    """A command that runs, as a child of the warm process.

    Attributes:
        arguments: those after ``python -m``, or ``-c`` and code.
        pid: of the child, which leads a process group of its own.
        output: folder of its ``stdout`` and ``stderr``.
    """

    arguments: tuple[str, ...]
    pid: int
    output: Path
    warm: subprocess.Popen[str]

    def wait(self) -> subprocess.CompletedProcess[str]:
        """Wait for the end and return the finished process."""
        assert self.warm.stdout
        try:
            code = int(self.warm.stdout.readline())
        except BaseException:  # the test ran into its time limit
            self.warm.kill()
            self.kill()
            warm_process.cache_clear()
            raise
        said = ((self.output / name).read_text() for name in ("stdout", "stderr"))
        return subprocess.CompletedProcess(self.arguments, code, *said)

    def kill(self) -> None:
        """Kill the command and its children."""
        os.killpg(self.pid, signal.SIGKILL)


class WarmProcess:
    """Starts commands one after another; it ends when this process does."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C ends the tests, and they end it
        )

    def start(self, arguments: tuple[str, ...], cwd: Path, environment: dict[str, str]) -> Command:
        """Start a command; it must be waited for before the next."""
        assert self._process.stdin
        assert self._process.stdout
        output = Path(tempfile.mkdtemp(prefix="said-", dir=cwd.parent))
        order = {
            "arguments": arguments,
            "cwd": str(cwd),
            "environment": environment,
            "output": str(output),
        }
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return Command(arguments, int(self._process.stdout.readline()), output, self._process)


@cache
def warm_process(number: int, /) -> WarmProcess:
    """The first warm process of this test process, or the second."""
    from tests.conftest import clean_environment

    return WarmProcess(clean_environment(COLUMNS="160"))


def become(order: dict[str, Any]) -> None:
    """Turn this child into the command."""
    os.setsid()
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where tests ignore it
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(Path(order["output"], name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    added = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:1] = [order["cwd"], *added]
    for path in added:
        if Path(path, "sitecustomize.py").exists():
            runpy.run_path(str(Path(path, "sitecustomize.py")))
    first, *rest = order["arguments"]
    if first == "-c":
        sys.argv = ["-c", *rest[1:]]
        exec(rest[0], {"__name__": "__main__"})
    else:
        sys.argv = [first, *rest]
        runpy.run_module(first, run_name="__main__", alter_sys=True)


def main() -> None:
    """Fork a child for every line of standard input; answer with its pid and its exit code."""
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()  # a child need not look through what it inherits, not even when it ends
    while line := sys.stdin.readline():
        child = os.fork()
        if not child:
            become(json.loads(line))
            return
        answer(child)
        _, status = os.waitpid(child, 0)
        answer(os.waitstatus_to_exitcode(status))


def answer(number: int) -> None:
    """Write one line for the process that asks."""
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
