"""The page at ``/``: files of our own, nothing from another host, nothing inline.

``{dataset_family}`` in the page stands for the family of datasets that name none.
"""

from importlib.resources import files

from fastapi import Response

from crisol.platform.datasets.families import default_family
from crisol.serving.http.routes import Route

_MODULES = ("platform", "api", "elements", "message", "datasets", "jobs", "models")
_FILES = {
    "/": ("index.html", "text/html"),
    "/web/platform.css": ("platform.css", "text/css"),
    **{f"/web/{name}.js": (f"{name}.js", "text/javascript") for name in _MODULES},
}
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


def web_pages() -> list[Route]:
    """The routes of the page and its files."""
    return [_page(path, *named) for path, named in _FILES.items()]


def _page(path: str, name: str, kind: str) -> Route:
    body = files("crisol.platform").joinpath("web", name).read_bytes()
    body = body.replace(b"{dataset_family}", (default_family() or "").encode())

    async def page() -> Response:
        return Response(body, headers=_HEADERS, media_type=f"{kind}; charset=utf-8")

    return Route(path, page, methods=["GET"], include_in_schema=False, response_model=None)
