"""The reason of a job as its viewers see it: one sentence, without anything of the server."""

import re
from pathlib import PurePosixPath

_LONGEST = 500
_DATABASE = re.compile(r"\b(?:psycopg2|sqlite3)\.|\[SQL: |connection to server")
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+]*://[^\s'\")\]]*")
_STACK = re.compile(r"\n(?:Traceback |\s+File \")")
_PATH = re.compile(r"(?<![\w/.}\]>])/(?:[^\s/'\"()\[\],:;]+/)+[^\s/'\"()\[\],:;]*")


def plain_reason(text: str) -> str:
    """An error without SQL, stack, addresses and the folders of the server.

    The whole text is in the job's log and in the tags of its run.

    >>> plain_reason("FileNotFoundError: there is no file '/srv/crisol/data/adult.csv'")
    "FileNotFoundError: there is no file 'adult.csv'"
    >>> plain_reason("DataError: (psycopg2.errors.X) too long [SQL: INSERT INTO tags ...]")
    'a database refused a request or did not answer; the log of the job says more'
    """
    if _DATABASE.search(text):
        return "a database refused a request or did not answer; the log of the job says more"
    line = " ".join(_STACK.split(text)[0].split())
    line = _ADDRESS.sub("(an address)", line)
    line = _PATH.sub(lambda found: PurePosixPath(found[0]).name, line)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
