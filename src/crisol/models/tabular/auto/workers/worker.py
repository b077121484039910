"""A process that fits: ``python -m crisol.models.tabular.auto.workers.worker ROWS RESULTS``.

It reads orders as JSON lines from standard input. On standard output it writes one line when a fit
begins, after its libraries are loaded, and one with the outcome. Output of libraries goes to
standard error. The process ends when its input does, because its parent may have been killed.
"""

import contextlib
import json
import logging
import os
import queue
import sys
import threading
from pathlib import Path
from typing import Any

from crisol.core.errors import MendableError
from crisol.models.tabular.algorithm import OutOfTime, algorithm
from crisol.models.tabular.auto.workers.fitting import FitOrder, Fitter

logger = logging.getLogger(__name__)

BEGINS = "begins"


def main(rows: Path, results: Path) -> None:
    """Run orders until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    orders: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read_orders, args=(orders,), daemon=True).start()
    fitter = Fitter.read(rows, results)
    while True:
        order = FitOrder(**json.loads(orders.get()))
        load(order)
        print(json.dumps({"state": BEGINS}), file=answers, flush=True)
        print(json.dumps(run_order(fitter, order)), file=answers, flush=True)


def load(order: FitOrder) -> None:
    """Import the algorithm's library; the fit reports an import error."""
    with contextlib.suppress(Exception):
        algorithm(order.algorithm)


def run_order(fitter: Fitter, order: FitOrder) -> dict[str, Any]:
    """Fit one order and return its outcome."""
    try:
        result = fitter.fit(order)
    except OutOfTime as error:
        return {"state": "timeout", "reason": str(error) or "the time was too short"}
    except MendableError as error:
        return {"state": "failed", "reason": str(error)}
    except Exception as error:
        logger.exception("%s, fold %d", order.trial, order.fold)
        return {"state": "failed", "reason": f"{type(error).__name__}: {error}"}
    return {"state": "complete", "seconds": result.seconds}


def _read_orders(orders: "queue.Queue[str]") -> None:
    for line in sys.stdin:
        orders.put(line)
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
