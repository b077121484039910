"""Structured logs: one JSON object a line, never a payload, never a key."""

import asyncio
import logging
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import orjson

from crisol.serving.http.errors import ApiError

FLUSH_S = 0.1
_MAX_WAITING = 1 << 20
_logger = logging.getLogger("crisol.serving")


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON; ``extra={"fields": {...}}`` adds fields.

    Of an exception it writes the type and the places, not the message: messages quote values.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            entry["exception"] = type(error).__name__
            entry["stack"] = [
                f"{frame.filename}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(error.__traceback__)
            ]
        return orjson.dumps(entry, default=str).decode()


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send this package's log to ``stream`` (standard output) as JSON lines.

    The handlers that BentoML has set up in a worker keep their places and write JSON too.
    """
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonFormatter())
    _logger.handlers[:] = [handler]
    _logger.setLevel(level)
    _logger.propagate = False
    for name in ("bentoml", "uvicorn.error", "circus"):
        for known in logging.getLogger(name).handlers:
            known.setFormatter(JsonFormatter())
    # It warns of every malformed form and quotes from it; the answer says what is wrong.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


class AccessLog:
    """One line per request, written together every ``FLUSH_S`` seconds.

    A write per request would cost more than parsing it.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._lines: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None

    def write(self, **fields: Any) -> None:
        """Log one request. The caller sees to it that no field carries what a client sent."""
        level = "error" if fields["status"] >= 500 else "info"
        now = datetime.now(tz=UTC)
        self._lines.append(
            orjson.dumps({"time": now, "level": level, "event": "request", **fields})
        )
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self.flush)

    def flush(self) -> None:
        """Write what has gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lines:
            lines, self._lines = self._lines, []
            self._stream.write(b"\n".join(lines).decode() + "\n")
            self._stream.flush()


class AuditLog:
    """One line for every request that was to change something: who, what, which, what came of it.

    A line is written before the answer is, and never carries a payload. In a file they are appended
    in one write each, so several processes may share it. Lines that cannot be written wait, and
    :meth:`check` refuses further changes until they are.

    Args:
        path: of the file; ``None``: ``stream``.
        stream: where else, standard output if it is not given.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path | None = None, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._file = None
        self._waiting = b""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)

    def check(self) -> None:
        """Make sure that what comes next can be told.

        Raises:
            ApiError: 503, the lines of earlier requests cannot be written.
        """
        try:
            self._flush()
        except OSError:
            raise ApiError(
                503,
                "The audit log cannot be written, so nothing is changed; tell the operator.",
                code="audit_unavailable",
                headers={"retry-after": "30"},
            ) from None

    def write(self, **fields: Any) -> None:
        """Log the outcome of one request; a line that cannot be written raises an alarm instead."""
        line = orjson.dumps({"time": datetime.now(tz=UTC), "event": "audit", **fields}) + b"\n"
        if self._file is None:
            self._stream.write(line.decode())
            self._stream.flush()
            return
        if len(self._waiting) < _MAX_WAITING:  # every line is in the alarm too
            self._waiting += line
        try:
            self._flush()
        except OSError as error:
            _logger.critical(
                "the audit log cannot be written; changes are refused until it can",
                extra={"fields": {"cause": error.strerror, "audit": fields}},
            )

    def _flush(self) -> None:
        while self._waiting and self._file is not None:
            self._waiting = self._waiting[self._file.write(self._waiting) :]

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
