"""Parameters that only an operator may set are found at any depth."""

from typing import Annotated, Any

from pydantic import Field, Strict

from crisol.core.params import ChangesTo, OperatorOnly, Params, operator_only

FILE = OperatorOnly("names a file")


class Leaf(Params):
    file: Annotated[str | None, FILE] = None
    rows: int = 3


class Members(Params):
    leaf: Leaf = Leaf()
    leaves: Annotated[tuple[Leaf, ...], Strict(False)] | None = None
    named: dict[str, Leaf] = Field(default_factory=dict)


class Section(Members):
    by_study: Annotated[dict[str, dict[str, Any]], ChangesTo(Members)] = Field(default_factory=dict)


def test_marks_are_found_at_every_depth() -> None:
    leaf = {"file": "x", "rows": 1}
    values = {
        "leaf": leaf,
        "leaves": [{"rows": 2}, leaf],
        "named": {"a": leaf},
        "by_study": {"one": {"leaf": leaf}, "two": {"named": {"b": leaf}}},
        "unknown": leaf,
    }
    assert operator_only(Section, values) == {
        ("leaf", "file"): FILE,
        ("leaves", 1, "file"): FILE,
        ("named", "a", "file"): FILE,
        ("by_study", "one", "leaf", "file"): FILE,
        ("by_study", "two", "named", "b", "file"): FILE,
    }


def test_values_that_do_not_fit_are_passed_over() -> None:
    for values in ({"leaf": 3, "leaves": "x", "named": [1], "by_study": {"one": 2}}, 7, None):
        assert operator_only(Section, values) == {}
