"""On PYTHONPATH of the tests' subprocesses: the family `linear` stands beside the real ones."""

from pathlib import Path

import crisol.models
import crisol.pipelines

_HERE = Path(__file__).parent
crisol.models.__path__.append(str(_HERE / "models"))
crisol.pipelines.__path__.append(str(_HERE / "pipelines"))
