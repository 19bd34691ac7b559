"""What holds for every answer, whatever made it: security headers, and JSON in place of a traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALWAYS = {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=31536000",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def problem(status: int, error: str, message: str, *, headers: dict[str, str] | None = None) -> JSONResponse:
    """The one shape of what went wrong: a word for programs, and a sentence for people that says what to do."""
    said = {"cache-control": "no-store", **(headers or {})}
    return JSONResponse({"error": error, "message": message}, status, headers=said)


def security_headers(stream_url: str) -> dict[str, str]:
    """The page is our own files and nothing else; it talks to this server and to the stream."""
    policy = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        # With a slash at its end it stands for everything below it.
        f"connect-src 'self' {stream_url}/" if stream_url else "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
    return {"content-security-policy": "; ".join(policy), **_ALWAYS}


class Guard:
    def __init__(self, app: ASGIApp, *, stream_url: str, log: Logger) -> None:
        self._app = app
        self._headers = security_headers(stream_url)
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        try:
            await self._app(scope, receive, guarded)
        except Exception:
            self._log.exception("an answer failed in a way that nobody thought of")
            if started:
                raise  # half an answer is out: only a cut connection tells the reader
            answer = problem(500, "internal", "Something is wrong here, and it was logged. Try again in a minute.")
            await answer(scope, receive, guarded)
