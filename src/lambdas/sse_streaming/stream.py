"""A stream as an ASGI response: an error before the first byte is an HTTP error, and whoever leaves is gone at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from sentiment.errors import Unavailable
from sse_streaming.fanout import Ending, message

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from sse_streaming.feed import Feed
    from sse_streaming.ring import Topics

HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}
_DIRECT = "sse_streaming.direct"
RETRY_AFTER = {"retry-after": "5"}


class Direct:
    """Lets a stream write past the middleware inside of this one, which looks at the start of a response alone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[_DIRECT] = send
        await self._app(scope, receive, send)


class EventStream(Response):
    media_type = "text/event-stream"

    def __init__(self, feed: Feed, *, topics: Topics, position: str, seconds: float) -> None:
        """No `super().__init__`: like Starlette's own StreamingResponse, it has no body whose length is known."""
        self.status_code = 200
        self.background = None
        self.init_headers(HEADERS)
        self._feed = feed
        self._topics = topics
        self._position = position
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            reader = await self._feed.open(self._topics, self._position)
        except Unavailable:
            # What happened is in the log: it is nobody else's business.
            answer = JSONResponse({"detail": "there is no news to be had now: try again"}, 503, RETRY_AFTER)
            await answer(scope, receive, send)
            return
        limit = asyncio.get_running_loop().call_later(self._seconds, reader.end, Ending.LIMIT)
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send(message(reader.opening))
            reader.begin(scope.get(_DIRECT, send))
            # Comes when the client leaves, and when the response is complete.
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            limit.cancel()
            self._feed.leave(reader)
