"""The way into the box: every HTTP call is read, named, led through the layers, and only then into the emulator."""

from __future__ import annotations

import socket
import struct
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import anyio

from awsbox.calls import Answer, Call, Cut

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from awsbox.calls import Layer, Next

    type Receive = Callable[[], Awaitable[dict[str, Any]]]
    type Send = Callable[[dict[str, Any]], Awaitable[None]]
    type App = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]


class Gate:
    """An ASGI app around the emulator's. The first layer sees a call first, and its answer last."""

    def __init__(self, emulator: App, layers: Sequence[Layer]) -> None:
        self._emulator = emulator
        way: Next = self._into_the_emulator
        for layer in reversed(layers):
            way = partial(_through, layer, way)
        self._way = way
        self._running: set[anyio.CancelScope] = set()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._emulator(scope, receive, send)
            return
        with anyio.CancelScope() as running:
            self._running.add(running)
            try:
                await self._answer(scope, receive, send)
            finally:
                self._running.discard(running)

    def close(self) -> None:
        """End what still runs: the server waits for its connections, and a stream may have no end."""
        for running in list(self._running):
            running.cancel()

    async def _answer(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        try:
            answer = await self._way(identified(scope, await _body(receive)))
        except Cut as cut:
            _hang_up(send, reset=cut.reset)
            return
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        if isinstance(answer.body, bytes):
            await send({"type": "http.response.body", "body": answer.body})
            return
        try:
            async for chunk in answer.body:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except Cut:
            return  # the server sees a body without an end, and closes the connection
        await send({"type": "http.response.body", "body": b""})

    async def _into_the_emulator(self, call: Call) -> Answer:
        heard: list[dict[str, Any]] = []
        bodies = iter([{"type": "http.request", "body": call.body, "more_body": False}])

        async def receive() -> dict[str, Any]:
            return next(bodies, {"type": "http.disconnect"})

        async def send(message: dict[str, Any]) -> None:
            heard.append(message)

        await self._emulator(_scope(call), receive, send)
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in heard[0].get("headers", [])]
        return Answer(heard[0]["status"], tuple(headers), b"".join(message.get("body", b"") for message in heard[1:]))


def _hang_up(send: Any, *, reset: bool) -> None:
    """End the connection without a word. Only the server's stream knows the socket, and `send` is a method of it."""
    stream = send.__self__
    stream.closed = True  # or the server would answer in our place
    transport = stream.send.__self__.send.__self__.writer.transport
    if reset:
        at_once = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
    transport.abort()


async def _through(layer: Layer, way: Next, call: Call) -> Answer:
    return await layer(call, way)


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def identified(scope: dict[str, Any], body: bytes) -> Call:
    """Name the service and the operation, by the emulator's own router where it is right."""
    from ministack import app as emulator  # noqa: PLC0415 - it reads its settings when it is imported
    from ministack.core import iam_actions, router  # noqa: PLC0415

    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    method, path, query = scope["method"], scope["path"], scope.get("query_string", b"").decode()
    asked = parse_qs(query, keep_blank_values=True)
    routing = emulator._routing_params(method, path, headers, body, asked)  # noqa: SLF001 - its only public face is HTTP
    service = router.detect_service(method, path, headers, routing)
    action = iam_actions.extract_iam_action(service, method, path, headers, body, routing) or ""
    return Call(
        method=method,
        path=path,
        query=query,
        headers=headers,
        body=body,
        service=service,
        operation=action.partition(":")[2],
        scope=scope,
    )


def _scope(call: Call) -> dict[str, Any]:
    """The scope as the emulator shall see it. Headers that no layer changed stay as they came: they are signed."""
    came = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in call.scope["headers"]}
    changed = {name: value for name, value in call.headers.items() if came.get(name) != value}
    kept = [pair for pair in call.scope["headers"] if pair[0].decode("latin-1").lower() not in changed]
    headers = kept + [(name.encode("latin-1"), value.encode("latin-1")) for name, value in changed.items()]
    return {
        **call.scope,
        "method": call.method,
        "path": call.path,
        "query_string": call.query.encode(),
        "headers": headers,
    }
