"""The real events: where they come from, and how the public files become raw tables.

Gowalla: check-ins of a location-based network (Cho et al., 2011) in the 10-core and the division of
NGCF (arXiv:1905.08108) and LightGCN (arXiv:2002.02126); no times, no attributes. Beauty: Amazon
reviews of 2014 (McAuley et al.) in the 5-core of S3-Rec (arXiv:2008.07873) with categories and
brands as numbers. Its files hold the order of a user's events and no clock: ``time`` stays empty,
and the order of the rows stands. Neither tells anything of its users.
"""

import json
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd

from crisol.core.data.sources import Source
from crisol.core.data.sources import fetch as fetch_sources
from crisol.core.files import replacing_file
from crisol.models.recommender.data.prepare import clean
from crisol.models.recommender.data.raw_columns import ATTRIBUTE_SEPARATOR
from crisol.models.recommender.data.validation import (
    EVENT_COLUMNS,
    ITEM_COLUMNS,
    USER_COLUMNS,
    validate_events,
    validate_items,
    validate_users,
)

REAL_EVENTS, REAL_ITEMS = "real_events.parquet", "real_items.parquet"
REAL_USERS = "real_users.parquet"
_GOWALLA = Source(
    name="public/gowalla.zip",
    url="https://raw.githubusercontent.com/Joinn99/FPSR/"
    "c7eb7884bf015d6f017658373a7b7f1675343404/Data/gowalla.zip",
    sha256="a4fb157b13f4f81e37ce33368b6b6fa19dc586eb2cc179aa96ce0d7729fdefc8",
    licence="MIT (Joinn99/FPSR); Gowalla check-ins of SNAP, Stanford, no explicit licence; cite "
    "Cho, Myers & Leskovec, KDD 2011; for research",
    mirror_path="recommender/gowalla/gowalla.zip",
)
_S3REC = (
    "https://raw.githubusercontent.com/RUCAIBox/CIKM2020-S3Rec/"
    "2a81540ae18615d88ef88227b0c066e5b74781e5/data"
)
_BEAUTY_LICENCE = (
    "RUCAIBox/CIKM2020-S3Rec states none; Amazon reviews 2014 (McAuley), for research use"
)
_BEAUTY = Source(
    name="public/Beauty.txt",
    url=f"{_S3REC}/Beauty.txt",
    sha256="226cce9c3105299ca0db9615d7d3fb32b3175e90da43100ae352599f0f0107b8",
    licence=_BEAUTY_LICENCE,
    mirror_path="recommender/amazon_beauty/Beauty.txt",
)
_BEAUTY_ATTRIBUTES = Source(
    name="public/Beauty_item2attributes.json",
    url=f"{_S3REC}/Beauty_item2attributes.json",
    sha256="129e40f67486f6877eff0f5318cfa8530ee8ac23d8b0d1de04e1bb7a2ba0b2d4",
    licence=_BEAUTY_LICENCE,
    mirror_path="recommender/amazon_beauty/Beauty_item2attributes.json",
)


def sources() -> list[Source]:
    """Every public file: Gowalla's division, Beauty's sequences and attributes."""
    return [_GOWALLA, _BEAUTY, _BEAUTY_ATTRIBUTES]


def fetch(directory: Path | str, mirror: Path | str | None = None) -> list[Path]:
    """Have the public files in ``directory/public`` and the tables made of them beside them.

    Args:
        directory: usually ``data/01_raw/recommender``.
        mirror: a folder with local copies.

    Returns:
        The paths that ``--env real`` reads: events, items, and users, of whom there are none.
    """
    directory = Path(directory)
    gowalla, beauty, attributes = fetch_sources(sources(), directory, mirror)
    events = pd.concat([read_gowalla(gowalla), read_beauty(beauty)], ignore_index=True)
    items = read_beauty_items(attributes)
    events = validate_events(events.reindex(columns=list(EVENT_COLUMNS)), REAL_EVENTS)
    items = validate_items(items.reindex(columns=list(ITEM_COLUMNS)), REAL_ITEMS)
    clean(events, items)
    users = validate_users(pd.DataFrame(columns=list(USER_COLUMNS), dtype="str"), REAL_USERS)
    return [
        _write(events, directory / REAL_EVENTS),
        _write(items, directory / REAL_ITEMS),
        _write(users, directory / REAL_USERS),
    ]


def read_gowalla(path: Path) -> pd.DataFrame:
    """Gowalla as raw events with the official parts."""
    tables = []
    with ZipFile(path) as archive:
        for part in ("train", "test"):
            content = archive.read(f"Data/gowalla/gowalla.{part}.inter")
            table = pd.read_csv(BytesIO(content), sep="\t", dtype=str, keep_default_na=False)
            table.columns = ["user", "item"]
            tables.append(table.assign(part=part))
    return pd.concat(tables, ignore_index=True).assign(source="gowalla")


def read_beauty(path: Path) -> pd.DataFrame:
    """Beauty as raw events: a line is a user and then the items, oldest first."""
    lines = [line.split() for line in path.read_text().splitlines()]
    sizes = [len(line) - 1 for line in lines]
    return pd.DataFrame(
        {
            "user": np.repeat([line[0] for line in lines], sizes),
            "item": [item for line in lines for item in line[1:]],
            "source": "beauty",
        }
    )


def read_beauty_items(path: Path) -> pd.DataFrame:
    """Beauty's items with their attributes, which are numbers of categories and brands."""
    attributes = json.loads(path.read_text())
    return pd.DataFrame(
        {
            "item": list(attributes),
            "attributes": [
                ATTRIBUTE_SEPARATOR.join(map(str, numbers)) for numbers in attributes.values()
            ],
            "source": "beauty",
        }
    )


def _write(table: pd.DataFrame, target: Path) -> Path:
    with replacing_file(target) as scratch:
        table.to_parquet(scratch, index=False)
    return target
