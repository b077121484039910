"""From what a client asked for to what ``kedro run`` is told, checked as ``kedro run`` would.

The defaults are those of the environment's files; what the client gives is laid over them. The
files of ``conf/base`` speak of the committed samples: a job on a dataset takes the family's own
defaults in their place.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kedro.config import MissingConfigException
from kedro.framework.project import configure_project, pipelines, settings
from kedro.validation.type_extractor import TypeExtractor
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ValidationError
from yaml import YAMLError

from crisol import models
from crisol.platform.jobs.executor import ORDER, RUN, Work, write_whole
from crisol.platform.jobs.job import JobRequest, line_of
from crisol.registry.naming import family_of
from crisol.registry.store import StoreError
from crisol.registry.tracking.parameters import (
    DATA_ROOT,
    MODEL,
    RUN_ID,
    refuse_unknown,
    section_problems,
)
from crisol.serving.http.errors import ApiError, ErrorDetail

OPERATORS = ("data.file", "model.auto.storage")
"""What names files and databases of the machine: set by datasets and configuration, not by
clients."""
DEFAULT_ENVIRONMENT = "base"
TRAINING = 0.8
"""Of a job's bar, what the nodes tagged ``train`` have; the others share the rest."""
_DEEPEST = 20
"""Levels of objects and lists; what reads configurations goes down by recursion."""


@dataclass(frozen=True)
class DatasetChoice:
    """The dataset of a job: its name, and the ``data`` parameters that say what and where it is."""

    id: str
    name: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Order:
    """What ``kedro run`` will be told.

    Attributes:
        family: whose pipeline.
        model: the registered name.
        environment: ``base`` or another folder of ``conf``.
        parameters: the family's, as they differ from the environment's files.
    """

    family: str
    model: str
    environment: str
    parameters: Mapping[str, Any]


