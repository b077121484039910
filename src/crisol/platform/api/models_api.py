"""The registry over HTTP: lines, versions, and which of them is served.

Every change of an alias goes through :mod:`crisol.registry.release.promotion`: the same gate, the
same journal and the same record as the commands.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from crisol.core.contract import StoreText
from crisol.core.errors import FieldError
from crisol.platform.listing import Count, Page, PageQuery, decode_token, encode_token, next_page
from crisol.registry.release import archiving, promotion, versions
from crisol.registry.release.promotion import GateRefusedError
from crisol.registry.release.versions import CANDIDATE, CHAMPION, PREVIOUS, Reference, Version
from crisol.registry.store import StoreError
from crisol.serving.http.errors import ApiError, ErrorDetail
from crisol.serving.http.exchange import Caller, ExchangeOf
from crisol.serving.http.host import HostOf
from crisol.serving.http.routes import BODY_ERRORS, AuditedRoute, errors, needs

PROMOTION_S = 120.0
"""The time of a promotion: the gate compares again, by a bootstrap over the held-out rows."""
_SEMVER = re.compile(r"[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")

Status = Literal["training", "ready", "deployed", "archived"]


class ModelView(BaseModel):
    """A line of a family: a registered model."""

    id: str = Field(description="Its name: <family> or <family>.<line>.")
    family: str
    versions: int
    latest: str | None = Field(description="Number of the newest version.")
    champion: str | None = Field(description="Number of the version that is served.")
    candidate: str | None
    previous: str | None
    updated: str | None = Field(description="When its newest version was registered.")


class GateView(BaseModel):
    """The decision of the gate when the version was registered."""

    verdict: str
    sentences: list[str]


class VersionView(BaseModel):
    """A version of a model."""

    model: str
    family: str
    number: str = Field(description="The registry's, from 1.")
    semver: str | None
    status: Status
    aliases: list[str]
    run_id: str = Field(description="Of the run (the job) that trained it.")
    created: str
    metrics: dict[str, float]
    gate: GateView | None
    size_bytes: int | None
    measured: dict[str, Any] | None = Field(
        description="Latency, throughput, memory and load time, where they were measured."
    )
    environment: str | None
    git_commit: str | None
    data_digests: dict[str, str]
    predictor_digest: str | None


class MoveView(BaseModel):
    """The result of a change."""

    action: str
    changed: bool
    version: VersionView
    champion: str | None = Field(description="Number of the version that is served now.")


class ModelPage(Page[ModelView]):
    """A page of models."""


class VersionPage(Page[VersionView]):
    """A page of versions."""


class ModelQuery(PageQuery):
    """Which models; by name."""

    family: str | None = Field(default=None, max_length=100)
    sort: Literal["name", "-name"] = "name"


class VersionQuery(PageQuery):
    """Which versions, in which order."""

    status: Status | None = None
    sort: Literal["created", "-created"] = "-created"


class VersionChange(BaseModel):
    """A change to a version."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["promote", "archive", "unarchive", "rollback"] = Field(
        description="rollback: to the champion before; the version must be that one."
    )
    reason: Annotated[StoreText, Field(max_length=1000)] | None = Field(
        default=None, description="Recorded."
    )
    force: bool = Field(
        default=False, description="Promote although the gate refuses; needs a reason."
    )

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.force and self.action != "promote":
            raise ValueError("force goes with promote alone")
        if self.force and not (self.reason and self.reason.strip()):
            raise ValueError("force needs a reason, which is recorded")
        return self


router = APIRouter(prefix="/v1/models", tags=["platform"], route_class=AuditedRoute)
_VERSION = "/{model_id}/versions/{version}"
_EXAMPLE = {"action": "promote", "reason": "better on this month's customers"}


@router.get(
    "",
    summary="List the registered models, with who is champion and candidate.",
    dependencies=[needs("viewer")],
    responses=next_page("get_v1_models"),
)
def listing(query: Annotated[ModelQuery, Query()], platform: HostOf) -> ModelPage:
    """A page of models."""
    if query.family is not None:
        _known_family(query.family)
    found = versions.registered_models(platform.store, query.family)
    found.sort(key=lambda m: m.name, reverse=query.sort == "-name")
    rest, token = _page(found, query)
    return ModelPage(items=[_line(platform, m) for m in rest], next_page_token=token)


@router.get(
    "/{model_id}/versions",
    summary="List a model's versions, newest first.",
    dependencies=[needs("viewer")],
    responses=next_page("get_v1_models_model_id_versions"),
)
def list_versions(
    model_id: str, query: Annotated[VersionQuery, Query()], platform: HostOf
) -> VersionPage:
    """A page of versions."""
    found = versions.all_versions(platform.store, _model(platform, model_id))
    if query.sort == "-created":
        found.reverse()
    if query.status is not None:
        found = [v for v in found if versions.status(v) == query.status]
    rest, token = _page(found, query)
    return VersionPage(items=[version_view(v) for v in rest], next_page_token=token)


@router.get(
    _VERSION,
    summary="One version, by its number or semantic version.",
    dependencies=[needs("viewer")],
)
def one(model_id: str, version: str, platform: HostOf) -> VersionView:
    """One version."""
    return version_view(_find(platform, model_id, version))


