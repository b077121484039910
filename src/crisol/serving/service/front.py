"""The ASGI application of a BentoML worker: it hands every HTTP request to ours."""

from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send


class Front:
    """Calls ``app`` for every HTTP request and BentoML for the rest.

    BentoML's own stack (router, tracing, timeout, context) costs 50 us a request even for a mounted
    application with all of it switched off, keeps a timer of every request, and answers ``/livez``,
    ``/readyz`` and errors in shapes of its own. It still runs start-up and shut-down.
    """

    def __init__(self, inner: Any, app: ASGIApp) -> None:
        self._inner = inner
        self._app = app

    @property
    def router(self) -> Any:
        """BentoML's router, whose ``lifespan_context`` in-process tests enter."""
        return self._inner.router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer HTTP; pass on anything else."""
        if scope["type"] == "http":
            await self._app(scope, receive, send)
        else:
            await self._inner(scope, receive, send)
