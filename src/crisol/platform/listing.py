"""Pages of a listing, with the same parameters on every route."""

import base64
import binascii
import hashlib
from typing import Annotated, Any, Generic, TypeVar

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from crisol.core.errors import FieldError
from crisol.serving.http.routes import link

MAX_LIMIT = 200
Count = Annotated[int, Field(strict=True, ge=0, le=10**14)]
"""A number in a token, such as milliseconds since 1970."""
ItemT = TypeVar("ItemT")


class PageQuery(BaseModel):
    """The query parameters of every listing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=50, ge=1, le=MAX_LIMIT, description="Items a page.")
    page_token: str | None = Field(
        default=None, max_length=2000, description="The next_page_token of the page before."
    )


class Page(BaseModel, Generic[ItemT]):
    """One page of a listing."""

    model_config = ConfigDict(extra="forbid")

    items: list[ItemT]
    next_page_token: str | None = Field(description="Where the next page begins; null: the end.")


def next_page(operation: str) -> dict[int | str, dict[str, Any]]:
    """The link to the page that follows, for the API page."""
    return {200: {"links": {"next": link(operation, page_token="next_page_token")}}}  # noqa: S106


def encode_token(query: PageQuery, position: Any) -> str:
    """The token of the page that begins at ``position`` of the listing that ``query`` describes.

    >>> query = PageQuery()
    >>> decode_token(PageQuery(page_token=encode_token(query, [7])))
    [7]
    """
    text = base64.urlsafe_b64encode(orjson.dumps([_digest(query), position]))
    return text.decode().rstrip("=")


def decode_token(query: PageQuery, shape: Any = Any) -> Any:
    """The position that the query's token stands for; ``None``: the beginning.

    Args:
        query: with the token.
        shape: type of the listing's positions; tokens come from clients, whatever they sent.

    Raises:
        FieldError: it is no token, or one of a listing with other filters or another order.
    """
    if query.page_token is None:
        return None
    text = query.page_token
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        digest, position = orjson.loads(raw)
        position = TypeAdapter(shape).validate_python(position)
    except (binascii.Error, ValueError, TypeError):
        raise not_a_token() from None
    if digest != _digest(query):
        raise FieldError(
            "page_token",
            "belongs to a listing with other filters or another order: repeat those, or begin anew",
            "page_token_foreign",
        )
    return position


class _StorePosition(BaseModel):
    """The content of MLflow's own page token."""

    offset: Annotated[Count, Field(ge=1)]


def _store_token(text: str) -> str:
    """MLflow's page token as it is; MLflow does not check what its token holds."""
    _StorePosition.model_validate_json(base64.b64decode(text, validate=True))
    return text


StoreToken = Annotated[str, AfterValidator(_store_token)]
"""A page token of MLflow inside a token of ours."""


def not_a_token() -> FieldError:
    """The error for a token that is not the ``next_page_token`` of a page."""
    return FieldError("page_token", "is not the next_page_token of a page", "page_token_invalid")


def _digest(query: PageQuery) -> str:
    """A digest of the filters and the order of a listing."""
    rest = query.model_dump(mode="json", exclude={"limit", "page_token"})
    return hashlib.sha256(orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
