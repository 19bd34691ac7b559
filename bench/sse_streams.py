"""1,000 open streams in one process, beside a bare Starlette endpoint that writes the same bytes in the same order.

Linux only: it reads /proc. They take turns, so that whatever else the machine does falls on all; each ratio is the
median over the rounds. What a server can write is told by the processor time that it takes for it: the reader, a
process of its own, cannot hide that. By the clock, the reader counts too.

bare    each burst to all streams, then the next, as news comes: what has to be held is beside this one
bulk    all bursts to one stream, then to the next, as a download: no live stream can, but it is the least there is
Run it with `make bench`.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import socket
import statistics
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "src/lambdas")]

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from starlette.requests import Request

    from sentiment.articles import Hour, Item

STREAMS, ROUNDS = 1000, 5
KINDS = ("bare", "ours", "bulk")
BURSTS, BURST = 60, 5
"""Fewer than a reader may be behind: none is dropped, however late the machine lets it read."""
LEAST_THROUGHPUT, MOST_MEMORY = 0.8, 1.5
TOPICS = ("energy", "markets", "technology")
LAST = b'~last"}\n\n\r\n'
FIRST = b"event: summary"
TAIL = 64
SILENCE = 30
"""Seconds."""
TICKS = os.sysconf("SC_CLK_TCK")


# What is written.


@cache
def bursts() -> list[list[Item]]:
    from sentiment.articles import Article, Item, Label, Sentiment  # noqa: PLC0415 - not in the reader

    start = datetime.now(UTC).replace(microsecond=0)
    last = BURSTS * BURST - 1

    def item(number: int) -> Item:
        id = "last" if number == last else f"{number:032x}"
        stamp = (start + timedelta(milliseconds=number)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        article = Article(
            id=id,
            topic=TOPICS[number % len(TOPICS)],
            title=f"Prices move again, number {number}",
            url=f"https://example.com/{id}",
            description="What analysts make of it, in about as many words as news services give away. " * 3,
            source="Example",
            published_at=stamp,
        )
        said = Sentiment(label=Label.NEUTRAL, score=0.1, model="bench")
        return Item(article=article, sentiment=said, position=f"{stamp}~{id}")

    return [[item(burst * BURST + number) for number in range(BURST)] for burst in range(BURSTS)]


class Bursts:
    """A source in which nothing is, until it is told to go: then each poll finds the next burst."""

    def __init__(self, go: threading.Event) -> None:
        self._go = go
        self._left = iter(bursts())

    def after(self, position: str, until: datetime, limit: int) -> list[Item]:
        del position, until, limit
        if not self._go.wait(0.02):
            return []
        return next(self._left, [])

    def newest(self, limit: int, *, topic: str = "", before: str = "") -> list[Item]:
        del limit, topic, before
        return []

    def hours(self, topic: str, hours: Sequence[str]) -> list[Hour]:
        del topic, hours
        return []

    def ask(self) -> None:
        pass


# The two servers.


def serve_ours(port: int, go: threading.Event) -> None:
    from sentiment.keys import Keys  # noqa: PLC0415
    from sentiment.observe import log_and_metrics  # noqa: PLC0415
    from sse_streaming.app import create_app  # noqa: PLC0415
    from sse_streaming.feed import Feed, Pace  # noqa: PLC0415
    from sse_streaming.health import Health  # noqa: PLC0415
    from sse_streaming.server import Server  # noqa: PLC0415
    from sse_streaming.settings import Settings  # noqa: PLC0415

    settings = Settings(
        environment="dev", version="local", digest="", table="", topics=TOPICS, api_key_secret="", port=port
    )
    log, _ = log_and_metrics("bench", "dev")
    pace = Pace(poll=0, settle=2, heartbeat=60)
    feed = Feed(Bursts(go), topics=TOPICS, pace=pace, log=log, report=lambda _: None)
    Server(create_app(settings, feed=feed, keys=Keys(None), health=Health({}, log)), feed, settings).run()


def serve_bare(port: int, go: threading.Event, *, live: bool) -> None:
    import uvicorn  # noqa: PLC0415
    from starlette.applications import Starlette  # noqa: PLC0415
    from starlette.responses import StreamingResponse  # noqa: PLC0415
    from starlette.routing import Route  # noqa: PLC0415

    from sentiment.summary import summary  # noqa: PLC0415
    from sse_streaming import framing  # noqa: PLC0415
    from sse_streaming.fanout import Batch  # noqa: PLC0415
    from sse_streaming.feed import HOURS, compact, framed  # noqa: PLC0415

    said = compact(summary(Bursts(go), TOPICS, HOURS, datetime.now(UTC)))
    opening = framing.opening(retry=3000, id="2026-11-21T15:36:08.990Z") + framing.event(said, name="summary")
    bodies = [Batch.of([framed(item) for item in burst]).body for burst in bursts()]
    started = asyncio.Event()

    async def bytes_alone() -> AsyncIterator[bytes]:
        yield opening
        await started.wait()
        for body in bodies:
            yield body
            if live:
                await asyncio.sleep(0)  # the other streams' turn

    async def stream(request: Request) -> StreamingResponse:
        del request
        return StreamingResponse(bytes_alone(), media_type="text/event-stream")

    async def serve() -> None:
        loop = asyncio.get_running_loop()

        def pass_on() -> None:
            go.wait()
            loop.call_soon_threadsafe(started.set)

        threading.Thread(target=pass_on, daemon=True).start()
        app = Starlette(routes=[Route("/api/stream", stream)])
        config = uvicorn.Config(app, port=port, log_level="warning", access_log=False, lifespan="off")
        await uvicorn.Server(config).serve()

    asyncio.run(serve())


def serve(kind: str, port: int) -> None:
    """Goes with the first line on stdin, and ends with it."""
    go = threading.Event()

    def listen() -> None:
        if sys.stdin.readline():
            go.set()
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    if kind == "ours":
        serve_ours(port, go)
    else:
        serve_bare(port, go, live=kind == "bare")


# The reader.


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    memory: float
    """KB a stream, open and idle."""
    cpu: float
    """Seconds of the server's for all events to all streams."""
    wall: float
    first_p50: float
    first_p99: float


