"""One invocation: what goes to the function, and what comes back while it runs."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

import anyio

from awsbox.calls import Cut

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from awsbox.lambdas.functions import Function

BUFFERED_LIMIT = 6 * 1024 * 1024 + 100
"""What Lambda takes from a function that does not stream; the number is in its error message."""
CHUNKS_AHEAD = 16


@dataclass(frozen=True)
class Failure:
    """As Lambda words it: errorType and errorMessage."""

    type: str
    message: str

    @property
    def document(self) -> dict[str, str]:
        return {"errorType": self.type, "errorMessage": self.message}


@dataclass
class Invocation:
    function: Function
    event: bytes
    arn: str
    """What was asked for: the function, a version or an alias of it."""
    id: str = field(default_factory=lambda: str(uuid4()))
    trace: str = ""
    streaming: bool = False
    """Set when the function has begun to answer."""
    content_type: str = ""
    failure: Failure | None = None
    log: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self._begun = anyio.Event()
        self._over = anyio.Event()
        self.written = anyio.Event()
        """Its lines are in the log, and its numbers in CloudWatch."""
        self._in, self._out = anyio.create_memory_object_stream[bytes](CHUNKS_AHEAD)

    @property
    def deadline_ms(self) -> int:
        return int((self.started + self.function.timeout) * 1000)

    # The function's side.

    def begin(self, *, streaming: bool, content_type: str) -> None:
        self.streaming, self.content_type = streaming, content_type
        self._begun.set()

    async def feed(self, chunk: bytes) -> None:
        # Lambda runs a function to its end whether or not its caller is still there.
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            if chunk:
                await self._in.send(chunk)

    def finish(self, failure: Failure | None = None) -> None:
        """The first end counts."""
        if not self._over.is_set():
            self.failure = failure
            self._over.set()
            self._in.close()
            self._begun.set()

    async def over(self) -> None:
        await self._over.wait()

    @property
    def ended(self) -> bool:
        return self._over.is_set()

    # The caller's side.

    async def answered(self) -> Failure | None:
        """Wait for the beginning of an answer. A failure: there will be none."""
        await self._begun.wait()
        # A failure after the first bytes belongs to who reads them.
        return None if self._out.statistics().current_buffer_used else self.failure

    async def chunks(self) -> AsyncIterator[bytes]:
        """As they are written. Raises Cut where the function failed in the middle."""
        try:
            async for chunk in self._out:
                yield chunk
        finally:
            self._out.close()
        if self.failure:
            raise Cut

    async def whole(self) -> bytes:
        """All of it, as for a caller who does not stream; what went wrong is in `failure`."""
        parts: list[bytes] = []
        size = 0
        with suppress(Cut):
            async for chunk in self.chunks():
                size += len(chunk)
                if size <= BUFFERED_LIMIT:
                    parts.append(chunk)
        await self.over()
        if size > BUFFERED_LIMIT and not self.failure:
            why = f"Response payload size exceeded maximum allowed payload size ({BUFFERED_LIMIT} bytes)."
            self.failure = Failure("Function.ResponseSizeTooLarge", why)
        return json.dumps(self.failure.document).encode() if self.failure else b"".join(parts)

    def leave(self) -> None:
        """The caller is gone, and what still comes goes nowhere."""
        self._out.close()
