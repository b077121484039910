"""A process that fits: ``python -m crisol.models.tabular.auto.worker ROWS RESULTS``.

Orders come as JSON lines on standard input; on standard output one line says that a fit begins, its
libraries loaded, and one how it ended. What libraries print goes to standard error. The
process ends when its input does, whatever it is doing: its parent may have been killed.
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
from crisol.models.tabular.auto.fitting import Bench, Order

logger = logging.getLogger(__name__)

BEGINS = "begins"


def main(rows: Path, results: Path) -> None:
    """Answer orders until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    orders: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    bench = Bench.read(rows, results)
    while True:
        order = Order(**json.loads(orders.get()))
        load(order)
        print(json.dumps({"state": BEGINS}), file=answers, flush=True)
        print(json.dumps(obey(bench, order)), file=answers, flush=True)


def load(order: Order) -> None:
    """Import what the fit needs; what cannot be imported is told by the fit."""
    with contextlib.suppress(Exception):
        algorithm(order.algorithm)


def obey(bench: Bench, order: Order) -> dict[str, Any]:
    """Fit; the answer says what became of it."""
    try:
        result = bench.fit(order)
    except OutOfTime as error:
        return {"state": "timeout", "reason": str(error) or "the time was too short"}
    except MendableError as error:
        return {"state": "failed", "reason": str(error)}
    except Exception as error:
        logger.exception("%s, fold %d", order.trial, order.fold)
        return {"state": "failed", "reason": f"{type(error).__name__}: {error}"}
    return {"state": "complete", "seconds": result.seconds}


def _listen(orders: "queue.Queue[str]") -> None:
    for line in sys.stdin:
        orders.put(line)
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
