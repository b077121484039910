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
from typing import Any

REFUSED = 3
"""Exit code when the file cannot be used; ``refused.txt`` says why."""


def main(data: Path, options: Path, out: Path, max_columns: int) -> int:
    """Read, infer and profile; write ``schema.json``, ``profile.json`` and ``facts.json``."""
    from crisol.core.errors import MendableError

    try:
        profile(data, json.loads(options.read_bytes()), out, max_columns)
    except MendableError as error:
        return _refuse(out, str(error))
    except MemoryError:
        return _refuse(out, "reading it took more memory than the platform allows")
    except (OSError, ValueError, UnicodeError) as error:
        return _refuse(out, f"it cannot be read ({type(error).__name__})")
    return 0


def profile(data: Path, options: dict[str, Any], out: Path, max_columns: int) -> None:
    """The schema, profile and facts of a dataset, as files.

    Raises:
        MendableError: it cannot be read, has too many columns, or the options do not fit it.
    """
    from crisol.core.errors import MendableError
    from crisol.models.tabular.data import leakage
    from crisol.models.tabular.data.inference import infer
    from crisol.models.tabular.data.profiling import profile as describe
    from crisol.models.tabular.data.source_table import read
    from crisol.models.tabular.params import DataParams

    params = DataParams.model_validate_json(json.dumps({**options, "file": str(data)}))
    table = read(data, params.read)
    if len(table.columns) > max_columns:
        raise MendableError(
            f"it has {len(table.columns)} columns, and the platform allows {max_columns}: "
            "leave out what no model needs"
        )
    schema = infer(table, params)
    warnings = [*schema.warnings, *leakage.leaks(table, schema, params)]
    shown = {
        **schema.model_dump(mode="json"),
        "warnings": warnings,
        "found": table.found.tell(),
    }
    described = describe(table, schema, params)
    facts = {
        "task": schema.task,
        "target": schema.target.name if schema.target is not None else "",
        "rows": str(schema.rows),
        "columns": str(len(schema.columns)),
        "format": table.found.format,
        "warnings": str(len(warnings)),
    }
    for name, content in (("schema", shown), ("profile", described), ("facts", facts)):
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
        (out / f"{name}.json").write_text(text, encoding="utf-8")


def _refuse(out: Path, reason: str) -> int:
    said = reason.replace(f"{Path.cwd()}{os.sep}", "")
    (out / "refused.txt").write_text(said, encoding="utf-8")
    return REFUSED


def _die_with_parent(parent: int) -> None:
    """Without its watcher nothing would hold this process to its limits."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            sys.exit(1)


if __name__ == "__main__":
    _die_with_parent(int(sys.argv[4]))
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[5])))
