"""The three parameter sections of `recommender`; every value is checked before the first node."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, Strict, model_validator

from crisol.core.candidate import GateRule
from crisol.core.data.read_params import CellWords, ReadParams
from crisol.core.params import (
    NAMES_A_FILE,
    Count,
    Float32,
    OperatorOnly,
    Params,
    ThreadCount,
)
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


def _several(words: Any) -> Any:
    """One word alone is taken, too, as command lines give it."""
    return (
        (words,) if isinstance(words, str) else tuple(words) if isinstance(words, list) else words
    )


SAMPLE_SOURCE, OWN_STUDY = "sample", "mine"
"""The source of the committed sample's study, and the name of the study of one's own events."""


class EventReadParams(ReadParams):
    """The format of the files of events, items and users; what is ``None`` is detected, and told.

    ``decimal`` is of weights and prices, ``day_first`` of times.
    """

    missing: CellWords = ("",)
    """Ids are text, and ``NA`` may be one."""
    keep: CellWords = ()
    """Words that are ids although they say that there is none, such as ``none``."""


class DataParams(StudiesParams[StudyParams]):
    """The section ``recommender.data``; the hybrid of the registered study is the predictor.

    Events of one's own (``events``) take nothing from the sample: its study and ``synthetic`` are
    dropped. Unless there are other studies, one is derived from the events: ``mine``.
    """

    events: Annotated[str, OperatorOnly(NAMES_A_FILE)] = ""
    """A table of your own events, instead of the catalog's. This and the next two are given with
    ``--params``, and are part of the record that ``kedro reproduce`` trains from."""
    items: Annotated[str, OperatorOnly(NAMES_A_FILE)] = ""
    """A table of their items; none is needed."""
    users: Annotated[str, OperatorOnly(NAMES_A_FILE)] = ""
    """A table of their users; none is needed."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Our column to its name in the file of events: ``{user: buyer, weight: ''}``; an empty name
    says that there is none."""
    item_columns: dict[str, str] = Field(default_factory=dict)
    """The same for the items."""
    user_columns: dict[str, str] = Field(default_factory=dict)
    """The same for the users."""
    read: EventReadParams = Field(default_factory=EventReadParams)
    """The format of the three files; detected, and told, where nothing is said."""
    leave_out: Annotated[
        tuple[Literal["no_id", "not_positive"], ...], BeforeValidator(_several)
    ] = ()
    """Events to leave out, which are refused otherwise: those without a user or an item, and those
    whose weight is 0 or less (returned goods)."""
    source: str = ""
    """Of the study of one's own events, where their column ``source`` has several."""
    k: int = Field(default=10, ge=1, le=100)
    """Length of the lists of the study of one's own events."""
    order: Literal["auto", "time", "rows", "none"] = "auto"
    """The order of the events in studies that leave theirs at ``auto``."""
    gate: GateRule = Field(default_factory=lambda: GateRule(metric="mean", tolerance=0.002))
    """Compares NDCG at the study's cut-off, user by user."""

    @model_validator(mode="before")
    @classmethod
    def _own_study(cls, values: Any) -> Any:
        """Drop what belongs to the sample, and derive a study where none is left."""
        if not isinstance(values, Mapping) or not values.get("events"):
            return values
        given = values.get("studies", ())
        left = [study for study in given if _field(study, "source") != SAMPLE_SOURCE]
        gone = {_field(study, "name") for study in given if study not in left}
        own: dict[str, Any] = {**values, "studies": left}
        if len(left) < len(given):
            own["synthetic"] = False
        if not left:
            split = {"kind": "auto"}
            study = {"name": OWN_STUDY, "source": values.get("source", ""), "split": split}
            own["studies"] = [{**study, "k": values.get("k", 10)}]
        if own.get("register_study") in {None, *gone}:
            own["register_study"] = _field(left[0], "name") if left else OWN_STUDY
        return own

    @property
    def ordered_studies(self) -> tuple[StudyParams, ...]:
        """The studies, each with the section's ``order`` where it has none of its own."""
        return tuple(
            study.model_copy(update={"order": self.order}) if study.order == "auto" else study
            for study in self.studies
        )

    @property
    def rule(self) -> GateRule:
        """The gate's rule, its metric named as a person does."""
        label = self.gate.label or f"NDCG@{self.study(self.register_study).k}"
        return self.gate.model_copy(update={"label": label})

    @model_validator(mode="after")
    def _check_files(self) -> Self:
        if (self.items or self.users) and not self.events:
            raise ValueError(
                "items and users go with events of your own; name their file too (events: …)"
            )
        if self.order in ("rows", "none"):
            for study in self.studies:
                if study.order == "auto" and study.split.kind == "temporal":
                    raise ValueError(
                        f"order {self.order!r} reads no times, and study {study.name!r} is split "
                        "by them; split it by leave_one_out"
                    )
        return self

    @model_validator(mode="after")
    def _check_gate(self) -> Self:
        if self.gate.metric != "mean":
            raise ValueError(
                "gate.metric: only 'mean' compares ranked lists (of each user's NDCG); "
                f"got {self.gate.metric!r}"
            )
        return self


def _field(study: Any, name: str) -> Any:
    return study.get(name) if isinstance(study, Mapping) else getattr(study, name, None)


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

    def without_order(self) -> Self:
        """The same methods where events have no order: none of them reads one.

        ``transitions`` is left out. In the others all events of a history count alike.
        """
        named = None if self.in_hybrid is None else _without(self.in_hybrid, "transitions")
        return self.model_copy(
            update={
                "methods": _without(self.methods, "transitions"),
                "in_hybrid": named,
                "filter": self.filter.model_copy(update={"recency": 0.0}),
                "ease": self.ease.model_copy(update={"recency": 0.0}),
                "content": self.content.model_copy(update={"recency": 1.0}),
                "attention": self.attention.model_copy(update={"ages": 1, "predict": "any"}),
            }
        )

    @property
    def hybrid_methods(self) -> tuple[Method, ...]:
        """The methods whose candidates the hybrid re-ranks."""
        return self.methods if self.in_hybrid is None else self.in_hybrid


def _without(methods: tuple[Method, ...], left_out: Method) -> tuple[Method, ...]:
    return tuple(name for name in methods if name != left_out)


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
