from pydantic import Field

from crisol.core.params import Params


class TrainParams(Params):
    pause_s: float = Field(default=0.0, ge=0)
    memory_mb: int = Field(default=0, ge=0)
    """Held while it pauses, by a process of its own."""
    child: bool = False
    """Leave a process behind that is of another session and orphaned."""
    deaf: bool = False
    """Do not listen to SIGTERM."""
    exit_code: int | None = None
    """End the process at once, without a word to Kedro."""
