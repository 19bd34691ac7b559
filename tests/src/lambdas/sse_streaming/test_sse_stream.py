"""The stream over HTTP, from a real server in this process."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import threading
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from sentiment.errors import Unavailable
from sentiment.keys import Keys
from sse_streaming import feed as feeding
from sse_streaming.server import Protocol
from tests.src.lambdas.sse_streaming.service import TOPICS, News, Service, eventually, serving, summaries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sentiment.secrets import Secret

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with serving() as service:
        yield service


# What is sent.


@pytest.mark.req("B-01")
async def test_a_stream_is_cached_nowhere_and_its_first_event_is_the_summary(service: Service) -> None:
    service.news.add("markets")
    async with service.stream() as stream:
        headers = stream.answer.headers
        parser = await stream.until(lambda parser: parser.events)
        assert headers["content-type"].startswith("text/event-stream")
        assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-cache", "no")
        assert not {"content-length", "content-encoding"} & set(headers)
        assert (parser.retry, parser.events[0].name) == (3000, "summary")
        [said] = summaries(parser)
        assert {topic: counts["count"] for topic, counts in said["topics"].items()} == {"energy": 0, "markets": 1}
        assert said["window"]["hours"] == 24


async def test_news_comes_as_an_item_and_a_summary_at_once(service: Service) -> None:
    async with service.stream() as stream:
        await stream.until(summaries)
        item = service.news.add()
        parser = await stream.until(lambda parser: len(summaries(parser)) == 2)
        assert [said.name for said in parser.events] == ["summary", "item", "summary"]
        assert (parser.events[1].id, json.loads(parser.events[1].data)) == (item.position, item.public())
        assert summaries(parser)[1]["topics"]["energy"]["count"] == 1


async def test_a_stream_without_a_place_begins_now(service: Service) -> None:
    service.news.add()
    await asyncio.sleep(0.005)
    async with service.stream() as stream:
        await stream.until(summaries)
        later = service.news.add()
        assert await stream.items(1) == [later.position]


async def test_topics_that_are_asked_for_are_what_comes(service: Service) -> None:
    async with service.stream(topics=["markets"]) as markets, service.stream(topics=TOPICS) as both:
        await asyncio.gather(markets.until(summaries), both.until(summaries))
        items = [service.news.add(topic) for topic in ("energy", "markets", "energy", "markets")]
        assert await both.items(4) == [item.position for item in items]
        assert await markets.items(2) == [item.position for item in items if item.article.topic == "markets"]
        assert all(set(said["topics"]) == {"markets"} for said in summaries(markets.parser))


async def test_a_quiet_stream_has_a_heartbeat() -> None:
    async with serving(heartbeat_seconds=0.05) as service, service.stream() as stream:
        parser = await stream.until(lambda parser: len(parser.comments) >= 3)
        assert [said.name for said in parser.events] == ["summary"]


async def test_a_stream_ends_by_itself_and_says_that_one_may_come_back() -> None:
    async with serving(stream_seconds=0.1) as service, service.stream() as stream:
        parser = await stream.to_the_end()
        last = parser.events[-1]
        assert (last.name, json.loads(last.data)) == ("reconnect", {"reason": "limit"})
        await eventually(lambda: service.feed.open_streams == 0)


async def test_a_server_that_ends_says_so_on_every_stream(service: Service) -> None:
    async with service.stream() as one, service.stream(topics=["energy"]) as two:
        await asyncio.gather(one.until(summaries), two.until(summaries))
        service.server.should_exit = True
        for stream in (one, two):
            parser = await stream.to_the_end()
            assert (parser.events[-1].name, json.loads(parser.events[-1].data)) == ("reconnect", {"reason": "shutdown"})


# Coming back.


async def test_from_every_place_exactly_the_rest_comes(service: Service) -> None:
    async with service.stream() as first:
        await first.until(summaries)
        start = first.parser.id
        every = [service.news.add(random.choice(TOPICS)).position for _ in range(20)]  # noqa: S311 - no secret
        assert await first.items(20) == every
        for place in (start, *every[:-1]):
            async with service.stream(place) as again:
                rest = [position for position in every if position > place]
                assert await again.items(len(rest)) == rest


async def test_where_nobody_was_listening_the_source_is_asked_once(service: Service) -> None:
    every = [service.news.add().position for _ in range(5)]
    await asyncio.sleep(0.005)
    async with service.stream(every[0]) as stream:
        assert await stream.items(4) == every[1:]


async def test_who_was_cut_off_before_the_first_item_misses_none(service: Service) -> None:
    async with service.stream() as stream:
        place = (await stream.until(summaries)).id
    missed = service.news.add()
    async with service.stream(place) as stream:
        assert await stream.items(1) == [missed.position]


@pytest.mark.parametrize("seed", range(6))
async def test_over_reconnects_at_any_moment_and_to_any_server_nothing_is_missed_or_doubled(seed: int) -> None:
    """Two servers that poll at their own times: one may not yet have what the other has sent."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    news = News()
    async with (
        serving(news, poll_seconds=0.01) as one,
        serving(news, poll_seconds=0.06) as two,
        one.stream() as first,  # the pollers go on while somebody listens
        two.stream() as second,
    ):
        await second.until(summaries)
        place, seen = (await first.until(summaries)).id, list[str]()
        writing = asyncio.create_task(_write(news, chance, 120))
        while len(seen) < 120:
            async with chance.choice((one, two)).stream(place) as stream:
                seen += await stream.items(min(chance.randrange(1, 12), 120 - len(seen)))
                place = stream.parser.id
        await writing
        assert seen == [item.position for item in news.items]


