"""The golden requests: a predictor answers them after training, and again when it is loaded."""

import base64
import json
from collections.abc import Hashable, Mapping
from io import BytesIO
from typing import Any

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
MAX_NAME, MAX_VALUE = 200, 1000


def golden_requests(
    products: pd.DataFrame, images: pd.DataFrame, parts: pd.DataFrame, data: DataParams
) -> list[Product]:
    """Products of the registered study, as a client would send them; the last is only a title.

    The products with the most parts are taken, so that every head and modality is used.
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


def product_of(row: Mapping[Hashable, Any], pixels: bytes | None) -> Product:
    """The request of a row of the canonical table; texts are cut to the contract's limits."""
    names = [str(row[name]) for name in ("category", "subcategory") if row[name]]
    attributes = {
        name[:MAX_NAME]: str(value)[:MAX_VALUE]
        for name, value in list(json.loads(str(row["attributes"])).items())[:MAX_ATTRIBUTES]
    }
    price = float(str(row["price"]))
    return Product(
        title=str(row["title"])[:MAX_TITLE],
        description=str(row["description"])[:MAX_DESCRIPTION] or None,
        price=None if np.isnan(price) else price,
        currency=str(row["currency"]) or None,
        category=SEPARATOR.join(names)[:MAX_NAME] or None,
        brand=str(row["brand"])[:MAX_NAME] or None,
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
