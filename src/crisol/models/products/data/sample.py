"""Writes the committed sample: the synthetic catalogue of a shop.

    python -m crisol.models.products.data.sample

No real shop was observed. Twelve kinds of products in four main categories have nouns of their own,
but one product in five uses the words of its main category only (*category*: then only the picture
tells the kind). The picture shows the kind as a shape, in the colour of the title (*retrieval*).
The price is the base price of the kind, times factors of the brand, the material and the number in
the pack (*price*); one description in four states it, as in real shops. Some materials and brands
raise the rating and some lower it (*rating*). Some pictures, descriptions, brands, attributes,
prices and ratings are missing. A pair is a product and its reworded copy, or two products of the
same category.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from crisol.models.products.data.validation import COLUMNS, PAIR_COLUMNS

Draw = ImageDraw.ImageDraw
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class _Kind:
    """A subcategory; ``price`` in rupees."""

    main: str
    sub: str
    nouns: tuple[str, ...]
    features: tuple[str, ...]
    price: float


KINDS = (
    _Kind("Home", "Curtains", ("Door Curtain", "Window Curtain", "Drape"),
          ("eyelet rings", "blocks the light", "falls softly"), 900),
    _Kind("Home", "Rugs", ("Rug", "Carpet", "Floor Runner"),
          ("anti-slip back", "dense pile", "for living rooms"), 2400),
    _Kind("Home", "Lamps", ("Table Lamp", "Desk Lamp", "Night Lamp"),
          ("warm light", "holder for one bulb", "switch on the cord"), 1300),
    _Kind("Kitchen", "Mugs", ("Coffee Mug", "Tea Mug", "Cup"),
          ("holds 350 ml", "safe in the microwave", "comfortable handle"), 320),
    _Kind("Kitchen", "Pans", ("Frying Pan", "Tawa", "Skillet"),
          ("non-stick surface", "for gas and induction", "stay-cool handle"), 1100),
    _Kind("Kitchen", "Bottles", ("Water Bottle", "Flask", "Sipper"),
          ("does not leak", "keeps drinks cold", "fits in a cup holder"), 550),
    _Kind("Fashion", "Watches", ("Analog Watch", "Wrist Watch", "Chronograph"),
          ("quartz movement", "water resistant to 30 m", "round dial"), 1900),
    _Kind("Fashion", "Shirts", ("T-Shirt", "Polo Shirt", "Casual Shirt"),
          ("regular fit", "short sleeves", "machine washable"), 700),
    _Kind("Fashion", "Bags", ("Shoulder Bag", "Tote", "Handbag"),
          ("two inner pockets", "adjustable strap", "zip closure"), 1500),
    _Kind("Electronics", "Phones", ("Smartphone", "Mobile Phone", "Android Phone"),
          ("6 inch display", "dual camera", "5000 mAh battery"), 14000),
    _Kind("Electronics", "Speakers", ("Bluetooth Speaker", "Loudspeaker", "Soundbar"),
          ("deep bass", "plays for 12 hours", "pairs with any phone"), 3200),
    _Kind("Electronics", "Cables", ("USB Cable", "Charging Cable", "Data Cord"),
          ("fast charging", "braided", "1.5 m long"), 350),
)  # fmt: skip
COMMON_NOUNS = {
    "Home": "Home Decor Piece", "Kitchen": "Kitchen Essential", "Fashion": "Style Accessory",
    "Electronics": "Gadget",
}  # fmt: skip
COMMON_FEATURES = ("ships in two days", "comes in a gift box", "one year of warranty")
BRANDS = {
    "Alvora": 1.6, "Bexum": 0.7, "Corvid": 1.1, "Dunmar": 0.9, "Elpina": 2.1, "Fennac": 0.6,
    "Gorlan": 1.3, "Hespio": 1.0,
}  # fmt: skip
"""The price factor of each brand; the brands are made up."""
COLOURS: dict[str, Colour] = {
    "Red": (200, 40, 45), "Blue": (40, 70, 190), "Green": (45, 140, 70), "Yellow": (235, 195, 50),
    "Black": (35, 35, 38), "Grey": (140, 140, 145), "Pink": (235, 130, 170),
    "Brown": (120, 75, 45),
}  # fmt: skip
MATERIALS = {"Premium": 1.5, "Classic": 1.0, "Eco": 1.15, "Basic": 0.7}
LIKED = {"Premium": 0.5, "Classic": 0.15, "Eco": 0.25, "Basic": -0.5}
PRAISE = ("Customers love how sturdy it is.", "A great gift, beautiful and reliable.")
BLAME = ("The finish is a little rough.", "Thin and poor for rough use.")
PER_KIND = 20
SOURCE = "sample"
PICTURE_SHARE, MISSING_SHARE, LEAK_SHARE, COMMON_SHARE = 0.75, 0.08, 0.25, 0.2
PAIRS, MATCH_SHARE = 200, 0.4
SIDE, CANVAS = 64, 256
README = """# sample_products.csv, sample_pairs.csv and sample_images are synthetic

