"""One transformer over a product's words, patches, price, brand and category.

Words attend to words and patches to patches in layers of their own, whose outputs give the
embeddings of text and picture. In the layers above, words and patches attend to each other, and
three task tokens attend to them. The attention mask is fixed (:data:`ATTENDS_TO`): a task token
never receives the value that it predicts, whatever is learned.

Legend: N products, T words, G terms, P patches, L all tokens of the shared layers, D dimensions,
E length of the embedding, C categories.

Sources: cross-modal fusion above layers of each modality as in ALBEF (arXiv:2107.07651); numeric
features as sines and cosines (Gorishniy et al., arXiv:2203.05556); contrast of modalities as in
CLIP (arXiv:2103.00020).
"""

import math
from collections.abc import Mapping, Sequence
from enum import IntEnum

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crisol.core.layers.attention import Stack
from crisol.core.training.losses import UncertaintyWeightedLoss
from crisol.models.products.networks.encoding import Inputs
from crisol.models.products.networks.presets import Sizes
from crisol.models.products.networks.readers import word_positions

FREQUENCIES = 8
"""Number of sines and of cosines of the price."""


class TokenKind(IntEnum):
    """The kind of a token in the shared layers."""

    TEXT = 0
    IMAGE = 1
    BRAND = 2
    PRICE = 3
    CATEGORY = 4
    LEAF_TASK = 5
    PRICE_TASK = 6
    RATING_TASK = 7


_CONTENT = {TokenKind.TEXT, TokenKind.IMAGE}
ATTENDS_TO: Mapping[TokenKind, set[TokenKind]] = {
    TokenKind.TEXT: _CONTENT,
    TokenKind.IMAGE: _CONTENT,
    TokenKind.BRAND: _CONTENT | {TokenKind.BRAND},
    TokenKind.PRICE: _CONTENT | {TokenKind.BRAND, TokenKind.PRICE},
    TokenKind.CATEGORY: _CONTENT | {TokenKind.BRAND, TokenKind.CATEGORY},
    TokenKind.LEAF_TASK: _CONTENT | {TokenKind.BRAND, TokenKind.PRICE, TokenKind.LEAF_TASK},
    TokenKind.PRICE_TASK: _CONTENT | {TokenKind.BRAND, TokenKind.CATEGORY, TokenKind.PRICE_TASK},
    TokenKind.RATING_TASK: _CONTENT
    | {TokenKind.BRAND, TokenKind.PRICE, TokenKind.CATEGORY, TokenKind.RATING_TASK},
}
"""The kinds that each kind attends to. Over any number of layers the price does not reach
:attr:`TokenKind.PRICE_TASK` and the category does not reach :attr:`TokenKind.LEAF_TASK`: no token
that they attend to has attended to it."""
_SINGLE = tuple(TokenKind)[TokenKind.BRAND :]
_TASKS = 3


