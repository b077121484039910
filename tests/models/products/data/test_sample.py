"""The committed sample equals the output of its module, is small, and can be learned from."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from crisol.core.data.table_files import read_raw_table
from crisol.models.products.data import prepare as data
from crisol.models.products.data import sample
from crisol.models.products.params import DataParams

FOLDER = Path(__file__).resolve().parents[4] / "data/01_raw/products"
PARAMS = DataParams.model_validate({"studies": [{"name": "shop"}], "register_study": "shop"})


@pytest.fixture(scope="module")
def catalogue() -> pd.DataFrame:
    return sample.products()


def test_the_committed_tables_are_what_is_written(catalogue):
    for name, table in (("products", catalogue), ("pairs", sample.pairs(catalogue))):
        committed = (FOLDER / f"sample_{name}.csv").read_text()
        assert committed == table.to_csv(index=False, lineterminator="\n")
    assert (FOLDER / "sample_README.md").read_text() == sample.README


def test_the_committed_pictures_are_what_is_drawn(catalogue):
    drawn = sample.pictures(catalogue)
    assert sorted(path.name for path in (FOLDER / "sample_images").iterdir()) == sorted(drawn)
    for name, picture in list(drawn.items())[::10]:
        committed = np.asarray(Image.open(FOLDER / "sample_images" / name), float)
        assert np.abs(committed - np.asarray(picture, float)).mean() < 6  # JPEG of any version


def test_the_sample_is_small():
    files = list(FOLDER.rglob("sample*/*")) + list(FOLDER.glob("sample_*.*"))
    assert sum(path.stat().st_size for path in files) < 600_000


def test_every_part_of_a_product_is_missing_somewhere_and_prices_leak():
    raw = read_raw_table(FOLDER / "sample_products.csv")
    products, images = data.clean(raw, FOLDER / "sample_images", PARAMS)
    for name in ("description", "brand", "image"):
        assert 0 < (products[name] == "").sum() < len(products) / 2
    for name in ("price", "rating"):
        assert 0 < products[name].isna().sum() < len(products) / 2
    told = products["description"].str.contains(r"Rs\.|₹")
    assert told.sum() > 20
    records = data.records_from_tables(products, images)
    assert not any("Rs." in record.description or "₹" in record.description for record in records)
    assert products.groupby(["category", "subcategory"]).size().tolist() == [20] * 12


def test_pairs_have_matches_in_every_part(catalogue):
    pairs = data.clean_pairs(sample.pairs(catalogue))
    assert (pairs.groupby("part")["match"].sum() >= 10).all()
    assert (pairs.groupby("part")["match"].mean() < 0.7).all()
