"""The three parameter sections of `signals`; every value is checked before the first node runs."""

from datetime import date
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, Strict, field_validator, model_validator

from crisol.core.candidate import GateRule
from crisol.core.data.read_params import CellWords, ReadParams
from crisol.core.params import NAMES_A_FILE, Count, Float32, OperatorOnly, Params, ThreadCount
from crisol.core.studies import ByStudy, StudiesParams, Study, part_of
from crisol.core.training.loop_params import LoopParams
from crisol.models.signals.bar_clock import Calendar, Days
from crisol.models.signals.contract import check_exchange
from crisol.models.signals.network_params import LAYERS, Layer, Names, NetworkParams, Runtime

Day = Annotated[date, Strict(False)]


class BarReadParams(ReadParams):
    """The format of a file of bars; fields that are ``None`` are detected, and told."""

    missing: CellWords = ("",)
    """``NA`` is a ticker; among prices and volumes, further words say that there is no value."""


class FixedThreshold(Params):
    """Sell below ``sell_below``, buy above ``buy_above`` (simple returns), otherwise hold."""

    kind: Literal["fixed"] = "fixed"
    sell_below: float = Field(default=-0.005, ge=-1, lt=0)
    buy_above: Float32 = Field(default=0.0055, gt=0)


class VolatilityThreshold(Params):
    """Sell and buy beyond ``sigmas`` standard deviations of the newest ``bars`` log returns."""

    kind: Literal["volatility"] = "volatility"
    sigmas: Float32 = Field(default=0.5, gt=0)
    bars: Count = Field(default=168, ge=2)


class Holdout(Params):
    """One fold, cut by the day of the bar that is predicted."""

    kind: Literal["holdout"] = "holdout"
    train_from: Day
    valid_from: Day
    test_from: Day
    test_until: Day
    """The first day that is no longer tested."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if not self.train_from < self.valid_from < self.test_from < self.test_until:
            raise ValueError("train_from, valid_from, test_from, test_until must follow in time")
        return self


class WalkForward(Params):
    """``folds`` test spans in the last ``test_fraction`` of the bars, each trained on its past.

    Between training and what comes after it lie ``horizon_bars`` (purge: no training label reaches
    into the test span) and ``embargo_bars`` more.
    """

    kind: Literal["walk_forward"] = "walk_forward"
    folds: Count = Field(default=5, ge=1)
    test_fraction: float = Field(default=0.5, gt=0, lt=1)
    embargo_bars: Count = Field(default=24, ge=0)
    valid_fraction: float = Field(default=0.15, gt=0, lt=1)
    """The newest share of a fold's past, for early stopping and calibration."""


class StudyParams(Study):
    """A slice of the bars, how it is labelled and split, and how the result is judged."""

    exchanges: Names = Field(min_length=1)
    symbols: Names | None = None
    """``None`` takes every symbol of the exchanges."""
    horizon_bars: Count = Field(default=1, ge=1)
    label: Annotated[FixedThreshold | VolatilityThreshold, Field(discriminator="kind")] = Field(
        default_factory=VolatilityThreshold
    )
    drop_hold: bool = False
    """Leave bars between the thresholds out of training and test (up-or-down studies)."""
    split: Annotated[Holdout | WalkForward, Field(discriminator="kind")] = Field(
        default_factory=WalkForward
    )
    min_history_bars: Count = Field(default=60, ge=2)
    """Shorter histories are no samples; those below 60 repeat their first bar in front."""
    seeds: Count = Field(default=1, ge=1)
    """Number of networks that are trained per fold."""
    ensemble: Count | None = Field(default=None, ge=1)
    """Number of them, the best on validation, that answer together; ``None``: all."""
    cost_bps: Float32 = Field(default=5.0, ge=0)
    """Cost of a change of position by 1, in 1/100 of a percent."""
    bars_per_year: Float32 = Field(default=8760.0, gt=0)
    """To annualise the Sharpe ratio."""

    @model_validator(mode="after")
    def _check_ensemble(self) -> Self:
        if self.ensemble is not None and self.ensemble > self.seeds:
            raise ValueError(f"ensemble ({self.ensemble}) cannot exceed seeds ({self.seeds})")
        return self


SAMPLE_STUDY = "sample"
"""The study of the committed sample; a file of one's own is never trained by it."""


