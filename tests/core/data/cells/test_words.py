"""Spellings of words."""

import pytest

from crisol.core.data.cells.words import by_case, clean_word, same_words, yes_words


@pytest.mark.parametrize(
    ("cell", "word"),
    [
        (" a ", "a"), ("New\u00a0York", "New York"), ("New  York\u202f", "New York"),
        ("Zoe\u0308", "Zo\u00eb"), ("well\u2011known", "well-known"),
        ("soft\u00adhyphen", "softhyphen"),
        ("\ufeffa", "a"), ("\u200b", ""), ("a_b", "a_b"),
    ],
)  # fmt: skip
def test_marks_that_nobody_sees_do_not_count(cell: str, word: str) -> None:
    assert clean_word(cell) == word
    assert word in same_words(cell)


@pytest.mark.parametrize(
    ("words", "merged"),
    [
        ({"Yes": 3, "yes": 2, "YES": 1}, {"yes": "Yes", "YES": "Yes"}),
        ({"m": 1, "M": 5, "male": 9}, {"m": "M"}),
        ({"STRASSE": 2, "straße": 1}, {"straße": "STRASSE"}),
        ({"a": 1, "b": 1}, {}),
    ],
)
def test_the_most_frequent_case_is_kept(words: dict[str, int], merged: dict[str, str]) -> None:
    assert by_case(words) == merged


@pytest.mark.parametrize(
    ("words", "yes"),
    [
        (["TRUE", "True", "1", "FALSE", "0"], {"TRUE", "True", "1"}),
        (["yes", "Yes", "no", "NO"], {"yes", "Yes"}), (["ja", "JA ", "nein"], {"ja", "JA "}),
        (["Y", "y", "N"], {"Y", "y"}), (["oui", "Oui", "non", "0"], {"oui", "Oui"}),
        (["t", "T", "f", "1.0"], {"t", "T", "1.0"}),
    ],
)  # fmt: skip
def test_yes_and_no_have_several_spellings(words: list[str], yes: set[str]) -> None:
    found = yes_words(dict.fromkeys(words, 1))
    assert found is not None
    assert set(found[0]) == yes


@pytest.mark.parametrize("words", [["yes", "no", "maybe"], ["1", "0"], ["yes", "Yes"], ["a", "b"]])
def test_other_words_are_no_yes_and_no(words: list[str]) -> None:
    assert yes_words(dict.fromkeys(words, 1)) is None
