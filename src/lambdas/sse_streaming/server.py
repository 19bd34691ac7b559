"""Uvicorn, with two things that it does not do: readers that stall are cut off, and streams are told that it ends."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from socket import socket

    from fastapi import FastAPI

    from sse_streaming.feed import Feed
    from sse_streaming.settings import Settings

GRACE_SECONDS = 3
"""For requests that are no streams; those end at once."""


class Protocol(H11Protocol):
    """What is written to a reader that takes nothing stays in memory, and the stream waits in the middle of a write."""

    def __init__(self, *, stall_seconds: float, stalled: Callable[[], None], **asked: Any) -> None:
        super().__init__(**asked)
        self._stall_seconds = stall_seconds
        self._stalled = stalled
        self._patience: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._patience = self.loop.call_later(self._stall_seconds, self._cut_off)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._no_longer_wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._no_longer_wait()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        super().shutdown()
        if self._patience is not None:
            self.transport.abort()

    def _cut_off(self) -> None:
        self._stalled()
        self.transport.abort()

    def _no_longer_wait(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


class Server(uvicorn.Server):
    def __init__(self, app: FastAPI, feed: Feed, settings: Settings) -> None:
        protocol = partial(Protocol, stall_seconds=settings.stall_seconds, stalled=feed.dropped)
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                http=protocol,  # type: ignore[arg-type] # it is only called
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._feed = feed

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        self._feed.close()
        await super().shutdown(sockets)
