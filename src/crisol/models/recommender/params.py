"""The three parameter sections of `recommender`; every value is checked before the first node."""

from typing import Annotated, Self

from pydantic import Field, Strict, model_validator

from crisol.core.candidate import GateRule
from crisol.core.params import Count, Float32, Params, ThreadCount
from crisol.core.studies import ByStudy, StudiesParams, completed, part_of
from crisol.core.training.loop_params import LoopParams
from crisol.models.recommender.method_params import (
    AttentionParams,
    ContentParams,
    EaseParams,
    FilterParams,
    HybridParams,
    LightGCNParams,
    Method,
    TransitionParams,
)
from crisol.models.recommender.study_params import StudyParams

Methods = Annotated[tuple[Method, ...], Strict(False)]


class DataParams(StudiesParams[StudyParams]):
    """The section ``recommender.data``; the hybrid of the registered study is the predictor."""

    gate_against: Methods = Field(default=("popularity", "filter"), min_length=1)
    """The methods that the hybrid must beat alone."""
    gate: GateRule = Field(default_factory=lambda: GateRule(metric="mean", tolerance=0.002))
    """Compares NDCG at the study's cut-off, user by user."""

    @property
    def rule(self) -> GateRule:
        """The gate's rule, its metric named as a person does."""
        label = self.gate.label or f"NDCG@{self.study(self.register_study).k}"
        return self.gate.model_copy(update={"label": label})

    @model_validator(mode="after")
    def _check_gate(self) -> Self:
        if "hybrid" in self.gate_against:
            raise ValueError("gate_against: the hybrid is the candidate, not what it must beat")
        if self.gate.metric != "mean":
            raise ValueError(
                "gate.metric: only 'mean' compares ranked lists (of each user's NDCG); "
                f"got {self.gate.metric!r}"
            )
        return self


class MethodsParams(Params):
    """Which methods a study trains, and how."""

    methods: Methods = ("popularity", "filter", "ease", "transitions", "content")
    """The methods that are trained and measured; ``hybrid`` is always added."""
    in_hybrid: Methods | None = None
    """Those of them whose candidates the hybrid re-ranks; ``None``: all of them."""
    filter: FilterParams = Field(default_factory=FilterParams)
    ease: EaseParams = Field(default_factory=EaseParams)
    transitions: TransitionParams = Field(default_factory=TransitionParams)
    content: ContentParams = Field(default_factory=ContentParams)
    lightgcn: LightGCNParams = Field(default_factory=LightGCNParams)
    attention: AttentionParams = Field(default_factory=AttentionParams)
    hybrid: HybridParams = Field(default_factory=HybridParams)

    @model_validator(mode="after")
    def _check_methods(self) -> Self:
        if len(set(self.methods)) != len(self.methods) or "hybrid" in self.methods:
            raise ValueError("methods: name each method once, without 'hybrid' (always there)")
        if "popularity" not in self.methods:
            raise ValueError(
                "methods: 'popularity' is missing; it answers those of whom nothing is known"
            )
        missing = [name for name in self.in_hybrid or () if name not in self.methods]
        if missing:
            raise ValueError(f"in_hybrid: {missing[0]!r} is not among methods")
        return self

    @property
    def hybrid_methods(self) -> tuple[Method, ...]:
        """The methods whose candidates the hybrid re-ranks."""
        return self.methods if self.in_hybrid is None else self.in_hybrid


class ModelParams(ByStudy, MethodsParams):
    """The section ``recommender.model``; ``by_study: {beauty: {methods: [popularity, ease]}}``.

    A method's section in ``by_study`` replaces the common one as a whole.
    """

    def of_study(self, study: str) -> MethodsParams:
        """The methods of one study."""
        return part_of(self, MethodsParams, self.by_study.get(study, {}))


class NetworkLoop(LoopParams):
    """How a graph network is trained; ``monitor: null`` keeps the last epoch's weights."""

    epochs: Count = Field(default=10, ge=1)
    batch_size: Count = Field(default=4096, ge=1)
    learning_rate: Float32 = Field(default=1e-2, gt=0)
    monitor: str | None = None
    cpu_threads: ThreadCount | None = 1


class LoopsParams(Params):
    """One loop for each method that is trained by steps."""

    lightgcn: NetworkLoop = Field(default_factory=NetworkLoop)
    attention: NetworkLoop = Field(default_factory=NetworkLoop)


class TrainParams(ByStudy, LoopsParams):
    """The section ``recommender.train``; ``by_study: {beauty: {attention: {epochs: 5}}}``."""

    def of_study(self, study: str) -> LoopsParams:
        """The loops of one study."""
        changes = self.by_study.get(study, {})
        for method in changes:
            if method not in LoopsParams.model_fields:
                raise ValueError(
                    f"by_study.{study}: {method!r} has no loop; use lightgcn or attention"
                )
        return part_of(self, LoopsParams, completed(self, changes))
