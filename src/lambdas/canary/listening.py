"""What was heard of one stream, and when to stop listening."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

import httpx

from canary.sse import Event, Mark, Parser, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from canary.question import Limits
    from canary.sse import Comment

APART = 0.1
"""Seconds: what comes later than this after something else did not come in one go with it."""
ENOUGH = 3
"""Events with an id: more of them show little more."""


class End(Enum):
    LEFT = "the canary had heard enough"
    LATE = "something did not come in time"
    SILENT = "nothing came for too long"
    OVER = "the canary had no more time"
    CLOSED = "the service ended it"
    CUT = "the connection broke"


@dataclass(frozen=True, slots=True)
class Stop:
    """When to stop listening unless something comes before, in seconds since the question, and what that would mean."""

    at: float
    end: End


@dataclass(frozen=True, slots=True)
class Arrival:
    at: float
    block: Event | Comment

    @property
    def id(self) -> str | None:
        return self.block.id if isinstance(self.block, Event) else None


@dataclass(slots=True)
class Heard:
    """Grows while it is listened to. Times are seconds since the question."""

    status: int = 0
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    said: str = ""
    """How an answer that is no stream begins."""
    headers_at: float = 0.0
    first_byte_at: float | None = None
    first_event_at: float | None = None
    arrivals: list[Arrival] = field(default_factory=list)
    mark: str = ""
    """Where a reader goes on who was cut off before the first event with an id."""
    ids: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    end: End = End.LEFT
    why: str = ""
    over_at: float = 0.0
    _parser: Parser = field(default_factory=Parser)
    _started: float = field(default_factory=time.monotonic)

    def now(self) -> float:
        return time.monotonic() - self._started

    def opened(self, status: int, headers: httpx.Headers) -> None:
        self.status, self.headers, self.headers_at = status, headers, self.now()

    @property
    def kind(self) -> str:
        return media_type(self.headers)

    @property
    def readable(self) -> bool:
        """What comes can be read as a stream, whatever else is wrong with it."""
        encoded = self.headers.get("content-encoding", "identity") != "identity"
        return self.status == httpx.codes.OK and self.kind == "text/event-stream" and not encoded

    def take(self, chunk: bytes) -> bool:
        """False: there is no way to go on reading."""
        now = self.now()
        self.first_byte_at = now if self.first_byte_at is None else self.first_byte_at
        try:
            blocks = self._parser.feed(chunk)
        except Unreadable as error:
            self.problems = [*self._parser.problems, str(error)]
            return False
        for block in blocks:
            if isinstance(block, Mark):
                self.mark = self.mark if self.mark or self.ids else block.id
                continue
            self.arrivals.append(Arrival(now, block))
            if isinstance(block, Event):
                self.first_event_at = now if self.first_event_at is None else self.first_event_at
                self.ids += [block.id] if block.id else []
        self.problems = self._parser.problems
        return True

    def closed(self) -> None:
        self.end = End.CLOSED
        if self._parser.unfinished():
            self.problems = [*self._parser.problems, "it ended within an event"]

    @property
    def spread(self) -> bool:
        """Something came well after the first event: the stream is not held back."""
        first = self.first_event_at
        return first is not None and self.arrivals[-1].at - first >= APART


def media_type(headers: httpx.Headers) -> str:
    """Without its parameters."""
    kind: str = headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower()


type Patience = Callable[[Heard], Stop]


def until_enough(limits: Limits) -> Patience:
    """Long enough to see things come one after the other, and no longer."""

    def stop(heard: Heard) -> Stop:
        if heard.first_event_at is None:
            return Stop(limits.first_event, End.LATE)
        silent = Stop(heard.arrivals[-1].at + limits.gap, End.SILENT)
        if not heard.spread:
            return silent
        # Where there is no news, a heartbeat shows what there is to be seen.
        if len(heard.ids) >= ENOUGH or not heard.ids:
            return Stop(0, End.LEFT)
        return min(silent, Stop(limits.listen, End.LEFT), key=lambda each: each.at)

    return stop


def until_all_of(wanted: Collection[str], limits: Limits) -> Patience:
    """What has to come again, and a little longer: what should not come may come after it."""
    wanted, linger = set(wanted), min(2.0, limits.listen)

    def stop(heard: Heard) -> Stop:
        came = {arrival.id: arrival.at for arrival in heard.arrivals if arrival.id in wanted}
        if heard.first_event_at is None or len(came) < len(wanted):
            return Stop(limits.first_event, End.LATE)
        return Stop(max(came.values(), default=heard.first_event_at) + linger, End.LEFT)

    return stop


def for_seconds(seconds: float, limits: Limits) -> Patience:
    def stop(heard: Heard) -> Stop:
        if heard.first_event_at is None:
            return Stop(limits.first_event, End.LATE)
        silent = Stop(heard.arrivals[-1].at + limits.gap, End.SILENT)
        return min(silent, Stop(seconds, End.LEFT), key=lambda each: each.at)

    return stop
