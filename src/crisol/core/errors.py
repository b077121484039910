"""Errors that the person who started a command can mend."""


class MendableError(ValueError):
    """Wrong parameters or data; the message names the cause and the remedy.

    Commands show the message in one line, without a traceback.
    """


class FieldError(ValueError):
    """A request that is valid by its contract and cannot be answered, such as a broken picture.

    Attributes:
        field: path of the wrong field.
        kind: machine-readable kind of problem.
    """

    def __init__(self, field: str, message: str, kind: str = "invalid") -> None:
        super().__init__(message)
        self.field, self.kind = field, kind
