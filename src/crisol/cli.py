"""Crisol's commands beside Kedro's own, such as `kedro promote signals`.

Every command first repairs the traces of a killed one, and prints each repair. Bad input ends in
one line and an exit code other than 0.
"""

import errno
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.utils import env_option
from kedro.framework.project import pipelines, settings
from kedro.framework.startup import ProjectMetadata

# Everything else is imported by the command that needs it: `kedro --help` stays quick.


@click.group(name="crisol")
def cli() -> None:
    """Crisol."""


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Print errors that a user can correct in one line; any other keeps its traceback."""
    from crisol.core.predictor import PredictorError
    from crisol.registry.release.gate import GateError
    from crisol.registry.store import StoreError

    try:
        with _explained_outages():
            yield
    except (StoreError, GateError, PredictorError) as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def _explained_outages() -> Iterator[None]:
    """Print in one line that the store does not answer, or that its database is damaged."""
    from crisol.registry.outages import explained

    try:
        yield
    except Exception as error:
        said = explained(error)
        if said is None:
            raise
        raise click.ClickException(said) from error


@dataclass(frozen=True)
class _Answer:
    """The result of a command: as JSON, a function that prints it, and the exit code."""

    json: Any
    show: Callable[[], None]
    exit_code: int = 0


def _command(function: Callable[..., _Answer]) -> Callable[..., None]:
    """Call a command with the project's store, after recovery, and print its answer.

    Standard output has the answer alone: logs and progress go to standard error.
    """

    @wraps(function)
    def wrapped(
        metadata: ProjectMetadata, env: str | None, as_json: bool, **arguments: Any
    ) -> None:
        with redirect_stdout(sys.stderr), _one_line_errors():
            answer = function(_open(metadata.project_path, env), **arguments)
        if as_json:
            click.echo(json.dumps(answer.json, indent=2, ensure_ascii=False))
        else:
            answer.show()
        sys.exit(answer.exit_code)

    with_env = env_option(wrapped)
    with_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(with_env)
    return click.pass_obj(with_json)


_number = click.option("--version", help="A version number, when REFERENCE is a bare model.")


def _open(project: Path, env: str | None) -> Any:
    from crisol.registry import display, recovery
    from crisol.serving.bundle import building

    store = _store(project, env)
    store.check()
    display.say(recovery.recover(store) + building.sweep())
    return store


def _store(project: Path, env: str | None) -> Any:
    from kedro.config import MissingConfigException

    from crisol.registry.store import Store

    loader = settings.CONFIG_LOADER_CLASS(
        conf_source=str(project / settings.CONF_SOURCE),
        env=env or os.environ.get("KEDRO_ENV"),
        **settings.CONFIG_LOADER_ARGS,
    )
    try:
        store = Store.from_config(loader["mlflow"], project)
    except MissingConfigException as error:
        raise click.ClickException(str(error)) from error
    store.activate()
    return store


@cli.command()
@click.argument("reference")
@_number
@click.option("--force", is_flag=True, help="Promote although the gate refuses; needs --reason.")
@click.option("--reason", help="Why; recorded with the promotion.")
@_command
def promote(
    store: Any,
    reference: str,
    version: str | None,
    force: bool,
    reason: str | None,
) -> _Answer:
    """Make REFERENCE the champion of its model.

    REFERENCE is a model (its candidate), such as signals or tabular.adult, or signals/2, or
    signals@candidate.
    """
    from crisol.registry import display
    from crisol.registry.release import promotion, versions

    chosen = versions.Reference.parse(reference, version)
    outcome = promotion.promote(store, chosen, force=force, reason=reason)
    return _Answer(outcome.to_json(), lambda: display.outcome(outcome))


@cli.command()
@click.argument("model")
@click.option("--reason", help="Why; recorded.")
@_command
def rollback(store: Any, model: str, reason: str | None) -> _Answer:
    """Return to the previous champion of MODEL; the two swap their aliases."""
    from crisol.registry import display
    from crisol.registry.release import promotion, versions

    versions.family_of(model)
    outcome = promotion.rollback(store, model, reason)
    return _Answer(outcome.to_json(), lambda: display.outcome(outcome))


@cli.command()
@click.argument("reference")
@click.option("--undo", is_flag=True, help="Remove it from the archive.")
@click.option("--reason", help="Why; recorded.")
@_command
def archive(store: Any, reference: str, undo: bool, reason: str | None) -> _Answer:
    """Archive REFERENCE, such as signals/2: it stays registered, and cannot be promoted.

    The champion cannot be archived.
    """
    from crisol.registry import display
    from crisol.registry.release import archiving, versions

    chosen = versions.Reference.parse(reference)
    if undo:
        version = archiving.unarchive(store, chosen)
    else:
        version = archiving.archive(store, chosen, reason)
    return _Answer(version.to_json(), lambda: display.archived(version))


@cli.command()
@click.argument("reference")
@_command
def lineage(store: Any, reference: str) -> _Answer:
    """Print the origin of REFERENCE: bundle, version, gate, run, code, data, parameters.

    REFERENCE is signals@champion, signals/2, or a Bento tag such as signals:v2-1f2e3d4c.
    """
    from crisol.registry import display
    from crisol.registry.release import lineage as chain

    found = chain.lineage(store, reference)
    return _Answer(found.to_json(), lambda: display.lineage(found))


@cli.command()
@click.argument("version")
@_command
def reproduce(store: Any, version: str) -> _Answer:
    """Train VERSION again from its record and compare; exit code 1 when metrics differ.

    Nothing is registered, and nothing under the working data folder is written.
    """
    from crisol.registry import display
    from crisol.registry.release import reproduce as again
    from crisol.registry.release import versions

    found = versions.find(store, versions.Reference.parse(version))
    result = again.reproduce(store, found)
    code = 0 if result.same else 1
    return _Answer(result.to_json(), lambda: display.reproduction(result), code)


@cli.command()
@click.argument("model", required=False)
@_command
def models(store: Any, model: str | None) -> _Answer:
    """List the registered versions of MODEL, or of every model.

    MODEL is a family, with all of its lines, or one line such as tabular.adult.
    """
    from crisol import models as families
    from crisol.registry import display
    from crisol.registry.release import versions

    asked = [model] if model else list(families.family_names())
    if model is not None and versions.family_of(model) != model:
        names = [model]
    else:
        names = versions.lines(store, model)
    found = [v for name in names for v in versions.all_versions(store, name)]
    listed = {"versions": [v.to_json() for v in found]}
    return _Answer(listed, lambda: display.models(found, asked))


@cli.command()
@click.argument("reference")
@_number
@_command
def bundle(store: Any, reference: str, version: str | None) -> _Answer:
    """Build a Bento from exactly REFERENCE, stamped with its origin.

    REFERENCE is a model (its champion), such as signals or tabular.adult, or signals/2, or
    signals@candidate.
    """
    from crisol.core.errors import MendableError
    from crisol.registry import display
    from crisol.registry.release import promotion, versions
    from crisol.registry.release.lineage import stamp
    from crisol.serving.bundle import package

    chosen = versions.Reference.parse(reference, version)
    found = versions.find(store, chosen)
    alias = chosen.alias or (None if chosen.version else versions.CHAMPION)
    decision = promotion.judge(store, found, None)
    with versions.predictor_directory(store, found) as directory:
        try:
            built = package.build(
                found.family, directory, stamp(found, alias), project_dir=Path(store.project)
            )
        except (package.BundleError, MendableError) as error:
            raise click.ClickException(str(error)) from error
    facts = {k: str(v) if isinstance(v, Path) else v for k, v in asdict(built).items()}
    facts |= {"version": found.number, "gate": decision.to_json()}
    return _Answer(facts, lambda: display.bundle(built, found, decision))


@cli.command()
@click.argument("family")
@click.argument("names", nargs=-1)
@click.option(
    "--mirror",
    envvar="CRISOL_DATA_MIRROR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A local copy of the downloads (CRISOL_DATA_MIRROR).",
)
@env_option
@click.pass_obj
def fetch(
    metadata: ProjectMetadata,
    family: str,
    names: tuple[str, ...],
    mirror: Path | None,
    env: str | None,  # noqa: ARG001
) -> None:
    """Download FAMILY's public data, after printing its licence; checked by SHA-256.

    `kedro fetch weights` brings the pretrained weights instead, all or by NAMES: a name that Crisol
    knows, a repository of the Hugging Face Hub (owner/name), or a local folder. The downloads are
    the same in every environment.
    """
    from crisol import models as families
    from crisol.core.data.sources import SourceError
    from crisol.registry.release import versions

    if family == _WEIGHTS:
        _fetch_weights(names, mirror)
        return
    if names:
        raise click.UsageError(f"only {_WEIGHTS} takes names: kedro fetch {_WEIGHTS} {names[0]}")
    target = metadata.project_path / "data" / "01_raw" / family
    with _one_line_errors():
        versions.check_family(family)
        try:
            paths = families.family(family).fetch(target, mirror)
        except SourceError as error:
            raise click.ClickException(str(error)) from error
    for path in paths:
        click.echo(path.relative_to(metadata.project_path))


_WEIGHTS = "weights"


def _fetch_weights(names: tuple[str, ...], mirror: Path | None) -> None:
    from crisol.core.backbones.fetching import fetch_weights
    from crisol.core.backbones.known_weights import KNOWN
    from crisol.core.errors import MendableError

    for name in names or KNOWN:
        try:
            fetch_weights(name, mirror, announce=click.echo)
        except MendableError as error:
            raise click.ClickException(str(error)) from error


@cli.command()
@env_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def relocate(metadata: ProjectMetadata, env: str | None, as_json: bool) -> None:
    """Put the present folder of the project into its MLflow store.

    For a project that was moved, renamed or copied: MLflow keeps artefacts by absolute address. A
    second call does nothing. A tracking server, PostgreSQL and an object store need none of this.
    """
    from crisol.registry import display
    from crisol.registry.relocation import RelocationError
    from crisol.registry.relocation import relocate as put_in

    with _one_line_errors():
        store = _store(metadata.project_path, env)
        try:
            done = None if store.place is None else put_in(store.place)
        except RelocationError as error:
            raise click.ClickException(str(error)) from error
    if as_json:
        facts = None if done is None else asdict(done)
        click.echo(json.dumps({"relocation": facts}, indent=2, default=str, ensure_ascii=False))
    else:
        display.relocation(done)


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=8600, show_default=True, help="Port to listen on.")
@click.option("--workers", type=click.IntRange(min=1), help="Jobs at once; unset: half the cores.")
@click.option("--dev", is_flag=True, help="Make an API key for this start and print it.")
@env_option
@click.pass_obj
def platform(
    metadata: ProjectMetadata,
    host: str,
    port: int,
    workers: int | None,
    dev: bool,
    env: str | None,
) -> None:
    """Serve datasets, training jobs and versions over HTTP, with a page at /.

    CRISOL_API_KEYS or CRISOL_JWT_ALGORITHM set who has access; --dev makes a key for this start.
    Jobs continue when the service stops; a new start of the service finds them.
    """
    from kedro.config import MissingConfigException

    from crisol.platform.app import serve
    from crisol.serving.http.config import ConfigurationError

    with _one_line_errors():
        try:
            serve(host, port, metadata.project_path, env, workers=workers, dev=dev)
        except (ConfigurationError, MissingConfigException) as error:
            raise click.ClickException(str(error)) from error


@cli.group()
def family() -> None:
    """Families of models."""


@family.command("new")
@click.argument("name")
@click.option(
    "--without-network",
    is_flag=True,
    help="A model that scikit-learn fits and NumPy answers, in place of a network.",
)
@click.pass_obj
def new_family(metadata: ProjectMetadata, name: str, without_network: bool) -> None:
    """Write a family NAME that trains, registers, bundles and answers before you edit it.

    NAME is a noun in small letters, such as receipts. Its sample is synthetic. docs/new-family.md
    says what to edit, in which order.
    """
    from crisol.core.errors import MendableError
    from crisol.skeleton import writer

    try:
        written = writer.write(name, metadata.project_path, network=not without_network)
    except MendableError as error:
        raise click.ClickException(str(error)) from error
    for path in written:
        click.echo(path)
    click.echo(f"next: kedro run --pipelines {name}")


_MENDABLE = (errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.EPERM, errno.EROFS)
"""Errors of files and folders that the person who runs the command mends."""


_COMMA = (
    "A comma begins the next parameter, also within quotes and brackets; a file takes every value: "
    "kedro run --config run.yml, with run: {params: {...}} in it"
)


class _Run(click.Command):
    """Kedro's own `run`, with errors of parameters and data in one line."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Explain a value of ``--params`` that Kedro has cut at its comma."""
        from yaml import YAMLError

        try:
            return super().parse_args(ctx, args)
        except YAMLError as error:
            raise click.UsageError(f"--params cannot be read. {_COMMA}", ctx) from error
        except click.UsageError as error:
            if "`params`" not in error.message:
                raise
            raise click.UsageError(f"{error.message} {_COMMA}", ctx) from error

    def invoke(self, ctx: click.Context) -> Any:
        from kedro.config import MissingConfigException
        from kedro.io import DatasetError
        from kedro.validation.exceptions import DataValidationError, ParameterValidationError
        from pandas.errors import EmptyDataError, ParserError
        from yaml import YAMLError

        from crisol.core.errors import MendableError
        from crisol.registry import display
        from crisol.registry.store import StoreError
        from crisol.registry.tracking.parameters import RUN_ID, refuse_references
        from crisol.serving.bundle import building

        unknown = sorted(set(ctx.params.get("pipelines") or ()) - set(pipelines))
        if unknown:
            raise click.ClickException(
                f"no pipeline {unknown[0]!r}; there are: {', '.join(sorted(pipelines))}"
            )
        given = ctx.params.get("params") or {}
        display.say(building.sweep())
        try:
            if RUN_ID in given:
                refuse_references(given)
            with _explained_outages():
                return super().invoke(ctx)
        except ParameterValidationError as error:
            raise click.ClickException(_explain(error)) from error
        except (
            DataValidationError,
            MendableError,
            MissingConfigException,
            StoreError,
            YAMLError,
        ) as error:
            raise click.ClickException(str(error)) from error
        except (DatasetError, OSError) as error:
            unreadable = (EmptyDataError, ParserError, UnicodeDecodeError)
            cause = _cause(error, (OSError, StoreError, MendableError, *unreadable))
            if cause is None:
                raise
            if isinstance(cause, OSError):
                if cause.errno in _MENDABLE:
                    said = f"{cause.filename or 'a file'} cannot be used: {cause.strerror}"
                elif isinstance(error, DatasetError) and isinstance(cause, FileNotFoundError):
                    said = (
                        f"{cause.filename} is missing; if it is public data: kedro fetch <family>"
                    )
                else:
                    raise
            else:
                said = str(error) if isinstance(cause, unreadable) else str(cause)
            raise click.ClickException(said) from error


def _cause(
    error: BaseException | None, kinds: tuple[type[BaseException], ...]
) -> BaseException | None:
    """The first error of these kinds among the causes of ``error``, if there is one."""
    while error is not None and not isinstance(error, kinds):
        error = error.__cause__ or error.__context__
    return error


def _explain(error: Exception) -> str:
    from crisol.registry.hooks import RunHook
    from crisol.registry.tracking.parameters import problems

    hook = next(h for h in settings.HOOKS if isinstance(h, RunHook))
    said = problems(hook.context) if hook.context is not None else []
    return "\n".join(["parameters are wrong; nothing was run", *said]) if said else str(error)


cli.add_command(
    _Run(
        name="run",
        params=kedro_run.params,
        callback=kedro_run.callback,
        help=kedro_run.help,
        short_help=kedro_run.short_help,
    )
)
