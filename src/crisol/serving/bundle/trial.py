"""Try the newest bundle of a model: ``python -m crisol.serving.bundle.trial signals``.

Starts it on a free port, sends the example of its API page to its first route, prints the answer
and the version that gave it, and stops it.
"""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crisol.serving.bundle.local_server import JsonResponse, ServerError, serving


@dataclass(frozen=True)
class Exchange:
    """One question to a bundle and its answer."""

    route: str
    request: dict[str, Any]
    answer: JsonResponse
    start_seconds: float


def ask_example(tag: str) -> Exchange:
    """Serve the Bento ``tag`` and send it the example of its own API page.

    Raises:
        ServerError: the bundle did not become ready.
    """
    with tempfile.TemporaryDirectory(prefix="crisol-trial-") as folder:
        work = Path(folder)
        with serving(
            tag, python=[sys.executable], cwd=work, environment=os.environ, log=work / "serve.log"
        ) as server:
            route, example = server.first_route(), server.first_example()
            return Exchange(route, example, server.post(route, example), server.start_seconds)


def main() -> None:
    """Try one bundle and print question and answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="such as signals, or a line such as tabular.adult")
    parser.add_argument("--tag", help="of a Bento; default: the newest of the model")
    arguments = parser.parse_args()
    tag = arguments.tag or f"{arguments.model}:latest"
    try:
        exchange = ask_example(tag)
    except (ServerError, ValueError) as error:
        sys.exit(f"crisol: {error}")
    answer = exchange.answer
    sent = json.dumps(exchange.request)
    shown = sent if len(sent) < 160 else f"{sent[:120]} … {sent[-30:]}"
    sys.stdout.write(
        f"{tag} was ready after {exchange.start_seconds:.1f} s\n"
        f"POST {exchange.route}\n{shown}\n"
        f"answer of model version {answer.model_version} in {answer.milliseconds} ms\n"
        f"{json.dumps(answer.body, indent=2)}\n"
    )


if __name__ == "__main__":
    main()
