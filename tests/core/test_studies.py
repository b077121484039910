"""Sections that hold values of their own for one study."""

import pytest
from pydantic import ValidationError

from crisol.core.errors import MendableError
from crisol.core.params import Params
from crisol.core.studies import (
    ByStudy,
    StudiesParams,
    Study,
    check_study_names,
    completed,
    part_of,
)


class Loop(Params):
    epochs: int = 3


class Train(ByStudy, Loop):
    def of_study(self, study: str) -> Loop:
        return part_of(self, Loop, completed(self, self.by_study.get(study, {})))


DATA = StudiesParams[Study](studies=(Study(name="mine"),), register_study="mine")


def test_a_study_replaces_the_common_values():
    train = Train(epochs=4, by_study={"mine": {"epochs": 7}})
    assert (train.of_study("mine").epochs, train.of_study("other").epochs) == (7, 4)


def test_values_of_a_study_are_checked_when_the_section_is_built():
    with pytest.raises(ValidationError, match="epoch\n"):
        Train(by_study={"mine": {"epoch": 7}})


def test_values_of_an_unknown_study_are_refused():
    check_study_names("iris", DATA, train=Train(by_study={"mine": {}}))
    with pytest.raises(MendableError, match=r"iris\.train\.by_study: 'yours' is .*are: mine"):
        check_study_names("iris", DATA, train=Train(by_study={"yours": {}}))
