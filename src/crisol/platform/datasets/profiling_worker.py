"""The process that reads one dataset, started by :mod:`crisol.platform.datasets.profiling`.

Files come from anybody, so they are read in a process of their own, which has no secrets and may
run out of time or memory alone.
"""

import ctypes
import json
import os
import signal
import sys
from pathlib import Path

from crisol import models
from crisol.core.data.profile import DatasetOptions, DatasetProfile, ProfileDataset
from crisol.core.errors import MendableError

REFUSED = 3
"""Exit code when the file cannot be used; ``refused.txt`` says why."""


def main(family: str, data: Path, options: Path, out: Path, max_columns: int) -> int:
    """Read and profile a dataset; write ``schema.json``, ``profile.json`` and ``facts.json``."""
    front = models.family(family)
    profile_dataset: ProfileDataset = front.profile_dataset
    try:
        given: DatasetOptions = front.DatasetOptions.model_validate_json(options.read_bytes())
        write(profile_dataset(data, given, max_columns), out)
    except MendableError as error:
        return _refuse(out, str(error))
    except MemoryError:
        return _refuse(out, "reading it took more memory than the platform allows")
    except (OSError, ValueError, UnicodeError) as error:
        return _refuse(out, f"it cannot be read ({type(error).__name__})")
    return 0


def write(profile: DatasetProfile, out: Path) -> None:
    """Write the documents for people, and the facts that listings show."""
    facts = {
        "task": profile.task or "",
        "target": profile.target or "",
        "rows": str(profile.rows),
        "columns": str(profile.columns),
        "format": profile.format,
        "warnings": str(len(profile.warnings)),
    }
    documents = {"schema": profile.columns_found, "profile": profile.content, "facts": facts}
    for name, content in documents.items():
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
        (out / f"{name}.json").write_text(text, encoding="utf-8")


def _refuse(out: Path, reason: str) -> int:
    said = reason.replace(f"{Path.cwd()}{os.sep}", "")
    (out / "refused.txt").write_text(said, encoding="utf-8")
    return REFUSED


def _die_with_parent(parent: int) -> None:
    """End with the parent, which holds this process to its limits."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            sys.exit(1)


if __name__ == "__main__":
    family, data, options, out, parent, max_columns = sys.argv[1:]
    _die_with_parent(int(parent))
    sys.exit(main(family, Path(data), Path(options), Path(out), int(max_columns)))
