"""Augmentations of products: missing parts, missing or swapped words, changed pictures.

They draw from torch's global generator, which the training loop seeds by epoch: an epoch augments
the same products in the same way on every run.

Legend: N products, T tokens, M pictures, S pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from crisol.models.products.networks.encoding import ABSENT, Inputs
from crisol.models.products.networks.tokens import BRAND, TEXTS

CROP = 0.8
"""Least share of a picture's side that a crop keeps."""
LIGHT = 0.2
"""Largest relative change of brightness and of contrast."""


def drop_parts(inputs: Inputs, chance: float) -> Inputs:
    """Remove texts, picture, brand, price and category at random, independently.

    Every product that has a text or a picture keeps at least one of them.
    """
    count, device = len(inputs["tokens"]), inputs["tokens"].device
    has_image = inputs["image_row"] >= 0
    kept = torch.rand(count, len(TEXTS) + 3, device=device) >= chance
    held = torch.zeros(count, len(TEXTS), dtype=torch.bool, device=device)
    held.scatter_reduce_(1, inputs["fields"].long(), inputs["present"], "amax")
    # A product that would lose all texts and its picture keeps everything.
    lost = ~((held & kept[:, : len(TEXTS)]).any(1) | (has_image & kept[:, -1]))
    kept[lost] = True
    texts = kept[:, : len(TEXTS)]
    brand, price, category, image = texts[:, BRAND], kept[:, -3], kept[:, -2], kept[:, -1]
    brand_name, whole, main, currency = inputs["names"].unbind(1)
    names = [brand_name.where(brand, ABSENT), whole.where(category, ABSENT)]
    names += [main.where(category, ABSENT), currency]
    there = texts.gather(1, inputs["term_fields"].long())
    return inputs | {
        "present": inputs["present"] & texts.gather(1, inputs["fields"].long()),
        "weights": inputs["weights"] * there,
        "has_price": inputs["has_price"] & price,
        "names": torch.stack(names, dim=1),
        "image_row": inputs["image_row"].where(image, -1),
    }


def drop_words(inputs: Inputs, chance: float) -> Inputs:
    """Remove whole words from the texts, and the same share of terms from the bag."""
    words = inputs["words"]
    kept = torch.rand(words.shape, device=words.device) >= chance
    terms = torch.rand(inputs["weights"].shape, device=words.device) >= chance
    return inputs | {
        "present": inputs["present"] & kept.gather(1, words),
        "weights": inputs["weights"] * terms,
    }


def swap_words(inputs: Inputs, chance: float) -> Inputs:
    """Swap neighbouring words at random."""
    words = inputs["words"]
    count, length = words.shape
    # A moved word is placed behind its successor, if that one is not moved.
    moved = torch.rand(count, length, device=words.device) < chance
    place = torch.arange(length, device=words.device) + 1.5 * moved
    tokens = place.gather(1, words) + torch.arange(length, device=words.device) / (2 * length)
    tokens = tokens.masked_fill(~inputs["present"], 2.0 * length)
    order = tokens.argsort(dim=1, stable=True)
    changed = {n: inputs[n].gather(1, order) for n in ("tokens", "fields", "words", "present")}
    return inputs | changed


def change_images(images: Tensor) -> Tensor:
    """Mirror, crop and brighten pictures [M, 3, S, S] at random, independently."""
    count, device = len(images), images.device
    share = CROP + (1 - CROP) * torch.rand(count, device=device)
    shift = (1 - share)[:, None] * (2 * torch.rand(count, 2, device=device) - 1)
    mirrored = 1 - 2 * (torch.rand(count, device=device) < 0.5).float()
    affine = torch.zeros(count, 2, 3, device=device)
    affine[:, 0, 0], affine[:, 1, 1], affine[:, :, 2] = mirrored * share, share, shift
    grid = F.affine_grid(affine, list(images.shape), align_corners=False)
    cropped = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    contrast, light = 1 + LIGHT * (2 * torch.rand(2, count, 1, 1, 1, device=device) - 1)
    changed: Tensor = ((cropped + 1) * light * contrast - contrast).clamp(-1, 1)
    return changed
