"""The public files, and their published tables."""

import json
import os
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from crisol.core.data.folder_sources import GitCommit, GitFile
from crisol.core.data.table_files import read_raw_table
from crisol.models.products.data import prepare as data
from crisol.models.products.data import public_tables, sources
from crisol.models.products.params import DataParams


def test_sources_are_pinned_public_files():
    found = sources.sources()
    assert len({source.name for source in found}) == 11
    for source in found:
        assert source.url.startswith("https://raw.githubusercontent.com/")
        assert len(source.url.split("/")[5]) == 40  # a commit, not a branch
        assert source.licence


def test_flipkart_is_read_with_its_tree_specifications_and_pictures(tmp_path):
    (tmp_path / "flipkart").mkdir()
    (tmp_path / "flipkart/a1.jpg").write_bytes(b"")
    rows = pd.DataFrame(
        {
            "uniq_id": ["a1", "a2"],
            "product_name": ["Curtain", "Towel"],
            "product_category_tree": ['["Home >> Curtains >> Curtain ..."]', '["Baby Care"]'],
            "discounted_price": ["899", ""],
            "brand": ["Elegance", ""],
            "description": ["", ""],
            "product_specifications": [
                '{"product_specification"=>[{"key"=>"Color", "value"=>"Red"}, {"value"=>"Soft"}]}',
                '{"product_specification"=>nil}',
            ],
        }
    )
    rows.to_csv(tmp_path / "flipkart.csv", index=False)
    found = public_tables.read_flipkart(tmp_path / "flipkart.csv", tmp_path / "flipkart")
    assert found["category"].tolist() == ["Home > Curtains", "Baby Care"]
    assert json.loads(found["attributes"][0]) == {"Color": "Red", "Details": "Soft"}
    assert found["attributes"][1] == ""
    assert found["image"].tolist() == ["flipkart/a1.jpg", ""]


def test_what_is_no_rating_of_amazon_is_none(tmp_path):
    rows = pd.DataFrame(
        {
            "name": ["A", "B"], "main_category": "m", "sub_category": "s",
            "ratings": ["4.2", "Get"], "no_of_ratings": ["1,234", "FREE Delivery by Amazon"],
            "discount_price": ["₹1,299", ""],
        }
    )  # fmt: skip
    rows.to_csv(tmp_path / "amazon.csv", index=False)
    found = public_tables.read_amazon(tmp_path / "amazon.csv")
    assert found["rating"].tolist() == ["4.2", ""]
    assert found["votes"].tolist() == ["1,234", ""]
    assert found["category"].tolist() == ["m > s", "m > s"]


def test_a_line_of_pairs_is_two_sides_and_a_match(tmp_path):
    path = tmp_path / "walmart_amazon_valid.txt"
    path.write_text(
        "COL title VAL bag COL category VAL home COL brand VAL x COL modelno VAL ab1 COL price VAL "
        "0.0 \tCOL title VAL backpack COL category VAL  COL brand VAL  COL modelno VAL ab1 COL "
        "price VAL 24.98 \t1\n"
    )
    row = data.clean_pairs(public_tables.read_pairs(path)).iloc[0]
    assert (row["source"], row["part"], row["match"]) == ("walmart_amazon", "valid", 1)
    assert (row["left_title"], row["left_brand"], row["left_description"]) == ("bag", "x", "ab1")
    assert pd.isna(row["left_price"])
    assert row["right_price"] == 24.98


def test_the_public_styles_are_read_with_commas_in_their_names(monkeypatch, tmp_path):
    header = "id,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage,"
    lines = [header + "productDisplayName",
             "3,Men,Apparel,Top,Shirts,Blue,Fall,2011,Casual,Shirt, checked,",
             "2,Men,Apparel,Top,Shirts,Red,Fall,2011,Casual,Shirt"]  # fmt: skip
    listed = [GitFile("data/styles.csv", "0" * 40, 1)]
    monkeypatch.setattr(GitCommit, "files", lambda _: listed)
    monkeypatch.setattr(GitCommit, "read", lambda *_: "\n".join(lines).encode())
    (tmp_path / "public").mkdir()
    pictures = tmp_path / "real_images/myntra"
    pictures.mkdir(parents=True)
    for name in ("2", "3", "9"):
        (pictures / f"{name}.jpg").write_bytes(b"")
    styles = sources._fetch_styles(tmp_path, None)
    found = public_tables.read_myntra(styles, pictures)
    assert found["title"].tolist() == ["Shirt", "Shirt, checked"]
    assert found["image"].tolist() == ["myntra/2.jpg", "myntra/3.jpg"]


def test_pictures_are_made_smaller_whole():
    stream = BytesIO()
    Image.new("RGBA", (300, 150), "red").save(stream, "PNG")
    small = Image.open(BytesIO(sources._smaller(stream.getvalue(), 96)))
    assert (small.format, small.size) == ("JPEG", (96, 48))


@pytest.mark.slow  # it reads all of the real data
def test_the_mirror_makes_the_tables_that_were_measured(tmp_path):
    mirror = os.environ.get("CRISOL_DATA_MIRROR")
    if not mirror:
        pytest.skip("CRISOL_DATA_MIRROR is not set: the real products are not at hand")
    products, pairs, folder = sources.fetch(tmp_path, mirror, announce=lambda _: None)
    assert folder == Path(tmp_path) / sources.REAL_IMAGES
    raw = read_raw_table(products)
    assert raw.groupby("source").size().to_dict() == {
        "amazon": 10930, "flipkart": 1050, "myntra": 3221,
    }  # fmt: skip
    assert (raw["image"] != "").sum() == 1047 + 3221
    amazon = raw[raw["source"] == "amazon"].assign(image="")
    params = DataParams.model_validate({"studies": [{"name": "a"}], "register_study": "a"})
    cleaned, _ = data.clean(amazon, folder, params)
    rows = data.split(cleaned, params.study("a"))
    assert len(rows) == 10930 - 1245
    counts = data.clean_pairs(read_raw_table(pairs)).groupby(["source", "part"]).size()
    assert counts["abt_buy"].to_dict() == {"test": 1916, "train": 5743, "valid": 1916}