class Orders:
    """Checks requests against a project's configuration.

    Args:
        project: the project directory.
        environment: of jobs that name none; ``None``: ``base``.
    """

    def __init__(self, project: Path, environment: str | None) -> None:
        configure_project("crisol")
        self._project = project
        self._environment = environment or DEFAULT_ENVIRONMENT

    def check(self, request: JobRequest, dataset: DatasetChoice | None) -> Order:
        """The order of a request.

        Raises:
            ApiError: 422, naming every field that is wrong.
        """
        family = request.family
        if family not in models.family_names():
            raise refusal("family", f"there is none of this name; {_known_families()}")
        environment = self._checked_environment(request.environment)
        model = request.model or (line_of(family, dataset.name) if dataset else family)
        try:
            of_family = family_of(model) == family
        except StoreError as error:
            raise refusal("model", str(error)) from None
        if not of_family:
            raise refusal("model", f"must be {family} or a line of it, {family}.<line>")
        given = self._given(request)
        kinds = _sections(family)
        if dataset is not None:
            given = _with_dataset(given, kinds.get("data"), family, dataset)
            if environment == DEFAULT_ENVIRONMENT:
                configured = self._load(environment, {}).get(family, {})
                given = _without_the_sample(given, kinds, configured)
        self._validate(family, environment, given, kinds)
        return Order(family, model, environment, given)

    def shares(self, family: str) -> tuple[float, ...]:
        """How much of a job's bar each node of a family has, in the order in which they run.

        Training takes nearly all the time, so its nodes share :data:`TRAINING` of the bar.
        """
        if family not in pipelines:  # of a job that was made when there was one
            return ()
        trains = ["train" in node.tags for node in pipelines[family].nodes]
        training, others = trains.count(True), trains.count(False)
        if not training or not others:
            return (1 / len(trains),) * len(trains)
        return tuple(TRAINING / training if t else (1 - TRAINING) / others for t in trains)

    def _checked_environment(self, name: str | None) -> str:
        name = name or self._environment
        conf = self._project / settings.CONF_SOURCE
        known = sorted(p.name for p in conf.iterdir() if p.is_dir() and p.name != "local")
        if name not in known:
            raise refusal("environment", f"there is none of this name; there are: {_words(known)}")
        return name

    def _given(self, request: JobRequest) -> dict[str, Any]:
        family = request.family
        for other in request.parameters:
            if other != family:
                raise refusal(f"parameters.{other}", f"this job is of {family}: name only that")
        given: dict[str, Any] = dict(request.parameters.get(family, {}))
        for name in OPERATORS:
            if _has(given, name.split(".")):
                said = "is set by the operator, or by the dataset; leave it out"
                raise refusal(f"parameters.{family}.{name}", said)
        if _depth(given) > _DEEPEST:
            raise refusal(f"parameters.{family}", f"goes more than {_DEEPEST} levels deep")
        for name, text in _texts(given):
            bad = _unfit(text)
            if bad:
                raise refusal(f"parameters.{family}.{name}", bad)
        return given

    def _validate(
        self,
        family: str,
        environment: str,
        given: Mapping[str, Any],
        kinds: Mapping[str, type[BaseModel]],
    ) -> None:
        for section, values in given.items():
            if section not in kinds:
                said = f"no node reads this section; there are: {_words(kinds)}"
                raise refusal(f"parameters.{family}.{section}", said)
            if not isinstance(values, Mapping):
                raise refusal(f"parameters.{family}.{section}", "must be an object")
        try:
            merged = self._load(environment, {family: given})
            refuse_unknown(merged, [family])
        except StoreError as error:
            raise _unloadable(error) from None
        problems = [
            problem
            for section, kind in kinds.items()
            for problem in section_problems(f"{family}.{section}", kind, merged[family][section])
        ]
        if problems:
            raise ApiError(
                422,
                f"{len(problems)} parameters are wrong; see details."
                if len(problems) > 1
                else "1 parameter is wrong; see details.",
                details=[_detail(problem) for problem in problems],
            )

    def _load(self, environment: str, runtime: Mapping[str, Any]) -> dict[str, Any]:
        loader = settings.CONFIG_LOADER_CLASS(
            conf_source=str(self._project / settings.CONF_SOURCE),
            env=_kedro_environment(environment),
            runtime_params=dict(runtime),
            **settings.CONFIG_LOADER_ARGS,
        )
        try:
            loaded: dict[str, Any] = loader["parameters"]
        except (OmegaConfBaseException, MissingConfigException, YAMLError) as error:
            raise _unloadable(error) from None
        return loaded

    def write(self, work: Work, order: Order, given: "WorkerTerms") -> None:
        """Put down in the job's folder what the worker and ``kedro run`` are told."""
        work.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        data_root = work.folder / "data"
        run: dict[str, Any] = {
            "pipelines": order.family,
            "params": {
                order.family: order.parameters,
                RUN_ID: work.job_id,
                MODEL: order.model,
                DATA_ROOT: str(data_root),
            },
        }
        environment = _kedro_environment(order.environment)
        if environment is not None:
            run["env"] = environment
        write_whole(work.folder / RUN, {"run": run})  # JSON, which is YAML too
        write_whole(
            work.folder / ORDER,
            {
                "project": str(self._project),
                "environment": dict(given.environment),
                "time_s": given.time_s,
                "memory_mb": given.memory_mb,
                "grace_s": given.grace_s,
                "max_log_bytes": given.max_log_bytes,
            },
        )


@dataclass(frozen=True)
class WorkerTerms:
    """What the worker holds a run to.

    Attributes:
        environment: variables the run gets.
        time_s: limit from the start; ``None``: none.
        memory_mb: limit of all its processes together; ``None``: none.
        grace_s: between being asked to stop and being killed.
        max_log_bytes: of what is printed.
    """

    environment: Mapping[str, str]
    time_s: float | None
    memory_mb: int | None
    grace_s: float
    max_log_bytes: int


def refusal(field: str, message: str) -> ApiError:
    """422 for one field."""
    detail = ErrorDetail(field=field, message=message, type="invalid")
    return ApiError(422, "1 field is wrong; see details.", details=[detail])


def _unloadable(error: Exception) -> ApiError:
    said = f"the configuration cannot be loaded: {str(error).splitlines()[0]}"
    return refusal("environment", said)


def _kedro_environment(name: str) -> str | None:
    return None if name == DEFAULT_ENVIRONMENT else name


