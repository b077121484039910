"""The run hook: one MLflow run per family per ``kedro run``, under every runner.

A node's family is the first part of its namespace. Results are logged by their catalog names:
``<family>.<noun>_metrics``, ``_report``, ``_history``, ``_figures``. Runs are addressed by explicit
ids, because MLflow's stack of active runs belongs to one thread.
"""

import getpass
import logging
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from pydantic import BaseModel

from crisol.core import progress
from crisol.registry.naming import family_of as family_of_model
from crisol.registry.outages import is_away
from crisol.registry.store import Store, StoreError, current
from crisol.registry.tracking import (
    exclusive,
    named_files,
    origins,
    parameters,
    provenance,
    runs,
    trials,
)
from crisol.registry.tracking.interruption import Interruption
from crisol.registry.tracking.parameters import DATA_ROOT, MODEL, REPRODUCE, RUN_ID
from crisol.registry.tracking.run_log import CHAMPION_TAG, RunLog

# Kedro's settings import this module for every command, `kedro --help` included: modules that
# load pandas or MLflow are imported where a run needs them.

logger = logging.getLogger(__name__)


def family_of(node: Node) -> str | None:
    """The family a node belongs to: the first part of its namespace."""
    return node.namespace.partition(".")[0] if node.namespace else None


class RunHook:
    """Kedro hooks that log every run to MLflow."""

    def __init__(self) -> None:
        self.context: KedroContext | None = None
        """The context Kedro built last in this process."""
        self._interruption: Interruption | None = None
        self._saved: set[str] = set()
        self._digested: set[str] = set()
        self._origins = origins.Origins()
        self._lock = threading.Lock()
        self._here = threading.local()
        self._nodes_done: dict[str, int] = {}

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Find the store: from ``conf/<env>/mlflow.yml`` or ``MLFLOW_TRACKING_URI``."""
        self.context = context
        config = context.config_loader["mlflow"]
        Store.from_config(config, context.project_path).activate()

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        """Open the runs; in a distributed training only rank 0 logs and writes."""
        self._saved, self._digested = set(), set()
        if not provenance.is_launched():
            self._open_runs(run_params, pipeline, catalog)
            return
        from crisol.core.training.processes import main_process_first

        with main_process_first():  # a new store is created once, and read by the others after
            if provenance.is_worker():
                _keep_in_memory(pipeline, catalog)
            else:
                self._open_runs(run_params, pipeline, catalog)

    def _open_runs(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        from crisol.registry import display, recovery

        if self._interruption is not None:  # a notebook's earlier run was interrupted
            self._interruption.close("interrupted")
        store, given = current().patient(), run_params["runtime_params"]
        store.check()
        families = sorted({f for n in pipeline.nodes if (f := family_of(n)) is not None})
        lines = _lines(store, given, families)
        display.say(recovery.recover(store, lines.values()))
        reproduced = given.get(REPRODUCE)
        if reproduced:
            _keep_out_of_registry(store, reproduced, catalog)
        if self.context is not None:
            configured = self.context.config_loader["parameters"]
            parameters.refuse_unknown(configured, families)
            named_files.refuse_unread(configured, families, catalog, Path(store.project))
            parameters.refuse_mismatches(configured, families)
        data_root = given.get(DATA_ROOT, "data")
        if not data_root:
            raise StoreError(f"{DATA_ROOT} names no folder; leave it out to work under data/")
        resolved = {family: self._parameters(family) for family in families}
        claims = exclusive.claim(Path(store.project) / data_root, families)
        self._origins = origins.Origins(
            {family: whole for family, (_, whole) in resolved.items()}, Path(store.project)
        )
        try:
            for family in families:
                skips = bool(run_params.get("only_missing_outputs"))
                self._origins.check(family, pipeline, catalog, only_missing=skips)
        except BaseException:
            exclusive.release(claims)
            raise
        logs: dict[str, RunLog] = {}
        self._interruption = Interruption(logs, claims)
        tags = _run_tags(run_params, reproduced)
        for family, model in lines.items():
            if given.get(RUN_ID):
                log = runs.adopt_run(store, str(given[RUN_ID]), families, model, tags)
            else:
                name = f"{run_params['env'] or 'base'} {run_params['run_id']}"
                log = runs.open_run(store, model, tags, name)
            logs[family] = log
            log.parameters(*resolved[family])
            nodes = sum(family_of(n) == family for n in pipeline.nodes)
            log.progress({"progress.nodes": nodes, "progress.nodes_done": 0})
            self._nodes_done[family] = 0
        runs.announce(logs)

    @hook_impl
    def before_node_run(self, node: Node, catalog: DataCatalog, inputs: dict[str, Any]) -> None:
        """Record the inputs, start the clock, log the values that the node emits."""
        log = self._log(node)
        if log is None:
            return
        self._here.catalog = catalog
        self._record_inputs(log, node, catalog, inputs)
        self._remove_callbacks()
        callbacks = progress.callbacks(
            log.metrics, on_progress=log.progress, on_trial=partial(trials.log_trial, log)
        )
        callbacks.__enter__()
        self._here.callbacks = callbacks
        self._here.started = time.perf_counter()

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        """Log the node's wall time and write the metrics it emitted."""
        log = self._log(node)
        if log is None:
            return
        self._remove_callbacks()
        log.metrics({f"seconds.{node.short_name}": time.perf_counter() - self._here.started})
        self._count(log)
        log.flush()

    @hook_impl
    def on_node_error(self, node: Node) -> None:
        """Remove the callbacks; the pipeline's error hook ends the run."""
        if self._log(node) is not None:
            self._remove_callbacks()

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        """Log results by the kind in their catalog name."""
        log = self._log(node)
        if log is not None:
            from crisol.registry.tracking import results

            catalog = self._here.catalog
            results.log_result(log, dataset_name, data, catalog.get(dataset_name))
            self._origins.keep(dataset_name, catalog, self._here.origin, node, log.run_id)
            with self._lock:
                self._saved.add(dataset_name)

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """End the runs and print the reports, the verdicts and where to look."""
        if self._interruption is None:
            return
        from crisol.registry import display

        logs = self._interruption.logs
        for family, log in logs.items():
            nodes = sum(family_of(n) == family for n in pipeline.nodes)
            log.progress({"progress.nodes_done": nodes})
            log.finish()
        self._interruption.settle()
        self._interruption = None
        for family, log in logs.items():
            names = sorted(n for n in pipeline.all_outputs() if n.startswith(f"{family}."))
            reports = [catalog.load(n) for n in names if n.endswith("_report")]
            display.run_summary(log, reports)

    @hook_impl
    def on_pipeline_error(self, error: Exception, pipeline: Pipeline) -> None:
        """End as FAILED, with the traceback, the runs of families that were not done.

        Under ParallelRunner this process does not know the saved results: every run is FAILED.
        """
        if self._interruption is None:
            return
        interruption, self._interruption = self._interruption, None
        for family, log in interruption.logs.items():
            outputs = {o for n in pipeline.nodes if family_of(n) == family for o in n.outputs}
            try:
                if outputs <= self._saved:
                    log.finish()
                else:
                    log.fail(error)
            except Exception as failure:
                if not is_away(failure):
                    raise
                # The error of the run is the one to be told, not that of the store.
                logger.warning("run %s stays open: the MLflow store is away", log.run_id)
        interruption.settle()

    def _log(self, node: Node) -> RunLog | None:
        family = family_of(node)
        return None if family is None or provenance.is_worker() else runs.active(family)

    def _count(self, log: RunLog) -> None:
        """Count a node of the family as done, and reset the progress within a node.

        A worker of ParallelRunner does not know the count: it is written at the end.
        """
        log.reset_progress()
        if log.family not in self._nodes_done:
            return
        with self._lock:
            self._nodes_done[log.family] += 1
            done = self._nodes_done[log.family]
        log.progress({"progress.nodes_done": done})

    def _remove_callbacks(self) -> None:
        callbacks: AbstractContextManager[None] | None = getattr(self._here, "callbacks", None)
        if callbacks is not None:
            self._here.callbacks = None
            callbacks.__exit__(None, None, None)

    def _record_inputs(
        self, log: RunLog, node: Node, catalog: DataCatalog, inputs: Mapping[str, Any]
    ) -> None:
        """Record the raw data that the node reads, itself or through results of earlier runs."""
        origin = self._origins.of_node(log.model, node, catalog, inputs)
        self._here.origin = origin
        for name, source in origin.data.items():
            with self._lock:
                if name in self._digested:
                    continue
                self._digested.add(name)
            if name in inputs:
                log.data(name, Path(source.path), inputs[name])
            else:
                log.source(name, source.sha256, source.path)
        if f"{log.family}.predictor" in node.outputs and origin.champion is not None:
            log.tags({CHAMPION_TAG: origin.champion.partition("/")[2]})

    def _parameters(self, family: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """The family's parameters as configured, and as resolved with every default."""
        if self.context is None:
            raise RuntimeError("a pipeline ran before its context was created")
        given = self.context.config_loader["parameters"].get(family, {})
        return given, _plain(self.context.params.get(family, {}))


def _keep_in_memory(pipeline: Pipeline, catalog: DataCatalog) -> None:
    """Keep the results of a further process of a distributed training in memory.

    Only the main process writes, prints and registers its results.
    """
    for name in pipeline.all_outputs():
        catalog[name] = MemoryDataset(copy_mode="assign")
    logging.disable(logging.INFO)  # the main process logs the same


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _run_tags(run_params: Mapping[str, Any], reproduced: str | None) -> dict[str, str]:
    tags = {
        "crisol.env": run_params["env"] or "base",
        "crisol.pipelines": ",".join(run_params["pipeline_names"] or ["__default__"]),
        "crisol.runner": str(run_params["runner"]).partition(" ")[0].strip("<").rpartition(".")[2],
        "crisol.kedro_run": run_params["run_id"],
        "mlflow.source.name": " ".join(["kedro", *sys.argv[1:]]),
        "mlflow.user": getpass.getuser(),
    }
    return {**tags, "crisol.reproduces": reproduced} if reproduced else tags


def _lines(store: Store, given: Mapping[str, Any], families: list[str]) -> dict[str, str]:
    """The model name of each family in the run: the family's own name, or a line of it."""
    lines = {family: family for family in families}
    model = given.get(MODEL)
    if model is None and given.get(RUN_ID):
        model = runs.get_run(store, str(given[RUN_ID])).data.tags.get(runs.MODEL_TAG)
        # A model of another family is refused when the run is adopted.
        return lines | ({f: model for f in families if model and family_of_model(model) == f})
    if model is None:
        return lines
    family = family_of_model(str(model))
    if family not in families:
        raise StoreError(
            f"{MODEL}={model} names a model of {family}, which does not run here; "
            f"what runs: {', '.join(families) or 'no family'}"
        )
    return lines | {family: str(model)}


def _keep_out_of_registry(store: Store, reproduced: str, catalog: DataCatalog) -> None:
    """Pin the champion that the version was compared with; keep the new predictor in memory."""
    from crisol.registry.datasets import ChampionPredictor
    from crisol.registry.release import versions

    version = versions.find(store, versions.Reference.parse(reproduced))
    family = version.family
    pinned = version.tags.get(CHAMPION_TAG, "none")
    catalog[f"{family}.predictor"] = MemoryDataset(copy_mode="assign")
    catalog[f"{family}.champion"] = ChampionPredictor(
        family=family, version=pinned, model=version.model
    )
