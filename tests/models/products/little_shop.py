"""A small shop for the tests of the network: every part of a product shows its category."""

from functools import cache

import numpy as np

from crisol.core.data.pictures import Image
from crisol.models.products.data.records import ProductRecord
from crisol.models.products.data.taxonomy import Taxonomy
from crisol.models.products.member import Targets
from crisol.models.products.networks.transformer import TransformerMember
from crisol.models.products.networks.transformer_training import fit_transformer
from crisol.models.products.params import NetworkLoop, NetworkParams

KINDS = (
    ("Home", "Mug", (200, 40, 40)),
    ("Home", "Lamp", (40, 200, 40)),
    ("Wear", "Shirt", (40, 40, 200)),
    ("Wear", "Scarf", (200, 200, 40)),
)
TAXONOMY = Taxonomy(tuple(sorted((main, sub) for main, sub, _ in KINDS)))
NETWORK = NetworkParams(preset="tiny", vocabulary=400, title_tokens=12, description_tokens=12)
LOOP = NetworkLoop(epochs=6, batch_size=16, learning_rate=4e-3, device="cpu", seed=1)


def product(number: int) -> ProductRecord:
    """The n-th product; some have no picture, description, brand, price or category."""
    main, sub, colour = KINDS[number % 4]
    noise = np.random.default_rng(number)
    pixels = np.clip(np.array(colour) + noise.integers(-30, 30, (16, 16, 3)), 0, 255)
    picture = Image(pixels.astype(np.uint8), 16, 16)
    words = noise.permutation(["fine", "handmade", "classic", "soft", "large", "daily"])
    return ProductRecord(
        title=f"{words[0]} {sub} {words[1]}",
        description=f"A {words[2]} {sub} for {words[3]} days" if number % 3 else "",
        brand=("Alba", "Brio", "")[number % 3],
        attributes={"Colour": str(words[4])} if number % 2 else {},
        category=f"{main} > {sub}" if number % 5 else "",
        price=float(10 * (1 + number % 4) + noise.random()) if number % 7 else float("nan"),
        currency="INR",
        image=picture if number % 4 != 3 or number % 8 == 3 else None,
        id=str(number),
    )


def targets_of(numbers: range) -> Targets:
    """The targets of these products."""
    kinds = [KINDS[number % 4] for number in numbers]
    leaf = TAXONOMY.codes([main for main, _, _ in kinds], [sub for _, sub, _ in kinds])
    place = np.array([number % 4 for number in numbers], float)
    return Targets(leaf, np.log(10 * (1 + place)), (place + 0.5) / 4)


RECORDS = [product(number) for number in range(48)]
TARGETS = targets_of(range(48))


@cache
def trained() -> TransformerMember:
    """A transformer trained on the shop."""
    return fit_transformer(RECORDS, TARGETS, TAXONOMY, NETWORK, LOOP)[0]
