"""A name that no family can have is refused with the rule and the way out."""

import pytest

from crisol.platform.datasets.dataset_store import EXPERIMENT
from crisol.skeleton.names import LONGEST, FamilyNameError, check_name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Receipts", "must be small letters.*write receipts"),
        ("my-receipts", "write my_receipts"),
        ("2receipts", "begin with a letter; write receipts"),
        ("receipts_", "single underscores.*write receipts"),
        ("a__b", "single underscores.*write a_b"),
        ("größe", "must be small letters"),
        ("", "must be small letters"),
        ("../receipts", "write receipts"),
        ("x", "must have 2 to"),
        ("a" * (LONGEST + 1), "must have 2 to"),
        ("signals", "'signals' exists already"),
        ("class", "a word of Python"),
        ("match", "a word of Python"),
        ("json", "a Python module"),
        ("torch", "a Python module"),
        ("serving", "a module of Crisol"),
        ("wiring", "a module of Crisol"),
        ("family_names", "a function of crisol.models"),
        ("service_app", "a class that every service imports"),
        ("run_id", "a runtime parameter"),
        ("http", "a Python module"),
        ("data", "a module of Crisol"),
        ("core", "a module of Crisol"),
        ("training", "a module of Crisol"),
        (EXPERIMENT, "the platform's MLflow experiment"),
    ],
)
def test_a_bad_name_is_refused(name: str, said: str) -> None:
    with pytest.raises(FamilyNameError, match=f"^NAME: .*{said}"):
        check_name(name)


@pytest.mark.parametrize(
    "name", ["irises", "ab", "two_words", "v2", "a" * LONGEST, "events", "jobs"]
)
def test_a_good_name_is_not(name: str) -> None:
    check_name(name)
