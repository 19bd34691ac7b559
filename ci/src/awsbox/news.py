"""NewsAPI in the box: `/v2/everything` over HTTP, with made-up articles and everything that goes wrong at the real one.

A scenario is a file in `newsroom/`, and plays when it is told to: `box.news.play("rate-limited", times=2)`. Otherwise
it is the happy one. Keys are checked first of all, as at https://newsapi.org/docs/errors.
"""

from __future__ import annotations

import json
import re
import socket
from collections import Counter, deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import anyio

from awsbox import emulator
from awsbox.calls import Answer, Cut

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from awsbox.calls import Call, Next

PREFIX = "/_box/news"
EVERYTHING = "/v2/everything"
ROOM = Path(__file__).parent / "newsroom"
SCENARIOS = tuple(sorted(file.stem for file in ROOM.glob("*.json")))
HAPPY = "happy"
FOREVER = 0
LARGEST_PAGE = 100
REMEMBERED = 1000
NO_KEY = "Your API key is missing. Append this to the URL with the apiKey param, or use the x-api-key HTTP header."
NO_SCOPE = (
    "Required parameters are missing, the scope of your search is too broad. "
    "Please set any of the following required parameters and try again: q, sources, domains."
)
AGO = re.compile(r"\{ago:(\d+)\}")


class NoScenario(Exception):
    """It is not in the newsroom."""


@dataclass(frozen=True)
class Asked:
    """A request that came, and the scenario that it met."""

    parameters: Mapping[str, str]
    key: str
    scenario: str
    status: int


@dataclass
class Play:
    scenario: str
    left: int
    topic: str = ""
    seconds: float | None = None


