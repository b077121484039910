"""The quick way reads as the contract does, to the bit, and nothing that the contract refuses."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from tests.models.signals.test_contract import BAD

from crisol.models import load_predictor
from crisol.models.signals.contract import BatchRequest, PredictionRequest, example_request
from crisol.models.signals.request_arrays import RequestArrays, parse_batch, parse_request
from crisol.models.signals.training import request_at

CONTRACT = TypeAdapter(PredictionRequest)
EXAMPLE = example_request().model_dump(mode="json")
TEXT = json.dumps(EXAMPLE)
ORDINARY = ["%Y-%m-%dT%H:%M:%S" + end for end in ("", "Z", "+00:00", ".000Z", ".123", ".009+00:00")]
ORDINARY += [form.replace("T", " ") for form in ORDINARY]
OTHER = ["%Y-%m-%dT%H:%M" + end for end in ("", "Z", ":%S+05:30", ":%S-00:00", ":%Sz", ":%S.%fZ")]
OTHER += ["%Y-%m-%dt%H:%M:%S", "%Y%m%dT%H%M%S.000", "%G-W%V-%uT%H:%M:%S", "%s", "%s.5", "%H:%M"]
PRICES = ("open", "high", "low", "close")


def same(arrays: RequestArrays, request: PredictionRequest) -> bool:
    known = RequestArrays.of(request)
    assert (arrays.symbol, arrays.exchange) == (known.symbol, known.exchange)
    for a, b in ((arrays.bars_N5, known.bars_N5), (arrays.seconds_N, known.seconds_N)):
        assert (a.dtype, a.shape, a.strides) == (b.dtype, b.shape, b.strides)
        assert a.tobytes() == b.tobytes()
    return True


def accepted(text: str | bytes) -> bool:
    """Whether the quick way reads a body; if so, as the contract does."""
    body = text if isinstance(text, bytes) else text.encode(errors="surrogatepass")
    arrays = parse_request(body)
    return arrays is not None and same(arrays, CONTRACT.validate_json(body, strict=True))


def keeps_contract(text: str) -> bool:
    try:
        CONTRACT.validate_json(text, strict=True)
    except ValidationError:
        return False
    return True


def with_times(form: str, start: datetime, step: timedelta) -> str:
    bars = [
        {**bar, "timestamp": (start + index * step).strftime(form)}
        for index, bar in enumerate(EXAMPLE["sequence"])
    ]
    return json.dumps({**EXAMPLE, "sequence": bars})


def with_raw(raw: str, *fields: str, bar: int = 7) -> str:
    """The example with JSON as it is written here in some fields of a bar."""
    rows = [*EXAMPLE["sequence"]]
    rows[bar] = {**rows[bar], **dict.fromkeys(fields, "@")}
    return json.dumps({**EXAMPLE, "sequence": rows}).replace('"@"', raw)


@pytest.mark.parametrize("form", ORDINARY)
@given(
    start=st.datetimes(datetime(1970, 1, 1), datetime(9990, 1, 1)),  # noqa: DTZ001
    step=st.timedeltas(timedelta(seconds=1), timedelta(days=40)),
)
@settings(max_examples=10, deadline=None)
def test_ordinary_timestamps(form: str, start: datetime, step: timedelta) -> None:
    assert accepted(with_times(form, start, step))


@pytest.mark.parametrize("form", OTHER)
def test_other_timestamps_are_left_to_the_contract(form: str) -> None:
    assert not accepted(with_times(form, datetime(2024, 1, 1, tzinfo=UTC), timedelta(hours=1)))


@given(
    st.integers(-9, 10**25),
    st.sampled_from(["", "."]),
    st.integers(0, 10**30),
    st.none() | st.integers(-350, 20),
)
@settings(max_examples=100, deadline=None)
def test_numbers_are_read_to_the_bit(
    whole: int, point: str, fraction: int, power: int | None
) -> None:
    number = f"{whole}{point}{fraction if point else ''}{'' if power is None else f'e{power}'}"
    for text in (with_raw(number, "volume"), with_raw(number, *PRICES)):
        assert accepted(text) == keeps_contract(text)


@pytest.mark.parametrize(
    "number",
    ["0", "-0", "-0.0", "1", "1e15", "1000000000000000.1", "1000000000000001", "1e21", "1.1e21",
     "1000000000000000000001", "18446744073709551615", "18446744073709551616", "9007199254740993",
     "5e-324", "2e-324", "1e-400", "1e400", "8.5e999", "1" * 400],
)  # fmt: skip
def test_numbers_at_the_limits(number: str) -> None:
    for text in (with_raw(number, "volume"), with_raw(number, *PRICES)):
        assert accepted(text) == keeps_contract(text)


@given(st.tuples(*[st.integers(-1, 4)] * 5))
@settings(max_examples=200, deadline=None)
def test_the_order_of_prices(numbers: tuple[int, ...]) -> None:
    rows = [*EXAMPLE["sequence"]]
    rows[7] = rows[7] | dict(zip((*PRICES, "volume"), numbers, strict=True))
    text = json.dumps({**EXAMPLE, "sequence": rows})
    assert accepted(text) == keeps_contract(text)


@pytest.mark.parametrize("field", PRICES)
@pytest.mark.parametrize("number", ["1.0", "9e9"])
def test_a_price_outside_its_bar(field: str, number: str) -> None:
    text = with_raw(number, field)
    fits = (field, number) in (("high", "9e9"), ("low", "1.0"))
    assert (accepted(text), keeps_contract(text)) == (fits, fits)


@pytest.mark.parametrize(
    "value",
    ["true", "false", "null", '"1"', "[]", "[1]", "{}", "NaN", "Infinity", "01", ".5", "+1", "1.",
     "17e400", '"1704067200"', '"2024-01-01"', '"\\ud800"', '"2024-13-01T00:00:00Z"',
     '"2024-01-01T24:00:00Z"', '"2024-01-01T23:59:60Z"', '"2023-02-29T00:00:00Z"',
     '"0000-01-01T00:00:00Z"', '"1969-12-31T23:59:59Z"', '"2024-01-01T00:00:00Z,"'],
)  # fmt: skip
def test_values_that_are_no_ordinary_number_or_time(value: str) -> None:
    for fields in (("timestamp",), ("volume",), ("low",), PRICES):
        assert not accepted(with_raw(value, *fields, bar=0))


@pytest.mark.parametrize("name", BAD)
def test_bad_requests(name: str) -> None:
    body = json.loads(TEXT)
    BAD[name][0](body)
    assert not accepted(json.dumps(body))


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", '"text"', "1", "{}", TEXT + "x", TEXT[:-1], "\ufeff" + TEXT, TEXT + "\0",
     f"[{TEXT}]", "[" * 5000, '{"requests":[' + TEXT + "]}", json.dumps({**EXAMPLE, "symbol": 1}),
     json.dumps({**EXAMPLE, "exchange": None}), json.dumps({**EXAMPLE, "exchange": ["binance"]}),
     json.dumps({**EXAMPLE, "sequence": {str(i): 1 for i in range(60)}}),
     json.dumps({**EXAMPLE, "sequence": "x" * 60}),
     json.dumps({**EXAMPLE, "sequence": [[1] * 6] * 60}),
     TEXT.replace("BTC", "B\ud800C"), TEXT.replace("BTC", "BTC\\u0000")],
)  # fmt: skip
def test_other_bodies(text: str) -> None:
    assert not accepted(text)


@pytest.mark.parametrize(
    "text",
    [f" \n{TEXT}\t", json.dumps(EXAMPLE, indent=2), json.dumps(EXAMPLE, sort_keys=True),
     TEXT.replace('"open"', '"\\u006fpen"'), TEXT.replace("binance", "Binance"),
     TEXT.replace("BTC", "\\u0042TC"), TEXT.replace('"open"', '"open": 1, "open"', 1),
     TEXT.replace('"open"', '"open": "x", "open"', 1), TEXT.replace("{", '{"symbol": [], ', 1)],
)  # fmt: skip
def test_the_same_in_other_words(text: str) -> None:
    """Repeated names too: both ways take the last value."""
    assert accepted(text)


EDITS = st.tuples(
    st.integers(0, 400) | st.integers(0, len(TEXT)),
    st.integers(0, 2),
    st.sampled_from([*b'",:-+.e09ZT {}[]\\\xff', None]),
)


@given(st.lists(EDITS, min_size=1, max_size=3))
@settings(max_examples=300, deadline=None)
def test_edited_bodies(edits: list[tuple[int, int, int | None]]) -> None:
    body = bytearray(TEXT.encode())
    for start, taken, put in edits:
        body[start : start + taken] = b"" if put is None else bytes([put])
    accepted(bytes(body))


def test_batches() -> None:
    def read(*requests: str, more: str = "") -> int:
        body = ('{"requests": [' + ",".join(requests) + "]" + more + "}").encode()
        batch = parse_batch(body)
        if batch is None:
            return 0
        known = BatchRequest.model_validate_json(body, strict=True).requests
        assert all(map(same, batch.requests, known))
        return len(known)

    other = TEXT.replace("BTC", "ETH")
    assert read(TEXT, other, TEXT) == 3
    assert read(*[TEXT] * 100) == 100
    assert read(*[TEXT] * 101) == read() == read(TEXT, "{}") == read(TEXT, "null") == 0
    assert read(TEXT, more=', "leverage": 1') == read(TEXT, TEXT.replace("T0", "T9")) == 0
    assert parse_batch(TEXT.encode()) is None
    assert parse_batch(b'{"requests": 1}') is None


def test_golden_examples_get_the_same_answer(fitted, world, tmp_path) -> None:
    predictor = load_predictor(fitted.fit.predictor.save(tmp_path / "signals"))
    requests = [predictor.request_type.model_validate(g.request) for g in predictor.golden]
    requests.append(request_at(world.bars, 300))
    for request in requests:
        arrays = parse_request(request.model_dump_json().encode())
        assert arrays is not None
        first, second = (predictor.predict([one])[0] for one in (request, arrays))
        volatile = {"prediction": {"inference_time_ms", "timestamp"}}
        assert first.model_dump_json(exclude=volatile) == second.model_dump_json(exclude=volatile)
