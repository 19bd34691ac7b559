"""Lambda's Runtime API and the part of the Extensions API that the web adapter uses, for one execution environment.

AWS: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html. What listens here is what `AWS_LAMBDA_RUNTIME_API`
names. The stand-in for the adapter speaks to the same object without HTTP.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import anyio
from anyio.abc import SocketAttribute

from awsbox.emulator import HOST
from awsbox.lambdas.invocation import Failure
from awsbox.lambdas.wire import Broken, Response, Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from awsbox.lambdas.invocation import Invocation
    from awsbox.lambdas.wire import Request

RUNTIME = "/2018-06-01/runtime/"
EXTENSION = "/2020-01-01/extension/"
JSON = {"content-type": "application/json"}
ACCEPTED = Response(202, JSON, b'{"status":"OK"}\n')
EXITED = "Runtime.ExitError"


class RuntimeApi:
    def __init__(self) -> None:
        self.asked = anyio.Event()
        """The runtime waits for work: for its first, the end of the start."""
        self.broken = anyio.Event()
        """The runtime said that it cannot start."""
        self.spoken = anyio.Event()
        """Somebody asked for work over HTTP."""
        self.init_failure: Failure | None = None
        self._give, self._take = anyio.create_memory_object_stream["Invocation"](1)
        self._current: Invocation | None = None

    async def run(self, invocation: Invocation) -> None:
        """To the end: answered, and the runtime waits for work again."""
        self.asked = anyio.Event()
        self._current = invocation
        await self._give.send(invocation)
        await invocation.over()
        if not invocation.failure or invocation.failure.type != EXITED:
            await self.asked.wait()

    async def next(self) -> Invocation:
        self.asked.set()
        return await self._take.receive()

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        """Answer its HTTP address, host and port, for as long as the block lasts."""
        listener = await anyio.create_tcp_listener(local_host=HOST)
        address = listener.extra(SocketAttribute.local_address)  # noqa: S610 - not Django's
        async with listener, self._give, self._take, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, lambda stream: Wire(stream).serve(self._answer))
            yield f"{address[0]}:{address[1]}"
            tasks.cancel_scope.cancel()

    async def _answer(self, request: Request) -> Response:
        path = request.path
        if path == f"{RUNTIME}invocation/next":
            self.spoken.set()
            return _event(await self.next())
        if path.startswith(EXTENSION):
            return await self._extension(path.removeprefix(EXTENSION), request)
        if path == f"{RUNTIME}init/error":
            self.init_failure = _failure(await request.body(), request.headers)
            self.broken.set()
            return ACCEPTED
        id, _, what = path.removeprefix(f"{RUNTIME}invocation/").partition("/")
        current = self._current
        if current is None or current.id != id or what not in {"response", "error"}:
            await request.body()
            return _refused(400, "InvalidRequestID", "Invalid request ID")
        if what == "error":
            current.finish(_failure(await request.body(), request.headers))
            return ACCEPTED
        return await _respond(current, request)

    async def _extension(self, what: str, request: Request) -> Response:
        await request.body()
        if what == "register":
            said = {"functionName": "", "functionVersion": "", "handler": ""}
            id = {"lambda-extension-identifier": str(uuid4())}
            return Response(200, JSON | id, json.dumps(said).encode())
        if what == "event/next":
            # It asked for no events, and the environment ends without saying so.
            await anyio.sleep_forever()
        return _refused(404, "NotFound", f"the box's Extensions API has no {what}")


def _event(invocation: Invocation) -> Response:
    headers = {
        "lambda-runtime-aws-request-id": invocation.id,
        "lambda-runtime-deadline-ms": str(invocation.deadline_ms),
        "lambda-runtime-invoked-function-arn": invocation.arn,
        "lambda-runtime-trace-id": invocation.trace,
    }
    return Response(200, JSON | headers, invocation.event)


async def _respond(invocation: Invocation, request: Request) -> Response:
    streaming = request.headers.get("lambda-runtime-function-response-mode", "").lower() == "streaming"
    content_type = request.headers.get("content-type", "application/octet-stream")
    failure = None
    try:
        if streaming:
            invocation.begin(streaming=True, content_type=content_type)
            async for chunk in request.chunks():
                await invocation.feed(chunk)
            failure = _trailing(request)
        else:
            # Whole before anybody hears of it: a runtime that dies half way has not answered.
            body = await request.body()
            invocation.begin(streaming=False, content_type=content_type)
            await invocation.feed(body)
    except Broken:
        failure = Failure(EXITED, "Runtime exited while it was answering")
    invocation.finish(failure)
    return ACCEPTED


def _trailing(request: Request) -> Failure | None:
    """A runtime that fails after the first bytes says so behind the last ones."""
    kind = request.trailers.get("lambda-runtime-function-error-type")
    if not kind:
        return None
    import base64  # noqa: PLC0415 - rarely

    return Failure(kind, base64.b64decode(request.trailers.get("lambda-runtime-function-error-body", "")).decode())


def _failure(body: bytes, headers: Any) -> Failure:
    try:
        said = json.loads(body or b"{}")
    except ValueError:
        said = {}
    kind = said.get("errorType") or headers.get("lambda-runtime-function-error-type") or "Unhandled"
    return Failure(str(kind), str(said.get("errorMessage", "")))


def _refused(status: int, kind: str, message: str) -> Response:
    return Response(status, JSON, json.dumps(Failure(kind, message).document).encode())
