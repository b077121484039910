"""The configuration of a job's ``kedro run``, checked as ``kedro run`` would check it.

The defaults are those of the environment's files; the client's parameters are laid over them. The
files of ``conf/base`` describe the committed samples: a job on a dataset takes the family's own
defaults in their place.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kedro.config import MissingConfigException
from kedro.framework.project import configure_project, pipelines, settings
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from crisol import models
from crisol.platform.jobs.executors.executor import RUN, WORKER, Work, write_whole
from crisol.platform.jobs.job import JobRequest, line_of
from crisol.platform.jobs.job_parameters import (
    DatasetChoice,
    Sections,
    check_client,
    field_error,
    sections_of,
    with_dataset,
    without_sample_settings,
)
from crisol.platform.jobs.reasons import plain_reason
from crisol.registry.naming import family_of
from crisol.registry.store import StoreError
from crisol.registry.tracking.parameters import (
    DATA_ROOT,
    MODEL,
    RUN_ID,
    mismatch,
    refuse_unknown,
    section_problems,
)
from crisol.serving.http.errors import ApiError, ErrorDetail

DEFAULT_ENVIRONMENT = "base"
TRAINING = 0.8
"""The share of a job's progress that the nodes tagged ``train`` have together."""


@dataclass(frozen=True)
class RunConfiguration:
    """The arguments of a job's ``kedro run``.

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


@dataclass(frozen=True)
class WorkerSettings:
    """The limits that the worker holds a run to.

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


class RunConfigurator:
    """Makes the configurations of runs in one project.

    Args:
        project: the project directory.
        environment: of jobs that name none; ``None``: ``base``.
    """

    def __init__(self, project: Path, environment: str | None) -> None:
        configure_project("crisol")
        self._project = project
        self._loading = threading.Lock()  # Kedro's resolver of runtime parameters is the process's
        self._environment = environment or DEFAULT_ENVIRONMENT

    def configure(self, request: JobRequest, dataset: DatasetChoice | None) -> RunConfiguration:
        """The configuration for a request.

        Raises:
            ApiError: 422, naming every field that is wrong.
        """
        family = request.family
        if family not in models.family_names():
            known = ", ".join(models.family_names())
            raise field_error("family", f"there is none of this name; there are: {known}")
        environment = self._checked_environment(request.environment)
        model = _checked_model(request, dataset)
        for other in request.parameters:
            if other != family:
                raise field_error(f"parameters.{other}", f"this job is of {family}: name only that")
        given: dict[str, Any] = dict(request.parameters.get(family, {}))
        sections = sections_of(family)
        check_client(family, given, sections)
        if dataset is not None:
            given = with_dataset(given, sections, family, dataset)
            if environment == DEFAULT_ENVIRONMENT:
                configured = self._load(environment, {}).get(family, {})
                given = without_sample_settings(given, sections, configured)
        self._validate(family, environment, given, sections)
        return RunConfiguration(family, model, environment, given)

    def shares(self, family: str) -> tuple[float, ...]:
        """The share of a job's progress that each node has, in the order in which they run.

        Training takes nearly all the time, so its nodes share :data:`TRAINING`.
        """
        if family not in pipelines:  # of a job that was made when there was one
            return ()
        trains = ["train" in node.tags for node in pipelines[family].nodes]
        training, others = trains.count(True), trains.count(False)
        if not training or not others:
            return (1 / len(trains),) * len(trains)
        return tuple(TRAINING / training if t else (1 - TRAINING) / others for t in trains)

    def write(self, work: Work, run: RunConfiguration, worker: WorkerSettings) -> None:
        """Write the files that the worker and ``kedro run`` read into the job's folder."""
        work.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        content: dict[str, Any] = {
            "pipelines": run.family,
            "params": {
                run.family: run.parameters,
                RUN_ID: work.job_id,
                MODEL: run.model,
                DATA_ROOT: str(work.folder / "data"),
            },
        }
        environment = _kedro_environment(run.environment)
        if environment is not None:
            content["env"] = environment
        write_whole(work.folder / RUN, {"run": content})  # JSON, which is YAML too
        write_whole(
            work.folder / WORKER,
            {
                "project": str(self._project),
                "environment": dict(worker.environment),
                "time_s": worker.time_s,
                "memory_mb": worker.memory_mb,
                "grace_s": worker.grace_s,
                "max_log_bytes": worker.max_log_bytes,
            },
        )

    def _checked_environment(self, name: str | None) -> str:
        name = name or self._environment
        conf = self._project / settings.CONF_SOURCE
        known = sorted(p.name for p in conf.iterdir() if p.is_dir() and p.name != "local")
        if name not in known:
            said = f"there is none of this name; there are: {', '.join(known)}"
            raise field_error("environment", said)
        return name

    def _validate(
        self, family: str, environment: str, given: Mapping[str, Any], sections: Sections
    ) -> None:
        """Check the parameters together with those of the environment."""
        try:
            merged = self._load(environment, {family: given})
            refuse_unknown(merged, [family])
        except StoreError as error:
            raise _unloadable(error) from None
        except TypeError:  # OmegaConf's, which does not say where
            said = "has a list where an object belongs, or an object where a list does"
            raise field_error(f"parameters.{family}", said) from None
        problems = [
            problem
            for section, kind in sections.items()
            for problem in section_problems(f"{family}.{section}", kind, merged[family][section])
        ]
        if not problems and (between := mismatch(family, merged[family])) is not None:
            problems = [between]
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
            with self._loading:
                loaded: dict[str, Any] = loader["parameters"]
        except (OmegaConfBaseException, MissingConfigException, YAMLError) as error:
            raise _unloadable(error) from None
        return loaded


def _checked_model(request: JobRequest, dataset: DatasetChoice | None) -> str:
    """The name under which the version is registered."""
    family = request.family
    model = request.model or (line_of(family, dataset.name) if dataset else family)
    try:
        of_family = family_of(model) == family
    except StoreError as error:
        raise field_error("model", str(error)) from None
    if not of_family:
        raise field_error("model", f"must be {family} or a line of it, {family}.<line>")
    return model


def _unloadable(error: Exception) -> ApiError:
    said = f"the configuration cannot be loaded: {plain_reason(str(error).splitlines()[0])}"
    return field_error("environment", said)


def _kedro_environment(name: str) -> str | None:
    return None if name == DEFAULT_ENVIRONMENT else name


def _detail(problem: str) -> ErrorDetail:
    name, _, said = problem.partition(": ")
    return ErrorDetail(field=f"parameters.{name}", message=said, type="invalid_parameter")
