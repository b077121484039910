"""Trains the members of one study and their blend, fold by fold."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crisol.core.errors import MendableError
from crisol.models.products.answers.quality import CatalogueNorms
from crisol.models.products.backbones import Backbones
from crisol.models.products.data.prepare import EVERYTHING, HELPER, TEST, TRAIN, records_from_tables
from crisol.models.products.data.records import ProductRecord
from crisol.models.products.description import Description
from crisol.models.products.member import Forecast, Member, Targets
from crisol.models.products.methods.blend import Blend, fit_blend
from crisol.models.products.methods.intervals import PriceIntervals
from crisol.models.products.methods.labels import (
    currency_of,
    labels_of,
    priced,
    rating_scale,
    taxonomy_of,
)
from crisol.models.products.methods.linear import fit_baseline, fit_linear
from crisol.models.products.methods.neighbours import fit_neighbours
from crisol.models.products.networks.transformer import TransformerMember
from crisol.models.products.networks.transformer_training import fit_transformer
from crisol.models.products.params import (
    DataParams,
    MembersParams,
    ModelParams,
    NetworkLoop,
    TrainParams,
)
from crisol.models.products.predictor import ProductsPredictor
from crisol.models.products.report import ablations
from crisol.models.products.report.ablations import Ensemble
from crisol.models.products.report.retrieval import ranks
from crisol.models.products.study_params import StudyParams

logger = logging.getLogger(__name__)

ROLES = (TRAIN, HELPER, TEST)


@dataclass(frozen=True)
class TrainedFold:
    """The result of one fold: the predictor, the baseline and the training history."""

    predictor: ProductsPredictor
    baseline: Member
    history: pd.DataFrame
    without_backbone: Ensemble | None = None
    """The members and their blend without backbones; ``None`` where they have none."""


class StudyTraining:
    """The products of one study, prepared once for all of its folds."""

    def __init__(
        self,
        study: StudyParams,
        products: pd.DataFrame,
        images: pd.DataFrame,
        parts: pd.DataFrame,
        data: DataParams,
        model: ModelParams,
        train: TrainParams,
        checkpoints: Path,
    ) -> None:
        self.study, self.data, self.checkpoints = study, data, checkpoints
        self.parts = parts[parts["study"] == study.name]
        self.rows = np.sort(self.parts["row"].unique()).astype(np.int64)
        mine = products.iloc[self.rows]
        self.records = records_from_tables(
            mine, images, hide_category_words=study.hide_category_words
        )
        # The currency is that of its own products: helpers may be more, and from elsewhere.
        own = np.sort(self.parts.loc[self.parts["role"] != HELPER, "row"].unique())
        self.currency = currency_of(products.iloc[own])
        places = np.searchsorted(self.rows, own)
        self.ablations = ablations.relevant([self.records[place] for place in places])
        self.labels = labels_of(mine, study, self.currency)
        self.members: MembersParams = model.of_study(study.name)
        self.loop: NetworkLoop = train.of_study(study.name)
        self.backbones = Backbones.of(self.members.backbones)
        self._initial: tuple[TransformerMember, pd.DataFrame] | None = None

    def pretrained(
        self, rows: NDArray[np.int64]
    ) -> tuple[TransformerMember | None, list[pd.DataFrame]]:
        """The transformer trained on the helpers' products, from which every fold starts.

        Returns:
            The transformer, or ``None`` where there are no helpers; its history at the first call.
        """
        if not len(rows):
            return None, []
        first = self._initial is None
        if self._initial is None:
            labels = self.labels.take(rows)
            taxonomy = taxonomy_of(labels, self.study)  # the helpers'; every fold has its own head
            self._initial = fit_transformer(
                [self.records[row] for row in rows],
                labels.targets(taxonomy, rating_scale(labels, self.study)),
                taxonomy,
                self.members.network,
                self.loop,
                checkpoints=self.checkpoints,
                label=f"{self.study.name}.helpers",
            )
        transformer, history = self._initial
        return transformer, [history] if first else []

    def folds(self, *, registered: bool) -> list["FoldTraining"]:
        """The folds to train; the fold of all products only where its predictor is registered."""
        numbers = sorted(
            self.parts["fold"].unique(), key=lambda number: (number == EVERYTHING, number)
        )
        return [FoldTraining(self, int(n)) for n in numbers if n != EVERYTHING or registered]


class FoldTraining:
    """Trains the members and their blend on one division of a study's products."""

    def __init__(self, training: StudyTraining, number: int) -> None:
        self.training, self.number, self.study = training, number, training.study
        mine = training.parts[training.parts["fold"] == number]
        place = {role: mine.loc[mine["role"] == role, "row"].to_numpy() for role in ROLES}
        at = {role: np.searchsorted(training.rows, np.sort(rows)) for role, rows in place.items()}
        self.train, self.helpers, self.test = (at[role] for role in ROLES)
        self.labels = priced(training.labels, self.train, self.study)
        known = self.labels.take(self.train)
        self.taxonomy = taxonomy_of(known, self.study)
        self.scale = rating_scale(known, self.study)
        if not len(self.train):
            raise MendableError(f"study {self.study.name!r} has no training products")

    @property
    def label(self) -> str:
        """The fold's name in the history and in the log."""
        return f"{self.study.name}.{'all' if self.number == EVERYTHING else self.number}"

    @property
    def heads(self) -> list[str]:
        """The heads with enough training products."""
        has = {
            "category": self.taxonomy is not None,
            "price": not np.isnan(self.labels.log_price[self.train]).all(),
            "rating": self.scale is not None,
        }
        return [head for head, there in has.items() if there]

    def fit(self) -> TrainedFold:
        """Steps 1 to 3 of :mod:`crisol.models.products.training`."""
        held, inner = self._divided()
        backbones, names = self.training.backbones, self.training.members.members
        early, histories = self._members(inner, "inner", names, backbones)
        records, targets = self._records(held), self._targets(held)
        forecasts = {name: member.forecast(records) for name, member in early.items()}
        blend = fit_blend(forecasts, targets, self.taxonomy)
        intervals = self._intervals(blend.combine(forecasts), targets)
        again = [name for name in self.study.refit if name in early]
        final, more = self._members(self.train, "final", again, backbones)
        members: dict[str, Member] = {**early, **final}
        predictor = self._predictor(members, blend, intervals, self._habits(early, records))
        known = self._records(self.train), self._targets(self.train)
        baseline = fit_baseline(*known, self.taxonomy)
        history = pd.concat([*histories, *more], ignore_index=True)
        plain = self._without_backbone(predictor, forecasts, held, inner)
        return TrainedFold(predictor, baseline, history, plain)

    def _without_backbone(
        self,
        predictor: ProductsPredictor,
        forecasts: Mapping[str, Forecast],
        held: NDArray[np.int64],
        inner: NDArray[np.int64],
    ) -> Ensemble | None:
        """The members that use backbones, fitted and blended again without; the others stay."""
        names = [name for name, member in predictor.members.items() if member.backbones]
        if not names or self.number == EVERYTHING:
            return None
        early, _ = self._members(inner, "inner without backbone", names, Backbones())
        records = self._records(held)
        plain = {name: member.forecast(records) for name, member in early.items()}
        blend = fit_blend({**forecasts, **plain}, self._targets(held), self.taxonomy)
        again = [name for name in self.study.refit if name in early]
        final, _ = self._members(self.train, "final without backbone", again, Backbones())
        return Ensemble({**early, **final}, blend)

    def _divided(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The rows held out for the blend, and the remaining rows."""
        order = np.random.default_rng(self.training.loop.seed).permutation(self.train)
        count = max(1, round(self.study.blend_share * len(order)))
        return np.sort(order[:count]), np.sort(order[count:])

    def _members(
        self, rows: NDArray[np.int64], stage: str, names: Sequence[str], backbones: Backbones
    ) -> tuple[dict[str, Member], list[pd.DataFrame]]:
        records, targets = self._records(rows), self._targets(rows)
        helper = (
            (self._records(self.helpers), self._helper_targets()) if len(self.helpers) else None
        )
        params = self.training.members
        made: dict[str, Member] = {}
        histories: list[pd.DataFrame] = []
        for name in names:
            started = time.perf_counter()
            if name == "linear":
                made[name] = fit_linear(
                    records,
                    targets,
                    self.taxonomy,
                    params.linear,
                    helper=helper,
                    backbones=backbones,
                )
            elif name == "neighbours":
                made[name] = fit_neighbours(
                    records,
                    targets,
                    self.taxonomy,
                    params.neighbours,
                    helper=helper,
                    backbones=backbones,
                )
            else:
                initial, before = self.training.pretrained(self.helpers)
                transformer, history = fit_transformer(
                    records,
                    targets,
                    self.taxonomy,
                    params.network,
                    self.training.loop,
                    checkpoints=self.training.checkpoints,
                    label=f"{self.label}.{stage}",
                    initial=initial,
                )
                made[name] = transformer
                histories += [*before, history]
            seconds = time.perf_counter() - started
            logger.info("%s.%s: %s in %.1f s", self.label, stage, name, seconds)
        return made, histories

    def _records(self, rows: NDArray[np.int64]) -> list[ProductRecord]:
        return [self.training.records[row] for row in rows]

    def _targets(self, rows: NDArray[np.int64]) -> Targets:
        return self.labels.take(rows).targets(self.taxonomy, self.scale)

    def _helper_targets(self) -> Targets:
        return self.labels.take(self.helpers).targets(None, self.scale)

    def _intervals(self, joined: Forecast, targets: Targets) -> PriceIntervals | None:
        known = ~np.isnan(targets.log_price)
        if joined.log_price is None or not known.any():
            return None
        return PriceIntervals.fit(joined.log_price[known], targets.log_price[known])

    def _habits(self, early: Mapping[str, Member], held: list[ProductRecord]) -> CatalogueNorms:
        """The norms of the training products; agreements are those of held-out products."""
        transformer = early["transformer"]
        assert isinstance(transformer, TransformerMember)
        labels = self.labels.take(self.train)
        known = self.taxonomy.codes(list(labels.main), list(labels.sub)) if self.taxonomy else ()
        names = self.taxonomy.names if self.taxonomy else ()
        categories = [names[leaf] if leaf >= 0 else "" for leaf in known] or [""] * len(labels)
        both = [record for record in held if record.image is not None]
        agreements = transformer.outputs(both).agreement.tolist() if both else ()
        return CatalogueNorms.learn(self._records(self.train), categories, agreements)

    def _predictor(
        self,
        members: Mapping[str, Member],
        blend: Blend,
        intervals: PriceIntervals | None,
        norms: CatalogueNorms,
    ) -> ProductsPredictor:
        records = self._records(self.train)
        targets = self._targets(self.train)
        description = Description(
            study=self.study.name,
            products=len(records),
            currency=self.training.currency,
            image_size=self.training.data.image_size,
            pictures=sum(record.image is not None for record in records),
            rated=int((~np.isnan(targets.rating)).sum()),
            runtime="transformers" if self.training.members.network.pretrained else "torch",
        )
        return ProductsPredictor(description, self.taxonomy, members, blend, intervals, norms)

    def forecasts(self, made: TrainedFold) -> pd.DataFrame:
        """Step 4: one row per method and test product."""
        records = self._records(self.test)
        table = ablations.forecast_table(
            made.predictor, made.baseline, records, self.training.ablations, made.without_backbone
        )
        return table.assign(
            study=self.study.name,
            fold=self.number,
            row=self.training.rows[self.test[table["row"].to_numpy()]],
        )

    def ranks(self, made: TrainedFold) -> pd.DataFrame:
        """The rank of each test product's picture among all pictures, searched by its words."""
        found = ranks(made.predictor, self._records(self.train), self._records(self.test))
        return found.assign(
            study=self.study.name, row=self.training.rows[self.test[found["row"].to_numpy()]]
        )
