"""Writes the committed sample: a made-up shop in which there is something to learn.

    python -m crisol.models.recommender.data.sample

No shop was observed. Every shopper prefers one of six styles and looks at a second one now and
then (*communities*: what filters and factors find). Popularity falls as a power of the rank. Visits
are sessions in time, and within one an item is at times followed by one of its two companions,
which belong to the next category and mostly to the same style (*sequences*: what transitions find).
A brand works in one style, titles mostly name it, and everybody has a favourite colour (*content*:
what attributes find); four items in ten come out in the course of time and draw looks at first, so
that little but their content is known when they matter, and a few are never seen at all. A view may
become a cart and a cart a purchase, more often when the price suits the shopper.

Most shoppers tell two things of themselves. Who looks often mostly takes the shop's card, and has
already had most of what they like, so that a good list is harder to make for card holders; the
region they live in says nothing.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crisol.core.arrays import Floats

STYLES = {
    "nordic": ("nordic", "birch", "pale"),
    "industrial": ("industrial", "steel", "raw"),
    "bohemian": ("bohemian", "rattan", "woven"),
    "classic": ("classic", "walnut", "brass"),
    "retro": ("retro", "teak", "rounded"),
    "coastal": ("coastal", "linen", "washed"),
}
NOUNS = {
    "chairs": ("armchair", "stool", "bench"),
    "tables": ("table", "desk", "sideboard"),
    "lighting": ("lamp", "pendant", "lantern"),
    "textiles": ("rug", "cushion", "throw"),
    "kitchen": ("bowl", "pan", "carafe"),
    "decoration": ("vase", "mirror", "clock"),
}
SOURCE = "sample"
BASE_PRICES = (120.0, 240.0, 70.0, 45.0, 25.0, 40.0)
BRANDS = (
    "Alvora", "Bexum", "Corvid", "Dunmar", "Elpina", "Fennac", "Gorlan", "Hespio", "Ivarro",
    "Jolmes", "Kastel", "Lumico", "Morvik", "Nestra", "Ondale", "Pirgo", "Quenda", "Rostan",
    "Selvik", "Tarmol", "Umbrio", "Vestan", "Wolmar", "Zephra",
)  # fmt: skip
"""Made up. The n-th works in style n modulo 6; the later ones ask for more money."""
COLOURS = ("white", "black", "green", "blue", "ochre", "grey")
USERS, ITEMS = 500, 250
START, DAYS = pd.Timestamp("2023-01-02T00:00:00Z"), 540
POPULARITY_EXPONENT = 0.75
FIRST_STYLE_SHARE, SECOND_STYLE_SHARE = 0.8, 0.15
"""Shares of a shopper's looks; the rest falls on any style."""
COLOUR_FACTOR = 12.0
"""How much more a shopper looks at things in the one colour of their rooms."""
FOLLOW_SHARE = 0.25
"""How often the next look of a session goes to a companion of the item before."""
NEW_SHARE, UNSEEN_ITEMS = 0.4, 5
NEWS_FACTOR, NEWS_DAYS = 10.0, 25.0
"""How much more a new item is shown, and how soon that fades."""
REGIONS = ("north", "south", "east", "west")
SILENT_SHARE = 0.1
"""Share of the shoppers who give no attributes."""
CARD_EVENTS, CARD_NOISE = 23.0, 3.0
"""From how many events on a shopper takes the card, and its standard deviation."""
README = """# sample_events.csv, sample_items.csv and sample_users.csv are synthetic

Made by `python -m crisol.models.recommender.data.sample` from a random generator with a fixed seed.
The shop, its 500 shoppers, its items and its brands do not exist. Hidden rules (see the module's
docstring) give the events communities, popularity, sequences and attributes that matter, so that
methods that read one of them can be told from methods that do not. What shoppers tell of themselves
is made up as well. Nothing measured on these events says anything about a shop.
"""


@dataclass(frozen=True)
class _Shop:
    """The hidden truth; I items, S styles."""

    items: pd.DataFrame
    style: NDArray[np.int64]
    price: Floats
    weight: Floats
    """[I] popularity."""
    companions: NDArray[np.int64]
    """[I, 2] what people look at next."""
    colour: NDArray[np.int64]
    launch: Floats
    """[I] day from which an item can be seen; never within the time told if beyond it."""


