"""Composes the answer for one product from the models' output and the quality rules."""

import math
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from crisol.core.arrays import Floats
from crisol.models.products.answers.facts import ProductFacts
from crisol.models.products.answers.quality import CatalogueNorms, assess
from crisol.models.products.answers.sentiment import sentiment
from crisol.models.products.contract import (
    Categories,
    CategoryGuess,
    Driver,
    PriceEstimate,
    Product,
    Quality,
    Sentiment,
    Task,
)
from crisol.models.products.data.records import ProductRecord
from crisol.models.products.data.taxonomy import SEPARATOR, Taxonomy
from crisol.models.products.description import Description, Output
from crisol.models.products.methods.intervals import PriceIntervals

GUESSES = 5


class AnsweringModel(Protocol):
    """The parts of a predictor from which an answer is composed."""

    @property
    def description(self) -> Description:
        """The currency and the pictures it was trained on."""

    @property
    def taxonomy(self) -> Taxonomy | None:
        """The categories it knows; ``None`` where it has learned none."""

    @property
    def intervals(self) -> PriceIntervals | None:
        """The intervals around price estimates; ``None`` where it has learned no prices."""

    @property
    def norms(self) -> CatalogueNorms:
        """The usual parts, attributes and agreements of its catalogue."""

    def drivers_of(self, record: ProductRecord, leaf: int) -> tuple[Driver, ...]:
        """The parts and words that moved the probability of a leaf."""


def agrees(taxonomy: Taxonomy, leaf: int, given: str) -> bool | None:
    """Whether a given category is the predicted leaf, or the main category above it.

    ``None`` where none was given, or one that the taxonomy holds at neither level: shops use
    different names, which is not an error.

    >>> taxonomy = Taxonomy((("Home", "Curtains"), ("Home", "Rugs")))
    >>> [agrees(taxonomy, 0, given) for given in ("home > curtains", "Home", "Rugs", "Toys")]
    [True, True, False, None]
    """
    folded = given.casefold()
    if not folded:
        return None
    whole = SEPARATOR.join(part for part in taxonomy.leaves[leaf] if part).casefold()
    if folded in {whole, *(part.casefold() for part in taxonomy.leaves[leaf] if part)}:
        return True
    known = {name.casefold() for name in taxonomy.names}
    known |= {part.casefold() for pair in taxonomy.leaves for part in pair}
    return False if folded in known else None


