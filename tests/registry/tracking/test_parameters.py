from pydantic import Field

from crisol.core.params import Params, Seed
from crisol.registry.tracking.parameters import section_problems


class TrainParams(Params):
    seed: Seed = 0
    name: str = Field(default="", max_length=3)


def test_a_long_value_is_cut_and_one_that_cannot_be_written_is_named() -> None:
    for value, told in ((10**400, "1000"), (10**5000, "a very long integer")):
        [problem] = section_problems("iris.train", TrainParams, {"seed": value})
        assert problem.startswith("iris.train.seed: Input should be less than or equal to")
        assert told in problem
        assert len(problem) < 200
    [problem] = section_problems("iris.train", TrainParams, {"name": "x" * 10_000})
    assert len(problem) < 400


def test_not_more_than_fifty_errors_are_told() -> None:
    problems = section_problems("iris.train", TrainParams, {f"k{i}": i for i in range(1000)})
    assert len(problems) == 51
    assert problems[-1] == "iris.train: 950 more errors are not listed"
