"""``python -m crisol.platform``: the platform of the project in the working folder."""

import argparse
from pathlib import Path

from crisol.platform.app import serve
from crisol.registry.store import StoreError
from crisol.serving.http.config import ConfigurationError


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m crisol.platform", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8600)
    parser.add_argument("--env", help="Kedro environment")
    parser.add_argument("--workers", type=int, help="jobs that run at once")
    parser.add_argument("--dev", action="store_true", help="make an API key and print it")
    given = parser.parse_args()
    try:
        serve(given.host, given.port, Path.cwd(), given.env, workers=given.workers, dev=given.dev)
    except (ConfigurationError, StoreError) as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
