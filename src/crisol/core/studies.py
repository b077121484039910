"""Parameters of a family that judges several slices of its data, each by its own protocol."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import Field, Strict, ValidationError, model_validator

from crisol.core.candidate import GatedParams
from crisol.core.errors import MendableError
from crisol.core.params import ChangesTo, Params, at_place


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


class ByStudy(Params):
    """A section ``model`` or ``train`` in which a study may have values of its own.

    A family's section extends this class and the plain section whose values may differ, and
    returns the latter from :meth:`of_study`:

    >>> class Network(Params):
    ...     hidden: int = 8
    ...     steps: int = 60
    >>> class ModelParams(ByStudy, Network):
    ...     def of_study(self, study: str) -> Network:
    ...         return part_of(self, Network, self.by_study.get(study, {}))
    >>> ModelParams(hidden=9, by_study={"b": {"steps": 5}}).of_study("b")
    Network(hidden=9, steps=5)
    """

    by_study: Annotated[dict[str, dict[str, Any]], ChangesTo()] = Field(default_factory=dict)
    """Values that differ in one study: ``{flipkart: {epochs: 5}}``."""

    @abstractmethod
    def of_study(self, study: str) -> Params:
        """The plain section with the values of one study."""

    @model_validator(mode="after")
    def _check_by_study(self) -> Self:
        for name in self.by_study:
            try:
                self.of_study(name)
            except ValidationError as error:
                raise at_place(error, "by_study", name) from None
        return self


def check_study_names(family: str, data: StudiesParams[Any], **sections: ByStudy) -> None:
    """Refuse values for a study that does not exist.

    Args:
        family: the family's name.
        data: its studies.
        sections: its sections ``model`` and ``train``, by name.

    Raises:
        MendableError: there is no study of such a name.
    """
    names = sorted(study.name for study in data.studies)
    for section, params in sections.items():
        for name in params.by_study:
            if name not in names:
                raise MendableError(
                    f"{family}.{section}.by_study: {name!r} is not a study; there are: "
                    + ", ".join(names)
                )


def part_of(section: Params, kind: type[ParamsT], changes: Mapping[str, Any]) -> ParamsT:
    """The fields that ``section`` shares with ``kind``, some of them changed, checked as ``kind``.

    >>> class Loop(Params):
    ...     epochs: int = 3
    >>> class Train(Loop):
    ...     leakage_test: bool = True
    >>> part_of(Train(), Loop, {"epochs": 5})
    Loop(epochs=5)
    """
    shared = {name: getattr(section, name) for name in kind.model_fields}
    return kind.model_validate({**shared, **changes})


def completed(section: Params, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The ``changes``, their nested sections completed with the values of ``section``.

    >>> class Network(Params):
    ...     hidden: int = 8
    ...     steps: int = 60
    >>> class Model(Params):
    ...     network: Network = Network()
    >>> completed(Model(network=Network(hidden=9)), {"network": {"steps": 5}})
    {'network': {'hidden': 9, 'steps': 5}}
    """
    whole = dict(changes)
    for name, value in changes.items():
        now = getattr(section, name, None)
        if isinstance(now, Params) and isinstance(value, dict):
            whole[name] = {**now.model_dump(), **value}
    return whole
