"""Requests and responses: what every model of tabular shares, and what each makes of its columns.

A model's own contract (:func:`contract_of`) has one field for each column it looks at, under the
column's own name. A row is a plain object (a typed dictionary), so a column may be called whatever
a column can be called.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, NotRequired

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    create_model,
)
from typing_extensions import TypedDict  # typing's is not what pydantic takes before 3.12

from crisol.core.contract import Contract, ModelContract
from crisol.core.data.cells.date_texts import COMPACT, COMPACT_MONTH, EPOCHS, EXCEL, ISO, YEAR
from crisol.core.data.cells.date_texts import SEVERAL as DATE_FORMS
from crisol.core.data.cells.dates import microseconds
from crisol.core.data.cells.words import SEVERAL as WORDS_FOR_YES
from crisol.core.data.cells.words import same_words
from crisol.models.tabular.schema import Column, Schema, Task

MAX_ROWS = 1000
MAX_EXPLAINED = 20
MAX_WORD = 1000
MAX_TEXT = 100_000
MAX_PICTURE = 15_000_000
"""Characters of base64."""
SHOWN_WORDS = 50
MANY_CLASSES = 100
"""More are not listed in the contract."""

Number = Annotated[float, Field(ge=-1e100, le=1e100, allow_inf_nan=False)]
"""Squares of larger ones overflow, and an answer made of them would be no number."""
Cell = Number | bool | str | None
EXAMPLE_ROW: Mapping[str, Cell] = {
    "age": 56,
    "city": "Brimholt",
    "plan": "premium",
    "contract_months": 24,
    "monthly_price": 23.9,
    "monthly_gb": 68.6,
    "support_calls": 2,
    "wait_minutes": 4.7,
    "uses_app": False,
    "payment": "card",
    "signed_up": "2022-01-27",
    "comment": "happy so far, has two lines, 47 months",
}
"""A row of the committed sample, whose customers are synthetic."""


class Explanation(Contract):
    """The contribution of each column to the answer (sampled Shapley values).

    The base and all contributions add up to the predicted number, or to the probability of the
    predicted class.
    """

    base: float = Field(description="The mean answer over rows of the training data.")
    contributions: dict[str, float] = Field(description="By column, the largest first.")


class Notice(Contract):
    """A value of a row that the training rows did not have; the row is answered all the same."""

    field: str = Field(description="The column.")
    message: str
    type: str = Field(description="out_of_range, unknown_category or missing.")


class ExplanationsRequest(Contract):
    """Rows to answer and explain in the background. Each is validated on its own."""

    rows: Annotated[tuple[dict[str, Any], ...], Field(min_length=1, max_length=MAX_ROWS)]


class ItemResult(Contract):
    """One row of a job: its answer or its error."""

    position: int
    prediction: dict[str, Any] | None = Field(
        description="As `POST /predict` answers the row with `explain`; null: it failed."
    )
    error: str | None
    field: str | None = Field(description="The column that caused the error.")


class RowPrediction(Contract):
    """The answer to one row; which fields it has depends on the task."""


class ClassPrediction(RowPrediction):
    """The class of one row."""

    prediction: str = Field(description="The most probable class.")
    probabilities: dict[str, float] = Field(description="By class; they sum to 1.")
    explanation: Explanation | None = None
    warnings: list[Notice]


class NumberPrediction(RowPrediction):
    """The number of one row."""

    prediction: float
    explanation: Explanation | None = None
    warnings: list[Notice]


class ClusterPrediction(RowPrediction):
    """The cluster of one row."""

    cluster: int = Field(description="From 0; -1: it belongs to none.")
    warnings: list[Notice]


class PredictionRequest(Contract):
    """Rows to be predicted; each names the columns it knows by their own names."""

    rows: list[dict[str, Cell]] = Field(min_length=1, max_length=MAX_ROWS)
    explain: bool | None = Field(
        default=None,
        description=f"Whether to say why, which takes longer; at most {MAX_EXPLAINED} rows then.",
    )


class PredictionResponse(Contract):
    """One prediction for each row, in order."""

    predictions: list[ClassPrediction | NumberPrediction | ClusterPrediction]
    model_version: str


def example_request() -> PredictionRequest:
    """A row of the committed sample."""
    return PredictionRequest(rows=[dict(EXAMPLE_ROW)])


def contract_of(schema: Schema) -> ModelContract:
    """The contract of a model of these columns."""
    rows: Any = list[row_type(schema)]  # type: ignore[misc]
    fields: dict[str, Any] = {"rows": (rows, PredictionRequest.model_fields["rows"])}
    if schema.task != "clustering":
        fields["explain"] = (bool | None, PredictionRequest.model_fields["explain"])
    request = create_model(
        "PredictionRequest",
        __base__=Contract,
        __doc__=PredictionRequest.__doc__,
        **fields,
    )
    rows = [example_row(schema)]
    return ModelContract(
        request, response_type(schema), lambda: request.model_validate({"rows": rows})
    )


def row_type(schema: Schema) -> Any:
    """One row: every column the model looks at, each of which may be missing, and no other."""
    cells = {column.name: NotRequired[_cell_type(column)] for column in schema.features}
    row = TypedDict("Row", cells)  # type: ignore[misc]
    row.__doc__ = "One row; a column that is not named, or null, has no value."
    row.__pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[attr-defined]
    return Annotated[row, AfterValidator(_not_empty), Field(json_schema_extra={"minProperties": 1})]


def response_type(schema: Schema) -> type[BaseModel]:
    """The answer of the task; of few classes it lists them."""
    row: type[BaseModel] = _ANSWERS[schema.task]
    if row is ClassPrediction and len(schema.classes) <= MANY_CLASSES:
        told: dict[str, Any] = {"enum": list(schema.classes)}
        meaning = ClassPrediction.model_fields["prediction"].description
        row = create_model(
            "ClassPrediction",
            __base__=ClassPrediction,
            __doc__=ClassPrediction.__doc__,
            prediction=(str, Field(description=meaning, json_schema_extra=told)),
        )
    if row is NumberPrediction and schema.target is not None and schema.target.unit:
        row = create_model(
            "NumberPrediction",
            __base__=NumberPrediction,
            __doc__=NumberPrediction.__doc__,
            prediction=(float, Field(description=f"In {schema.target.unit}.")),
        )
    predictions: Any = list[row]  # type: ignore[valid-type]
    return create_model(
        "PredictionResponse",
        __base__=Contract,
        __doc__=PredictionResponse.__doc__,
        predictions=(predictions, ...),
        model_version=(str, ...),
    )


_ANSWERS: Mapping[Task, type[RowPrediction]] = {
    "classification": ClassPrediction,
    "text": ClassPrediction,
    "image": ClassPrediction,
    "regression": NumberPrediction,
    "clustering": ClusterPrediction,
}


def example_row(schema: Schema) -> dict[str, Cell]:
    """A row in the middle of what training showed."""
    return {column.name: _example(column) for column in schema.features}


def seconds_of(date: str, column: Column) -> float | None:
    """Seconds since 1970 (UTC) of a date in ISO 8601 form, or in that of the training data.

    ``None``: it is no date.
    """
    found = microseconds(date, column.date_format)
    return None if found is None else found / 1e6


def _cell_type(column: Column) -> Any:
    told = Field(description=describe(column), json_schema_extra=_for_programs(column))
    match column.kind:
        case "number":
            return Annotated[Number | None, told]
        case "boolean":
            return Annotated[bool | None, told]
        case "date":
            moment: Any = Annotated[str, Field(max_length=64), AfterValidator(_date_check(column))]
            if _in_digits(column):
                digits = BeforeValidator(_digits, json_schema_input_type=str | int | float)
                moment = Annotated[moment, digits]
            return Annotated[moment | None, told]
        case "image":
            return Annotated[Annotated[str, Field(max_length=MAX_PICTURE)] | None, told]
        case "text":
            return Annotated[Annotated[str, Field(max_length=MAX_TEXT)] | None, told]
    word = Annotated[str, Field(max_length=MAX_WORD)]
    taken = BeforeValidator(_word_taker(column), json_schema_input_type=word | int | bool)
    return Annotated[Annotated[word, taken] | None, told]


def describe(column: Column) -> str:
    """Describe a column by its training rows, for the API page."""
    match column.kind:
        case "number":
            whole = "A whole number" if column.integer else "A number"
            unit = f" in {column.unit}" if column.unit else ""
            text = f"{whole}{unit}, {_range(column)} in training."
        case "boolean":
            words = (column.true_word or "").split(WORDS_FOR_YES)
            yes = f" (true is {' or '.join(map(repr, words))} in the data)" if words[0] else ""
            text = f"True or false{yes}."
        case "date":
            other = f", or as in the data ({column.date_format})" if _has_own_form(column) else ""
            text = f"A date in ISO 8601 form{other}, {_range(column)} in training"
            text += "; without offset: UTC."
        case "image":
            text = "A JPEG, PNG or WebP picture in base64."
        case "text":
            text = "Free text."
        case _:
            shown = ", ".join(repr(word) for word in column.categories[:SHOWN_WORDS])
            more = len(column.categories) - SHOWN_WORDS
            text = f"A word; training knew {shown}" + (f" and {more} more." if more > 0 else ".")
            if any(word.removeprefix("-").isdecimal() for word in column.categories[:SHOWN_WORDS]):
                text += " A whole number may be sent as one."
    share = f"{100 * column.missing:.1f} %" if column.missing else "None"
    return f"{text} {share} of the training rows had no value."


def _for_programs(column: Column) -> dict[str, Any]:
    """The same for programs, as extensions of the JSON schema that forbid nothing."""
    if column.kind in ("number", "date") and column.low is not None and column.high is not None:
        ends = (column.low, column.high)
        low_high = ends if column.kind == "number" else [bound(column, end) for end in ends]
        return {"x-training-range": list(low_high)}
    if column.kind == "category":
        return {"x-training-words": list(column.categories[:SHOWN_WORDS])}
    return {}


def _range(column: Column) -> str:
    if column.low is None or column.high is None:
        return "of unknown range"
    return f"{bound(column, column.low)} to {bound(column, column.high)}"


def bound(column: Column, value: float) -> str:
    """An end of a column's range as its cells are written."""
    if column.kind == "date":
        return datetime.fromtimestamp(value, UTC).isoformat().removesuffix("+00:00")
    return f"{value:.6g}" if abs(value) < 1e15 and not column.integer else f"{value:.15g}"


