"""From the source to all open streams: one poller, however many there are, and none while there is no stream.

`Feed` is there as long as the process is; a `Run` from the first stream's coming to the last one's going.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sentiment import clock as time_of
from sentiment.errors import Unavailable
from sentiment.summary import summary
from sse_streaming import framing
from sse_streaming.fanout import Batch, Ending, Group, Reader
from sse_streaming.ring import Frame, Ring, Topics, wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from aws_lambda_powertools import Logger

    from sentiment.articles import Item
    from sentiment.source import Source

HOURS = 24
"""The summary's window."""
PAGE = 500
"""Items that a poll reads at most; there being more, the next follows at once."""
CATCH_UP = 1000
"""Items that a client who comes back is sent at most; the page reads more than that from the dashboard faster."""
RING = 2000
RETRY_MS = 3000
LONGEST_PAUSE = 30.0
"""Seconds between two polls while the source does not answer."""
REPORT_SECONDS = 60.0

NONE: Topics = frozenset()
HEARTBEAT = framing.comment("heartbeat")
TROUBLE = framing.comment("heartbeat; the source does not answer now: this stream goes on when it does")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds."""

    poll: float
    settle: float
    heartbeat: float


@dataclass(slots=True)
class Counts:
    """Since they were last reported."""

    streams: int = 0
    """The most that were open at once."""
    items: int = 0
    dropped: int = 0
    failures: int = 0

    def metrics(self) -> dict[str, int]:
        return {
            "StreamsOpen": self.streams,
            "ItemsSent": self.items,
            "StreamsDropped": self.dropped,
            "PollsFailed": self.failures,
        }


type Report = Callable[[Mapping[str, int]], None]


class Feed:
    def __init__(
        self,
        source: Source,
        *,
        topics: Sequence[str],
        pace: Pace,
        log: Logger,
        report: Report,
        clock: time_of.Clock = time_of.now,
    ) -> None:
        self.source = source
        self.topics = topics
        self.pace = pace
        self.log = log
        self.clock = clock
        self.counts = Counts()
        self.open_streams = 0
        self._report = report
        self._run: Run | None = None
        self._closed = False

    async def open(self, topics: Topics, position: str) -> Reader:
        """Whoever opens leaves. Without a position the stream begins now. Unavailable: the source cannot be asked."""
        self.open_streams += 1
        self.counts.streams = max(self.counts.streams, self.open_streams)
        try:
            if self._run is None:
                self._run = Run(self)
            reader = await self._run.join(topics, position)
        except BaseException:
            self._one_less()
            raise
        if self._closed:
            reader.end(Ending.SHUTDOWN)
        return reader

    def leave(self, reader: Reader) -> None:
        group = reader.leave()
        if self._run is not None and not group.readers:
            self._run.forget(group)
        self._one_less()

    def close(self) -> None:
        """The process ends: so does every stream, now."""
        self._closed = True
        if self._run is not None:
            self._run.end_all(Ending.SHUTDOWN)

    def dropped(self) -> None:
        self.counts.dropped += 1

    def report(self) -> None:
        counts, self.counts = self.counts, Counts(streams=self.open_streams)
        self._report(counts.metrics())

    def _one_less(self) -> None:
        self.open_streams -= 1
        if not self.open_streams and self._run is not None:
            self._run.stop()
            self._run = None
            self.report()


class Run:
    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._trouble = ""
        self._asked = asyncio.Event()
        self._groups: dict[Topics, Group] = {}
        self._ring = Ring(time_of.stamp(self._settled()), RING)
        self._reaching = asyncio.Lock()
        self._summary: dict[str, Any] = {}
        self._summary_hour = ""
        """When the summary was made; empty where items came since."""
        self._failed = 0
        self._tasks = [asyncio.create_task(work) for work in (self._poll(), self._beat())]

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    def forget(self, group: Group) -> None:
        self._groups.pop(group.topics, None)

    def end_all(self, why: Ending) -> None:
        for group in self._groups.values():
            for reader in group.readers:
                reader.end(why)

    async def join(self, topics: Topics, position: str) -> Reader:
        await self._asked.wait()
        if self._trouble:
            raise Unavailable(self._trouble)
        whole = not position or await self._reach(position)
        # From here on nothing waits: what is in the ring now is sent first, what is put later follows.
        group = self._groups.get(topics) or self._new_group(topics)
        frames = self._ring.after(position, topics) if position and whole else []
        self._feed.counts.items += len(frames)
        opening = [framing.opening(retry=RETRY_MS, id="" if position else self._ring.end), group.summary]
        if not whole:
            opening.append(framing.event(json.dumps({"more_than": CATCH_UP}), name="gap", id=self._ring.end))
        opening += [frame.body for frame in frames]
        return Reader(group, b"".join(opening), position if position > self._ring.end else "")

    def _new_group(self, topics: Topics) -> Group:
        group = self._groups[topics] = Group(topics, self._feed.dropped)
        group.summary = self._framed_summary(topics)
        group.put_at = asyncio.get_running_loop().time()
        return group

    async def _reach(self, position: str) -> bool:
        """The ring goes back to that position now; False: that is too far."""
        async with self._reaching:
            start = self._ring.start
            if position >= start:
                return True
            until = time_of.moment(start.partition("~")[0]) + timedelta(milliseconds=1)
            found = await asyncio.to_thread(self._feed.source.after, position, until, CATCH_UP + 1)
            missed = [item for item in found if item.position <= start]
            # Where the ring has moved on meanwhile, what it let go of is missing between the two.
            if len(found) > CATCH_UP or self._ring.start != start:
                return False
            self._ring.reach_back(position, [framed(item) for item in missed])
            return True

    async def _poll(self) -> None:
        while True:
            try:
                more = await self._ask()
                pause = 0.0 if more else self._feed.pace.poll
                if self._trouble:
                    self._feed.log.info("the source answers again")
                self._trouble, self._failed = "", 0
            except Exception as error:  # noqa: BLE001 - whatever it is, open streams wait for it to pass
                pause = self._backed_off(error)
            self._asked.set()
            await asyncio.sleep(pause)

    def _backed_off(self, error: Exception) -> float:
        self._failed += 1
        self._feed.counts.failures += 1
        self._trouble = str(error) or type(error).__name__
        unforeseen = None if isinstance(error, Unavailable) else error
        self._feed.log.error("the source cannot be polled: %s", self._trouble, exc_info=unforeseen)
        return min(LONGEST_PAUSE, self._feed.pace.poll * 2.0 ** min(self._failed, 10))

    async def _ask(self) -> bool:
        """True: there is more at once."""
        items = await asyncio.to_thread(self._feed.source.after, self._ring.end, self._settled(), PAGE)
        frames = [framed(item) for item in items]
        more = len(items) >= PAGE
        if items:
            self._summary_hour = ""
        changed = NONE if more and self._summary else await self._summarize()
        self._publish(frames, changed)
        return more

    async def _summarize(self) -> Topics:
        """Asked for where it may have changed: with an item, or with the hour. Gives the topics where it did."""
        now = self._feed.clock()
        if self._summary_hour == time_of.hour(now):
            return NONE
        made = await asyncio.to_thread(summary, self._feed.source, self._feed.topics, HOURS, now)
        before = self._summary.get("topics", {})
        self._summary, self._summary_hour = made, time_of.hour(now)
        return frozenset(topic for topic, said in made["topics"].items() if said != before.get(topic))

    def _publish(self, frames: list[Frame], changed: Topics) -> None:
        self._ring.append(frames)
        at = asyncio.get_running_loop().time()
        for topics, group in self._groups.items():
            of_group = wanted(frames, topics)
            anew = bool(changed & topics if topics else changed)
            if anew:
                group.summary = self._framed_summary(topics)
            if of_group or anew:
                group.put(Batch.of(of_group, group.summary if anew else b""), at)
                self._feed.counts.items += len(of_group) * len(group.readers)

    def _framed_summary(self, topics: Topics) -> bytes:
        by_topic = self._summary["topics"]
        of_group = {topic: said for topic, said in by_topic.items() if not topics or topic in topics}
        return framing.event(compact({**self._summary, "topics": of_group}), name="summary")

    async def _beat(self) -> None:
        """Apart from the polls: those may hang."""
        loop = asyncio.get_running_loop()
        reported_at = loop.time()
        while True:
            step = self._feed.pace.heartbeat / 4
            await asyncio.sleep(step)
            now = loop.time()
            beat = Batch.of([], TROUBLE if self._trouble else HEARTBEAT)
            for group in self._groups.values():
                if now - group.put_at >= 2 * step:
                    group.put(beat, now)
            if now - reported_at >= REPORT_SECONDS:
                reported_at = now
                self._feed.report()

    def _settled(self) -> datetime:
        return self._feed.clock() - timedelta(seconds=self._feed.pace.settle)


def framed(item: Item) -> Frame:
    body = framing.event(compact(item.public()), name="item", id=item.position)
    return Frame(item.position, item.article.topic, body)


def compact(said: Mapping[str, Any]) -> str:
    """In ASCII, so that no text can be broken on its way, and on one line."""
    return json.dumps(said, separators=(",", ":"))
