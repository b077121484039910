import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from crisol.models.burdens.params import TrainParams

_ORPHAN = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(600)"
_HOARDER = "import sys, time\nheld = b'x' * (int(sys.argv[1]) << 20)\ntime.sleep(600)"


def carry(train: TrainParams, checkpoints: Path) -> dict[str, float]:
    mine = sorted(name for name in os.environ if name.startswith("CRISOL_"))
    sys.stdout.write(f"carrying, with {' '.join(mine)}\n")
    if train.deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if train.child:
        subprocess.run([sys.executable, "-c", _ORPHAN], check=True)
    if train.memory_mb:
        subprocess.Popen([sys.executable, "-c", _HOARDER, str(train.memory_mb)])
    (checkpoints / "ready").touch()
    if train.exit_code is not None:
        os._exit(train.exit_code)
    time.sleep(train.pause_s)
    return {"carried": 1.0}