async def _write(news: News, chance: random.Random, count: int) -> None:
    for _ in range(count):
        news.add(chance.choice(TOPICS))
        if chance.random() < 0.3:
            await asyncio.sleep(chance.random() * 0.02)


async def test_more_than_can_be_made_up_for_is_said(service: Service) -> None:
    every = [service.news.add().position for _ in range(feeding.CATCH_UP + 2)]
    await asyncio.sleep(0.005)
    async with service.stream(every[1]) as stream:
        assert await stream.items(feeding.CATCH_UP) == every[2:]
    await eventually(lambda: service.feed.open_streams == 0)
    async with service.stream(every[0]) as stream:
        parser = await stream.until(lambda parser: len(parser.events) > 1)
        assert [said.name for said in parser.events] == ["summary", "gap"]
        later = service.news.add()
        assert await stream.items(1) == [later.position]


async def test_what_is_no_longer_kept_is_asked_for_up_to_what_is(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "RING", 5)
    async with service.stream() as stream:
        await stream.until(summaries)
        every = [service.news.add().position for _ in range(20)]
        await stream.items(20)
        for place in reversed(every[:-1]):
            async with service.stream(place) as again:
                rest = [position for position in every if position > place]
                assert await again.items(len(rest)) == rest


@pytest.mark.parametrize(
    "place",
    ["1", "nonsense", "2026-13-01T00:00:00.000Z~a", "2026-11-21", "9999-01-01T00:00:00.000Z~a", "~", "a" * 5000],
)
async def test_a_place_that_no_stream_gave_is_an_error(service: Service, place: str) -> None:
    for asked in ({"headers": {"last-event-id": place}}, {"params": {"last_event_id": place}}):
        answer = await service.client.get("/api/stream", **asked)  # type: ignore[arg-type]
        assert answer.status_code == 400
        assert "last event id" in answer.json()["detail"]


async def test_the_header_says_more_than_the_address(service: Service) -> None:
    """A browser that comes back by itself asks the same address again."""
    old, new, last = (service.news.add().position for _ in range(3))
    await asyncio.sleep(0.005)
    asked = {"params": {"last_event_id": old}, "headers": {"last-event-id": new}}
    async with service.client.stream("GET", "/api/stream", **asked) as answer:  # type: ignore[arg-type]
        chunk = await anext(answer.aiter_raw())
        assert f"id: {last}\n".encode() in chunk
        assert f"id: {new}\n".encode() not in chunk


# Who may ask, and for what.


class Kept:
    """Stands for sentiment.secrets.Secret."""

    def __init__(self, value: str) -> None:
        self._value = value
        self.age = 0.0

    def value(self, *, fresh: bool = False) -> str:
        del fresh
        if not self._value:
            raise Unavailable("the secret cannot be read")
        return self._value


def keys(value: str) -> Keys:
    secret: Secret = Kept(value)  # type: ignore[assignment] # what Keys uses of it
    return Keys(secret)


@pytest.mark.parametrize(("given", "status"), [(None, 401), ("", 401), ("wrong", 401), ("right", 200)])
async def test_data_needs_the_key(given: str | None, status: int) -> None:
    headers = {"origin": "https://page.example"} | ({} if given is None else {"x-api-key": given})
    async with serving(keys=keys("right"), stream_seconds=0.1) as service:
        answer = await service.client.get("/api/stream", headers=headers)
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == "*"
        if status == 401:
            assert "x-api-key" in answer.json()["detail"]


