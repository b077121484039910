"""Trains the transformer with the training loop of core.

Legend: N products, C categories, E length of the embedding.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from crisol.core.training.loop import TensorBatches, fingerprint, seeded, train
from crisol.models.products.data.records import ProductRecord
from crisol.models.products.data.taxonomy import Taxonomy
from crisol.models.products.member import Targets
from crisol.models.products.networks.augmentation import (
    change_images,
    drop_parts,
    drop_words,
    swap_words,
)
from crisol.models.products.networks.encoding import Inputs, ProductEncoder, inputs_of, pictures_of
from crisol.models.products.networks.head_losses import contrast, task_losses
from crisol.models.products.networks.patches import scaled_pixels
from crisol.models.products.networks.presets import sizes
from crisol.models.products.networks.pretrained import (
    IMAGE,
    TEXT,
    PretrainedTokenizer,
    load_encoder,
    load_preprocessing,
)
from crisol.models.products.networks.product_network import ProductNetwork
from crisol.models.products.networks.transformer import TransformerMember, build
from crisol.models.products.params import NetworkLoop, NetworkParams

Examples = tuple[Sequence[ProductRecord], Targets]
Loss = Callable[[nn.Module, Mapping[str, Tensor]], Mapping[str, Tensor]]
QUERY_DROPOUT = 0.5
"""Share of words removed from the second view of a text, to make it as short as a query."""


def fit_transformer(
    records: Sequence[ProductRecord],
    targets: Targets,
    taxonomy: Taxonomy | None,
    network: NetworkParams,
    loop: NetworkLoop,
    *,
    helper: Examples | None = None,
    checkpoints: Path | None = None,
    label: str = "transformer",
    initial: TransformerMember | None = None,
) -> tuple[TransformerMember, pd.DataFrame]:
    """Train a transformer on products.

    Args:
        records: N products.
        targets: their targets; a head without targets is left out of the forecasts.
        taxonomy: the leaves; ``None``: no categories are learned.
        network: its sizes and encoders.
        loop: of the training; a row of a batch is a product.
        helper: further products; their prices and ratings are learned from, their categories not.
        checkpoints: folder from which an interrupted training resumes.
        label: names this training in the history and the checkpoints.
        initial: its encoder is used, and training starts from its weights; weights of another
            shape (another taxonomy) are initialised anew.

    Returns:
        The member, and one row per epoch: ``label, epoch, train_loss, …``.

    Raises:
        MendableError: a pre-trained encoder cannot be loaded.
    """
    helped, helper_targets = helper if helper is not None else ((), None)
    everything = [*records, *helped]
    goal = targets if helper_targets is None else _joined(targets, helper_targets)
    encoder = _encoder(everything, goal, network, initial)
    mains = torch.from_numpy(np.zeros(0, np.int64) if taxonomy is None else taxonomy.main_of)
    with seeded(loop.seed, "transformer"):
        made = build(network, encoder, mains, _tasks(goal, taxonomy), **_pretrained(network))
    if initial is not None:
        _take_weights(made, initial.network)
    encoded = [encoder(record) for record in everything]
    rows, pictures = inputs_of(encoded), pictures_of(encoded)
    mean, spread = encoder.scale
    rows |= {
        "leaf": torch.from_numpy(goal.leaf),
        "log_price": torch.from_numpy((goal.log_price - mean) / spread).float(),
        "rating": torch.from_numpy(goal.rating).float(),
    }
    result = train(
        made,
        loss=multitask_loss(pictures, loop),
        train_data=TensorBatches(rows, loop.batch_size, shuffle=True, seed=loop.seed),
        params=loop,
        checkpoints=checkpoints,
        fingerprint=fingerprint(
            network=network,
            rows=dict(rows),
            pictures=pictures,
            initial=None if initial is None else initial.embedding_id,
        ),
        label=label,
    )
    made.cpu()
    return TransformerMember(made, encoder, network), result.history


def multitask_loss(pictures: Tensor, loop: NetworkLoop) -> Loss:
    """The loss: the heads' losses, weighted by learned uncertainty, and the contrasts.

    The contrasts have fixed weights, because learned ones would fall to zero.

    Args:
        pictures: [M, S, S, 3] bytes; ``image_row`` of a batch gives each product's picture.
        loop: the probabilities of the augmentations and the weights of the contrasts.
    """

    def loss(network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        plain = getattr(network, "module", network)  # inside DistributedDataParallel
        assert isinstance(plain, ProductNetwork)
        inputs = _trimmed(batch)
        augmented, images = _changed(inputs, pictures, loop)
        second = _trimmed(drop_words(inputs, QUERY_DROPOUT)) if loop.view_contrast else None
        out = network(augmented, images, second)
        found = task_losses(plain.tasks, out, batch, plain.main_of_C, loop.label_smoothing)
        total = out["text"].sum() * 0 if plain.weighting is None else plain.weighting(found)
        has_text = augmented["present"].any(1)
        both = has_text & (augmented["image_row"] >= 0)
        if loop.modality_contrast and len(pictures):
            found["modalities"] = contrast(out["text"], out["image"], both, plain.log_temperature)
            total = total + loop.modality_contrast * found["modalities"]
        if loop.view_contrast:
            found["views"] = contrast(out["text"], out["second"], has_text, plain.log_temperature)
            total = total + loop.view_contrast * found["views"]
        if torch.distributed.is_initialized():
            # Every process needs a gradient of every weight, also of those its batch does not use.
            total = total + 0 * sum(part.sum() for part in plain.parameters() if part.requires_grad)
        return {"loss": total, **found}

    return loss


def _changed(inputs: Inputs, pictures: Tensor, loop: NetworkLoop) -> tuple[Inputs, Tensor]:
    """The augmented batch, and its pictures [M, 3, S, S]."""
    if loop.modality_dropout:
        inputs = drop_parts(inputs, loop.modality_dropout)
    if loop.word_swap:
        inputs = swap_words(inputs, loop.word_swap)
    if loop.word_dropout:
        inputs = drop_words(inputs, loop.word_dropout)
    row = inputs["image_row"]
    has = row >= 0
    images = scaled_pixels(pictures[row[has].to(pictures.device)].to(row.device))
    if loop.image_augmentation and len(images):
        images = change_images(images)
    return inputs | {"image_row": (has.cumsum(0) - 1).where(has, -1)}, images


def _trimmed(batch: Mapping[str, Tensor]) -> Inputs:
    """The batch without the columns that are padding for all of its products."""
    length = _used(batch["present"])
    terms = _used(batch["weights"] != 0)
    ends = {"tokens": length, "fields": length, "words": length, "present": length}
    ends |= {"terms": terms, "weights": terms, "term_fields": terms}
    return {n: part[:, : ends[n]] if n in ends else part for n, part in batch.items()}


def _used(filled_NT: Tensor) -> int:
    columns = torch.nonzero(filled_NT.any(0))
    return int(columns[-1]) + 1 if len(columns) else 1


def _encoder(
    records: Sequence[ProductRecord],
    targets: Targets,
    network: NetworkParams,
    initial: TransformerMember | None,
) -> ProductEncoder:
    if initial is not None:
        return initial.encoder
    words = None if network.text_encoder is None else PretrainedTokenizer.load(network.text_encoder)
    return ProductEncoder.fit(records, targets.log_price, network, sizes(network).terms, words)


def _pretrained(network: NetworkParams) -> dict[str, Any]:
    """The pre-trained encoders of the parameters, as arguments of :func:`build`."""
    text, image = network.text_encoder, network.image_encoder
    return {
        "text": None if text is None else load_encoder(text, TEXT),
        "image": None if image is None else (load_encoder(image, IMAGE), load_preprocessing(image)),
    }


def _tasks(targets: Targets, taxonomy: Taxonomy | None) -> list[str]:
    """The heads with known targets."""
    tasks = []
    if taxonomy is not None and (targets.leaf >= 0).any():
        tasks += ["leaf", "main"] if taxonomy.two_level else ["leaf"]
    if not np.isnan(targets.log_price).all():
        tasks.append("log_price")
    if not np.isnan(targets.rating).all():
        tasks.append("rating")
    return tasks


def _joined(own: Targets, helper: Targets) -> Targets:
    """The targets of both, without the categories of the helpers."""
    return Targets(
        np.concatenate([own.leaf, np.full(len(helper), -1, np.int64)]),
        np.concatenate([own.log_price, helper.log_price]),
        np.concatenate([own.rating, helper.rating]),
    )


@torch.no_grad()
def _take_weights(network: nn.Module, source: nn.Module) -> None:
    """Copy the weights of equal name and shape."""
    given = source.state_dict()
    for name, part in network.state_dict().items():
        if name in given and given[name].shape == part.shape and name != "main_of_C":
            part.copy_(given[name])