class ProductNetwork(nn.Module):
    """The network of products; see the module.

    Args:
        sizes: of its layers.
        words: the word layers: inputs and a first token to states and their mask.
        patches: the patch layers: pixels to states and positions.
        names: rows of the tables of brands, categories and currencies.
        main_of_C: [C] main category of each leaf; empty: there is no such head.
        tasks: the trained heads among ``leaf``, ``main``, ``log_price`` and ``rating``.
        dropout: of the heads and the shared layers.
        gradient_checkpointing: see :class:`~crisol.core.layers.attention.Stack`.
    """

    main_of_C: Tensor

    def __init__(
        self,
        sizes: Sizes,
        words: nn.Module,
        patches: nn.Module,
        names: Sequence[int],
        main_of_C: Tensor,
        tasks: Sequence[str],
        *,
        dropout: float,
        gradient_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        dimensions = sizes.dimensions
        brands, categories, currencies = names
        self.words, self.patches = words, patches
        self.terms = nn.EmbeddingBag(sizes.terms, dimensions, mode="sum")
        nn.init.zeros_(self.terms.weight)  # a term without training products has no effect
        self.start = nn.Parameter(torch.randn(dimensions) * 0.02)
        self.brands = nn.Embedding(brands, dimensions)
        self.categories = nn.Embedding(categories, dimensions)
        self.currencies = nn.Embedding(currencies, dimensions)
        self.price = nn.Linear(1 + 2 * FREQUENCIES, dimensions)
        self.kinds = nn.Parameter(torch.randn(len(TokenKind), dimensions) * 0.02)
        self.from_terms = nn.Linear(dimensions, _TASKS * dimensions)
        self.shared = Stack(
            sizes.shared_layers, dimensions, sizes.heads, sizes.feedforward, dropout,
            gradient_checkpointing=gradient_checkpointing,
        )  # fmt: skip
        self.norm = nn.LayerNorm(dimensions)
        self.dropout = nn.Dropout(dropout)
        self.leaf = nn.Linear(dimensions, max(1, len(main_of_C)))
        self.log_price = nn.Linear(dimensions, 1)
        self.rating = nn.Linear(dimensions, 1)
        self.text_norm, self.image_norm = nn.LayerNorm(dimensions), nn.LayerNorm(dimensions)
        self.text = nn.Linear(2 * dimensions, sizes.embedding)
        self.image = nn.Linear(dimensions, sizes.embedding)
        self.log_temperature = nn.Parameter(torch.tensor(math.log(0.07)))
        self.register_buffer("main_of_C", main_of_C)
        self.tasks = tuple(tasks)
        self.weighting = (
            UncertaintyWeightedLoss(tasks, [t for t in tasks if t == "log_price"])
            if tasks
            else None
        )
        for table in (self.brands, self.categories, self.currencies):
            nn.init.normal_(table.weight, std=0.02)

    def forward(
        self, inputs: Inputs, images: Tensor, second: Inputs | None = None
    ) -> dict[str, Tensor]:
        """The predictions and embeddings of N products.

        Args:
            inputs: see :func:`crisol.models.products.networks.encoding.inputs_of`.
            images: [M, 3, S, S] in [-1, 1]; ``inputs["image_row"]`` gives each product's picture.
            second: the inputs of another view of the texts, whose embedding is wanted too.

        Returns:
            ``leaf`` [N, C] logits, ``log_price`` [N] standardised, ``rating`` [N] logits, ``text``
            and ``image`` [N, E] of length 1; zeros where there is no picture; ``second`` [N, E] if
            another view was given.
        """
        terms = self._terms(inputs)
        words, present = self.words(inputs, self.start + terms)
        text = self._text(words, present, terms)
        has = inputs["image_row"] >= 0
        states = words.new_zeros(len(words), _TASKS, words.shape[-1])
        image = text.new_zeros(text.shape)
        ahead = torch.nonzero(~has).flatten(), torch.nonzero(has).flatten()
        if len(ahead[0]):
            states = states.index_put(
                (ahead[0],), self._task_states(inputs, ahead[0], words, present, terms)
            )
        if len(ahead[1]):
            patches, where = self.patches(images)
            patches = patches[inputs["image_row"][ahead[1]]]
            image = image.index_put((ahead[1],), self._image(patches))
            found = self._task_states(inputs, ahead[1], words, present, terms, patches, where)
            states = states.index_put((ahead[1],), found)
        leaf, log_price, rating = self.dropout(self.norm(states)).unbind(1)
        other_view = {} if second is None else {"second": self._read_text(second)}
        return {
            **other_view,
            "leaf": self.leaf(leaf),
            "log_price": self.log_price(log_price).squeeze(-1),
            "rating": self.rating(rating).squeeze(-1),
            "text": text,
            "image": image,
        }

    def embed(self, inputs: Inputs, images: Tensor) -> dict[str, Tensor]:
        """The embeddings ``text`` and ``image`` of :meth:`forward` alone."""
        text = self._read_text(inputs)
        row = inputs["image_row"]
        image = text.new_zeros(text.shape)
        rows = torch.nonzero(row >= 0).flatten()
        if len(rows):
            image = image.index_put((rows,), self._image(self.patches(images)[0])[row[rows]])
        return {"text": text, "image": image}

    def _read_text(self, inputs: Inputs) -> Tensor:
        terms = self._terms(inputs)
        words, present = self.words(inputs, self.start + terms)
        return self._text(words, present, terms)

    def _terms(self, inputs: Inputs) -> Tensor:
        bag: Tensor = self.terms(inputs["terms"], per_sample_weights=inputs["weights"])
        return bag

    def _text(self, words: Tensor, present: Tensor, terms: Tensor) -> Tensor:
        share = present[..., None] / present.sum(1)[:, None, None]
        pooled = self.text_norm((words * share).sum(1))
        return F.normalize(self.text(torch.cat([pooled, terms], dim=-1)), dim=-1)

    def _image(self, patches: Tensor) -> Tensor:
        return F.normalize(self.image(self.image_norm(patches.mean(1))), dim=-1)

    def _task_states(
        self,
        inputs: Inputs,
        rows: Tensor,
        words: Tensor,
        present: Tensor,
        terms: Tensor,
        patches: Tensor | None = None,
        where: Tensor | None = None,
    ) -> Tensor:
        """[n, 3, D] the states of the task tokens of rows that all have a picture, or all not."""
        single, there = self._single(inputs, rows, terms)
        parts = [words[rows] + self.kinds[TokenKind.TEXT]]
        positions = [word_positions(words.shape[1], words.device)]
        kinds = [TokenKind.TEXT] * words.shape[1]
        masks = [present[rows]]
        if patches is not None and where is not None:
            parts.append(patches + self.kinds[TokenKind.IMAGE])
            positions.append(where)
            kinds += [TokenKind.IMAGE] * len(where)
            masks.append(there.new_ones(len(rows), len(where)))
        x_NLD = torch.cat([*parts, single], dim=1)
        origin = torch.zeros(len(_SINGLE), 2, dtype=torch.long, device=x_NLD.device)
        mask = (
            attention_table([*kinds, *_SINGLE], x_NLD.device)
            & torch.cat([*masks, there], dim=1)[:, None]
        )
        mask |= torch.eye(x_NLD.shape[1], dtype=torch.bool, device=x_NLD.device)
        states: Tensor = self.shared(x_NLD, torch.cat([*positions, origin]), mask, last=_TASKS)
        return states

    def _single(self, inputs: Inputs, rows: Tensor, terms: Tensor) -> tuple[Tensor, Tensor]:
        """The tokens beside words and patches [n, 6, D], and the mask of those present [n, 6]."""
        brand, category, main, currency = inputs["names"][rows].unbind(1)
        price = self.price(_periodic(inputs["price"][rows])) + self.currencies(currency)
        task_tokens = self.from_terms(terms[rows]).unflatten(1, (_TASKS, -1))
        known = [self.brands(brand), price, self.categories(category) + self.categories(main)]
        tokens = (
            torch.cat([torch.stack(known, dim=1), task_tokens], dim=1)
            + self.kinds[TokenKind.BRAND :]
        )
        always = torch.ones(len(rows), _TASKS, dtype=torch.bool, device=tokens.device)
        there = torch.stack([brand > 0, inputs["has_price"][rows], category > 0], dim=1)
        return tokens, torch.cat([there, always], dim=1)


def attention_table(kinds: Sequence[TokenKind], device: torch.device) -> Tensor:
    """[L, L] whether a token of one kind (row) attends to one of another (column)."""
    table = torch.tensor(
        [[kind in ATTENDS_TO[row] for kind in TokenKind] for row in TokenKind], device=device
    )
    numbers = torch.tensor(kinds, device=device)
    allowed: Tensor = table[numbers][:, numbers]
    return allowed


def _periodic(price_N: Tensor) -> Tensor:
    """[N, 1 + 2F] a number, and its sines and cosines at increasing frequencies."""
    rates = 2.0 ** torch.arange(FREQUENCIES, device=price_N.device) / 2
    angles = price_N[:, None] * rates
    return torch.cat([price_N[:, None], angles.sin(), angles.cos()], dim=1)