Made by `python -m crisol.models.products.data.sample` from a random generator with a fixed seed.
The shop, its 240 products, its brands and its customers do not exist; the pictures are drawn.
Hidden
rules (see the module's docstring) give the words and shapes a meaning for category, price and
rating, so that methods that read one of them can be told from methods that do not. Nothing measured
on this sample says anything about a shop.
"""


def products(seed: int = 0) -> pd.DataFrame:
    """The synthetic catalogue in the columns of the raw table, every cell as text."""
    rng = np.random.default_rng(seed)
    kinds = [kind for kind in KINDS for _ in range(PER_KIND)]
    order = rng.permutation(len(kinds))
    rows = [_product(f"p{n + 1:03d}", kinds[kind], rng) for n, kind in enumerate(order)]
    cells = [[row.get(column, "") for column in COLUMNS] for row in rows]
    return pd.DataFrame(cells, columns=list(COLUMNS))


def pictures(catalogue: pd.DataFrame, seed: int = 0) -> dict[str, Image.Image]:
    """The pictures of the products that name one, by path."""
    rng = np.random.default_rng([seed, 1])
    shown = catalogue[catalogue["image"] != ""]
    columns = (shown[name].tolist() for name in ("image", "category", "title"))
    return {
        image: _picture(category.split(" > ")[1], _colour_of(title), rng)
        for image, category, title in zip(*columns, strict=True)
    }


def pairs(catalogue: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Pairs of products: a product and its reworded copy, or two of the same category."""
    rng = np.random.default_rng([seed, 2])
    rows = []
    for number in range(PAIRS):
        left = catalogue.iloc[rng.integers(len(catalogue))]
        match = rng.random() < MATCH_SHARE
        alike = catalogue[
            (catalogue["category"] == left["category"]) & (catalogue["id"] != left["id"])
        ]
        right = left if match else alike.iloc[rng.integers(len(alike))]
        part = "train" if number % 5 < 3 else ("valid", "test")[number % 2]
        rows.append([SOURCE, part, str(int(match)), *_side(left), *_retold(right, rng)])
    return pd.DataFrame(rows, columns=list(PAIR_COLUMNS))


def _product(name: str, kind: _Kind, rng: np.random.Generator) -> dict[str, str]:
    brand, colour = str(rng.choice(list(BRANDS))), str(rng.choice(list(COLOURS)))
    material, pack = str(rng.choice(list(MATERIALS))), int(rng.choice([1, 1, 1, 1, 2, 3]))
    noun, features = str(rng.choice(kind.nouns)), kind.features
    if rng.random() < COMMON_SHARE:
        noun, features = COMMON_NOUNS[kind.main], COMMON_FEATURES
    model = f"{brand[:2].upper()}{rng.integers(100, 999)}"
    price = kind.price * BRANDS[brand] * MATERIALS[material] * pack**0.9
    price = round(price * np.exp(rng.normal(scale=0.12)))
    good = LIKED[material] + 0.25 * np.log(BRANDS[brand]) + rng.normal(scale=0.25)
    phrases = [f"{material} {colour.lower()} {noun.lower()} by {brand}"]
    phrases += [str(f) for f in rng.permutation(features)[:2]]
    description = ", ".join(phrases) + ". " + str(rng.choice(PRAISE if good > 0 else BLAME))
    if rng.random() < LEAK_SHARE:
        description += str(rng.choice([f" Price: Rs. {price}", f" Only ₹{price:,} today!"]))
    row = {
        "description": description,
        "brand": brand,
        "attributes": json.dumps({"Colour": colour, "Material": material, "Pack": str(pack)}),
        "price": str(price),
        "rating": f"{np.clip(3.7 + good, 1, 5):.1f}",
    }
    row = {column: value for column, value in row.items() if rng.random() >= MISSING_SHARE}
    if "rating" in row:
        row["votes"] = str(int(np.exp(rng.normal(4.5, 1.0))) + 1)
    if "price" in row:
        row["currency"] = "INR"
    return {
        "id": name,
        "source": SOURCE,
        "title": f"{brand} {material} {noun} {colour} {model}"
        + (f" (Pack of {pack})" if pack > 1 else ""),
        "category": f"{kind.main} > {kind.sub}",
        "image": f"{name}.jpg" if rng.random() < PICTURE_SHARE else "",
        **row,
    }


def _side(row: pd.Series) -> list[str]:
    return [row["title"], row["description"], row["brand"], row["category"], row["price"]]


def _retold(row: pd.Series, rng: np.random.Generator) -> list[str]:
    """The cells of the same product, reworded as in another shop."""
    words = row["title"].replace("(", "").replace(")", "").split()
    kept = [word for word in words if rng.random() > 0.2] or words
    price = float(row["price"]) * np.exp(rng.normal(scale=0.05)) if row["price"] else None
    title = " ".join(str(word) for word in rng.permutation(kept)).lower()
    return [title, "", row["brand"] if rng.random() < 0.7 else "", "",
            "" if price is None else f"{price:.0f}"]  # fmt: skip


def _colour_of(title: str) -> Colour:
    return next(rgb for name, rgb in COLOURS.items() if name in title.split())


def _picture(kind: str, colour: Colour, rng: np.random.Generator) -> Image.Image:
    """A drawing of the kind, slightly rotated, shifted and brightened."""
    light = rng.uniform(0.85, 1.1)
    paint = tuple(int(min(255, part * light)) for part in colour)
    paper = int(rng.integers(238, 256))
    canvas = Image.new("RGB", (CANVAS, CANVAS), (paper, paper, paper))
    SHAPES[kind](ImageDraw.Draw(canvas), (paint[0], paint[1], paint[2]))
    shift = tuple(int(part) for part in rng.integers(-14, 15, 2))
    canvas = canvas.rotate(
        float(rng.uniform(-10, 10)), translate=(shift[0], shift[1]), fillcolor=(paper,) * 3,
        resample=Image.Resampling.BILINEAR,
    )  # fmt: skip
    return canvas.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def _curtains(draw: Draw, colour: Colour) -> None:
    draw.line((30, 40, 226, 40), fill=(90, 90, 90), width=10)
    for left in (40, 138):
        draw.rectangle((left, 44, left + 78, 220), fill=colour)
        for fold in range(left + 18, left + 78, 20):
            draw.line((fold, 50, fold, 216), fill=(230, 230, 230), width=4)


def _rugs(draw: Draw, colour: Colour) -> None:
    draw.rectangle((24, 80, 232, 190), fill=colour)
    for stripe in (100, 135, 170):
        draw.line((24, stripe, 232, stripe), fill=(240, 235, 220), width=8)


def _lamps(draw: Draw, colour: Colour) -> None:
    draw.polygon([(90, 40), (166, 40), (206, 130), (50, 130)], fill=colour)
    draw.rectangle((122, 130, 134, 206), fill=(90, 80, 70))
    draw.ellipse((84, 196, 172, 222), fill=(90, 80, 70))


def _mugs(draw: Draw, colour: Colour) -> None:
    draw.ellipse((140, 90, 222, 178), outline=colour, width=18)
    draw.rectangle((54, 66, 172, 204), fill=colour)


def _pans(draw: Draw, colour: Colour) -> None:
    draw.line((150, 110, 240, 30), fill=(60, 60, 60), width=22)
    draw.ellipse((24, 84, 184, 234), fill=colour)
    draw.ellipse((48, 108, 160, 210), fill=(70, 70, 72))


def _bottles(draw: Draw, colour: Colour) -> None:
    draw.rectangle((112, 20, 144, 60), fill=(80, 80, 85))
    draw.rounded_rectangle((92, 56, 164, 236), 26, fill=colour)


def _watches(draw: Draw, colour: Colour) -> None:
    draw.rectangle((104, 10, 152, 246), fill=colour)
    draw.ellipse((66, 66, 190, 190), fill=(245, 245, 240), outline=(70, 70, 70), width=10)
    draw.line((128, 128, 128, 88), fill=(30, 30, 30), width=6)
    draw.line((128, 128, 158, 140), fill=(30, 30, 30), width=6)


def _shirts(draw: Draw, colour: Colour) -> None:
    draw.polygon(
        [(88, 40), (168, 40), (240, 92), (210, 132), (180, 110), (180, 226), (76, 226), (76, 110),
         (46, 132), (16, 92)], fill=colour,
    )  # fmt: skip


def _bags(draw: Draw, colour: Colour) -> None:
    draw.arc((78, 24, 178, 160), 180, 360, fill=(80, 60, 45), width=12)
    draw.polygon([(56, 96), (200, 96), (228, 226), (28, 226)], fill=colour)


def _phones(draw: Draw, colour: Colour) -> None:
    draw.rounded_rectangle((76, 14, 180, 242), 20, fill=colour)
    draw.rectangle((88, 36, 168, 214), fill=(205, 225, 240))


def _speakers(draw: Draw, colour: Colour) -> None:
    draw.rectangle((66, 20, 190, 238), fill=colour)
    for box in ((100, 36, 156, 92), (82, 116, 174, 208)):
        draw.ellipse(box, fill=(25, 25, 25), outline=(210, 210, 210), width=6)


def _cables(draw: Draw, colour: Colour) -> None:
    draw.arc((30, 50, 150, 210), 90, 350, fill=colour, width=12)
    draw.arc((106, 50, 226, 210), 170, 430, fill=colour, width=12)
    draw.rectangle((196, 186, 240, 216), fill=(120, 120, 120))


SHAPES: dict[str, Callable[[Draw, Colour], None]] = {
    "Curtains": _curtains, "Rugs": _rugs, "Lamps": _lamps, "Mugs": _mugs, "Pans": _pans,
    "Bottles": _bottles, "Watches": _watches, "Shirts": _shirts, "Bags": _bags,
    "Phones": _phones, "Speakers": _speakers, "Cables": _cables,
}  # fmt: skip


def write(directory: Path) -> list[Path]:
    """Write the tables, the pictures and the note; every call writes the same bytes."""
    folder = directory / "sample_images"
    folder.mkdir(parents=True, exist_ok=True)
    catalogue = products()
    tables = {"products": catalogue, "pairs": pairs(catalogue)}
    paths = [directory / f"sample_{name}.csv" for name in tables]
    for table, path in zip(tables.values(), paths, strict=True):
        table.to_csv(path, index=False, lineterminator="\n")
    for name, picture in pictures(catalogue).items():
        picture.save(folder / name, quality=82, optimize=True)
    (directory / "sample_README.md").write_text(README)
    return [*paths, folder]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=Path("data/01_raw/products"))
    write(parser.parse_args().directory)
