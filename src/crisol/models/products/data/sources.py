"""The sources of the real products, and their download into raw tables.

Flipkart: 1,050 products of seven categories (PromptCloud's sample) with pictures, specifications
and prices in rupees. Amazon: 10,930 of amazon.in, 2023, with prices and ratings, without pictures.
Myntra: 3,221 of "Fashion Product Images" with pictures and attributes, without prices. The pairs
are Abt-Buy, Amazon-Google and Walmart-Amazon of DeepMatcher in the divisions of Ditto
(arXiv:2004.00584).
"""

import re
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pandas as pd
from PIL import Image as Pillow

from crisol.core.data.folder_sources import FolderSource, GitCommit, fetch_folder, save_all
from crisol.core.data.sources import Source, SourceError
from crisol.core.data.sources import fetch as fetch_sources
from crisol.core.files import file_sha256, replacing_file
from crisol.models.products.data.public_tables import (
    read_amazon,
    read_flipkart,
    read_myntra,
    read_pairs,
)
from crisol.models.products.data.validation import COLUMNS, PAIR_COLUMNS, validate_pairs

REAL_PRODUCTS, REAL_PAIRS, REAL_IMAGES = (
    "real_products.parquet",
    "real_pairs.parquet",
    "real_images",
)
_RAW = "https://raw.githubusercontent.com"
_FLIPKART_COMMIT = GitCommit(
    "charlottemllt/Classification-automatique-des-biens-de-consommation",
    "9303da69c02bfef4f52dd1e54f23a508e6ad98ca",
)
_FLIPKART_LICENCE = (
    "the repository states none; a Flipkart sample of PromptCloud on Kaggle, there CC BY-SA 4.0; "
    "for measuring only"
)
_FLIPKART = Source(
    name="public/flipkart_1050.csv",
    url=f"{_RAW}/{_FLIPKART_COMMIT.repository}/{_FLIPKART_COMMIT.commit}/"
    "flipkart_com-ecommerce_sample_1050.csv",
    sha256="7c15bcff313c827d403fedebb19a10569527c0aef6fdd6a4d1e41e37c380c20f",
    licence=_FLIPKART_LICENCE,
    mirror_path="products/flipkart1050/flipkart_1050.csv",
)
_FLIPKART_IMAGES = FolderSource(
    name=f"{REAL_IMAGES}/flipkart",
    mirror_path="products/flipkart1050/images",
    sha256="54280817b40b62ec1905e6b5d17cff4934b66626a5c28dc4a68485e7807950c1",
    licence=_FLIPKART_LICENCE,
)
_AMAZON = Source(
    name="public/amazon_in_products.csv",
    url=f"{_RAW}/gracious7/merge-and-trim-csv/3b2bbaf83693f35b256eafe1e4c5b44a9459110e/"
    "Amazon-Products.csv",
    sha256="e78e3fe18e9d678c517f7c55ea7d5cc578f057e82c90d28cb5a7209054aa66e3",
    licence="the repository states none; Amazon Products Dataset 2023 on Kaggle, there CC BY-NC-SA "
    "4.0; research use only",
    mirror_path="products/amazon_in/amazon_in_products.csv",
)
_MYNTRA_LICENCE = (
    "the repositories state none; Fashion Product Images on Kaggle, there MIT; photos (c) Myntra, "
    "research use only"
)
_STYLES_COMMIT = GitCommit(
    "Mahmoud-nfz/Image-Recommendation", "b1b9f010b469ceb3d2cde7bd09005b49709eb174"
)
_STYLES_PATH = "data/styles.csv"
_STYLES = Source(
    name="public/styles_3221.csv",
    url=f"{_RAW}/{_STYLES_COMMIT.repository}/{_STYLES_COMMIT.commit}/{_STYLES_PATH}",
    sha256="6400422a1bd1aac3275a8dc2c108b0d60e23db395f0f9a3111b2059eaf86cd6d",
    licence=_MYNTRA_LICENCE,
    mirror_path="products/fashion_myntra/styles_3221.csv",
)
"""The rows of the public file whose pictures are public as well."""
_MYNTRA_COMMIT = GitCommit(
    "GaneshNeupane01/Fashion-Recommendation-System", "7cf263426a1a818fbcab19006b87c924b4dd0fa1"
)
_MYNTRA_IMAGES = FolderSource(
    name=f"{REAL_IMAGES}/myntra",
    mirror_path="products/fashion_myntra/images",
    sha256="867015e8f985a82b69b7c2c542e6bbfd9447e4bcf852bb9aa011e98f1d66a130",
    licence=_MYNTRA_LICENCE,
)
_DITTO = f"{_RAW}/megagonlabs/ditto/52985564a93fb11308439516d3e17a033d43ec8f/data/er_magellan"
_PAIRS = {
    "abt_buy": ("Textual/Abt-Buy", {
        "train": "c1370966c08c246e9cf844b7cd2cf580b2559e9831f1eb3cca560fd53c1bcbb2",
        "valid": "14b2c80673434b852febacd1a741c89e2ca0aba1658f4420efe4cbb46f4ef607",
        "test": "df323df317af4ca33132e3c3a666983c5cbc69ef517f61df18f381b4d1662352",
    }),
    "amazon_google": ("Structured/Amazon-Google", {
        "train": "84ef5f7747296990a3775d2c8774949e720df643106b1b447682265f41929b26",
        "valid": "baa53c43706e979441aaf653698bb477294b6fa16328fd272fcdc56ca040c094",
        "test": "fb4a50692f296435d9ecd4b310acc1318ff7d6d1e13924f0b211d1f906dacbef",
    }),
    "walmart_amazon": ("Structured/Walmart-Amazon", {
        "train": "092fccd11c1cc1ffe54a702af276641218ce9506e6d60fb5a29a3c67d87892c3",
        "valid": "4b07b12d5eb411736da03385d7543a34c77e5d9d364c25d67e987ebabc58c92c",
        "test": "85ee132c4e45073a4b5ab8168d5db8af3e354b7b46dae19fd111757c0a6a97f6",
    }),
}  # fmt: skip
_FLIPKART_SIDE, _FLIPKART_LARGEST_BYTES = 160, 4 << 20
_MYNTRA_SIDE = 96
_JPEG_QUALITY = 90


