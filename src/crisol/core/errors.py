"""What a person who started a command can mend."""


class MendableError(ValueError):
    """Parameters or data that do not fit; the message names the cause and the way out.

    Commands show the message in one line, without a traceback.
    """
