"""A request whose bars are not those of training is refused at every entrance, or told."""

import json
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from crisol.core.errors import FieldError
from crisol.models.signals.contract import PredictionRequest, example_request
from crisol.models.signals.data.closings import frame_seconds, learn_clock
from crisol.models.signals.predictor import SignalsPredictor
from crisol.models.signals.request_arrays import parse_batch, parse_request


@pytest.fixture(scope="module")
def predictor(fitted, tmp_path_factory) -> SignalsPredictor:
    folder = tmp_path_factory.mktemp("times") / "signals"
    return SignalsPredictor.load(fitted.fit.predictor.save(folder))


def body(change=lambda index, time: time) -> dict[str, Any]:
    """The example's bars at other times."""
    made = example_request().model_dump(mode="json")
    for index, bar in enumerate(made["sequence"]):
        time = change(index, datetime.fromisoformat(bar["timestamp"]))
        bar["timestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ")
    return made


HOUR = timedelta(hours=1)
WRONG = {
    "every second hour": (lambda i, t: t + i * HOUR, 1, "bars_interval", "bars are 1 h apart"),
    "a hole": (lambda i, t: t + (i >= 34) * HOUR, 34, "bars_hole", "so 1 is missing"),
    "a long hole": (lambda i, t: t + (i >= 2) * 72 * HOUR, 2, "bars_hole", "so 72 are missing"),
    "half past": (lambda _, t: t + HOUR / 2, 0, "bars_clock", "opens at 00:30:00 UTC"),
}


def read_by_objects(request: dict[str, Any]) -> Any:
    return PredictionRequest.model_validate(request)


def read_quickly(request: dict[str, Any]) -> Any:
    arrays = parse_request(json.dumps(request).encode())
    assert arrays is not None
    return arrays


def read_in_a_batch(request: dict[str, Any]) -> Any:
    batch = parse_batch(json.dumps({"requests": [request]}).encode())
    assert batch is not None
    return batch.requests[0]


@pytest.mark.parametrize("read", [read_by_objects, read_quickly, read_in_a_batch])
@pytest.mark.parametrize("name", WRONG)
def test_other_times_are_refused(predictor, read, name):
    change, bar, kind, message = WRONG[name]
    with pytest.raises(FieldError, match=message) as caught:
        predictor.predict([read(body(change))])
    assert (caught.value.field, caught.value.kind) == (f"sequence.{bar}.timestamp", kind)
    assert f"bar {bar} (" in str(caught.value)
    predictor.predict([read(body())])


def test_a_predictor_of_before_answers_and_says_so(fitted, tmp_path, caplog):
    old = fitted.fit.predictor
    former = SignalsPredictor(
        old.description.model_copy(update={"clocks": {}}),
        old.weights,
        old.familiarity,
        exported=old.exported,
    )
    loaded = SignalsPredictor.load(former.save(tmp_path / "former"))
    assert "train it again" in caplog.text
    assert len(loaded.predict([read_by_objects(body(WRONG["a hole"][0]))])) == 1


def test_another_exchange_is_checked_by_one_of_its_kind(predictor):
    asked = body(WRONG["a hole"][0]) | {"exchange": "kraken"}
    with pytest.raises(FieldError, match="so 1 is missing"):
        predictor.predict([read_by_objects(asked)])


def split(ratio: float, bar: int, *, volumes: bool = True) -> dict[str, Any]:
    made = body()
    for one in made["sequence"][bar:]:
        for name in ("open", "high", "low", "close"):
            one[name] = round(one[name] / ratio, 8)
        one["volume"] *= ratio if volumes else 1
    return made


@pytest.mark.parametrize(
    ("ratio", "bar", "volumes", "message"),
    [(4.0, 31, True, "as after a 4:1 split; divide the prices before it by 4"),
     (1.5, 1, True, "as after a 3:2 split"), (0.1, 59, False, "as after a 1:10 split; multiply"),
     (10.0, 20, False, "as after a 10:1 split")],
)  # fmt: skip
def test_a_jump_as_of_a_split_is_told(predictor, ratio, bar, volumes, message):
    made = split(ratio, bar, volumes=volumes)
    [answer] = predictor.predict([read_by_objects(made)])
    told = {factor.name: factor for factor in answer.risk.factors}
    assert message in told["price_jump"].message
    assert told["price_jump"].message.startswith(f"bar {bar} opens at")
    assert told["price_jump"].value == pytest.approx(1 / ratio)
    assert "adjust" in answer.risk.recommendation


@pytest.mark.parametrize("ratio", [1.1, 1.3, 0.8, 1.75])
def test_an_ordinary_move_is_no_split(predictor, ratio):
    [answer] = predictor.predict([read_by_objects(split(ratio, 31, volumes=False))])
    assert "price_jump" not in {factor.name for factor in answer.risk.factors}


def test_a_closure_that_nobody_knows_is_told(predictor):
    past = pd.Series(pd.bdate_range("2021-01-04", "2023-12-29", tz="UTC"))
    clock = learn_clock([frame_seconds(past)], "xetra")
    description = predictor.description.model_copy(update={"clocks": {"xetra": clock}})
    german = SignalsPredictor(
        description, predictor.weights, predictor.familiarity, exported=predictor.exported
    )
    days = pd.bdate_range("2026-03-02", "2026-05-29", tz="UTC").difference(
        pd.DatetimeIndex(["2026-05-01"], tz="UTC")
    )
    made = body(lambda index, _: days[index].to_pydatetime())
    asked = made | {"exchange": "xetra", "symbol": "SAP"}
    [answer] = german.predict([read_by_objects(asked)])
    told = {factor.name: factor.message for factor in answer.risk.factors}
    assert "closed on Friday 2026-05-01 is unknown" in told["pause"]