def sources() -> list[Source]:
    """Every public file that is used unchanged."""
    pairs = [
        Source(
            name=f"public/{name}_{part}.txt",
            url=f"{_DITTO}/{path}/{part}.txt",
            sha256=sha256,
            licence="Apache-2.0 (megagonlabs/ditto); data of DeepMatcher and Magellan",
            mirror_path=f"products/product_matching/{path.split('/')[1]}/{part}.txt",
        )
        for name, (path, parts) in _PAIRS.items()
        for part, sha256 in parts.items()
    ]
    return [_FLIPKART, _AMAZON, *pairs]


def fetch(
    directory: Path | str,
    mirror: Path | str | None = None,
    *,
    announce: Callable[[str], None] = print,
) -> list[Path]:
    """Fetch the public files into ``directory/public``, and write the raw tables beside them.

    A mirror holds the pictures scaled down (160 and 96 pixels). Without one they are downloaded one
    by one (4,268 pictures, about 400 MB) and scaled down here (20 MB).

    Args:
        directory: usually ``data/01_raw/products``.
        mirror: a folder with local copies.
        announce: called with the licences before anything is fetched, and with each step done.

    Returns:
        The paths that ``--env real`` reads: products, pairs, and the folder of pictures.

    Raises:
        SourceError: a file could not be fetched, or differs from its digest.
    """
    directory, mirror = Path(directory), None if mirror is None else Path(mirror)
    announce(f"Licence of {_MYNTRA_IMAGES.name}, {_STYLES.name}: {_MYNTRA_LICENCE}")
    announce(f"Licence of {_FLIPKART_IMAGES.name}: {_FLIPKART_LICENCE}")
    flipkart, amazon, *pairs = fetch_sources(sources(), directory, mirror, announce=announce)
    fetch_folder(_FLIPKART_IMAGES, directory, mirror, _download_flipkart, announce=announce)
    fetch_folder(_MYNTRA_IMAGES, directory, mirror, _download_myntra, announce=announce)
    styles = _fetch_styles(directory, mirror)
    products = pd.concat(
        [
            read_flipkart(flipkart, directory / _FLIPKART_IMAGES.name),
            read_amazon(amazon),
            read_myntra(styles, directory / _MYNTRA_IMAGES.name),
        ],
        ignore_index=True,
    )
    table = validate_pairs(pd.concat([read_pairs(path) for path in pairs], ignore_index=True))
    return [
        _write(products.reindex(columns=list(COLUMNS), fill_value=""), directory / REAL_PRODUCTS),
        _write(table[list(PAIR_COLUMNS)], directory / REAL_PAIRS),
        directory / REAL_IMAGES,
    ]


