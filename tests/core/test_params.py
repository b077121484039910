"""Operators' parameters are found at any depth; numbers have bounds."""

from typing import Annotated, Any

import pytest
from pydantic import Field, Strict, ValidationError

from crisol.core.params import (
    ChangesTo,
    OperatorOnly,
    Params,
    Seed,
    WorkerCount,
    cores,
    operator_only,
)

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


class Machine(Params):
    workers: WorkerCount = 1
    seed: Seed = 0


def test_more_workers_than_the_cores_can_carry_are_refused_by_number() -> None:
    most = 4 * cores()
    assert Machine(workers=most).workers == most
    with pytest.raises(ValidationError, match=rf"{cores()} cores; give at most {most}"):
        Machine(workers=most + 1)
    for wrong in ({"workers": 0}, {"workers": 100_000}, {"seed": 2**32}, {"seed": 10**5000}):
        with pytest.raises(ValidationError, match="1 validation error"):
            Machine(**wrong)
