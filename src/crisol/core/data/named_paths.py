"""Names of files and folders as people write them."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from crisol.core.errors import MendableError


def named_path(text: str) -> Path:
    """The path behind the name of a file or folder as a person writes it.

    Blanks and letters of any language stand for themselves, ``~`` for the home folder, also where
    the folder of a project was put before it. A ``file:`` URI is decoded.

    Raises:
        MendableError: the name is empty, or an address of another machine.

    >>> named_path("file:///srv/my%20data/gr%C3%B6%C3%9Fe.csv")
    PosixPath('/srv/my data/größe.csv')
    """
    if not text.strip():
        raise MendableError("the name of a file or folder is empty: name one, or leave it out")
    scheme, mark, _ = text.partition("://")
    if text.startswith("file:"):
        parsed = urlsplit(text)
        if parsed.netloc in ("", "localhost"):
            return Path(unquote(parsed.path))
    elif not mark or "/" in scheme:
        path = Path(text)
        if "~" in path.parts and not path.exists():
            return Path(*path.parts[path.parts.index("~") :]).expanduser()
        return path
    raise MendableError(
        f"{text} is on another machine: download it, and name the file or folder of this machine"
    )