class Answerer:
    """Computes the parts of one :class:`~crisol.models.products.contract.Analysis`."""

    def __init__(self, request: Product, output: Output, model: AnsweringModel) -> None:
        self._request, self._output, self._model = request, output, model
        self._record, self._taxonomy = output.record, model.taxonomy

    def answers(self, task: Task) -> dict[str, Any]:
        """The answers to a task, by the names of the fields of the analysis."""
        every = task == "all"
        answers: dict[str, Any] = {}
        if every or task == "classify":
            answers["categories"] = self._categories()
        if every or task == "quality":
            answers["quality"] = self._quality()
        if every or task == "price":
            answers["price"] = self._price
        if every or task == "embed":
            answers["embedding"] = (
                tuple(self._output.embedding.tolist()) if self._embedded else None
            )
        if every or task == "quality":
            answers["sentiment"] = self._sentiment()
        return answers

    def notes(self) -> tuple[str, ...]:
        """Remarks on the answer, such as heads that the model has not learned."""
        notes = []
        if not self._embedded:
            notes.append("The texts hold no words beside prices, which are not read.")
        if self._taxonomy is None:
            notes.append("The model has learned no categories.")
        if self._model.intervals is None:
            notes.append("The model has learned no prices.")
        if self._record.image is not None and not self._model.description.pictures:
            notes.append("The model has seen no pictures in training: this one does not count.")
        return tuple(notes)

    @cached_property
    def _embedded(self) -> bool:
        """Whether the product has words or a picture to embed."""
        return bool(self._output.embedding.any())

    @cached_property
    def _leaves(self) -> Floats:
        """[C] the probabilities of the leaves."""
        assert self._output.forecast.leaf is not None
        probabilities: Floats = np.exp(self._output.forecast.leaf[0].astype(np.float64))
        return probabilities

    @cached_property
    def _leaf(self) -> int:
        """The predicted leaf."""
        assert self._taxonomy is not None
        return int(self._taxonomy.best(self._leaves[None])[0])

    @cached_property
    def _mains(self) -> Floats:
        """[M] the probabilities of the main categories."""
        assert self._taxonomy is not None
        mains: Floats = self._taxonomy.main_probabilities(self._leaves[None])[0]
        return mains

    def _categories(self) -> Categories | None:
        if self._taxonomy is None:
            return None
        taxonomy, leaf = self._taxonomy, self._leaf
        main, sub = taxonomy.leaves[leaf]
        best = np.argsort(-self._leaves, kind="stable")[:GUESSES]
        return Categories(
            main=main,
            main_probability=_share(self._mains.max()),
            sub=sub or None,
            sub_probability=_share(self._leaves[leaf]) if sub else None,
            guesses=tuple(
                CategoryGuess(category=taxonomy.names[at], probability=_share(self._leaves[at]))
                for at in best
            ),
            drivers=self._model.drivers_of(self._record, leaf),
            agrees=agrees(taxonomy, leaf, self._record.category),
        )

    def _quality(self) -> Quality:
        rating = self._output.forecast.rating
        return assess(self._facts(), None if rating is None else _share(rating[0]))

    def _facts(self) -> ProductFacts:
        norms, taxonomy = self._model.norms, self._taxonomy
        known: dict[str, Any] = {}
        if taxonomy is not None:
            name = taxonomy.names[self._leaf]
            known = {
                "category": name,
                "category_probability": _share(self._leaves[self._leaf]),
                "category_agrees": agrees(taxonomy, self._leaf, self._record.category),
                "usual_attributes": norms.attributes.get(name),
            }
        return ProductFacts(
            self._record,
            parts=norms.parts,
            usual_prices=self._usual_prices,
            usual_share=self._usual_share,
            agreement=norms.rank(self._output.agreement),
            **known,
        )

    @cached_property
    def _comparable(self) -> bool:
        """Whether the given price is in the model's currency; true where either is unknown."""
        mine, given = self._model.description.currency, self._record.currency
        return not mine or not given or mine == given

    @cached_property
    def _usual_prices(self) -> tuple[float, float] | None:
        """The bounds of almost all prices of such a product; ``None`` where they are unknown."""
        log_price, intervals = self._output.forecast.log_price, self._model.intervals
        if log_price is None or intervals is None or not self._comparable:
            return None
        if not intervals.tells_outliers:
            return None
        low, high = intervals.outer_bounds(log_price)
        return math.exp(low[0]), math.exp(high[0])

    @property
    def _usual_share(self) -> float:
        intervals = self._model.intervals
        return intervals.outer.coverage if intervals is not None else 0.0

    @cached_property
    def _price(self) -> PriceEstimate | None:
        log_price, intervals = self._output.forecast.log_price, self._model.intervals
        if log_price is None or intervals is None:
            return None
        low, high = intervals.bounds(log_price)
        given = None if math.isnan(self._record.price) else self._record.price
        note, outlier = None, None
        if given is not None and not intervals.tells_outliers:
            note = "Too few prices were held out in training to call one unusual."
        elif given is not None and self._usual_prices is None:
            note = (
                f"The given price is in {self._record.currency}, the estimate in "
                f"{self._model.description.currency}: they are not compared."
            )
        elif given is not None and self._usual_prices is not None:
            lowest, highest = self._usual_prices
            outlier = not lowest <= given <= highest
        return PriceEstimate(
            estimate=math.exp(log_price[0]),
            low=math.exp(low[0]),
            high=math.exp(high[0]),
            coverage=intervals.coverage,
            currency=self._model.description.currency or None,
            given=given,
            outlier=outlier,
            note=note,
        )

    def _sentiment(self) -> Sentiment | None:
        return sentiment(self._record.description) if self._record.description else None


def _share(value: float) -> float:
    return min(max(float(value), 0.0), 1.0)
