"""The whole service in this process, on a real socket, over news that a test makes."""

from __future__ import annotations

import asyncio
import json
import socket
from bisect import bisect_right
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import httpx
from aws_lambda_powertools import Logger

from sentiment import clock as time_of
from sentiment.articles import Article, Hour, Item, Label, Sentiment
from sentiment.errors import Unavailable
from sentiment.keys import Keys
from sse_streaming.app import create_app
from sse_streaming.feed import Feed, Pace
from sse_streaming.health import Health
from sse_streaming.server import Server
from sse_streaming.settings import Settings
from tests.src.lambdas.sse_streaming.wire import Parser

if TYPE_CHECKING:
    import threading
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from datetime import datetime

TOPICS = ("energy", "markets")
FAST = Settings(
    environment="dev",
    version="local",
    digest="sha256:abc",
    table="",
    topics=TOPICS,
    api_key_secret="",
    heartbeat_seconds=60,
    poll_seconds=0.01,
    settle_seconds=0,
    stall_seconds=30,
)


class News:
    """A source that counts who asks it, and fails or waits when it is told to."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.polls = 0
        self.asked = 0
        self.trouble = ""
        self.gate: threading.Semaphore | None = None
        """Each poll takes one; None: it is open."""

    def add(self, topic: str = "energy", *, padding: int = 0) -> Item:
        number = len(self.items)
        id = f"{number:032x}"
        article = Article(
            id=id, topic=topic, title=f"News {number}", url=f"https://example.com/{id}", description="x" * padding
        )
        said = Sentiment(label=Label.POSITIVE, score=0.5, model="test")
        last = self.items[-1].position if self.items else ""
        # Later than what was there, and not later than now: many within one millisecond.
        stamp = max(time_of.stamp(time_of.now()), last.partition("~")[0])
        self.items.append(Item(article=article, sentiment=said, position=f"{stamp}~{id}"))
        return self.items[-1]

    def newest(self, limit: int, *, topic: str = "", before: str = "") -> list[Item]:
        raise NotImplementedError("the stream has no use for it")

    def after(self, position: str, until: datetime, limit: int) -> list[Item]:
        self.polls += 1
        if self.gate is not None:
            self.gate.acquire(timeout=5)
        self._fail()
        first = bisect_right(self.items, position, key=lambda item: item.position)
        return [item for item in self.items[first:] if item.position < time_of.stamp(until)][:limit]

    def hours(self, topic: str, hours: Sequence[str]) -> list[Hour]:
        self._fail()
        count = sum(item.article.topic == topic for item in self.items)
        return [Hour(hour=hours[-1], positive=count, score=0.5 * count)] if count else []

    def ask(self) -> None:
        self.asked += 1
        self._fail()

    def _fail(self) -> None:
        if self.trouble:
            raise Unavailable(self.trouble)


@dataclass
class Service:
    news: News
    feed: Feed
    server: Server
    client: httpx.AsyncClient
    port: int
    reports: list[Mapping[str, int]] = field(default_factory=list)

    @asynccontextmanager
    async def stream(self, position: str = "", *, topics: Sequence[str] = ()) -> AsyncIterator[Stream]:
        headers = {"last-event-id": position} if position else {}
        async with self.client.stream("GET", "/api/stream", params={"topic": topics}, headers=headers) as answer:
            assert answer.status_code == 200, await answer.aread()
            yield Stream(answer)


class Stream:
    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.parser = Parser()
        self.over = False
        self._chunks = answer.aiter_raw()

    async def until(self, found: Callable[[Parser], object]) -> Parser:
        """Read on until it is so."""
        async with asyncio.timeout(10):
            while not found(self.parser):
                self.parser.feed(await anext(self._chunks))
        return self.parser

    async def to_the_end(self) -> Parser:
        async with asyncio.timeout(10):
            async for chunk in self._chunks:
                self.parser.feed(chunk)
        self.over = True
        return self.parser

    async def items(self, count: int) -> list[str]:
        """The ids of the first so many."""
        await self.until(lambda parser: len(ids(parser)) >= count)
        return ids(self.parser)


def ids(parser: Parser) -> list[str]:
    return [said.id for said in parser.events if said.name == "item"]


def summaries(parser: Parser) -> list[dict[str, Any]]:
    return [json.loads(said.data) for said in parser.events if said.name == "summary"]


@asynccontextmanager
async def serving(news: News | None = None, *, keys: Keys | None = None, **settings: Any) -> AsyncIterator[Service]:
    news = news or News()
    chosen = replace(FAST, **settings)
    reports: list[Mapping[str, int]] = []
    log = Logger(service="test")
    pace = Pace(poll=chosen.poll_seconds, settle=chosen.settle_seconds, heartbeat=chosen.heartbeat_seconds)
    feed = Feed(news, topics=chosen.topics, pace=pace, log=log, report=reports.append)
    app = create_app(chosen, feed=feed, keys=keys or Keys(None), health=Health({"table": news.ask}, log))
    server = Server(app, feed, chosen)
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    running = asyncio.create_task(server.serve([listening]))
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, limits=limits) as client:
            yield Service(news, feed, server, client, port, reports)
    finally:
        server.should_exit = True
        await running


async def eventually(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.005)
