"""Words for no value: the marks, bounds and estimates, and tables without them."""

import numpy as np
import pandas as pd
import pytest

from crisol.core.data.cells.missing import (
    is_bound,
    is_mark,
    listed,
    stray_cells,
    told_words,
    without_missing,
)


@pytest.mark.parametrize(
    "cell",
    [
        "None", "#N/A", "-", "--", ".", "n/a", "unknown", "Missing", "#DIV/0!", "#REF!", "?",
        "(null)", "NaN", "NIL", "k.A.", "keine Angabe", "s/d", "ND", "TBD", "\\N", "\u2013", "",
        " N/A ", "1.#IND", "#WERT!", "not available",
    ],
)  # fmt: skip
def test_marks(cell: str) -> None:
    assert is_mark(cell)
    assert not is_bound(cell)


@pytest.mark.parametrize(
    "cell",
    ["<0.5", "< 0,5", ">100", "\u226510", "~5", "10-20", "10 \u2013 20", "3+", "ca. 5",
     "$10-$20", "5 to 7", "over 100"],
)  # fmt: skip
def test_bounds(cell: str) -> None:
    assert is_bound(cell)
    assert not is_mark(cell)


@pytest.mark.parametrize("cell", ["0", "5", "-5", "nobody", "<br>", "none of these", "a-b", "1.5"])
def test_neither(cell: str) -> None:
    assert not is_mark(cell)
    assert not is_bound(cell)


def test_stray_cells_are_told_with_counts_and_the_option() -> None:
    stray = stray_cells(["None"] * 3 + ["<0.5", "<0.5", "absent"])
    said = stray.tell("x", lambda word: f"read.keep={word}")
    assert said[0] == (
        "x: 4 cells are no numbers ('None' 3, 'absent' 1) and count as missing; read.keep=None "
        "keeps it as a word"
    )
    assert "2 cells are bounds, ranges or estimates ('<0.5' 2)" in said[1]
    assert stray.unknown == 3
    assert stray.few(100)
    assert not stray.few(10)
    assert not stray_cells([f"word {i}" for i in range(11)]).few(1000)


def test_long_lists_are_cut() -> None:
    assert listed({f"w{i}": 10 - i for i in range(7)}, 2) == "'w0' 10, 'w1' 9 and 5 more"
    assert told_words("x", {"?": 5}, str) == ()


def test_a_table_loses_the_same_words_whatever_its_format_was() -> None:
    frame = pd.DataFrame(
        {
            "text": pd.Series([" NA", "b ", None, ""], dtype="str"),
            "number": [1.0, -999.0, 2.0, np.nan],
            "whole": [1, 2, -999, 4],
            "flag": [True, False, True, True],
        }
    )
    found, counts = without_missing(frame, ("", "NA", "-999"))
    assert found["text"].isna().tolist() == [True, False, True, True]
    assert found["text"][1] == "b"
    assert found["number"].isna().tolist() == [False, True, False, True]
    assert found["whole"].isna().tolist() == [False, False, True, False]
    assert counts == {"text": {"NA": 1}, "number": {"-999": 1}, "whole": {"-999": 1}}
    same, none = without_missing(frame, ("",))
    assert none == {}
    assert same["whole"].dtype == np.int64