@router.patch(
    _VERSION,
    name="version.change",
    summary="Promote, archive, take back from the archive, or roll back to a version.",
    dependencies=[needs("promoter")],
    responses=errors(*BODY_ERRORS, 409),
    openapi_extra={"x-timeout-s": PROMOTION_S},
)
def change(
    model_id: str,
    version: str,
    wanted: Annotated[VersionChange, Body(openapi_examples={"example": {"value": _EXAMPLE}})],
    caller: Caller,
    exchange: ExchangeOf,
    platform: HostOf,
) -> MoveView:
    """Promote, archive, take back from the archive, or roll back."""
    found = _find(platform, model_id, version)
    exchange.about = f"{found} {wanted.action}"
    changed = _ACTIONS[wanted.action](platform, found, wanted, caller.name)
    again = _find(platform, model_id, found.number)
    champion = versions.aliases(platform.store, found.model).get(CHAMPION)
    return MoveView(
        action=wanted.action, changed=changed, version=version_view(again), champion=champion
    )


def _page(found: list[Any], query: PageQuery) -> tuple[list[Any], str | None]:
    begin = decode_token(query, Count) or 0
    end = begin + query.limit
    return found[begin:end], encode_token(query, end) if end < len(found) else None


def _line(app: Any, registered: Any) -> ModelView:
    there = versions.all_versions(app.store, registered.name)
    named = {alias: str(number) for alias, number in registered.aliases.items()}
    return ModelView(
        id=registered.name,
        family=registered.name.partition(".")[0],
        versions=len(there),
        latest=there[-1].number if there else None,
        champion=named.get(CHAMPION),
        candidate=named.get(CANDIDATE),
        previous=named.get(PREVIOUS),
        updated=_time(there[-1].created_ms) if there else None,
    )


def _promote(app: Any, version: Version, change: VersionChange, caller: str) -> bool:
    reference = Reference(version.model, version.number)
    try:
        done = promotion.promote(
            app.store, reference, force=change.force, reason=change.reason, by=caller
        )
    except GateRefusedError as refused:
        raise _gate_refusal(version, refused) from None
    return done.changed


def _gate_refusal(version: Version, refused: GateRefusedError) -> ApiError:
    details = [
        ErrorDetail(field="", message=sentence, type="gate")
        for sentence in refused.decision.refusals
    ]
    return ApiError(
        409,
        f"The gate refuses {version}; see details. To promote it all the same, send "
        '"force": true with a "reason".',
        details=details,
        code="gate_refused",
    )


def _rollback(app: Any, version: Version, change: VersionChange, caller: str) -> bool:
    if PREVIOUS not in version.aliases:
        previous = versions.aliases(app.store, version.model).get(PREVIOUS)
        there = f"version {previous}" if previous else "none"
        raise ApiError(
            409,
            f"{version} is not the champion before (that is {there}): promote it instead.",
            code="not_previous",
        )
    done = promotion.rollback(app.store, version.model, change.reason, by=caller)
    return done.changed


def _archive(app: Any, version: Version, change: VersionChange, caller: str) -> bool:
    before = versions.status(version)
    reference = Reference(version.model, version.number)
    archiving.archive(app.store, reference, change.reason, by=caller)
    return before != "archived"


def _unarchive(app: Any, version: Version, change: VersionChange, caller: str) -> bool:  # noqa: ARG001
    before = versions.status(version)
    archiving.unarchive(app.store, Reference(version.model, version.number))
    return before == "archived"


_ACTIONS = {
    "promote": _promote,
    "rollback": _rollback,
    "archive": _archive,
    "unarchive": _unarchive,
}


def version_view(version: Version) -> VersionView:
    """A version as it is shown."""
    tags, gate = version.tags, version.gate
    size = tags.get(versions.SIZE_TAG)
    return VersionView(
        model=version.model,
        family=version.family,
        number=version.number,
        semver=tags.get(versions.SEMVER_TAG),
        status=versions.status(version),
        aliases=list(version.aliases),
        run_id=version.run_id,
        created=_time(version.created_ms),
        metrics=version.metrics,
        gate=None if gate is None else _gate(gate),
        size_bytes=None if size is None else int(size),
        measured=version.measured,
        environment=tags.get("crisol.env"),
        git_commit=tags.get("crisol.git_commit"),
        data_digests=version.data_digests,
        predictor_digest=tags.get("crisol.predictor_digest"),
    )


def _gate(decision: Any) -> GateView:
    sentences = [c.sentence(decision.rule) for c in decision.comparisons]
    return GateView(verdict=decision.verdict, sentences=[*sentences, *decision.notes])


def _model(app: Any, name: str) -> str:
    """The name of a model that is registered.

    Raises:
        ApiError: 404.
    """
    try:
        versions.family_of(name)
    except StoreError:
        raise _no_model(name) from None
    if versions.registered(app.store, name) is None:
        raise _no_model(name)
    return name


def _no_model(name: str) -> ApiError:
    return ApiError(404, f"There is no model {name!r}.", code="model_unknown")


def _find(app: Any, model_id: str, named: str) -> Version:
    """The version of a path: by the registry's number, or by its semantic version.

    Raises:
        ApiError: 404.
    """
    model = _model(app, model_id)
    for version in reversed(versions.all_versions(app.store, model)):
        if named in (version.number, version.tags.get(versions.SEMVER_TAG)):
            return version
    hint = "" if _SEMVER.fullmatch(named) or _NUMBER.fullmatch(named) else " (write 3 or 1.2.0)"
    raise ApiError(404, f"{model} has no version {named!r}{hint}.", code="version_unknown")


def _known_family(name: str) -> None:
    try:
        versions.check_family(name)
    except StoreError as error:
        raise FieldError("family", str(error), "family_unknown") from None


def _time(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
    return moment.isoformat(timespec="milliseconds")
