"""Events of a Lambda function URL (payload 2.0), answered by an ASGI application.

Mangum does this for every kind of event. This one is what a function URL needs, without a dependency to keep up with.
"""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Scope

_TEXTS = ("text/", "application/json", "image/svg+xml")


class NotAnEventError(Exception):
    """Somebody called the function with something else than its URL."""


class FunctionUrl:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        try:
            scope, body = _scope(event), _body(event)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise NotAnEventError(f"it lacks {error}") from error
        return asyncio.run(self._answer(scope, body))

    async def _answer(self, scope: Scope, body: bytes) -> dict[str, Any]:
        asked: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        said: list[Message] = []

        async def receive() -> Message:
            return asked.pop() if asked else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            said.append(message)

        await self._app(scope, receive, send)
        return _response(said, with_body=scope["method"] != "HEAD")


def _scope(event: Mapping[str, Any]) -> Scope:
    http = event["requestContext"]["http"]
    path = str(event["rawPath"])
    headers = {str(name).lower(): str(value) for name, value in event["headers"].items()}
    if event.get("cookies"):
        headers["cookie"] = "; ".join(event["cookies"])
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": str(http["method"]).upper(),
        "scheme": headers.get("x-forwarded-proto", "https"),
        "path": unquote(path),
        "raw_path": _bytes(path),
        "root_path": "",
        "query_string": _bytes(str(event.get("rawQueryString", ""))),
        "headers": [(_bytes(name), _bytes(value)) for name, value in headers.items()],
        "client": (str(http.get("sourceIp", "")), 0),
        "server": (headers.get("host", "localhost"), 443),
    }


def _body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else _bytes(body)


def _bytes(text: str) -> bytes:
    """JSON can carry what no text is made of (half a surrogate pair): that must not be an error here."""
    return text.encode("utf-8", "surrogatepass")


def _response(said: list[Message], *, with_body: bool) -> dict[str, Any]:
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in said[0]["headers"]]
    # One header of a name: nothing here sends the one that may not be joined, set-cookie.
    headers: dict[str, str] = {}
    for name, value in pairs:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    body = b"".join(message.get("body", b"") for message in said[1:]) if with_body else b""
    plain = headers.get("content-type", "").startswith(_TEXTS) and "content-encoding" not in headers
    return {
        "statusCode": said[0]["status"],
        "headers": headers,
        "body": body.decode() if plain else base64.b64encode(body).decode(),
        "isBase64Encoded": not plain,
    }