async def test_a_key_that_cannot_be_checked_is_an_error_of_ours() -> None:
    async with serving(keys=keys("")) as service:
        answer = await service.client.get("/api/stream", headers={"x-api-key": "any"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_a_topic_that_is_not_there_is_told_which_are(service: Service) -> None:
    answer = await service.client.get("/api/stream", params={"topic": ["energy", "sports"]})
    assert answer.status_code == 400
    assert answer.json()["detail"] == "no such topic: sports; there are energy, markets"


async def test_a_page_elsewhere_may_ask_with_a_key(service: Service) -> None:
    asked = {
        "origin": "https://page.example",
        "access-control-request-method": "GET",
        "access-control-request-headers": "x-api-key,last-event-id",
    }
    answer = await service.client.options("/api/stream", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert {"x-api-key", "last-event-id"} <= set(answer.headers["access-control-allow-headers"].lower().split(", "))


# What it costs, and who leaves.


async def test_one_poller_serves_all_streams() -> None:
    """The source is let answer one poll: that is all that thirty streams need."""
    news = News()
    async with serving(news) as service, AsyncExitStack() as open_streams:
        streams = [await open_streams.enter_async_context(service.stream()) for _ in range(30)]
        await asyncio.gather(*(stream.until(summaries) for stream in streams))
        news.gate = threading.Semaphore(0)
        before = news.polls
        await eventually(lambda: news.polls == before + 1)  # the next one waits at the gate
        item = news.add()
        news.gate.release(2)  # that one may have asked too early; its successor has not
        came = await asyncio.gather(*(stream.items(1) for stream in streams))
        assert came == [[item.position]] * 30
        assert news.polls <= before + 3
        news.gate.release(1000)


async def test_who_leaves_leaves_nothing_and_the_last_one_stops_the_poller(service: Service) -> None:
    async with AsyncExitStack() as open_streams:
        streams = [await open_streams.enter_async_context(service.stream()) for _ in range(20)]
        await asyncio.gather(*(stream.until(summaries) for stream in streams))
        assert service.feed.open_streams == 20
    await eventually(lambda: service.feed.open_streams == 0)
    assert service.feed._run is None
    assert service.reports[-1]["StreamsOpen"] == 20
    polls = service.news.polls
    await asyncio.sleep(0.1)
    assert service.news.polls <= polls + 1


async def test_a_reader_that_takes_nothing_is_cut_off_and_the_others_go_on() -> None:
    async with serving(stall_seconds=0.2) as service, service.stream(topics=["energy"]) as good:
        await good.until(summaries)
        with stalled_reader(service):
            await eventually(lambda: service.feed.open_streams == 2)
            while service.feed.open_streams == 2:
                service.news.add("markets", padding=1_000_000)
                await asyncio.sleep(0.02)
            assert service.feed.counts.dropped == 1
        item = service.news.add()
        assert await good.items(1) == [item.position]


async def test_a_server_that_ends_does_not_wait_for_who_takes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as service:
        with stalled_reader(service):
            await eventually(lambda: service.feed.open_streams == 1)
            while not _somebody_stalls(service):
                service.news.add(padding=1_000_000)
                await asyncio.sleep(0.02)
            service.server.should_exit = True
            await eventually(lambda: service.feed.open_streams == 0)
    assert "timeout graceful shutdown exceeded" not in caplog.text


def _somebody_stalls(service: Service) -> bool:
    connections = service.server.server_state.connections
    return any(isinstance(one, Protocol) and one.flow.write_paused for one in connections)


@contextmanager
def stalled_reader(service: Service) -> Iterator[None]:
    with socket.socket() as stalled:
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.connect(("127.0.0.1", service.port))
        stalled.sendall(b"GET /api/stream HTTP/1.1\r\nhost: x\r\n\r\n")
        yield


# Trouble.


async def test_without_a_source_there_is_an_error_and_no_stream() -> None:
    news = News()
    news.trouble = "dynamodb:Query failed: AccessDenied"
    async with serving(news) as service:
        answer = await service.client.get("/api/stream")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "dynamodb" not in answer.text
        assert service.feed.open_streams == 0
        news.trouble = ""
        async with service.stream() as stream:
            await stream.until(summaries)


async def test_open_streams_outlive_trouble_and_miss_nothing() -> None:
    async with serving(heartbeat_seconds=0.05) as service, service.stream() as stream:
        await stream.until(summaries)
        service.news.trouble = "it is down"
        items = [service.news.add().position for _ in range(3)]
        await stream.until(lambda parser: any("does not answer" in comment for comment in parser.comments))
        assert (await service.client.get("/api/stream")).status_code == 503
        service.news.trouble = ""
        assert await stream.items(3) == items
        assert service.feed.counts.failures > 0


# Health.


async def test_health_says_what_was_deployed_and_what_answers(service: Service) -> None:
    answer = await service.client.get("/health")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "environment": "dev",
        "version": "local",
        "digest": "sha256:abc",
        "dependencies": {"table": "ok"},
    }
    assert (await service.client.get("/")).json()["stream"] == "/api/stream"


async def test_many_health_checks_ask_the_table_once(service: Service) -> None:
    await asyncio.gather(*(service.client.get("/health") for _ in range(20)))
    assert service.news.asked == 1


async def test_health_without_the_table_is_degraded_and_does_not_say_why() -> None:
    news = News()
    news.trouble = "arn:aws:dynamodb:secret-place"
    async with serving(news) as service:
        answer = await service.client.get("/health")
        assert (answer.status_code, answer.json()["status"]) == (503, "degraded")
        assert answer.json()["dependencies"] == {"table": "failing"}
        assert "secret-place" not in answer.text
