"""Explanations of answers: sampled Shapley values of the columns.

Štrumbelj and Kononenko (2014, doi:10.1007/s10115-013-0679-x): the share of a column is how much the
answer changes when its value takes the place of the one in another row, on average over random
orders and background rows. Here every background row is walked to the explained row in one random
order and in its reverse (antithetic: what one order gives a column too much, the other takes). Each
walk adds up exactly, so the shares and the background's mean answer add up to the answer. Any model
that answers :class:`~crisol.models.tabular.features.encoded_rows.Features` can be explained;
columns, not features, are exchanged, so a date moves with all its parts.

Shapes: F columns, B background rows, W = 2 B walks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.models.tabular.features.encoded_rows import Features

MAX_ANSWERS = 1024
"""Rows to be answered for one explanation; tables of many columns walk from fewer rows."""
FEWEST_ROWS = 8

Predict = Callable[[Features], Floats]


@dataclass(frozen=True)
class Shares:
    """The contribution of each column to an answer.

    Attributes:
        answer: of the row: a number, or the probabilities [K].
        base: the background's mean answer, of the same shape.
        columns: [F] or [F, K]; ``base`` and their sum are ``answer``.
    """

    answer: Floats
    base: Floats
    columns: Floats


@dataclass(frozen=True)
class Places:
    """The column of each feature, as an index among F columns.

    Attributes:
        numbers: [D] of the number features.
        codes: [C] of the category features.
        texts: [S] of the text features.
        image: of the picture; ``None``: there is none.
    """

    numbers: NDArray[np.intp]
    codes: NDArray[np.intp]
    texts: NDArray[np.intp]
    image: int | None

    @classmethod
    def of(cls, features: Features, columns: Mapping[str, Sequence[str]]) -> "Places":
        """The columns of features; ``columns`` names the features of each column."""
        places = {name: at for at, names in enumerate(columns.values()) for name in names}
        named = (features.number_names, features.code_names, features.text_names)
        known = {name for names in named for name in names}
        rest = [at for name, at in places.items() if name not in known]
        numbers, codes, texts = (
            np.array([places[name] for name in names], np.intp) for names in named
        )
        image = rest[0] if rest and features.images is not None else None
        return cls(numbers, codes, texts, image)


class Explainer:
    """Explains the answers of one model.

    Args:
        predict: the model.
        background: encoded training rows, at least one.
        columns: feature names by column, F of them.
        seed: of the orders; the same for every row.
    """

    def __init__(
        self,
        predict: Predict,
        background: Features,
        columns: Mapping[str, Sequence[str]],
        seed: int = 0,
    ) -> None:
        self._predict = predict
        count = len(columns)
        room = MAX_ANSWERS // (2 * max(count - 1, 1))
        kept = min(len(background), max(FEWEST_ROWS, room))
        self._background = background.take(slice(0, kept))
        self._places = Places.of(background, columns)
        rng = np.random.default_rng(seed)
        order_BF = np.argsort(rng.random((kept, count)), axis=1)
        self._rank_WF = np.concatenate([order_BF, count - 1 - order_BF])
        """The step of each walk at which each column is exchanged."""
        self._start_W = np.concatenate([np.arange(kept), np.arange(kept)])

    def explain(self, row: Features) -> Shares:
        """Shares of the columns in the answer to one row."""
        walks, count = self._rank_WF.shape
        taken_WSF = self._rank_WF[:, None, :] < np.arange(1, count)[None, :, None]
        # A step to the same value changes nothing: what was met before is not asked again.
        moved_WSF = taken_WSF & self._differs(row)[self._start_W][:, None, :]
        start = np.repeat(self._start_W, max(count - 1, 0))
        met = np.concatenate([start[:, None], moved_WSF.reshape(-1, count)], axis=1)
        mixed, again = np.unique(met, axis=0, return_inverse=True)
        between = self._mixed(row, mixed[:, 0], mixed[:, 1:].astype(bool))
        answers = self._predict(Features.stack([row, self._background, between]))
        answer, ends = answers[0], answers[1 : 1 + len(self._background)]
        steps = np.empty((walks, count + 1, *answers.shape[1:]))
        steps[:, 0] = ends[self._start_W]
        steps[:, count] = answer
        met_answers = answers[1 + len(self._background) :][again]
        steps[:, 1:count] = met_answers.reshape(walks, max(count - 1, 0), *answers.shape[1:])
        changes = np.diff(steps, axis=1)
        shares = changes[np.arange(walks)[:, None], self._rank_WF].mean(axis=0)
        return Shares(answer, ends.mean(axis=0), shares)

    def _differs(self, row: Features) -> NDArray[np.bool_]:
        """Whether background rows [B, F] have another value than the row."""
        others, places = self._background, self._places
        differs_FB = np.zeros((self._rank_WF.shape[1], len(others)), bool)
        same = others.numbers == row.numbers
        same |= np.isnan(others.numbers) & np.isnan(row.numbers)
        np.logical_or.at(differs_FB, places.numbers, ~same.T)
        np.logical_or.at(differs_FB, places.codes, (others.codes != row.codes).T)
        np.logical_or.at(differs_FB, places.texts, (others.texts != row.texts).T.astype(bool))
        if others.images is not None and places.image is not None:
            differs_FB[places.image] = (others.images != row.images).any(axis=(1, 2, 3))
        return differs_FB.T

    def _mixed(self, row: Features, start: NDArray[np.intp], taken: NDArray[np.bool_]) -> Features:
        """Background rows ``start`` [R] with the columns of the row where ``taken`` [R, F]."""
        others, places = self._background.take(start), self._places
        images = others.images
        if images is not None and row.images is not None and places.image is not None:
            mask = taken[:, places.image, None, None, None]
            images = np.where(mask, row.images, images)
        vectors = others.vectors
        if vectors is not None and row.vectors is not None:
            texts = {name: at for at, name in enumerate(row.text_names)}
            owners = places.texts[[texts[name] for name in row.vector_owners]]
            vectors = np.where(taken[:, owners], row.vectors, vectors)
        return replace(
            others,
            numbers=np.where(taken[:, places.numbers], row.numbers, others.numbers),
            codes=np.where(taken[:, places.codes], row.codes, others.codes),
            texts=np.where(taken[:, places.texts], row.texts, others.texts),
            images=images,
            vectors=vectors,
        )