@dataclass
class NewsApi:
    keys: set[str] = field(default_factory=lambda: {"box-news-key"})
    """Who calls with another one hears that it is invalid."""
    opened: datetime = field(default_factory=lambda: datetime.now(UTC))
    """Articles are so many minutes older than this: the same at every call."""
    asked: deque[Asked] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _plays: list[Play] = field(default_factory=list)
    _added: list[dict[str, Any]] = field(default_factory=list)

    def play(self, scenario: str, *, times: int = FOREVER, topic: str = "", seconds: float | None = None) -> None:
        """For so many requests, or until something else is played; of one topic, or of any. The newest comes first."""
        if scenario not in SCENARIOS:
            raise NoScenario(f"{scenario} is not in the newsroom: {', '.join(SCENARIOS)}")
        self._plays.insert(0, Play(scenario, times or -1, topic, seconds))

    def stop(self) -> None:
        """Nothing but good news, and of it only what was written before."""
        self._plays.clear()
        self._added.clear()

    def add(self, **article: Any) -> None:
        """An article that the happy scenario serves as well; with a `topic`, to who asks for that."""
        self._added.insert(0, article)

    @property
    def counts(self) -> Counter[str]:
        """How many requests met which scenario; "" are those that never came so far."""
        return Counter(one.scenario for one in self.asked)

    def save(self) -> Any:
        return self.keys, self._plays, self._added

    def load(self, saved: Any) -> None:
        self.keys, self._plays, self._added = saved

    async def layer(self, call: Call, way: Next) -> Answer:
        if not call.path.startswith(f"{PREFIX}/"):
            return await way(call)
        return await self.answer(call.path.removeprefix(PREFIX), call.query, call.headers)

    async def answer(self, path: str, query: str, headers: Mapping[str, str]) -> Answer:
        """`headers` have lower-case names."""
        parameters = dict(parse_qsl(query, keep_blank_values=True))
        key = _key(parameters, headers)
        wrong = self._wrong(path, parameters, key)
        if wrong:
            return self._noted(Asked(parameters, key, "", wrong.status), wrong)
        play = self._taken(parameters.get("q", ""))
        answer = await self._played(play, parameters)
        return self._noted(Asked(parameters, key, play.scenario, answer.status), answer)

    def _noted(self, asked: Asked, answer: Answer) -> Answer:
        self.asked.append(asked)
        return answer

    def _wrong(self, path: str, parameters: Mapping[str, str], key: str) -> Answer | None:
        if path != EVERYTHING:
            return _error(404, "notFound", f"The box's NewsAPI has {EVERYTHING}, and not {path}.")
        if not key:
            return _error(401, "apiKeyMissing", NO_KEY)
        if key not in self.keys:
            return _answer(_scenario("key-invalid"), b"")
        if not any(parameters.get(name) for name in ("q", "sources", "domains")):
            return _error(400, "parametersMissing", NO_SCOPE)
        size = parameters.get("pageSize", "100")
        if not size.isdigit() or not 0 < int(size) <= LARGEST_PAGE:
            return _error(400, "parameterInvalid", f"The pageSize parameter must be between 1 and 100: {size}.")
        return None

    def _taken(self, topic: str) -> Play:
        for play in self._plays:
            if play.topic in {"", topic}:
                play.left -= 1
                if play.left == 0:
                    self._plays.remove(play)
                return play
        return Play(HAPPY, FOREVER)

    async def _played(self, play: Play, parameters: Mapping[str, str]) -> Answer:
        said = _scenario(play.scenario)
        if said.get("hangs"):
            await anyio.sleep_forever()
        if seconds := play.seconds if play.seconds is not None else said.get("seconds"):
            await anyio.sleep(seconds)
        if "raw" in said or "error" in said:
            return _answer(said, said.get("raw", "").encode())
        told = _scenario(said["like"]) if "like" in said else said
        body = json.dumps(self._page(told, parameters), ensure_ascii=False).encode()
        return _cut(body) if said.get("cut") else _answer(said, body)

    def _page(self, said: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, Any]:
        topic = parameters.get("q", "")
        templates = said["articles"] * said.get("repeat", 1)
        written = [self._written(one, topic, number) for number, one in enumerate(templates, 1)]
        added = [self._written(one, topic, 0) for one in self._added if one.get("topic", topic) == topic]
        articles = (added if said["articles"] else []) + written
        size, page = int(parameters.get("pageSize", "100")), int(parameters.get("page") or 1)
        shown = articles[(page - 1) * size : page * size]
        return {"status": "ok", "totalResults": said.get("total", len(articles)), "articles": shown}

    def _written(self, template: Mapping[str, Any], topic: str, number: int) -> dict[str, Any]:
        """Placeholders stand for the topic, for its part of an address, for a number, and for minutes ago."""
        slug = re.sub(r"[^a-z0-9]+", "-", topic.lower()).strip("-") or "news"
        words = {"{topic}": topic or "News", "{slug}": slug, "{number}": str(number)}

        def filled(value: Any) -> Any:
            if isinstance(value, dict):
                return {name: filled(inner) for name, inner in value.items()}
            if not isinstance(value, str):
                return value
            for word, meant in words.items():
                value = value.replace(word, meant)
            return AGO.sub(lambda match: self._ago(int(match[1])), value)

        return {name: filled(value) for name, value in template.items() if name != "topic"}

    def _ago(self, minutes: int) -> str:
        return (self.opened - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _key(parameters: Mapping[str, str], headers: Mapping[str, str]) -> str:
    bearer = headers.get("authorization", "").removeprefix("Bearer ")
    return headers.get("x-api-key") or bearer or parameters.get("apiKey", "")


def _scenario(name: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((ROOM / f"{name}.json").read_text())
    return said


def _answer(said: Mapping[str, Any], body: bytes) -> Answer:
    if error := said.get("error"):
        body = json.dumps({"status": "error"} | error).encode()
    headers = {"Content-Type": "application/json; charset=utf-8"} | said.get("headers", {})
    return Answer(said.get("status", 200), tuple(headers.items()), body)


def _error(status: int, code: str, message: str) -> Answer:
    return _answer({"status": status, "error": {"code": code, "message": message}}, b"")


def _cut(body: bytes) -> Answer:
    async def half() -> AsyncIterator[bytes]:
        yield body[: len(body) // 2]
        raise Cut

    headers = (("Content-Type", "application/json; charset=utf-8"), ("Content-Length", str(len(body))))
    return Answer(200, headers, half())


@asynccontextmanager
async def served(news: NewsApi) -> AsyncIterator[str]:
    """By a server of its own, without a box, for as long as the block lasts: what to put before /v2/everything."""
    listener = socket.create_server((emulator.HOST, 0))
    url = f"http://{emulator.HOST}:{listener.getsockname()[1]}"
    ready, stop = anyio.Event(), anyio.Event()
    async with anyio.create_task_group() as tasks:

        async def serve() -> None:
            await emulator.serve(_App(news), listener, stop=stop, ready=ready)

        tasks.start_soon(serve)
        await ready.wait()
        try:
            yield url
        finally:
            stop.set()


class _App:
    def __init__(self, news: NewsApi) -> None:
        self._news = news

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for _ in range(2):
                kind = (await receive())["type"]
                await send({"type": f"{kind}.complete"})
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        # A reader who has given up ends even what would never end.
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_until_gone, receive, tasks.cancel_scope)
            answer = await self._news.answer(scope["path"], scope["query_string"].decode(), headers)
            await _send(answer, send)
            tasks.cancel_scope.cancel()


async def _until_gone(receive: Any, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _send(answer: Answer, send: Any) -> None:
    said = [(name.encode(), value.encode()) for name, value in answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": said})
    if isinstance(answer.body, bytes):
        await send({"type": "http.response.body", "body": answer.body})
        return
    try:
        async for chunk in answer.body:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except Cut:
        return  # a body without an end: the server closes the connection
