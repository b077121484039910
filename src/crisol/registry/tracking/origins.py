"""The origin of every stored result: the data, parameters and code it was made of.

Nodes pass their results on through files under ``data/``, and a partial run reads those of an
earlier one. So each file has its origin beside it, ``<file>.origin.json``. A run compares the
origins of everything it reads with one another and with its own parameters, and refuses a mixture:
the record of its version would be false.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kedro.framework.project import pipelines
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from pydantic import BaseModel

from crisol.registry.store import StoreError, current
from crisol.registry.tracking import provenance
from crisol.registry.tracking.origin_records import (
    THIS_RUN,
    Origin,
    Source,
    StoredOrigin,
    mixed_code,
    mixed_data,
    mixed_parameters,
    read,
    union,
    write,
)

logger = logging.getLogger(__name__)


class Origins:
    """The origins of one ``kedro run``.

    Args:
        parameters: resolved sections of each family; a worker process that does not know them
            compares only the results with one another.
        project: the folder whose commit and lock file are recorded; default: that of the store.
    """

    def __init__(
        self,
        parameters: Mapping[str, Mapping[str, Any]] | None = None,
        project: Path | None = None,
    ) -> None:
        self._parameters = parameters or {}
        self._project = project
        self._in_memory: dict[str, StoredOrigin] = {}
        self._codes: dict[str, dict[str, str]] = {}
        self._warned: set[str] = set()

    def check(
        self, family: str, pipeline: Pipeline, catalog: DataCatalog, *, only_missing: bool = False
    ) -> None:
        """Compare the stored results that a partial run begins with, before its first node.

        Args:
            family: whose nodes are looked at.
            pipeline: the part that runs.
            catalog: of the run.
            only_missing: whether nodes with complete outputs are skipped.

        Raises:
            StoreError: they are of different origins, or one of them has no record of its own.
        """
        read = {name for name in pipeline.inputs() if is_made(family, name)}
        if only_missing:
            outputs = {name for name in pipeline.all_outputs() if name.startswith(f"{family}.")}
            read |= {n for n in outputs if provenance.dataset_path(catalog.get(n)) is not None}
        found = [(name, self._stored(family, name, catalog).origin) for name in sorted(read)
                 if provenance.dataset_path(catalog.get(name)) is not None]  # fmt: skip
        if not found:
            return
        nodes = [n for n in pipeline.nodes if (n.namespace or "").partition(".")[0] == family]
        inputs = {name for node in nodes for name in node.inputs}
        raw = {n: s for n in inputs if (s := _source(family, n, catalog)) is not None}
        registers = f"{family}.predictor" in pipeline.all_outputs()
        self._compare(family, [*found, (THIS_RUN, Origin(data=raw))], registers=registers)
        self._tell_changes(found, catalog)

    def of_node(
        self, model: str, node: Node, catalog: DataCatalog, inputs: Mapping[str, Any]
    ) -> Origin:
        """The origin of a node's results.

        Args:
            model: the model name of the run: a family, or a line of it.
            node: that is about to run.
            catalog: of the run.
            inputs: of the node, by catalog name.

        Raises:
            StoreError: its inputs are of different origins, or one has no record of its own.
        """
        family = model.partition(".")[0]
        stored = {
            name: self._stored(family, name, catalog) for name in inputs if is_made(family, name)
        }
        newest_first = sorted(stored.values(), key=lambda record: record.at, reverse=True)
        champions = [r.origin.champion for r in newest_first if r.origin.champion is not None]
        if f"{family}.champion" in inputs:
            champion = inputs[f"{family}.champion"]
            number = "none" if champion is None else champion.model_version
            champions.insert(0, f"{model}/{number}")
        sections = {n.removeprefix("params:"): _plain(v) for n, v in inputs.items()
                    if n.startswith("params:")}  # fmt: skip
        own = Origin(
            data={n: s for n in inputs if (s := _source(family, n, catalog)) is not None},
            parameters={n: v for n, v in sections.items() if n.startswith(f"{family}.")},
            code=self._code(family),
            champion=champions[0] if champions else None,
        )
        parts = [(name, record.origin) for name, record in stored.items()]
        registers = f"{family}.predictor" in node.outputs
        if registers and champions and champions[0].partition("/")[0] != model:
            raise StoreError(
                f"the scores compare with {champions[0]}, and this run registers {model}: "
                f"evaluate it again, --from-nodes {family}.evaluate"
            )
        self._compare(family, [*parts, (THIS_RUN, own)], registers=registers)
        return union(own, [origin for _, origin in parts])

    def keep(self, name: str, catalog: DataCatalog, origin: Origin, node: Node, run: str) -> None:
        """Write the origin of a result that was saved."""
        path = provenance.dataset_path(catalog.get(name))
        record = StoredOrigin(
            content="" if path is None else provenance.path_digest(path),
            node=node.short_name,
            run_id=run,
            at=datetime.now(tz=UTC).isoformat(timespec="microseconds"),
            origin=origin,
        )
        if path is None:
            self._in_memory[name] = record
            return
        write(path, record)

    def _stored(self, family: str, name: str, catalog: DataCatalog) -> StoredOrigin:
        """The origin of a stored result, which must be as it was saved."""
        path = provenance.dataset_path(catalog.get(name))
        if path is None and name in self._in_memory:
            return self._in_memory[name]
        record = None if path is None else read(path)
        if path is None or record is None:
            raise StoreError(
                f"{name} ({path or 'not a local file'}) has no record of its origin: a run that "
                f"reads it cannot tell its data. {_remedy(family)}"
            )
        if provenance.path_digest(path) != record.content:
            raise StoreError(
                f"{name} ({path}) was changed after node {record.node} of run "
                f"{record.run_id[:8]} saved it: its origin is not known any more. {_remedy(family)}"
            )
        return record

    def _compare(
        self, family: str, parts: Sequence[tuple[str, Origin]], *, registers: bool
    ) -> None:
        whole = {f"{family}.{k}": v for k, v in self._parameters.get(family, {}).items()}
        parts = [*parts, (THIS_RUN, Origin(parameters=whole, code=self._code(family)))]
        said = mixed_parameters(parts) or mixed_data(parts)
        if said is not None:
            raise StoreError(
                f"{said}: a result of both would have a false record. {_remedy(family)}"
            )
        said = mixed_code(parts)
        if said is not None and registers:
            raise StoreError(
                f"{said}: a version of both would have a false record. {_remedy(family)} "
                "A part that registers nothing may run, such as --to-nodes "
                f"{family}.evaluate"
            )
        if said is not None:
            self._warn(f"{said}; no version can be registered of both")

    def _tell_changes(self, found: Iterable[tuple[str, Origin]], catalog: DataCatalog) -> None:
        """Tell of raw data that this run does not read again, and that has changed since."""
        for name, origin in found:
            for raw, source in origin.data.items():
                path = provenance.dataset_path(catalog.get(raw))
                if path is None or provenance.path_digest(path) != source.sha256:
                    self._warn(
                        f"{raw} has changed since {name} was made of it: this run goes on with "
                        f"the data of then, SHA-256 {source.sha256[:12]}…, and records that"
                    )

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            logger.warning(text)

    def _code(self, family: str) -> dict[str, str]:
        if family not in self._codes:
            project = self._project or Path(current().project)
            digest = provenance.code_digest(family, project)
            self._codes[family] = {digest: provenance.git_state(project)["commit"]}
        return self._codes[family]


def is_made(family: str, name: str) -> bool:
    """Whether a node of the family makes the dataset, so that it is no raw data."""
    return family in pipelines and name in pipelines[family].all_outputs()


def _source(family: str, name: str, catalog: DataCatalog) -> Source | None:
    """The raw data of an input: a local file or folder that no node of the family makes."""
    from crisol.catalog.results import FolderDataset

    if name.startswith("params:") or is_made(family, name):
        return None
    dataset = catalog.get(name)
    path = provenance.dataset_path(dataset)
    if path is None or isinstance(dataset, FolderDataset):  # a folder to work in
        return None
    return Source(sha256=provenance.path_digest(path), path=path.as_posix())


def _remedy(family: str) -> str:
    return f"Run from the start: kedro run --pipelines {family}, with the same --params"


def _plain(section: Any) -> Any:
    """A section as JSON gives it back."""
    if isinstance(section, BaseModel):
        return section.model_dump(mode="json")
    return json.loads(json.dumps(section, default=str))