class Server:
    def __init__(self, kind: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        command = [sys.executable, __file__, "serve", kind, str(self.port)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE)
        self._proc = Path(f"/proc/{self.process.pid}")

    def go(self) -> None:
        assert self.process.stdin is not None  # noqa: S101 - it is a pipe
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()

    def kilobytes(self) -> int:
        lines = (self._proc / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))

    def cpu(self) -> float:
        fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def started(kind: str) -> Iterator[Server]:
    server = Server(kind)
    try:
        while server.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", server.port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.02)
        yield server
    finally:
        server.process.kill()
        server.process.wait()


@contextmanager
def opened(port: int, count: int) -> Iterator[list[socket.socket]]:
    streams = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    try:
        yield streams
    finally:
        for stream in streams:
            stream.close()


def read_until(streams: list[socket.socket], mark: bytes) -> list[float]:
    """When each stream had got there."""
    poll = select.epoll()
    by_number = {stream.fileno(): stream for stream in streams}
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    tails = dict.fromkeys(by_number, b"")
    room = memoryview(bytearray(1 << 20))
    times = []
    while by_number:
        ready = poll.poll(SILENCE)
        if not ready:
            raise TimeoutError(f"{len(by_number)} streams say nothing any more")
        for number, _ in ready:
            size = by_number[number].recv_into(room)
            if not size:
                raise ConnectionError("a stream ended before all was read")
            # The first mark may be anywhere; behind the last one there is the end of the response at most.
            seen = tails[number] + bytes(room[:size] if mark == FIRST else room[max(0, size - TAIL) : size])
            if mark in seen:
                poll.unregister(number)
                del by_number[number]
                times.append(time.perf_counter())
            tails[number] = seen[-TAIL:]
    return times


def ask(streams: list[socket.socket]) -> None:
    for stream in streams:
        stream.sendall(b"GET /api/stream HTTP/1.1\r\nhost: bench\r\n\r\n")


def measured(kind: str) -> Round:
    with started(kind) as server:
        with opened(server.port, 50) as warming:  # what is imported and allocated once is no stream's
            ask(warming)
            read_until(warming, FIRST)
        before = server.kilobytes()
        with opened(server.port, STREAMS) as streams:
            asked = time.perf_counter()
            ask(streams)
            first = sorted(at - asked for at in read_until(streams, FIRST))
            memory = (server.kilobytes() - before) / STREAMS
            cpu, began = server.cpu(), time.perf_counter()
            server.go()
            wall = max(read_until(streams, LAST)) - began
            cpu = server.cpu() - cpu
    return Round(memory=memory, cpu=cpu, wall=wall, first_p50=first[STREAMS // 2], first_p99=first[-STREAMS // 100])


def told(kind: str, rounds: list[Round]) -> str:
    events = STREAMS * BURSTS * BURST
    said = {
        "events_per_cpu_second": round(events / statistics.median(one.cpu for one in rounds)),
        "events_per_second": round(events / statistics.median(one.wall for one in rounds)),
        "kb_per_stream": round(statistics.median(one.memory for one in rounds), 1),
        "first_event_p50_ms": round(1000 * statistics.median(one.first_p50 for one in rounds)),
        "first_event_p99_ms": round(1000 * statistics.median(one.first_p99 for one in rounds)),
    }
    return f"{kind}: {json.dumps(said)}"


def main() -> int:
    rounds = [{kind: measured(kind) for kind in KINDS} for _ in range(ROUNDS)]
    for kind in KINDS:
        print(told(kind, [one[kind] for one in rounds]))

    def ratio(what: Callable[[Round], float], kind: str) -> float:
        """Theirs to ours."""
        return statistics.median(what(one[kind]) / what(one["ours"]) for one in rounds)

    cpu, wall = ratio(lambda one: one.cpu, "bare"), ratio(lambda one: one.wall, "bare")
    memory = 1 / ratio(lambda one: one.memory, "bare")
    held = {
        f"throughput, by processor time: {cpu:.2f} of bare, at least {LEAST_THROUGHPUT}": cpu >= LEAST_THROUGHPUT,
        f"throughput, by the clock: {wall:.2f} of bare, at least {LEAST_THROUGHPUT}": wall >= LEAST_THROUGHPUT,
        f"memory of a stream: {memory:.2f} x bare, at most {MOST_MEMORY}": memory <= MOST_MEMORY,
    }
    for line, holds in held.items():
        print(f"{line}: {'held' if holds else 'NOT HELD'}")
    print(f"throughput, by processor time: {ratio(lambda one: one.cpu, 'bulk'):.2f} of bulk")
    return 0 if all(held.values()) else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], int(sys.argv[3]))
    sys.exit(main())
