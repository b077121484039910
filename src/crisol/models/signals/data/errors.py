"""The error of a family's raw data."""

from crisol.core.errors import MendableError


class BarsError(MendableError):
    """Raw bars that cannot be used; the message names file, row and rule."""
