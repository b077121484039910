"""The folder of BentoML's stores."""

import os
from pathlib import Path


def bento_home() -> Path:
    """BentoML's home: ``BENTOML_HOME``, or ``~/bentoml``."""
    return Path(os.environ.get("BENTOML_HOME") or Path.home() / "bentoml").resolve()
