"""The parameters of tabular. Light: importing it loads no library."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from crisol.core.candidate import GateRule
from crisol.core.data import profile
from crisol.core.data.cells.date_texts import known_form
from crisol.core.data.cells.words import as_text
from crisol.core.data.named_paths import named_path
from crisol.core.data.read_params import CellWords, DecimalMark, ReadParams
from crisol.core.options import whole_names
from crisol.core.params import (
    NAMES_A_FILE,
    Count,
    Float32,
    OperatorOnly,
    Params,
    Seconds,
    Seed,
    ThreadCount,
    Words,
    WorkerCount,
    at_place,
)
from crisol.core.training.loop_params import LoopParams
from crisol.models.tabular.schema import Kind, Role, Task
from crisol.models.tabular.settings import SETTINGS


def _spelled(merge: Any) -> Any:
    """Words as they stand in a file: YAML and command lines make numbers and booleans of some."""
    merge = whole_names(merge, None)
    if not isinstance(merge, dict):
        return merge
    return {as_text(word): as_text(name) for word, name in merge.items()}


def _known_form(form: str) -> str:
    if not known_form(form):
        raise ValueError(
            "is no form of dates; give a pattern such as %d/%m/%Y %H:%M, or one of ISO 8601, "
            "epoch s, epoch ms, epoch us, epoch ns, Excel days"
        )
    return form


class ColumnParams(Params):
    """Overrides of one column."""

    kind: Kind | None = None
    role: Role | None = None
    decimal: DecimalMark | None = None
    """The decimal mark of its numbers, ``point`` or ``comma``; unset: by its cells, else by
    the file."""
    unit: Annotated[str, Field(min_length=1, max_length=24)] | None = None
    """The unit of its numbers; cells without one have it, cells with another one are missing."""
    missing: CellWords = ()
    """Cells that say that there is no value in this column: words, or numbers such as -999."""
    date_format: Annotated[str | None, AfterValidator(lambda f: f and _known_form(f))] = None
    """The form of a column of dates: a pattern of ``strptime``, ``ISO 8601``, ``epoch s`` (``ms``,
    ``us``, ``ns``) or ``Excel days``; several with `` | `` between them."""
    merge: Annotated[dict[str, str], BeforeValidator(_spelled)] = Field(default_factory=dict)
    """Words of a category or of classes that are others in another spelling: ``{m: male}``."""


class SplitParams(Params):
    """The split into training and test rows."""

    kind: Literal["auto", "given", "random", "time", "group"] = "auto"
    """``auto``: the test file if there is one, else by time or group column, else at random (the
    same share of every class)."""
    test_share: float = Field(default=0.2, gt=0, lt=1)
    seed: Seed = 0


class DatasetOptions(profile.DatasetOptions):
    """The reading options and the columns of a dataset; a job takes them as its ``data``.

    Whatever is not given is inferred, and shown with its reason in the schema.
    """

    default_family: ClassVar[bool] = True

    read: ReadParams = ReadParams()
    task: Task | Literal["auto"] = "auto"
    target: str | None = None
    """Unset: the column called target, label, class or y, else the last one."""
    features: Words = ()
    """Empty: every column that is nothing else."""
    ids: Words = ()
    time: str | None = None
    group: str | None = None
    ignore: Words = ()
    columns: Annotated[
        dict[str, ColumnParams], BeforeValidator(lambda named: whole_names(named, ColumnParams))
    ] = Field(default_factory=dict)
    """Overrides, by column."""
    merge_case: bool = False
    """Take words of categories and classes that differ in case alone for one word, in the most
    frequent spelling."""
    label_strip: str = ""
    """Characters taken off the ends of class labels (Adult's official test file has dots)."""
    image_size: int = Field(default=32, ge=8, le=512)
    """Edge of the square pictures are scaled to, pixels."""
    synthetic: bool = False


class DataParams(DatasetOptions):
    """The data of a run: the file, its reading options and columns, the split and the gate."""

    file: Annotated[str | None, OperatorOnly(NAMES_A_FILE)] = None
    """A table file, a zip or folder of pictures in class folders, or a folder with ``train.*`` and
    ``test.*``; unset: the sample. Read by the catalog."""
    dataset: str = "sample"
    """The name of the data in reports; empty: that of the file."""
    split: SplitParams = SplitParams()
    gate: GateRule | None = None
    """Unset: accuracy, R² (which orders models as RMSE does) or silhouette, by the task."""

    @property
    def is_synthetic(self) -> bool:
        """Whether the rows are made up: the sample's are."""
        return self.synthetic or self.file is None

    @property
    def title(self) -> str:
        """The name of the data in reports; a file without one has its file name."""
        unnamed = not self.dataset or "dataset" not in self.model_fields_set
        if self.file is not None and unnamed:
            return named_path(self.file).stem
        return self.dataset


class AutoParams(Params):
    """The search of ``algorithm: auto``."""

    time_budget_s: Seconds = Field(default=210.0, gt=0)
    """Seconds the search may take, ensembling included; it is stopped then, whatever it does."""
    max_trials: Count | None = Field(default=None, ge=1)
    """With it, and time enough, two runs are the same; without, speed decides how far they get."""
    latency_limit_ms: Float32 | None = Field(default=None, gt=0)
    """Latency limit of one row (95th percentile, one thread); members are left out to meet it."""
    workers: WorkerCount | None = None
    """Processes that try at once; ``None``: one per core."""
    folds: int = Field(default=5, ge=2, le=20)
    algorithms: Words = ()
    """Those that may be tried; empty: all that fit the task."""
    metric: Literal["auto", "log_loss", "accuracy", "auc", "rmse", "mae", "silhouette"] = "auto"
    """The metric to optimise; ``auto``: log-loss, RMSE or silhouette, by the task."""
    prune: bool = True
    """Give up trials whose first folds are clearly worse than the best."""
    stack: bool = True
    """Also try a second level on the out-of-fold answers; it is kept where it is better."""
    storage: Annotated[str | None, OperatorOnly("names a database")] = None
    """Database of the Optuna study (``sqlite:///…``, ``postgresql://…``); unset: SQLite beside the
    checkpoints."""
    study: str | None = None
    """A study in that database to go on with; unset: one of this run's data and settings."""


class ModelParams(Params):
    """The algorithm and its settings."""

    algorithm: str = "auto"
    settings: dict[str, Any] = Field(default_factory=dict)
    """The algorithm's settings (:mod:`crisol.models.tabular.settings`); not for ``auto``."""
    folds: int = Field(default=1, ge=1, le=20)
    """The folds of a single algorithm: 1 holds out a tenth to stop early; more fit a model each and
    averages the models."""
    text: Literal["words", "sentences", "auto"] = "words"
    """How linear models and trees read text columns: ``words`` (TF-IDF); ``sentences``: vectors of
    a pretrained encoder beside the words; ``auto``: sentences where a linear model is surely
    better with them on held-out training rows. Networks read the text itself."""
    text_backbone: Annotated[str, Field(min_length=1)] = "minilm"
    """The encoder's name in the store (``kedro fetch weights minilm``); MiniLM reads English."""
    auto: AutoParams = AutoParams()

    @model_validator(mode="after")
    def _known(self) -> Self:
        unknown = sorted(set(self.auto.algorithms) - set(SETTINGS))
        if unknown:
            there = ", ".join(SETTINGS)
            raise ValueError(f"auto.algorithms: no {unknown[0]!r}; there are: {there}")
        if self.algorithm == "auto":
            if self.settings:
                raise ValueError("settings: are of one algorithm; 'auto' chooses its own")
            return self
        if self.algorithm not in SETTINGS:
            there = ", ".join(["auto", *SETTINGS])
            raise ValueError(f"algorithm: no {self.algorithm!r}; there are: {there}")
        try:
            SETTINGS[self.algorithm].model_validate(self.settings)
        except ValidationError as error:
            known = ", ".join(SETTINGS[self.algorithm].model_fields)
            said = f"{self.algorithm} knows: {known}"
            raise at_place(error, "settings", known=said) from None
        return self


class TrainParams(LoopParams):
    """The loop of the networks. What is not set here, each network chooses by its settings."""

    monitor: str | None = "valid_loss"
    cpu_threads: ThreadCount | None = 1
    seed: Seed = 0
