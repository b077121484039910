# ruff: noqa: E501 - rows of files
"""Exports of shops as they are: recognised, joined to products, told."""

import json

import pytest
from PIL import Image

from crisol.models.products.data import prepare
from crisol.models.products.data.catalogue_file import read_products
from crisol.models.products.data.validation import ProductsError
from crisol.models.products.params import DataParams

SHOPIFY = """Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,Variant Price,Image Src,Image Position,Status
mug,Blue Mug,"<p>A <b>blue</b> mug</p>",Alba,Home & Garden > Kitchen,Mugs,"gift, blue",true,Size,S,m-s,12.50,https://cdn.shopify.com/s/files/mug_1.jpg?v=1,1,active
mug,,,,,,,,,L,m-l,10.00,https://cdn.shopify.com/s/files/mug_2.jpg?v=1,2,
mug,,,,,,,,,,,,https://cdn.shopify.com/s/files/mug_3.jpg?v=1,3,
rug,Red Rug,,Brio,Home & Garden > Decor,Rugs,,true,Title,Default Title,r-1,99,,,active
lamp,Old Lamp,,Brio,Home & Garden > Lamps,Lamps,,true,Title,Default Title,l-1,50,,,draft
"""
SHOPIFY_NEW = """Title,URL handle,Description,Vendor,Product category,Type,Status,SKU,Option1 name,Option1 value,Price,Product image URL,Image position
Blue Mug,mug,<p>A mug</p>,Alba,Home > Kitchen,Mugs,Active,m,Colour,Blue,10.00,https://x/mug_1.jpg,1
,mug,,,,,,m2,,Red,12.00,,
Red Rug,rug,,Brio,Home > Decor,Rugs,Active,r,,,99,,
"""
WOO = """ID,Type,SKU,Name,Published,Short description,Description,Regular price,Sale price,Categories,Tags,Images,Parent,Attribute 1 name,Attribute 1 value(s)
1,variable,mug,Blue Mug,1,A mug,<p>Blue</p>,,,"Home > Kitchen, Home > Gifts","gift, blue","https://x/2021/mug_1.jpg, https://x/mug_2.jpg",,Size,"S, L"
2,variation,mug-s,Blue Mug - S,1,,,10,8,,,,id:1,Size,S
3,variation,mug-l,Blue Mug - L,1,,,12,,,,,mug,Size,L
4,simple,rug,Red Rug,1,,,99,,Home > Decor,,,,,
5,simple,lamp,Old Lamp,0,,,50,,Home > Decor,,,,,
"""
TSV = (
    "id\ttitle\tdescription\tlink\timage link\tprice\tsale price\tavailability\tbrand\t"
    "google product category\tproduct type\titem group id\tcolor\n"
    "m-s\tBlue Mug\tA mug\thttps://x/m\thttps://x/mug_1.jpg\t12.50 EUR\t\tin stock\tAlba\t"
    "166 - Home & Garden > Kitchen\tHome > Kitchen\tmug\tblue\n"
    "m-l\tBlue Mug L\tA mug\thttps://x/m\thttps://x/mug_2.jpg\t10.00 EUR\t9.00 EUR\tin stock\tAlba\t"
    "166 - Home & Garden > Kitchen\tHome > Kitchen\tmug\tred\n"
    "r\tRed Rug\t\thttps://x/r\t\t99.00 EUR\t\tin stock\tBrio\t\tHome > Decor\t\t\n"
)
RSS = """<?xml version="1.0"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title>
<item><g:id>m-s</g:id><title>Blue Mug</title><description>&lt;p&gt;A mug&lt;/p&gt;</description>
<g:price>12.50 EUR</g:price><g:brand>Alba</g:brand><g:image_link>https://x/mug_1.jpg</g:image_link>
<g:product_type>Home &gt; Kitchen</g:product_type><g:item_group_id>mug</g:item_group_id>
<g:product_detail><g:attribute_name>Form</g:attribute_name><g:attribute_value>round</g:attribute_value></g:product_detail></item>
<item><g:id>m-l</g:id><title>Blue Mug L</title><g:price>10.00 EUR</g:price><g:item_group_id>mug</g:item_group_id></item>
<item><g:id>r</g:id><title>Red Rug</title><g:price>99.00 EUR</g:price><g:product_type>Home &gt; Decor</g:product_type></item>
</channel></rss>
"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0"><title>Shop</title>
<entry><g:id>mug</g:id><g:title>Blue Mug</g:title><g:price>10.00 EUR</g:price><g:product_type>Home &gt; Kitchen</g:product_type></entry>
<entry><g:id>rug</g:id><g:title>Red Rug</g:title><g:price>99.00 EUR</g:price><g:product_type>Home &gt; Decor</g:product_type></entry>
</feed>
"""
FILES = {
    "shopify": ("a.csv", SHOPIFY, "shopify"),
    "shopify of today": ("b.csv", SHOPIFY_NEW, "shopify"),
    "woocommerce": ("c.csv", WOO, "woocommerce"),
    "a feed as a table": ("d.tsv", TSV, "google_merchant"),
    "a feed in RSS": ("e.xml", RSS, "google_merchant"),
    "a feed in Atom": ("f.xml", ATOM, "google_merchant"),
}
each_file = pytest.mark.parametrize(("name", "text", "form"), FILES.values(), ids=FILES)


