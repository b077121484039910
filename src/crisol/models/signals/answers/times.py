"""The refusal of a request whose bars are not those of the model's clock."""

from datetime import UTC, datetime
from typing import NoReturn

import numpy as np

from crisol.core.errors import FieldError
from crisol.models.signals.bar_clock import Finding, Kind

_FIX: dict[Kind, str] = {
    "hole": (
        "send 60 bars in a row: for a bar without trades repeat the last close with volume 0, and "
        "train with signals.data.closed_days or signals.data.calendars where the venue was closed"
    ),
    "interval": "send bars of the interval that the model was trained on, or train it on these",
    "clock": "send the times at which bars open, in UTC or with their offset, as in training",
}


def refuse(finding: Finding, seconds_N: np.ndarray) -> NoReturn:
    """Refuse a request for what was found about one of its bars.

    Raises:
        FieldError: names the bar, the rule and the fix.
    """
    moment = datetime.fromtimestamp(float(seconds_N[finding.bar]), UTC).isoformat()
    raise FieldError(
        f"sequence.{finding.bar}.timestamp",
        f"bar {finding.bar} ({moment}) {finding.message}; {_FIX[finding.kind]}",
        f"bars_{finding.kind}",
    )
