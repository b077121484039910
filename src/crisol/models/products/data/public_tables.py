"""Reads the files of :mod:`~crisol.models.products.data.sources` as raw products and pairs."""

import json
import re
from pathlib import Path

import pandas as pd

from crisol.models.products.contract import MAX_ATTRIBUTES
from crisol.models.products.data.cells.amounts import amounts
from crisol.models.products.data.cells.prices import price_cell

_FIELD = re.compile(r"COL (\w+) VAL ?")


def read_flipkart(path: Path, pictures: Path) -> pd.DataFrame:
    """The raw products of Flipkart: the discounted price, the first two levels of the tree."""
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    trees = [json.loads(tree)[0].split(" >> ") for tree in rows["product_category_tree"]]
    return pd.DataFrame(
        {
            "id": rows["uniq_id"],
            "source": "flipkart",
            "title": rows["product_name"],
            "description": rows["description"],
            "brand": rows["brand"],
            "category": [" > ".join(tree[:2]) for tree in trees],
            "attributes": [specifications(text) for text in rows["product_specifications"]],
            "price": rows["discounted_price"],
            "currency": "INR",
            "image": [_path_if_there(pictures, name) for name in rows["uniq_id"]],
        }
    )


def read_amazon(path: Path) -> pd.DataFrame:
    """The raw products of Amazon: the discounted price; cells such as ``Get`` are not ratings."""
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    rated = rows["ratings"].str.fullmatch(r"[0-5](?:\.\d)?")
    return pd.DataFrame(
        {
            "id": [str(row + 1) for row in range(len(rows))],
            "source": "amazon",
            "title": rows["name"],
            "category": rows["main_category"] + " > " + rows["sub_category"],
            "price": rows["discount_price"],
            "currency": "INR",
            "rating": rows["ratings"].where(rated, ""),
            "votes": rows["no_of_ratings"].where(rated, ""),
        }
    )


def read_myntra(path: Path, pictures: Path) -> pd.DataFrame:
    """The raw products of Myntra: the article type in its main category, and its attributes."""
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    fields = {"gender": "Gender", "baseColour": "Colour", "season": "Season", "usage": "Usage"}
    attributes = rows[list(fields)].rename(columns=fields).to_dict("records")
    return pd.DataFrame(
        {
            "id": rows["id"],
            "source": "myntra",
            "title": rows["productDisplayName"],
            "category": rows["masterCategory"] + " > " + rows["articleType"],
            "attributes": [json.dumps(pairs, ensure_ascii=False) for pairs in attributes],
            "image": [_path_if_there(pictures, name) for name in rows["id"]],
        }
    )


def read_pairs(path: Path) -> pd.DataFrame:
    """One part of a matching task as raw pairs; the description may hold the model number."""
    source, _, part = path.stem.rpartition("_")
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        left, right, match = line.split("\t")
        rows.append({"source": source, "part": part, "match": match, **_side("left", left),
                     **_side("right", right)})  # fmt: skip
    return pd.DataFrame(rows)


def specifications(text: str) -> str:
    """The specifications of Flipkart, a Ruby literal, as a JSON object of attributes.

    >>> specifications('{"product_specification"=>[{"key"=>"Color", "value"=>"Red"}]}')
    '{"Color": "Red"}'
    """
    if not text or text.endswith("=>nil}"):
        return ""
    found = json.loads(text.replace('"=>', '":'))["product_specification"]
    pairs: dict[str, str] = {}
    for entry in found if isinstance(found, list) else [found]:
        name, value = entry.get("key", "Details"), entry.get("value", "")
        pairs[name] = f"{pairs[name]}; {value}" if name in pairs else value
    return json.dumps(dict(list(pairs.items())[:MAX_ATTRIBUTES]), ensure_ascii=False)


def _side(side: str, text: str) -> dict[str, str]:
    _, *parts = _FIELD.split(text)
    fields = {name: value.strip() for name, value in zip(parts[::2], parts[1::2], strict=True)}
    amount = price_cell(fields.get("price", "")).amount
    price = amounts([amount], "price", ".").numbers[amount] if amount else None
    return {
        f"{side}_title": fields.get("title", "") or fields.get("name", ""),
        f"{side}_description": fields.get("description", "") or fields.get("modelno", ""),
        f"{side}_brand": fields.get("brand", "") or fields.get("manufacturer", ""),
        f"{side}_category": fields.get("category", ""),
        # A price of 0 means that none is known.
        f"{side}_price": f"{price:.10g}" if price is not None and price > 0 else "",
    }


def _path_if_there(pictures: Path, name: str) -> str:
    return f"{pictures.name}/{name}.jpg" if (pictures / f"{name}.jpg").is_file() else ""
