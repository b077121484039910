"""On PYTHONPATH of jobs in tests: `linear` and `burdens` stand beside the real families."""

from pathlib import Path

import crisol.models
import crisol.pipelines

_HERE = Path(__file__).parent
for _folder in (_HERE, _HERE.parents[1] / "registry" / "family"):
    crisol.models.__path__.append(str(_folder / "models"))
    crisol.pipelines.__path__.append(str(_folder / "pipelines"))
