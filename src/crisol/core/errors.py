"""What a person who started a command can mend."""


class MendableError(ValueError):
    """Parameters or data that do not fit; the message names the cause and the way out.

    Commands show the message in one line, without a traceback.
    """


class FieldError(ValueError):
    """A request that keeps its contract and still cannot be answered, such as a broken picture.

    Attributes:
        field: path of the field that is to blame.
        kind: machine-readable kind of problem.
    """

    def __init__(self, field: str, message: str, kind: str = "invalid") -> None:
        super().__init__(message)
        self.field, self.kind = field, kind
