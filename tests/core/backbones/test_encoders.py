"""The published weights, as `make install` fetches them."""

import os
from pathlib import Path

import numpy as np
import pytest

from crisol.core.backbones import store
from crisol.core.backbones.cached import picture_vectors, text_vectors
from crisol.core.backbones.embedding_cache import EmbeddingCache
from crisol.core.backbones.picture_encoder import picture_encoder
from crisol.core.backbones.text_encoder import text_encoder


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_sentences_of_one_meaning_are_near(precision, tmp_path: Path) -> None:
    reference = store.named("minilm", "text").reference(precision)
    texts = ["a red cotton shirt", "crimson tee made of cotton", "USB charger for laptops", ""]
    vectors = text_vectors(reference, texts, EmbeddingCache(tmp_path / "c.sqlite3"))
    assert vectors.shape == (4, 384)
    cosines = vectors @ vectors.T
    assert cosines[0, 1] > cosines[0, 2] + 0.2
    assert not vectors[3].any()
    assert text_encoder(reference) is text_encoder(reference)


def test_pictures_have_features_that_no_other_picture_changes(tmp_path: Path) -> None:
    reference = store.named("efficientnet_lite0", "picture").reference()
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 255, (side, side, 3), np.uint8) for side in (160, 96, 64)]
    vectors = picture_vectors(reference, pictures, EmbeddingCache(tmp_path / "c.sqlite3"))
    assert vectors.shape == (3, 1280)
    alone = picture_encoder(reference).encode(pictures[1:2])
    assert np.allclose(vectors[1], alone[0], atol=1e-4)


SUNGLASSES = (836, 837)
"""Classes of ImageNet."""


@pytest.mark.skipif("CRISOL_DATA_MIRROR" not in os.environ, reason="needs real photographs")
def test_the_weights_know_a_photograph() -> None:
    """The digest of these weights is published nowhere else: their answers are the proof."""
    import pandas as pd
    import torch
    from PIL import Image

    from crisol.core.backbones.efficientnet_lite import load_efficientnet

    folder = Path(os.environ["CRISOL_DATA_MIRROR"]) / "products" / "fashion_myntra"
    styles = pd.read_csv(folder / "styles_3221.csv")
    network = load_efficientnet(store.named("efficientnet_lite0").folder)
    shares = {}
    for kind in ("Sunglasses", "Tshirts"):
        ids = styles.loc[styles["articleType"] == kind, "id"].head(12)
        pictures = [Image.open(folder / "images" / f"{one}.jpg").convert("RGB") for one in ids]
        pixels = np.stack([np.asarray(picture.resize((160, 160))) for picture in pictures])
        with torch.inference_mode():
            logits = network.logits(torch.from_numpy(pixels).permute(0, 3, 1, 2).float())
        shares[kind] = np.isin(logits.argmax(1).numpy(), SUNGLASSES).mean()
    assert shares["Sunglasses"] > 0.7
    assert shares["Tshirts"] == 0