def _sections(family: str) -> dict[str, type[BaseModel]]:
    found = TypeExtractor({family: pipelines[family]}).extract_types_from_pipelines()
    return {key.partition(".")[2]: kind for key, kind in sorted(found.items())}


def _with_dataset(
    given: Mapping[str, Any],
    kind: type[BaseModel] | None,
    family: str,
    dataset: DatasetChoice,
) -> dict[str, Any]:
    """The parameters with everything the dataset says about itself, under what the client says.

    Every field is named, so that nothing of the environment's own data is left among them.
    """
    if kind is None or "file" not in kind.model_fields:
        raise refusal("dataset", f"{family} reads what its catalog names; it takes no dataset")
    try:
        described = kind.model_validate(dict(dataset.data))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise refusal("dataset", f"its option {where} does not fit: {first['msg']}") from None
    whole = described.model_dump(mode="json")
    # A file of null would be let through, and mean the sample.
    own = {**_merged(whole, given.get("data", {})), "file": whole["file"]}
    return {**given, "data": own}


def _without_the_sample(
    given: Mapping[str, Any],
    kinds: Mapping[str, type[BaseModel]],
    configured: Mapping[str, Any],
) -> dict[str, Any]:
    """The parameters with defaults in place of what ``conf/base`` says to suit its sample.

    What neither names stays unset: networks choose the rest of their loop themselves.
    """
    whole = dict(given)
    for section, kind in kinds.items():
        if section != "data":
            defaults = _named(kind().model_dump(mode="json"), configured.get(section, {}))
            whole[section] = _merged(defaults, given.get(section, {}))
    return whole


def _named(defaults: Mapping[str, Any], by: Mapping[str, Any]) -> dict[str, Any]:
    """Of the defaults those that are named elsewhere.

    >>> _named({"epochs": 10, "auto": {"folds": 5, "prune": True}}, {"auto": {"folds": 3}})
    {'auto': {'folds': 5}}
    """
    return {
        name: _named(value, by[name])
        if isinstance(value, Mapping) and isinstance(by[name], Mapping)
        else value
        for name, value in defaults.items()
        if name in by
    }


def _merged(under: Mapping[str, Any], over: Any) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items() if isinstance(over, Mapping) else ():
        below = merged.get(key)
        both = isinstance(value, Mapping) and isinstance(below, Mapping)
        merged[key] = _merged(below, value) if both else value
    return merged


def _detail(problem: str) -> ErrorDetail:
    name, _, said = problem.partition(": ")
    return ErrorDetail(field=f"parameters.{name}", message=said, type="invalid_parameter")


def _has(values: Any, path: list[str]) -> bool:
    if not path:
        return values is not None
    return isinstance(values, Mapping) and path[0] in values and _has(values[path[0]], path[1:])


def without_paths(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """An order's parameters for clients to see: nothing that names files of this machine.

    >>> without_paths({"data": {"file": "/srv/adult", "target": "income"}})
    {'data': {'target': 'income'}}
    """
    return {
        name: without_paths(value, f"{prefix}{name}.") if isinstance(value, Mapping) else value
        for name, value in values.items()
        if f"{prefix}{name}" not in OPERATORS
    }


def _depth(value: Any) -> int:
    """How many objects and lists lie in one another.

    >>> _depth({"model": {"hidden": [32]}})
    3
    """
    if isinstance(value, Mapping):
        value = list(value.values())
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def _texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every text in nested values, keys too, with the name of its place."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            inner = f"{name}.{key}" if name else str(key)
            yield inner, str(key)
            yield from _texts(item, inner)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{name}.{index}")
    elif isinstance(value, str):
        yield name, value


def _unfit(text: str) -> str:
    """Why a text cannot stand in a configuration; empty: it can."""
    if "${" in text:
        return "'${' would be replaced when the configuration is read; leave it out"
    if text == "???":
        return "'???' means a missing value in a configuration; leave the field out"
    if not text.replace("\n", "").replace("\t", "").isprintable():
        return "holds characters that cannot be printed"
    return ""


def _known_families() -> str:
    return f"there are: {_words(models.family_names())}"


def _words(names: Any) -> str:
    return ", ".join(names)


def digest_text(request: JobRequest) -> str:
    """What a request says, the same for the same request."""
    return json.dumps(request.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