class DataParams(StudiesParams[StudyParams]):
    """The section ``signals.data``; the newest fold of the registered study is the predictor."""

    file: Annotated[str, OperatorOnly(NAMES_A_FILE)] = ""
    """A table of your own bars, instead of the catalog's; given with ``--params``. Without studies
    of your own it is one study, made from the bars."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Our column to its name in your file: ``{timestamp: Opened, close: Last}``; ``""`` leaves one
    out: ``{adjusted: ""}``."""
    read: BarReadParams = BarReadParams()
    """The format of the file, and how its numbers and dates are written."""
    symbol: str = ""
    """The symbol of a file that has no column for it; empty: read from the name of the file."""
    exchange: str = ""
    """The exchange of a file that has no column for it."""
    timezone: str = "UTC"
    """The zone of times without an offset, such as ``America/New_York``."""
    calendars: dict[str, Calendar] = Field(default_factory=dict)
    """When an exchange has bars: ``{kraken: always, nyse: business_days, xetra: sessions}``; of the
    others it is learned from the bars."""
    closed_days: Days = ()
    """Closures of exchanges that do not follow from rules. With them, a day without bars is a
    hole."""
    holes: Literal["refuse", "fill"] = "refuse"
    """``fill`` puts a bar of the last close, without volume, in the place of a missing one."""

    studies: Annotated[tuple[StudyParams, ...], Strict(False)] = Field(
        default=(
            StudyParams(
                name=SAMPLE_STUDY, exchanges=("binance",), split=WalkForward(folds=2), seeds=2
            ),
        ),
        min_length=1,
    )
    register_study: str = SAMPLE_STUDY
    gate: GateRule = Field(default_factory=lambda: GateRule(metric="macro_f1"))

    @field_validator("timezone")
    @classmethod
    def _check_timezone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ValueError, OSError, ZoneInfoNotFoundError):
            raise ValueError(
                f"{name!r} is no time zone; write one such as UTC or America/New_York"
            ) from None
        return name

    @field_validator("calendars")
    @classmethod
    def _check_exchanges(cls, calendars: dict[str, Calendar]) -> dict[str, Calendar]:
        return {check_exchange(name): calendar for name, calendar in calendars.items()}


class ServeParams(Params):
    """How the predictor runs its network when it answers."""

    runtime: Runtime = "onnx"
    export: bool = True
    """Write the ONNX and INT8 forms beside the weights and measure them."""

    @model_validator(mode="after")
    def _check_export(self) -> Self:
        if self.runtime != "torch" and not self.export:
            raise ValueError(f"runtime {self.runtime!r} needs export: true")
        return self


class ModelParams(ByStudy, NetworkParams):
    """The section ``signals.model``; ``by_study: {acl18: {hidden: 16}}``."""

    serve: ServeParams = Field(default_factory=ServeParams)

    def of_study(self, study: str) -> NetworkParams:
        """The network of one study."""
        return part_of(self, NetworkParams, self.by_study.get(study, {}))


class Adversarial(Params):
    """Training on the latent state shifted to where the loss rises most (arXiv:1810.09936)."""

    epsilon: Float32 = Field(default=0.05, gt=0)
    """Length of the shift."""
    weight: Float32 = Field(default=0.01, gt=0)
    """Of the loss at the shifted state, beside the ordinary one."""


class FitParams(LoopParams):
    """How one network is trained: the loop's settings and the family's own."""

    epochs: Count = Field(default=8, ge=1)
    batch_size: Count = Field(default=256, ge=1)
    learning_rate: Float32 = Field(default=2e-3, gt=0)
    weight_decay: Float32 = Field(default=1e-2, ge=0)
    schedule: Literal["constant", "cosine", "onecycle", "plateau"] = "cosine"
    warmup_fraction: float = Field(default=0.1, ge=0, lt=1)
    ema_decay: float | None = Field(default=0.99, gt=0, lt=1)
    cpu_threads: ThreadCount | None = 1
    loss: Literal["cross_entropy", "hinge"] = "cross_entropy"
    """Of the signal."""
    head_l2: Float32 = Field(default=0.0, ge=0)
    """Times half the sum of the squared weights of the signal head, added to the loss."""
    adversarial: Adversarial | None = None
    move_weight: Float32 = Field(default=0.5, ge=0)
    """Weight of the auxiliary loss: Huber on the next return in units of volatility, cut at ±3."""
    balance: float = Field(default=0.0, ge=0, le=1)
    """Power of the training frequencies that is divided out of the probabilities: 0 leaves them as
    they are, 1 answers as if the classes were equally frequent."""
    tune_hold: bool = False
    """Shift the logit of hold (at most ±0.3) to maximise macro-F1 on the validation part."""

    @model_validator(mode="after")
    def _check_monitor_mode(self) -> Self:
        if self.monitor == "valid_accuracy" and self.monitor_mode != "max":
            raise ValueError("monitor valid_accuracy is better when higher: set monitor_mode: max")
        return self


class TrainParams(ByStudy, FitParams):
    """The section ``signals.train``."""

    init_from: Literal["signals@champion"] | None = None
    """Start from the promoted predictor's first member instead of from random weights."""
    freeze: Annotated[tuple[Layer, ...], Strict(False)] = ()
    leakage_test: bool = True
    """Train once more on shuffled labels; a result above chance would reveal a leak."""

    @model_validator(mode="after")
    def _check_transfer(self) -> Self:
        if self.freeze and self.init_from is None:
            raise ValueError(
                "freeze holds layers at their start values, which are random unless init_from is "
                "set; set init_from: signals@champion or empty freeze"
            )
        if set(self.freeze) == set(LAYERS):
            raise ValueError("freeze: with every layer frozen nothing is left to train")
        return self

    def of_study(self, study: str) -> FitParams:
        """The settings of one study."""
        return part_of(self, FitParams, self.by_study.get(study, {}))