def _not_empty(row: dict[str, Cell]) -> dict[str, Cell]:
    if not row:
        raise ValueError("names no column: there is nothing to predict from")
    return row


def _has_own_form(column: Column) -> bool:
    """Whether the data has dates in another form than ISO 8601."""
    return column.date_format not in (None, ISO)


def _in_digits(column: Column) -> bool:
    """Whether dates are numbers in the data, such as seconds since 1970."""
    forms = (column.date_format or "").split(DATE_FORMS)
    return any(form in (*EPOCHS, EXCEL, COMPACT, COMPACT_MONTH, YEAR) for form in forms)


def _digits(cell: Any) -> Any:
    """A number as its digits."""
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return cell
    return str(int(cell)) if float(cell).is_integer() else repr(float(cell))


def _date_check(column: Column) -> Callable[[str], str]:
    other = f", nor in that of the data, {column.date_format}" if _has_own_form(column) else ""

    def check(text: str) -> str:
        if seconds_of(text, column) is None:
            raise ValueError(
                f"is no date in ISO 8601 form, such as 2024-05-31 or 2024-05-31T12:30:00Z{other}"
            )
        return text

    return check


def _word_taker(column: Column) -> Callable[[Any], Any]:
    """A function that turns a whole number or a boolean into the column's word for it."""
    known = frozenset(column.categories)

    def take(cell: Any) -> Any:
        if isinstance(cell, int) or (isinstance(cell, float) and cell.is_integer()):
            words = same_words(cell)
            return next((word for word in words if word in known), words[0])
        return cell

    return take


def _example(column: Column) -> Cell:
    match column.kind:
        case "number":
            middle = ((column.low or 0.0) + (column.high or 0.0)) / 2
            return float(round(middle)) if column.integer else float(f"{middle:.4g}")
        case "boolean":
            return True
        case "date":
            seconds = ((column.low or 0.0) + (column.high or 0.0)) / 2
            return bound(column, float(round(seconds / 86_400) * 86_400))
        case "image":
            return WHITE_PICTURE
        case "text":
            return "Some words."
    return column.categories[0] if column.categories else None


WHITE_PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFUlEQVR4nGP8//8/AzbAhFV00EoAAFbUAw037Myj"
    "AAAAAElFTkSuQmCC"
)
"""A PNG of 8 x 8 white pixels."""
