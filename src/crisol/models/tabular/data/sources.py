"""The public tables: where they come from.

Adult (Becker & Kohavi, 1996; UCI, CC BY 4.0): 48,842 people of the US census of 1994, split into
the official training and test files; no header, ``?`` where nothing is known, and a dot behind the
test file's labels. California (Pace & Barry, 1997; StatLib): 20,640 blocks of the census of 1990,
the table that scikit-learn's ``fetch_california_housing`` is built from.
"""

from pathlib import Path

from crisol.core.data.sources import Source
from crisol.core.data.sources import fetch as fetch_sources

_ADULT = (
    "https://raw.githubusercontent.com/jbrownlee/Datasets/d20fcb6402ae34e653d4513b00f39257bb37ed7f"
)
_ADULT_LICENCE = "CC BY 4.0 (UCI Machine Learning Repository: Adult, doi:10.24432/C5XW20)"
_CALIFORNIA = (
    "https://raw.githubusercontent.com/we-b/datasets_for_ai/"
    "0dc3b0ecd0057ac117b8349079e53e4c94748ea2/cal_housing.data"
)
ADULT_COLUMNS = (
    "age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation",
    "relationship", "race", "sex", "capital-gain", "capital-loss", "hours-per-week",
    "native-country", "income",
)  # fmt: skip
"""Adult's files have no header; these are the names of its documentation."""


def sources() -> list[Source]:
    """Every public file."""
    return [
        Source(
            name="adult/train.csv",
            url=f"{_ADULT}/adult-train.csv",
            sha256="5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
            licence=_ADULT_LICENCE,
            mirror_path="tabular/adult/adult-train.csv",
        ),
        Source(
            name="adult/test.csv",
            url=f"{_ADULT}/adult-test.csv",
            sha256="72567b94f5c1a6f8501377dd80f93892c3848ff071cf91ba47e00b0785a28074",
            licence=_ADULT_LICENCE,
            mirror_path="tabular/adult/adult-test.csv",
        ),
        Source(
            name="california/california.csv",
            url=_CALIFORNIA,
            sha256="534365b6c3c9b07c2b7d88e0ff9f1b41725d8b799748f5c0b80e1067f51c8ab3",
            licence="public domain (StatLib; Pace & Barry, 1997)",
            mirror_path="tabular/california_housing/cal_housing.data",
        ),
    ]


def fetch(directory: Path | str, mirror: Path | str | None = None) -> list[Path]:
    """Have the public files in ``directory``: ``adult/`` and ``california/``.

    Args:
        directory: usually ``data/01_raw/tabular``.
        mirror: a folder with local copies.

    Returns:
        The three files.
    """
    return fetch_sources(sources(), Path(directory), mirror)