def _download_flipkart(folder: Path) -> None:
    # Three pictures are larger than the mirror's limit and are left out here as well.
    wanted = {
        folder / Path(file.path).name: file
        for file in _FLIPKART_COMMIT.files()
        if re.fullmatch(r"Images/\w+\.jpg", file.path) and file.size <= _FLIPKART_LARGEST_BYTES
    }
    save_all(wanted, _FLIPKART_COMMIT, lambda data: _smaller(data, _FLIPKART_SIDE))


def _download_myntra(folder: Path) -> None:
    known = set(_public_styles()["id"])
    wanted = {
        folder / Path(file.path).name: file
        for file in _MYNTRA_COMMIT.files()
        if re.fullmatch(r"images/\d+\.jpg", file.path) and Path(file.path).stem in known
    }
    save_all(wanted, _MYNTRA_COMMIT, lambda data: _smaller(data, _MYNTRA_SIDE))


def _smaller(data: bytes, side: int) -> bytes:
    """The picture as a JPEG file that fits into ``side`` pixels."""
    picture = Pillow.open(BytesIO(data)).convert("RGB")
    picture.thumbnail((side, side), Pillow.Resampling.LANCZOS)
    written = BytesIO()
    picture.save(written, "JPEG", quality=_JPEG_QUALITY)
    return written.getvalue()


def _fetch_styles(directory: Path, mirror: Path | None) -> Path:
    """The file of the mirror, or one with the rows of the public file that have a picture."""
    target = directory / _STYLES.name
    if target.is_file() and file_sha256(target) == _STYLES.sha256:
        return target
    if mirror is not None and (mirror / _STYLES.mirror_path).is_file():
        return fetch_sources([_STYLES], directory, mirror, announce=lambda _: None)[0]
    rows = _public_styles()
    pictured = {path.stem for path in (directory / _MYNTRA_IMAGES.name).glob("*.jpg")}
    rows = rows[rows["id"].isin(pictured)].sort_values("id", key=lambda ids: ids.astype(int))
    rows.to_csv(target, index=False, lineterminator="\n")
    return target


def _public_styles() -> pd.DataFrame:
    """The public table; its last column may hold commas that are not quoted."""
    file = next((f for f in _STYLES_COMMIT.files() if f.path == _STYLES_PATH), None)
    if file is None:
        raise SourceError(f"{_STYLES_PATH} is not in the commit {_STYLES_COMMIT.commit}")
    lines = _STYLES_COMMIT.read(file).decode("utf-8").splitlines()
    names = lines[0].split(",")[:10]
    rows = [_cells(line, len(names)) for line in lines[1:] if line.strip()]
    return pd.DataFrame(rows, columns=names, dtype="str")


def _cells(line: str, count: int) -> Iterator[str]:
    parts = line.split(",", count - 1)
    return (part.strip().rstrip(",") for part in (*parts, *[""] * (count - len(parts))))


def _write(table: pd.DataFrame, target: Path) -> Path:
    with replacing_file(target) as scratch:
        table.to_parquet(scratch, index=False)
    return target
