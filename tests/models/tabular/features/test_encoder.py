"""Cells become numbers: the same in training and in a service, and by training rows alone."""

import base64
import json
import math
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisol.core.data.pictures import decode_base64
from crisol.models.tabular.features.encoded_rows import MISSING, UNSEEN, Features
from crisol.models.tabular.features.encoder import FEW_ROWS, Encoder
from crisol.models.tabular.schema import Column, Schema

SCHEMA = Schema(
    task="classification",
    columns=(
        Column(name="n", kind="number"),
        Column(name="c", kind="category"),
        Column(name="b", kind="boolean", true_word="yes"),
        Column(name="d", kind="date", date_format="ISO 8601"),
        Column(name="t", kind="text"),
        Column(name="key", kind="category", role="id"),
        Column(name="y", kind="category", role="target", categories=("p", "q")),
    ),
    rows=4,
)
DAY = pd.Timestamp("2024-02-29 13:30", tz="UTC")


def _rows(**columns) -> pd.DataFrame:
    dtypes = {"n": "float64", "b": "boolean", "d": "datetime64[us, UTC]"}
    return pd.DataFrame(
        {name: pd.Series(values, dtype=dtypes.get(name, "str")) for name, values in columns.items()}
    )


def _training(count: int = 4) -> pd.DataFrame:
    return _rows(
        n=[1.0, 2.5, float("nan"), 4.0] * (count // 4),
        c=["u", "v", "u", None] * (count // 4),
        b=[True, False, None, True] * (count // 4),
        d=[DAY, None, DAY + pd.Timedelta(days=1), DAY] * (count // 4),
        t=["some words", None, "others", ""] * (count // 4),
        key=["1", "2", "3", "4"] * (count // 4),
        y=["q", "p", "q", "p"] * (count // 4),
    )


def assert_same(a: Features, b: Features) -> None:
    np.testing.assert_array_equal(a.numbers, b.numbers)
    assert a.numbers.tobytes() == b.numbers.tobytes() or np.isnan(a.numbers).any()
    np.testing.assert_array_equal(a.codes, b.codes)
    np.testing.assert_array_equal(a.texts, b.texts)
    assert (a.images is None) == (b.images is None)
    if a.images is not None:
        np.testing.assert_array_equal(a.images, b.images)
    assert a.number_names == b.number_names
    assert a.cardinalities == b.cardinalities


def test_blocks_have_the_shapes_that_algorithms_expect() -> None:
    encoder = Encoder.fit(_training(), SCHEMA)
    features = encoder.transform(_training())
    parts = ("d.year", "d.month", "d.day", "d.weekday", "d.hour", "d.seconds")
    assert features.number_names == ("n", "b", *parts)
    np.testing.assert_array_equal(features.numbers[0], [1, 1, 2024, 2, 29, 3, 13, 1709213400])
    assert np.isnan(features.numbers[1, 2:]).all()
    assert np.isnan(features.numbers[2, :2]).all()
    assert features.codes[:, 0].tolist() == [2, 3, 2, MISSING]
    assert features.cardinalities == (4,)
    assert features.texts[:, 0].tolist() == ["some words", "", "others", ""]
    assert encoder.target(_training()).tolist() == [1, 0, 1, 0]
    assert encoder.source("d.month") == "d"
    with pytest.raises(KeyError):
        encoder.source("key")


def test_a_column_may_be_called_what_a_part_of_a_date_is() -> None:
    columns = (
        Column(name="d", kind="date"),
        Column(name="d.month", kind="number"),
        Column(name="d.", kind="date"),
    )
    rows = _training().assign(**{"d.month": [7.0, 8.0, 9.0, 10.0]})
    rows["d."] = rows["d"] + pd.Timedelta(days=90)
    schema = Schema(task="clustering", columns=columns, rows=4)
    encoder = Encoder.fit(rows, schema)
    features = encoder.transform(rows)
    assert len(set(features.number_names)) == len(features.number_names)
    first = dict(zip(features.number_names, features.numbers[0], strict=True))
    sources = {name: encoder.source(name) for name in first}
    assert (sources["d.month"], first["d.month"]) == ("d.month", 7)
    assert [first[f"{stem}.month"] for stem in ("d.", "d..")] == [2, 5]
    assert (sources["d..month"], sources["d...month"]) == ("d", "d.")
    assert Encoder.from_json(encoder.to_json()).columns == encoder.columns


def test_rare_and_new_words_are_unseen() -> None:
    rows = _training(FEW_ROWS)
    rows.loc[0, "c"] = "once"
    encoder = Encoder.fit(rows, SCHEMA)
    assert encoder.words["c"] == ("u", "v")
    asked = _rows(n=[1.0] * 3, c=["once", "never", None], b=[None] * 3, d=[None] * 3, t=[""] * 3)
    assert encoder.transform(asked).codes[:, 0].tolist() == [UNSEEN, UNSEEN, MISSING]


def test_blanks_around_a_word_do_not_count_as_they_do_not_in_a_file() -> None:
    encoder = Encoder.fit(_training(), SCHEMA)
    sent = [{"c": word} for word in ("u", " u ", "", "  ", "U")]
    codes = [encoder.transform_rows([row]).codes[0, 0] for row in sent]
    assert codes == [2, 2, MISSING, MISSING, UNSEEN]
    asked = _rows(n=[1.0] * 2, c=[" u ", "  "], b=[None] * 2, d=[None] * 2, t=[""] * 2)
    assert encoder.transform(asked).codes[:, 0].tolist() == [2, MISSING]


def test_codes_are_the_same_however_they_are_sent() -> None:
    rows = _training().assign(c=["1", "2", "True", None])
    encoder = Encoder.fit(rows, SCHEMA)
    code = {word: encoder.words["c"].index(word) + UNSEEN + 1 for word in ("1", "2", "True")}
    sent = [1, "1", "1.0", " 1. ", 1.0, 2, "2.00", 2.5, 0, True, "True", "true", False, 10**400]
    found = encoder.transform_rows([{"c": cell} for cell in sent]).codes[:, 0].tolist()
    one, two, yes = code["1"], code["2"], code["True"]
    assert found == [one] * 5 + [two] * 2 + [UNSEEN] * 2 + [yes] * 2 + [UNSEEN] * 3
    table = _rows(n=[1.0] * 3, c=["1.0", " 2. ", "true"], b=[None] * 3, d=[None] * 3, t=[""] * 3)
    assert encoder.transform(table).codes[:, 0].tolist() == [one, two, UNSEEN]


def test_words_for_no_value_are_missing_unless_a_training_row_holds_them() -> None:
    rows = _training().assign(c=["u", "null", "u", None])
    encoder = Encoder.fit(rows, SCHEMA, missing=("", "?", "NA", "null"))
    assert encoder.missing == {"?", "NA"}, "'' and 'null' stand in cells"
    words = ["?", " NA ", "na", "null", "u", "  "]
    sent = encoder.transform_rows([{"c": word, "t": word} for word in words])
    seen = [encoder.words["c"].index(word) + UNSEEN + 1 for word in ("null", "u")]
    assert sent.codes[:, 0].tolist() == [MISSING, MISSING, UNSEEN, *seen, MISSING]
    assert sent.texts[:, 0].tolist() == ["", "", "na", "null", "u", "  "]
    table = _rows(n=[None] * 6, c=words, b=[None] * 6, d=[None] * 6, t=words)
    assert_same(encoder.transform(table), sent)
    state = json.loads(json.dumps(encoder.to_json()))
    assert_same(Encoder.from_json(state).transform(table), sent)
    del state["missing"]
    assert Encoder.from_json(state).transform_rows([{"c": "?"}]).codes[0, 0] == UNSEEN


def test_only_training_rows_decide() -> None:
    rows = _training()
    before = Encoder.fit(rows, SCHEMA).to_json()
    held_out = rows.assign(n=1e9, c="held out", t="held out")
    assert Encoder.fit(rows, SCHEMA).to_json() == before
    encoder = Encoder.fit(rows, SCHEMA)
    encoder.transform(held_out)
    assert encoder.to_json() == before
    assert encoder.schema.column("n").high == 4.0
    assert encoder.schema.column("c").missing == 0.25
    assert encoder.schema.classes == ("p", "q")


def test_the_state_is_json_and_comes_back() -> None:
    encoder = Encoder.fit(_training(), SCHEMA)
    again = Encoder.from_json(json.loads(json.dumps(encoder.to_json(), allow_nan=False)))
    assert again.to_json() == encoder.to_json()
    assert_same(again.transform(_training()), encoder.transform(_training()))


NUMBERS = (
    st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
)
WORDS = st.none() | st.sampled_from(["u", "v", "w", "", "NA", " ? ", "1.0"]) | st.text(max_size=5)
YEARS = datetime(1850, 1, 1), datetime(2200, 1, 1)  # noqa: DTZ001
DATES = st.none() | st.datetimes(*YEARS, timezones=st.just(UTC))
ROWS = st.lists(
    st.fixed_dictionaries(
        {"n": NUMBERS, "c": WORDS, "b": st.none() | st.booleans(), "d": DATES, "t": WORDS}
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_a_table_and_a_request_become_the_same(cells: list[dict]) -> None:
    encoder = Encoder.fit(_training(), SCHEMA, missing=("?", "NA"))
    frame = _rows(**{name: [row[name] for row in cells] for name in "ncbdt"})
    sent = [{**row, "d": row["d"].isoformat() if row["d"] else None} for row in cells]
    assert_same(encoder.transform(frame), encoder.transform_rows(sent))
    asked = json.loads(json.dumps(encoder.requests(frame), allow_nan=False))
    assert_same(encoder.transform(frame), encoder.transform_rows(asked))
    together = encoder.transform_rows(sent)
    alone = Features.stack([encoder.transform_rows([row]) for row in sent])
    assert_same(together, alone)


def test_absent_cells_are_missing_and_dates_may_be_written_as_in_the_file() -> None:
    columns = tuple(
        c.model_copy(update={"date_format": "%d.%m.%Y"}) if c.name == "d" else c
        for c in SCHEMA.columns
    )
    encoder = Encoder.fit(_training(), SCHEMA.model_copy(update={"columns": columns}))
    found = encoder.transform_rows([{}, {"d": "29.02.2024"}, {"d": "2024-02-29"}])
    assert np.isnan(found.numbers[0]).all()
    assert found.codes[0, 0] == MISSING
    np.testing.assert_array_equal(found.numbers[1], found.numbers[2])
    assert found.numbers[1, 2] == 2024


def test_a_request_says_what_the_row_said() -> None:
    encoder = Encoder.fit(_training(), SCHEMA)
    first = encoder.requests(_training())[0]
    assert first == {"n": 1.0, "c": "u", "b": True, "d": "2024-02-29T13:30:00+00:00",
                     "t": "some words"}  # fmt: skip
    third = encoder.requests(_training())[2]
    assert third["n"] is None
    assert third["b"] is None


def test_pictures_are_pixels_of_the_encoders_size() -> None:
    schema = Schema(
        task="image",
        columns=(Column(name="p", kind="image"), Column(name="y", kind="category", role="target")),
        rows=3,
    )
    pixels = np.random.default_rng(0).integers(0, 255, (2, 8, 8, 3), np.uint8)
    images = pd.DataFrame({"image": ["a.png", "b.png"], "pixels": [p.tobytes() for p in pixels]})
    rows = pd.DataFrame({"p": ["b.png", "a.png", None], "y": ["u", "v", "u"]})
    encoder = Encoder.fit(rows, schema, image_size=8)
    features = encoder.transform(rows, images)
    assert features.images is not None
    np.testing.assert_array_equal(features.images[:2], pixels[::-1])
    assert not features.images[2].any()
    sent = encoder.requests(rows, images)
    decoded = [
        {"p": None if row["p"] is None else decode_base64(row["p"], 8).pixels} for row in sent
    ]
    assert_same(features, encoder.transform_rows(decoded))
    raw = [{"p": None if row["p"] is None else base64.b64decode(row["p"])} for row in sent]
    assert_same(features, encoder.transform_rows(raw))


def test_a_bundle_needs_neither_pandas_nor_scikit_learn() -> None:
    state = json.dumps(Encoder.fit(_training(), SCHEMA).to_json())
    code = (
        "import sys, json\n"
        "from crisol.models.tabular.features.encoder import Encoder\n"
        "e = Encoder.from_json(json.loads(sys.stdin.read()))\n"
        "print(e.transform_rows([{'n': 1, 'd': '2024-01-01'}]).numbers[0, 0])\n"
        "print([m for m in ('pandas', 'sklearn', 'pyarrow', 'torch') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=state, capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:2] == ["1.0", "[]"]


def test_numbers_that_are_none_are_missing() -> None:
    encoder = Encoder.fit(_training(), SCHEMA)
    assert math.isnan(encoder.transform_rows([{"n": float("inf")}]).numbers[0, 0])
