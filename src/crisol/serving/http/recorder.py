"""The outermost layer of an application: request ids, headers, logs, metrics, the audit log."""

import logging
import re
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crisol.serving.http.exchange import Exchange
from crisol.serving.http.host import Host

_log = logging.getLogger("crisol.serving")
_SANE_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")


async def _gone() -> Message:
    return {"type": "http.disconnect"}


class Recorder:
    """Pure ASGI middleware around everything else.

    Args:
        app: the layers inside.
        host: of the application.
    """

    def __init__(self, app: ASGIApp, host: Host) -> None:
        self._app, self._host = app, host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on and tell what came of it."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1000})
                return
            await self._app(scope, receive, send)
            return
        exchange = Exchange.begin(scope)
        is_head = scope["method"] == "HEAD"
        if is_head:
            # Routes answer GET; a copy, because the server looks at its own. Nobody waits for the
            # events of a stream.
            scope, receive = {**scope, "method": "GET"}, _gone
        bytes_out = 0

        async def tell(message: Message) -> None:
            nonlocal bytes_out
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                if exchange.audit:
                    self._audit(scope, exchange)
                message["headers"] = [*message["headers"], *self._headers(exchange)]
            elif is_head:
                return
            else:
                bytes_out += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, tell)
        except Exception:  # noqa: BLE001 - the boundary
            # Too late for another status: the server cuts the connection, and the client knows.
            exchange.code = exchange.code or "internal"
            fields = {"fields": {"request_id": exchange.request_id}}
            _log.exception("request failed while it was answered", extra=fields)
        if is_head and exchange.status:
            await send({"type": "http.response.body", "body": b""})
        self._record(scope, exchange, "HEAD" if is_head else scope["method"], bytes_out)

    def _headers(self, exchange: Exchange) -> list[tuple[bytes, bytes]]:
        return [
            (b"x-request-id", exchange.request_id.encode()),
            *self._host.reply_headers,
            (b"x-process-time-ms", b"%.3f" % exchange.milliseconds),
            (b"x-content-type-options", b"nosniff"),
        ]

    def _record(self, scope: Scope, exchange: Exchange, method: str, bytes_out: int) -> None:
        host, status = self._host, exchange.status
        route: str = getattr(scope.get("route"), "path", "unmatched")
        method = method if route != "unmatched" else "any"
        milliseconds = exchange.milliseconds
        host.metrics.request(route, method, status, milliseconds / 1000)
        if host.settings.log_level not in ("DEBUG", "INFO") and status < 500:
            return
        host.access.write(
            request_id=exchange.request_id,
            route=route,
            method=method,
            status=status,
            code=exchange.code,
            caller=exchange.identity.name,
            **host.log_fields(),
            milliseconds=round(milliseconds, 3),
            inference_ms=round(exchange.inference_ms, 3),
            rows=exchange.rows,
            bytes_in=exchange.bytes_in,
            bytes_out=bytes_out,
            problems=exchange.problems,
        )

    def _audit(self, scope: Scope, exchange: Exchange) -> None:
        """A line of the audit log, for a request whose caller is known."""
        if not exchange.identity.name:
            return
        status = exchange.status
        parameters: Mapping[str, Any] = scope.get("path_params", {})
        named = (v if _SANE_NAME.fullmatch(v) else "?" for v in parameters.values())
        self._host.audit.write(
            request_id=exchange.request_id,
            action=exchange.audit,
            object=exchange.about or "/".join(named),
            caller=exchange.identity.name,
            subject=exchange.identity.subject,
            outcome="done" if status < 400 else "refused" if status < 500 else "failed",
            status=status,
            code=exchange.code,
        )
