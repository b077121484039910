"""The page for a path and a method."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

PageT = TypeVar("PageT")


@dataclass(frozen=True, slots=True)
class Route(Generic[PageT]):
    """A path that is known.

    Attributes:
        path: as it was registered; what clients put in place of ``{name}`` is not part of it.
        pages: by method.
        parameters: what stands in the place of each ``{name}``.
    """

    path: str
    pages: Mapping[str, PageT]
    parameters: Mapping[str, str]

    def page(self, method: str) -> PageT | None:
        """The page of a method; that of ``HEAD`` is that of ``GET``."""
        return self.pages.get("GET" if method == "HEAD" else method)

    @property
    def allow(self) -> str:
        """The methods, as an ``Allow`` header lists them."""
        methods = {*self.pages, "HEAD"} if "GET" in self.pages else self.pages
        return ", ".join(sorted(methods))


class Routes(Generic[PageT]):
    """Pages by path and method; ``{name}`` in a path stands for one piece between slashes.

    >>> routes = Routes([("GET", "/jobs/{job_id}", "a job"), ("POST", "/jobs", "a new one")])
    >>> found = routes.find("/jobs/7")
    >>> found.page("GET"), found.parameters, found.allow
    ('a job', {'job_id': '7'}, 'GET, HEAD')
    >>> routes.find("/jobs/7/8") is None
    True
    """

    def __init__(self, pages: Iterable[tuple[str, str, PageT]]) -> None:
        self._exact: dict[str, Route[PageT]] = {}
        self._templates: list[tuple[re.Pattern[str], str, dict[str, PageT]]] = []
        known: dict[str, dict[str, PageT]] = {}
        for method, path, page in pages:
            known.setdefault(path, {})[method] = page
        for path, methods in known.items():
            if "{" in path:
                self._templates.append((re.compile(_pattern(path)), path, methods))
            else:
                self._exact[path] = Route(path, methods, {})

    def find(self, path: str) -> Route[PageT] | None:
        """The route of a path; ``None``: there is none."""
        exact = self._exact.get(path)
        if exact is not None:
            return exact
        for pattern, template, methods in self._templates:
            match = pattern.fullmatch(path)
            if match is not None:
                return Route(template, methods, match.groupdict())
        return None


def parameter_names(path: str) -> tuple[str, ...]:
    """The names in braces.

    >>> parameter_names("/jobs/{job_id}/results")
    ('job_id',)
    """
    return tuple(re.findall(r"{(\w+)}", path))


def _pattern(path: str) -> str:
    pieces = re.split(r"({\w+})", path)
    return "".join(f"(?P<{p[1:-1]}>[^/]+)" if p[:1] == "{" else re.escape(p) for p in pieces)
