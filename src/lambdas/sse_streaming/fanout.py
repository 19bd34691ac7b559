"""One writes, all who want the same topics read.

A batch is put once, in one place, and every stream is written to from where it is: what a stream costs is a number. The
place keeps the last few batches only: who is further behind than that has missed some, and is dropped.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sse_streaming import framing

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from starlette.types import Send

    from sse_streaming.ring import Frame, Topics

KEPT = 64
"""Batches: with one each two seconds, a reader may be about two minutes behind."""


class Ending(StrEnum):
    """Why a stream is ended from this side."""

    LIMIT = "limit"
    SHUTDOWN = "shutdown"
    SLOW = "slow"


type Message = MutableMapping[str, Any]


def message(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


FAREWELL = {why: message(framing.event(json.dumps({"reason": why}), name="reconnect"), more=False) for why in Ending}
"""Ends the response."""


@dataclass(frozen=True, slots=True)
class Batch:
    frames: tuple[Frame, ...]
    rest: bytes
    """What follows the items: a summary, or a comment."""
    body: bytes
    """Items and rest, joined once for all."""
    message: Message
    """The body as it is sent, made once too."""

    @classmethod
    def of(cls, frames: list[Frame], rest: bytes = b"") -> Batch:
        body = b"".join([*(frame.body for frame in frames), rest])
        return cls(tuple(frames), rest, body, message(body))

    def after(self, position: str) -> bytes:
        return b"".join([*(frame.body for frame in self.frames if frame.position > position), self.rest])


class Group:
    """The streams that want the same topics."""

    def __init__(self, topics: Topics, dropped: Callable[[], None], kept: int = KEPT) -> None:
        self.topics = topics
        self.readers: set[Reader] = set()
        self.summary = b""
        """The last one, for those who come next."""
        self.put_at = 0.0
        self.end = 0
        """How many batches were put, ever."""
        self.dropped = dropped
        self._batches: deque[Batch] = deque(maxlen=kept)

    def put(self, batch: Batch, at: float) -> None:
        self._batches.append(batch)
        self.end += 1
        self.put_at = at
        for reader in self.readers:
            reader.go_on()

    def last(self, count: int) -> list[Batch] | None:
        """That many, oldest first; None where some of them are gone."""
        if count == 1:
            return [self._batches[-1]]
        return [self._batches[-back] for back in range(count, 0, -1)] if count <= len(self._batches) else None


class Reader:
    """One open stream.

    It has no task that waits for something to write: whoever puts a batch writes it, to one stream after the other.
    Only where a client does not take what is written does the write go on by itself, and later batches wait for it.
    """

    __slots__ = ("_at", "_ending", "_floor", "_group", "_loop", "_over", "_send", "_writing", "opening")

    def __init__(self, group: Group, opening: bytes, floor: str = "") -> None:
        """`floor`: this client was told by another process what is still to come here, up to this position."""
        self.opening = opening
        self._group = group
        self._at = group.end
        self._floor = floor
        self._ending: Ending | None = None
        self._loop = asyncio.get_running_loop()
        self._over = False
        self._send: Send | None = None
        self._writing: asyncio.Task[None] | None = None
        group.readers.add(self)

    def begin(self, send: Send) -> None:
        """The opening is written: from now on, batches are."""
        self.opening = b""
        self._send = send
        self.go_on()

    def go_on(self) -> None:
        """Write what there is; where something is being written, this comes again when it is."""
        while self._send is not None and self._writing is None and (next := self._next()) is not None:
            write = asyncio.Task(self._write(self._send, next), loop=self._loop, eager_start=True)
            if not write.done():
                self._writing = write
                write.add_done_callback(self._go_on_after)

    def end(self, why: Ending) -> None:
        """With a word about the reason; the first one stays."""
        if self._ending is None:
            self._ending = why
            self.go_on()

    def leave(self) -> Group:
        self._over = True
        if self._writing is not None:
            self._writing.cancel()
        self._group.readers.discard(self)
        return self._group

    async def _write(self, send: Send, message: Message) -> None:
        try:
            await send(message)
        except OSError:
            self._over = True  # there is nobody any more: whoever waits for that is told so too

    def _go_on_after(self, write: asyncio.Task[None]) -> None:
        self._writing = None
        if not write.cancelled():
            self.go_on()

    def _next(self) -> Message | None:
        if self._over:
            return None
        behind = self._group.end - self._at
        if not behind and self._ending is None:
            return None
        batches = self._group.last(behind)
        if batches is None:
            self._group.dropped()
            self._ending = Ending.SLOW
        if self._ending is not None or batches is None:
            self._over = True
            return FAREWELL[self._ending or Ending.SLOW]
        self._at = self._group.end
        if self._floor:
            return message(self._above_floor(batches))
        return batches[0].message if behind == 1 else message(b"".join([batch.body for batch in batches]))

    def _above_floor(self, batches: list[Batch]) -> bytes:
        body = b"".join([batch.after(self._floor) for batch in batches])
        if any(batch.frames and batch.frames[-1].position > self._floor for batch in batches):
            self._floor = ""
        return body
