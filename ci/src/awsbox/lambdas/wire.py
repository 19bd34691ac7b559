"""HTTP/1.1 as a server hears it, a request at a time, trailers included: ASGI has no word for a request's trailers."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import h11
from anyio.abc import SocketAttribute

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from anyio.abc import ByteStream

LARGEST_HEAD = 64 * 1024
QUICK_ACK = getattr(socket, "TCP_QUICKACK", None)


@dataclass
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    _wire: Wire

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises Broken where the sender stopped in the middle."""
        async for chunk in self._wire.body():
            yield chunk

    async def body(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])

    @property
    def trailers(self) -> Mapping[str, str]:
        """Known once the body is read."""
        return self._wire.trailers


@dataclass(frozen=True)
class Response:
    status: int
    headers: Mapping[str, str]
    body: bytes = b""


type Serve = Callable[[Request], Awaitable[Response]]
Broken = h11.RemoteProtocolError


class Wire:
    """One connection."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=LARGEST_HEAD)
        self.trailers: Mapping[str, str] = {}

    async def serve(self, answer: Serve) -> None:
        with suppress(Broken, h11.LocalProtocolError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            async with self._stream:
                while isinstance(asked := await self._heard(), h11.Request):
                    await self._say(await answer(self._request(asked)))
                    while self._http.their_state is h11.SEND_BODY:
                        await self._heard()  # the end of a request counts as a part of it, even where it has no body
                    if self._http.our_state is h11.MUST_CLOSE or self._http.their_state is not h11.DONE:
                        return
                    self._http.start_next_cycle()

    def _request(self, asked: h11.Request) -> Request:
        self.trailers = {}
        return Request(asked.method.decode(), asked.target.decode(), _read(asked.headers), self)

    async def body(self) -> AsyncIterator[bytes]:
        while not isinstance(event := await self._heard(), h11.EndOfMessage):
            if not isinstance(event, h11.Data):
                raise Broken("the sender is gone")
            yield bytes(event.data)
        self.trailers = _read(event.headers)

    async def _heard(self) -> h11.Event | type[h11.PAUSED]:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            try:
                self._acknowledge()
                self._http.receive_data(await self._stream.receive())
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                self._http.receive_data(b"")
        return event  # type: ignore[return-value] # NEED_DATA is handled above

    def _acknowledge(self) -> None:
        """At once: the adapter sends a chunk only when the one before is acknowledged, for which Linux takes 40 ms."""
        if QUICK_ACK is not None:
            raw = self._stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - not Django's
            raw.setsockopt(socket.IPPROTO_TCP, QUICK_ACK, 1)

    async def _say(self, response: Response) -> None:
        headers = [*response.headers.items(), ("content-length", str(len(response.body)))]
        said = [h11.Response(status_code=response.status, headers=headers), h11.Data(response.body), h11.EndOfMessage()]
        await self._stream.send(b"".join(self._http.send(event) or b"" for event in said))


def _read(headers: object) -> dict[str, str]:
    pairs: list[tuple[bytes, bytes]] = list(headers)  # type: ignore[call-overload] # h11's own sequence of pairs
    return {name.decode().lower(): value.decode("latin-1") for name, value in pairs}
