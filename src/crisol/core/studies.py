"""Parameters of a family that judges several slices of its data, each by its own protocol."""

from collections.abc import Mapping
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import Field, Strict, model_validator

from crisol.core.candidate import GatedParams
from crisol.core.params import Params


class Study(Params):
    """A slice of the data with its own split; a family's ``StudyParams`` extends it."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")


StudyT = TypeVar("StudyT", bound=Study)
ParamsT = TypeVar("ParamsT", bound=Params)


class StudiesParams(GatedParams, Generic[StudyT]):
    """The section ``data`` of such a family."""

    studies: Annotated[tuple[StudyT, ...], Strict(False)] = Field(min_length=1)
    register_study: str
    """The study whose predictor becomes a version."""
    synthetic: bool = False
    """Say in every report that the data is made up."""

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        names = [study.name for study in self.studies]
        if len(set(names)) != len(names):
            raise ValueError("studies: two of them have the same name")
        if self.register_study not in names:
            raise ValueError(
                f"register_study {self.register_study!r} is not a study; use one of: "
                + ", ".join(names)
            )
        return self

    def study(self, name: str) -> StudyT:
        """The study of that name.

        Raises:
            KeyError: there is none.
        """
        for study in self.studies:
            if study.name == name:
                return study
        raise KeyError(f"no study {name!r}; there are: {', '.join(s.name for s in self.studies)}")


def part_of(section: Params, kind: type[ParamsT], changes: Mapping[str, Any]) -> ParamsT:
    """The fields that ``section`` shares with ``kind``, some of them changed, checked as ``kind``.

    >>> class Loop(Params):
    ...     epochs: int = 3
    >>> class Train(Loop):
    ...     by_study: dict[str, dict[str, int]] = {}
    >>> part_of(Train(by_study={"b": {"epochs": 5}}), Loop, {"epochs": 5})
    Loop(epochs=5)
    """
    shared = {name: getattr(section, name) for name in kind.model_fields}
    return kind.model_validate({**shared, **changes})
