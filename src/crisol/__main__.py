"""`python -m crisol`: run the project as an installed package, as `kedro run` does."""

import sys
from pathlib import Path
from typing import Any

from kedro.framework.cli.utils import find_run_command
from kedro.framework.project import configure_project


def main(*arguments: str, **options: Any) -> Any:
    """Run the project's pipelines; the arguments are those of `kedro run`."""
    package = Path(__file__).parent.name
    configure_project(package)
    interactive = hasattr(sys, "ps1")
    run = find_run_command(package)
    return run(*arguments, **{"standalone_mode": not interactive, **options})


if __name__ == "__main__":
    main()