def tables(seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Events and items of the made-up shop, in the raw tables' columns."""
    rng = np.random.default_rng(seed)
    shop = _shop(rng)
    rows: list[tuple[str, str, float, str]] = []
    for user in range(USERS):
        rows += _shopper(f"u{user:03d}", shop, rng)
    events = pd.DataFrame(rows, columns=["user", "item", "day", "type"])
    events = events.sort_values("day", kind="stable", ignore_index=True)
    time = START + pd.to_timedelta((events.pop("day") * 86_400).round(), unit="s")
    events.insert(2, "time", time.dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return events.assign(source=SOURCE), shop.items.assign(source=SOURCE)


def users(events: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """The attributes of the shoppers of these events, in the raw table's columns."""
    rng = np.random.default_rng([seed, 1])
    count = events.groupby("user").size()
    card = count.to_numpy() + rng.normal(scale=CARD_NOISE, size=len(count)) > CARD_EVENTS
    region = rng.choice(REGIONS, len(count))
    told = pd.DataFrame(
        {
            "user": count.index,
            "attributes": [
                f"card:{'yes' if holds else 'no'}|region:{place}"
                for holds, place in zip(card, region, strict=True)
            ],
            "source": SOURCE,
        }
    )
    return told[rng.random(len(told)) >= SILENT_SHARE]


def _shop(rng: np.random.Generator) -> _Shop:
    styles, categories = list(STYLES), list(NOUNS)
    brand = rng.integers(0, len(BRANDS), ITEMS)
    style, category = brand % len(styles), rng.integers(0, len(categories), ITEMS)
    price = np.array(BASE_PRICES)[category] * (0.8 + 0.1 * (brand // len(styles)))
    price = np.round(price * np.exp(rng.normal(scale=0.35, size=ITEMS)), 2)
    colour = rng.integers(0, len(COLOURS), ITEMS)
    rank = rng.permutation(ITEMS)
    launch = np.zeros(ITEMS)
    late = rng.permutation(ITEMS)[: int(NEW_SHARE * ITEMS) + UNSEEN_ITEMS]
    launch[late] = rng.uniform(0.3, 0.98, len(late)) * DAYS
    launch[late[:UNSEEN_ITEMS]] = np.inf
    companions = np.empty((ITEMS, 2), np.int64)
    for item in range(ITEMS):
        following = category == (category[item] + 1) % len(categories)
        likely = following * np.where(style == style[item], 8.0, 1.0) * (launch == 0)
        companions[item] = rng.choice(ITEMS, 2, replace=False, p=likely / likely.sum())
    items = pd.DataFrame(
        {
            "item": [f"i{item:03d}" for item in range(ITEMS)],
            "title": [_title(rng, i, style[i], category[i], colour[i]) for i in range(ITEMS)],
            "category": [categories[c] for c in category],
            "brand": [BRANDS[b] for b in brand],
            "price": price,
            "attributes": [f"{COLOURS[c]}|{'made to order' if order else 'in stock'}"
                           for c, order in zip(colour, rng.random(ITEMS) < 0.2, strict=True)],
        }
    )  # fmt: skip
    weight = (rank + 3.0) ** -POPULARITY_EXPONENT
    return _Shop(items, style, price, weight, companions, colour, launch)


def _title(rng: np.random.Generator, item: int, style: int, category: int, colour: int) -> str:
    # One title in five tells nothing of the style.
    told = list(STYLES.values())[style] if rng.random() < 0.8 else ("plain", "simple", "new")
    noun = rng.choice(list(NOUNS.values())[category])
    return f"{rng.choice(told)} {COLOURS[colour]} {noun} {item}".capitalize()


def _shopper(user: str, shop: _Shop, rng: np.random.Generator) -> list[tuple[str, str, float, str]]:
    """The events of one shopper, oldest first: user, item, day, type."""
    first, second = rng.choice(len(STYLES), 2, replace=False)
    rest = 1 - FIRST_STYLE_SHARE - SECOND_STYLE_SHARE
    taste = np.full(len(STYLES), rest / len(STYLES))
    taste[first] += FIRST_STYLE_SHARE
    taste[second] += SECOND_STYLE_SHARE
    budget = np.exp(rng.normal(np.log(70.0), 0.7))
    favourite = rng.integers(0, len(COLOURS))
    liked = shop.weight * taste[shop.style] * np.where(shop.colour == favourite, COLOUR_FACTOR, 1.0)
    suits = np.exp(-0.5 * (np.log(shop.price / budget) / 0.9) ** 2)
    rows, seen = [], np.zeros(ITEMS, dtype=bool)
    joined = rng.uniform(0, 0.6) * DAYS
    for day in np.sort(rng.uniform(joined, DAYS, 3 + rng.poisson(3.0))):
        item = -1
        for step in range(1 + rng.poisson(1.7)):
            item = _next(item, liked * (0.4 + suits) * np.where(seen, 0.1, 1.0), shop, day, rng)
            seen[item] = True
            minute = day + step * rng.uniform(1, 6) / 1440
            rows.append((user, f"i{item:03d}", minute, "view"))
            if rng.random() < 0.1 + 0.35 * suits[item]:
                rows.append((user, f"i{item:03d}", minute + 20 / 86_400, "cart"))
                if rng.random() < 0.5:
                    rows.append((user, f"i{item:03d}", minute + 50 / 86_400, "purchase"))
    return rows


def _next(
    item: int, liked: NDArray[np.float64], shop: _Shop, day: float, rng: np.random.Generator
) -> int:
    """A companion of the item before, or whatever the shopper likes and can see that day."""
    if item >= 0 and rng.random() < FOLLOW_SHARE:
        return int(rng.choice(shop.companions[item], p=(0.7, 0.3)))
    age = np.where(shop.launch > 0, day - shop.launch, np.inf)
    news = 1 + NEWS_FACTOR * np.exp(-np.maximum(age, 0.0) / NEWS_DAYS)
    shown = liked * news * (age >= 0)
    return int(rng.choice(ITEMS, p=shown / shown.sum()))


def write(directory: Path) -> list[Path]:
    """Write the tables and the note beside them; the same bytes every time."""
    directory.mkdir(parents=True, exist_ok=True)
    events, items = tables()
    written = {"events": events, "items": items, "users": users(events)}
    paths = [directory / f"sample_{name}.csv" for name in written]
    for table, path in zip(written.values(), paths, strict=True):
        table.to_csv(path, index=False, lineterminator="\n")
    (directory / "sample_README.md").write_text(README)
    return paths


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=Path("data/01_raw/recommender"))
    write(parser.parse_args().directory)
