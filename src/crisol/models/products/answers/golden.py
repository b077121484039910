"""The requests that a predictor answers when it is made, and again wherever it is loaded."""

import base64
import json
from io import BytesIO

import numpy as np
import pandas as pd
from PIL import Image

from crisol.models.products.contract import (
    MAX_ATTRIBUTES,
    MAX_DESCRIPTION,
    MAX_TITLE,
    Product,
)
from crisol.models.products.data.taxonomy import SEPARATOR
from crisol.models.products.params import DataParams

GOLDEN = 4
NAME, VALUE = 200, 1000


def golden_requests(
    products: pd.DataFrame, images: pd.DataFrame, parts: pd.DataFrame, data: DataParams
) -> list[Product]:
    """Products of the registered study, as a client would send them; the last is a title alone.

    The richest ones are taken, so that every head and modality is exercised.
    """
    rows = np.sort(parts.loc[parts["study"] == data.register_study, "row"].unique())
    mine = products.iloc[rows]
    richness = (
        (mine["image"] != "").astype(int)
        + (mine["description"] != "")
        + mine["price"].notna()
        + (mine["brand"] != "")
    )
    richest = mine.loc[richness.sort_values(ascending=False, kind="stable").index[: GOLDEN - 1]]
    pictures = dict(zip(images["image"], images["pixels"], strict=True))
    requests = [product_of(row, pictures.get(row["image"])) for row in richest.to_dict("records")]
    return [*requests, Product(title=requests[0].title)]


def product_of(row: dict[str, object], pixels: bytes | None) -> Product:
    """A row of the canonical table as a request; texts longer than the contract takes are cut."""
    names = [str(row[name]) for name in ("category", "subcategory") if row[name]]
    attributes = {
        name[:NAME]: str(value)[:VALUE]
        for name, value in list(json.loads(str(row["attributes"])).items())[:MAX_ATTRIBUTES]
    }
    price = float(str(row["price"]))
    return Product(
        title=str(row["title"])[:MAX_TITLE],
        description=str(row["description"])[:MAX_DESCRIPTION] or None,
        price=None if np.isnan(price) else price,
        currency=str(row["currency"]) or None,
        category=SEPARATOR.join(names)[:NAME] or None,
        brand=str(row["brand"])[:NAME] or None,
        attributes=attributes or None,
        image=None if pixels is None else png_base64(pixels),
    )


def png_base64(pixels: bytes) -> str:
    """A picture of the images table as a PNG file in base64."""
    side = int(np.sqrt(len(pixels) / 3))
    array = np.frombuffer(pixels, np.uint8).reshape(side, side, 3)
    stream = BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()
