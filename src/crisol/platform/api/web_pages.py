"""The page at ``/``: files of our own, nothing from another host, nothing inline.

``{dataset_family}`` in the page stands for the family of datasets that name none.
"""

from importlib.resources import files

from crisol.platform.datasets.families import default_family
from crisol.serving.http.asgi import Reply, Request
from crisol.serving.http.pages import Page

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


def web_pages() -> dict[str, Page]:
    """Path to what ``GET`` answers there."""
    return {path: _page(*named) for path, named in _FILES.items()}


def _page(name: str, kind: str) -> Page:
    body = files("crisol.platform").joinpath("web", name).read_bytes()
    body = body.replace(b"{dataset_family}", (default_family() or "").encode())

    def page(_: Request) -> Reply:
        return Reply(200, body, f"{kind}; charset=utf-8", _HEADERS)

    return page