def _clean(tmp_path, name, text, pictures=None, **data):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    params = DataParams.model_validate({"image_size": 16, **data})
    raw = read_products(path, params)
    notes = list(raw.attrs["notes"])
    products, images = prepare.clean(raw, pictures, params, notes)
    return products, images, " ".join(notes)


@each_file
@pytest.mark.parametrize("said", [False, True])
def test_an_export_becomes_one_product_a_handle(tmp_path, name, text, form, said):
    data = {"read": {"format": form}} if said else {}
    products, _, notes = _clean(tmp_path, name, text, **data)
    assert products["title"].tolist() == ["Blue Mug", "Red Rug"]
    assert products["price"].tolist() == [10, 99]
    assert products["subcategory"].tolist() == ["Kitchen", "Decor"]
    assert (form in notes) is (not said and not name.endswith("xml"))
    assert products["currency"].tolist() == (["EUR"] * 2 if "EUR" in text else [""] * 2)


def test_variants_and_drafts_are_told(tmp_path):
    products, _, notes = _clean(tmp_path, "a.csv", SHOPIFY)
    assert json.loads(products["attributes"][0]) == {"Size": "S, L", "Tags": "gift, blue"}
    assert (products["id"][0], products["description"][0]) == ("mug", "A blue mug")
    assert "5 rows of variants and pictures are 2 products" in notes
    assert "1 have variants of different prices" in notes
    assert "1 products that are drafts" in notes
    _, _, notes = _clean(tmp_path, "c.csv", WOO)
    assert "2 variations are joined" in notes
    assert "1 products that are not published are left out" in notes
    assert "'Home > Kitchen' of 'Home > Kitchen, Home > Gifts'" in notes
    assert "1 rows have a sale price" in notes


@each_file
def test_pictures_are_found_by_the_ends_of_their_addresses(tmp_path, name, text, form):
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("RGB", (20, 20), "red").save(folder / "MUG_1.jpg")
    products, images, notes = _clean(tmp_path, name, text, folder)
    addressed = "mug_1.jpg" in text
    assert products["image"].tolist() == (["MUG_1.jpg", ""] if addressed else ["", ""])
    assert len(images) == int(addressed)
    assert ("for 1 of them a file of that name is there" in notes) is addressed


def test_addresses_are_never_fetched_and_shared_names_tell_nothing(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "b").mkdir(parents=True)
    Image.new("RGB", (20, 20), "red").save(folder / "b" / "1.jpg")
    text = "title,image\nMug,https://x/a/1.jpg\nRug,https://x/b/1.jpg\nPan,http://x/2.jpg\n"
    products, _, notes = _clean(tmp_path, "g.csv", text, folder)
    assert products["image"].tolist() == ["", "b/1.jpg", ""]
    products, _, notes = _clean(tmp_path, "g.csv", text)
    assert products["image"].tolist() == ["", "", ""]
    assert "3 cells are addresses, which are never fetched" in notes


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", SHOPIFY.replace("12.50", "from 12"), r"handle mug \(row 1\): price"),
        ("c.csv", WOO.replace(",99,", ",free,"), r"Red Rug \(row 4\): price is not a number"),
        ("d.tsv", TSV.replace("99.00 EUR", "99.00 USD"), r"several currencies \(EUR 1, USD 1\)"),
        ("d.tsv", TSV.replace("10.00 EUR", "10.00 USD"), r"item m-s \(row 1\): price is not one number"),
        ("e.xml", RSS.replace("99.00 EUR", "-1 EUR"), r"item r \(row 3\): price must be above 0"),
        ("e.xml", RSS[:300], "is no XML that can be read"),
        ("e.xml", "<?xml version='1.0'?><a/>", "XML without items"),
        ("e.xml", "<!DOCTYPE a [<!ENTITY x 'y'>]><rss><item/></rss>".replace("<!D", "<?xml version='1.0'?><!D"), "declares entities"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_an_export_is_named(tmp_path, name, text, said):
    with pytest.raises(ProductsError, match=said):
        _clean(tmp_path, name, text)


@pytest.mark.parametrize("form", ["shopify", "woocommerce", "google_merchant"])
def test_another_table_is_no_export(tmp_path, form):
    with pytest.raises(ProductsError, match=r"column '\w+' is missing, which an export of"):
        _clean(tmp_path, "a.csv", "a,b\n1,2\n", read={"format": form})


def test_rows_can_be_read_as_they_stand(tmp_path):
    text = "Handle,Title,Variant Price\nmug,Blue Mug,10\nmug2,Mug,12\n"
    data = {"columns": {"title": "Title", "price": "Variant Price", "id": "Handle"}}
    products, _, notes = _clean(tmp_path, "a.csv", text, **data)
    assert products["id"].tolist() == ["mug", "mug2"]
    assert "it is read as one" in notes
