"""Trains the projections of :mod:`crisol.models.products.embedding.retrieval_embedding`.

Legend: N products, F text features, T terms, P picture features, K components.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from crisol.core.arrays import Floats
from crisol.core.backbone_reference import BackboneReference
from crisol.core.backbones.cached import picture_vectors, text_vectors
from crisol.core.backbones.embedding_cache import EmbeddingCache
from crisol.core.errors import MendableError
from crisol.core.text.terms import Terms
from crisol.core.training.seeding import preserved_randomness
from crisol.models.products.data.records import ProductRecord
from crisol.models.products.embedding.retrieval_embedding import (
    DESCRIPTION_CHARACTERS,
    RetrievalEmbedding,
    centred,
    picture_components,
    text_of,
)
from crisol.models.products.methods.topics import Topics
from crisol.models.products.networks.head_losses import temperature

TOPICS, COMPONENTS, HIDDEN, PROJECTION = 256, 256, 512, 128
MOST_TERMS = 30_000
EPOCHS, BATCH, LEARNING_RATE, WEIGHT_DECAY, DROPOUT = 30, 512, 2e-3, 1e-2, 0.3
RIDGE = 1.0
HARDNESS = 1.0
"""Added to the logits of negatives of the same leaf."""
FEWEST = 16
"""Least number of products with words and a picture."""


def fit_retrieval(
    records: Sequence[ProductRecord],
    text: BackboneReference,
    picture: BackboneReference,
    *,
    leaf: NDArray[np.int64] | None = None,
    seed: int = 0,
    cache: EmbeddingCache | None = None,
) -> RetrievalEmbedding:
    """The embedding fitted on the products that have words and a picture.

    Args:
        records: training products.
        text: the backbone of titles and descriptions.
        picture: the backbone of pictures.
        leaf: [N] their leaves, -1 unknown; negatives of the same leaf weigh more.
        seed: of the weights and batches.
        cache: of the backbones' vectors.

    Raises:
        MendableError: fewer than 16 products have both.
        BackboneError: a backbone is missing or changed.
    """
    rows = [at for at, one in enumerate(records) if one.image is not None and text_of(one)]
    both = [records[at] for at in rows]
    leaf = np.full(len(both), -1, np.int64) if leaf is None else leaf[rows]
    if len(both) < FEWEST:
        raise MendableError(
            f"the embedding needs {FEWEST} products with words and a picture, there are "
            f"{len(both)}; add pictures"
        )
    texts = [text_of(one) for one in both]
    topics = Topics.of(texts, min(TOPICS, len(both) - 1), MOST_TERMS)
    terms = Terms.of(texts, "word", (1, 2), min_rows=1, most=MOST_TERMS)
    parts = [
        text_vectors(text, [one.title for one in both], cache),
        text_vectors(text, [one.description[:DESCRIPTION_CHARACTERS] for one in both], cache),
        np.stack([topics.of_text(one) for one in texts]),
    ]
    pixels = [one.image.pixels for one in both if one.image is not None]
    raw = picture_vectors(picture, pixels, cache)
    arrays = fit_arrays(parts, raw, texts, terms, leaf, seed)
    return RetrievalEmbedding(text, picture, topics, terms, arrays)


def fit_arrays(
    parts: Sequence[Floats],
    raw_NP: Floats,
    texts: Sequence[str],
    terms: Terms,
    leaf_N: NDArray[np.int64],
    seed: int = 0,
) -> dict[str, Floats]:
    """The arrays of a :class:`RetrievalEmbedding`.

    Args:
        parts: the vectors of N titles, descriptions and topics.
        raw_NP: the features of their pictures.
        texts: N titles and descriptions.
        terms: of the texts.
        leaf_N: leaves, -1 unknown.
        seed: of the weights and batches.
    """
    arrays = _means(parts) | _principal(raw_NP)
    x_NF, y_NK = centred(parts, arrays), picture_components(raw_NP, arrays)
    return arrays | _ridge(x_NF, terms, texts, y_NK) | _contrast(x_NF, y_NK, leaf_N, seed)


def _means(parts: Sequence[Floats]) -> dict[str, Floats]:
    """The mean of each part over the products that have it."""
    return {
        f"mean.{number}": (part.sum(axis=0) / max(1, part.any(axis=1).sum())).astype(np.float32)
        for number, part in enumerate(parts)
    }


def _principal(raw_NP: Floats) -> dict[str, Floats]:
    """The standardisation and [P, K] directions; the first component has variance one."""
    roots = np.sqrt(raw_NP.astype(np.float64))
    mean, spread = roots.mean(axis=0), roots.std(axis=0) + 1e-3
    standard = (roots - mean) / spread
    values, vectors = np.linalg.eigh(standard.T @ standard / len(standard))
    kept = min(COMPONENTS, len(raw_NP) - 1)
    directions = vectors[:, ::-1][:, :kept] / math.sqrt(max(float(values[-1]), 1e-12))
    return {
        "picture.mean": mean.astype(np.float32),
        "picture.spread": spread.astype(np.float32),
        "components": np.ascontiguousarray(directions, np.float32),
    }


def _ridge(x_NF: Floats, terms: Terms, texts: Sequence[str], y_NK: Floats) -> dict[str, Floats]:
    """The coefficients [F, K] and [T, K] of a ridge regression, solved in its dual form."""
    sparse = terms.matrix(texts)
    gram = x_NF.astype(np.float64) @ x_NF.T + (sparse @ sparse.T).toarray()
    dual = np.linalg.solve(gram + RIDGE * np.eye(len(gram)), y_NK.astype(np.float64))
    return {
        "ridge.dense": np.asarray(x_NF.T @ dual, np.float32),
        "ridge.terms": np.asarray(sparse.T @ dual, np.float32),
    }


def _contrast(
    x_NF: Floats, y_NK: Floats, leaf_N: NDArray[np.int64], seed: int
) -> dict[str, Floats]:
    """The weights of the two projections, trained with InfoNCE and a learned temperature."""
    x, y = torch.from_numpy(x_NF), torch.from_numpy(y_NK)
    with preserved_randomness():
        torch.manual_seed(seed)
        text, image = _head(x.shape[1]), _head(y.shape[1])
        log_temperature = nn.Parameter(torch.tensor(math.log(0.07)))
        _optimise(text, image, log_temperature, x, y, torch.from_numpy(leaf_N))
    return {**_weights(text, "text"), **_weights(image, "image")}


def _head(inputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Dropout(DROPOUT), nn.Linear(inputs, HIDDEN), nn.GELU(),
        nn.Dropout(DROPOUT), nn.Linear(HIDDEN, PROJECTION),
    )  # fmt: skip


def _optimise(
    text: nn.Module,
    image: nn.Module,
    log_temperature: nn.Parameter,
    x: Tensor,
    y: Tensor,
    leaf: Tensor,
) -> None:
    weights = [*text.parameters(), *image.parameters()]
    groups: list[dict[str, Any]] = [
        {"params": weights},
        {"params": [log_temperature], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    size = min(BATCH, len(x))
    steps = EPOCHS * (len(x) // size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    for _ in range(EPOCHS):
        order = torch.randperm(len(x))
        for start in range(0, len(x) - size + 1, size):
            rows = order[start : start + size]
            left, right = F.normalize(text(x[rows]), dim=1), F.normalize(image(y[rows]), dim=1)
            logits = left @ right.T / temperature(log_temperature) + _hard(leaf[rows])
            partner = torch.arange(len(rows))
            loss = F.cross_entropy(logits, partner) + F.cross_entropy(logits.T, partner)
            loss = loss / 2
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()


def _hard(leaf_N: Tensor) -> Tensor:
    """[N, N] what is added to the logits: more for negatives of the same leaf."""
    same = (leaf_N[:, None] == leaf_N[None]) & (leaf_N >= 0)[:, None]
    return HARDNESS * same.fill_diagonal_(False).float()


def _weights(head: nn.Sequential, side: str) -> Mapping[str, Floats]:
    layers = {"1": head[1], "2": head[4]}
    found: dict[str, Floats] = {}
    for number, layer in layers.items():
        assert isinstance(layer, nn.Linear)
        found[f"{side}.w{number}"] = np.ascontiguousarray(layer.weight.detach().numpy().T)
        found[f"{side}.b{number}"] = layer.bias.detach().numpy()
    return found
