"""Asking over HTTP. Whatever the other side does, every question ends in its time, and each failure has its reason."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from canary.listening import End, Heard, Stop, media_type
from canary.verdict import clip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Self

    from canary.listening import Patience

LARGEST = 2 * 1024 * 1024
"""Bytes of an answer that is no stream."""
EXCERPT = 2000
OURS = {
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.EADDRNOTAVAIL,
    errno.EMFILE,
    errno.ENFILE,
    errno.EACCES,
}
"""What this machine says of itself, not of the service."""


class Unanswered(Exception):
    """No answer to judge. `ours`: nothing follows from that for the service."""

    def __init__(self, why: str, *, ours: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.ours = ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: httpx.Headers
    body: bytes
    seconds: float

    @property
    def kind(self) -> str:
        return media_type(self.headers)

    def excerpt(self) -> str:
        return clip(f"{self.status} {self.kind or 'of no type'}: {self.body[:EXCERPT].decode(errors='replace')}")


class Deadline:
    """For everything together: each question gets its own limit, or what is left."""

    def __init__(self, within: float) -> None:
        self._within = within
        self._end = time.monotonic() + within

    def left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise Unanswered(f"all of the {self._within:g} s that there were are over", ours=True)
        return left

    def fair(self, waited: float, limit: float) -> bool:
        """Whether a service had the time that it was due; it is due no more than there was for everything."""
        return waited >= 0.9 * min(limit, self._within)


class Web:
    def __init__(self, within: float) -> None:
        # No proxy: one that buffers would be judged in the service's place.
        pool = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self._http = httpx.AsyncClient(timeout=None, trust_env=False, limits=pool, headers={"user-agent": "canary"})  # noqa: S113 - each question has one time limit for all of it
        self._deadline = Deadline(within)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def get(self, url: str, *, headers: Mapping[str, str], within: float, body: bool = True) -> Answer:
        """`body`: without it, the headers are enough, and what follows them may be a stream."""
        limit, started, read = min(within, self._deadline.left()), time.monotonic(), bytearray()
        try:
            async with asyncio.timeout(limit), self._http.stream("GET", url, headers=dict(headers)) as response:
                async for chunk in response.aiter_bytes():
                    read += chunk
                    if len(read) > LARGEST or not body:
                        break
        except TimeoutError:
            fair = self._deadline.fair(limit, within)
            raise Unanswered(f"no whole answer within {limit:.3g} s", ours=not fair) from None
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise unanswered(error) from error
        if len(read) > LARGEST:
            raise Unanswered(f"the answer has no end: more than {LARGEST} bytes")
        took = time.monotonic() - started
        return Answer(status=response.status_code, headers=response.headers, body=bytes(read), seconds=took)

    async def listen(self, url: str, *, headers: Mapping[str, str], patience: Patience) -> Heard:
        """Until patience ends, or the stream, or the time."""
        heard, left = Heard(), self._deadline.left()

        def stop() -> Stop:
            return min(Stop(left, End.OVER), patience(heard), key=lambda each: each.at)

        try:
            async with asyncio.timeout(stop().at) as limit:
                async with self._http.stream(
                    "GET", url, headers={"accept": "text/event-stream", **headers}
                ) as response:
                    heard.opened(response.status_code, response.headers)
                    await _hear(response, heard, stop, limit)
        except TimeoutError:
            heard.end = stop().end
            if not heard.status:
                fair = self._deadline.fair(stop().at, patience(heard).at)
                raise Unanswered(f"no answer within {stop().at:.3g} s", ours=not fair) from None
        except (httpx.HTTPError, httpx.StreamError) as error:
            if not heard.status:
                raise unanswered(error) from error
            heard.end, heard.why = End.CUT, clip(str(error)) or type(error).__name__
        heard.over_at = heard.now()
        return heard


async def _hear(response: httpx.Response, heard: Heard, stop: Callable[[], Stop], limit: asyncio.Timeout) -> None:
    if not heard.readable:
        heard.said = await _beginning(response)
        return
    async for chunk in response.aiter_raw():
        if not heard.take(chunk):
            return
        if (next := stop()).at <= heard.now():
            heard.end = next.end
            return
        limit.reschedule(asyncio.get_running_loop().time() + next.at - heard.now())
    heard.closed()


async def _beginning(response: httpx.Response) -> str:
    read = bytearray()
    async for chunk in response.aiter_raw():
        read += chunk
        if len(read) > EXCERPT:
            break
    return clip(read.decode(errors="replace"))


def unanswered(error: Exception) -> Unanswered:
    """Refused, cut and garbled is the service's doing; a name or a network that is not there says nothing of it."""
    causes = list(_causes(error))
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return Unanswered("its name does not resolve from here", ours=True)
    if any(isinstance(cause, OSError) and cause.errno in OURS for cause in causes):
        return Unanswered(f"this machine does not get there: {clip(str(causes[-1]))}", ours=True)
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return Unanswered("it refuses connections: nobody listens there")
    return Unanswered(f"it breaks the connection: {clip(str(error)) or type(error).__name__}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and whatever led to it."""
    yield error
    for cause in error.exceptions if isinstance(error, BaseExceptionGroup) else (error.__cause__ or error.__context__,):
        if cause is not None:
            yield from _causes(cause)
