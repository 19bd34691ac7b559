"""NewsAPI over HTTP: bounded in time and size, tried again where that may help, and clear about what went wrong."""

from __future__ import annotations

import json
import random
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import httpx

from sentiment import clock as time_of
from sentiment.errors import SentimentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from sentiment.secrets import Secret

    type Left = Callable[[], float]
    """The seconds that there still are; zero or less where there are none."""

    type Retried = Callable[["NewsFailed", float], None]
    """Hears of what went wrong and is tried again after so many seconds."""

EVERYTHING = "/v2/everything"
PAGE = 100
"""The most that NewsAPI gives at once."""
LANGUAGE = "en"
"""Of the articles: the one that our model reads."""
TRIES = 4
FIRST_PAUSE = 0.5
"""Seconds at most; doubled each time."""
LARGEST = 10 * 1024 * 1024
"""Bytes. A page has about 100 KB."""
LONGEST_SAID = 300


class Problem(StrEnum):
    """What NewsAPI says (https://newsapi.org/docs/errors) or fails to say."""

    API_KEY_DISABLED = "apiKeyDisabled"
    API_KEY_EXHAUSTED = "apiKeyExhausted"
    API_KEY_INVALID = "apiKeyInvalid"
    API_KEY_MISSING = "apiKeyMissing"
    PARAMETER_INVALID = "parameterInvalid"
    PARAMETERS_MISSING = "parametersMissing"
    RATE_LIMITED = "rateLimited"
    SOURCES_TOO_MANY = "sourcesTooMany"
    SOURCE_DOES_NOT_EXIST = "sourceDoesNotExist"
    UNEXPECTED_ERROR = "unexpectedError"
    UNKNOWN_ERROR = "unknownError"
    MALFORMED = "malformed"
    TRUNCATED = "truncated"
    TIMED_OUT = "timedOut"
    UNREACHABLE = "unreachable"

    @property
    def metric(self) -> str:
        return f"NewsApi{self.value[0].upper()}{self.value[1:]}"

    @property
    def advice(self) -> str:
        return ADVICE[self]


_NEW_KEY = "Put a working key into the function's secret NEWSAPI_SECRET (put-secret-value): the next run reads it."
_OUR_REQUEST = "The request is ours: read the message, then look at the topic in TOPICS and at ingestion/newsapi.py."
_PASSES = "Nothing to do unless it stays: the next run asks again. See https://status.newsapi.org."

ADVICE: Mapping[Problem, str] = {
    Problem.API_KEY_DISABLED: f"The key was switched off: ask NewsAPI why. {_NEW_KEY}",
    Problem.API_KEY_EXHAUSTED: "The plan's requests are used up: wait for the next period, make the schedule slower, "
    f"or take a larger plan. {_NEW_KEY}",
    Problem.API_KEY_INVALID: f"The key is wrong. {_NEW_KEY}",
    Problem.API_KEY_MISSING: f"The request came without its key: look for a proxy that drops X-Api-Key. {_NEW_KEY}",
    Problem.PARAMETER_INVALID: _OUR_REQUEST,
    Problem.PARAMETERS_MISSING: _OUR_REQUEST,
    Problem.RATE_LIMITED: "Too many requests at a time: make the schedule slower or TOPICS fewer, or take a larger "
    "plan. The next run asks again.",
    Problem.SOURCES_TOO_MANY: _OUR_REQUEST,
    Problem.SOURCE_DOES_NOT_EXIST: _OUR_REQUEST,
    Problem.UNEXPECTED_ERROR: _PASSES,
    Problem.UNKNOWN_ERROR: "NewsAPI has an error that we do not know: see https://newsapi.org/docs/errors, and add it "
    "to ingestion/newsapi.py.",
    Problem.MALFORMED: f"The answer is no NewsAPI answer: look for a proxy, and at NEWSAPI_URL. {_PASSES}",
    Problem.TRUNCATED: _PASSES,
    Problem.TIMED_OUT: _PASSES,
    Problem.UNREACHABLE: f"Look at NEWSAPI_URL, and at the function's way to the internet. {_PASSES}",
}
THEIRS = frozenset(Problem) - {
    Problem.UNKNOWN_ERROR,
    Problem.MALFORMED,
    Problem.TRUNCATED,
    Problem.TIMED_OUT,
    Problem.UNREACHABLE,
}
"""The codes that NewsAPI says itself."""
_KEY_REFUSED = frozenset({Problem.API_KEY_INVALID, Problem.API_KEY_DISABLED})
_HOPELESS = frozenset({Problem.API_KEY_EXHAUSTED})
"""429, and yet another try within this run is for nothing."""


class NewsFailed(SentimentError):
    """`again`: another try in a moment may help; `retry_after`: so many seconds NewsAPI asked to wait."""

    def __init__(self, problem: Problem, said: str, *, again: bool = False, retry_after: float | None = None) -> None:
        super().__init__(f"NewsAPI, {problem.value}: {said[:LONGEST_SAID].strip().rstrip('.')}. {problem.advice}")
        self.problem = problem
        self.again = again
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds."""

    connect: float = 3.0
    read: float = 8.0
    """Without a byte."""
    whole: float = 15.0
    """For a try: an answer that comes byte by byte ends, too."""


class NewsApi:
    def __init__(
        self,
        http: httpx.Client,
        url: str,
        secret: Secret,
        *,
        limits: Limits = Limits(),
        clock: time_of.Clock = time_of.now,
        wait: Callable[[float], None] = time.sleep,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._http = http
        self._url = f"{url}{EVERYTHING}"
        self._secret = secret
        self._limits = limits
        self._clock = clock
        self._wait = wait
        self._jitter = jitter

    def newest(self, topic: str, left: Left, retried: Retried) -> list[object]:
        """The newest articles of a topic as NewsAPI has them; NewsFailed, or Unavailable where there is no key."""
        key = self._secret.value()
        try:
            return self._tried(topic, key, left, retried)
        except NewsFailed as failed:
            if failed.problem not in _KEY_REFUSED:
                raise
            # Somebody may have put in another key since we read it.
            fresh = self._secret.value(fresh=True)
            if fresh == key:
                raise
            retried(failed, 0.0)
        return self._tried(topic, fresh, left, retried)

    def _tried(self, topic: str, key: str, left: Left, retried: Retried) -> list[object]:
        for number in range(TRIES - 1):
            try:
                return self._asked(topic, key, left)
            except NewsFailed as failed:
                pause = self._jitter(0, FIRST_PAUSE * 2**number) + (failed.retry_after or 0)
                if not failed.again or pause >= left():
                    raise
                retried(failed, pause)
            self._wait(pause)
        return self._asked(topic, key, left)

    def _asked(self, topic: str, key: str, left: Left) -> list[object]:
        if not (key.isascii() and key.isprintable()):
            raise NewsFailed(Problem.API_KEY_INVALID, "the secret holds what cannot be a key")
        start = left()
        if start <= 0:
            raise NewsFailed(Problem.TIMED_OUT, "there is no time left to ask")
        timeout = httpx.Timeout(min(self._limits.read, start), connect=min(self._limits.connect, start))
        asked: dict[str, str | int] = {"q": topic, "pageSize": PAGE, "sortBy": "publishedAt", "language": LANGUAGE}
        said = {"X-Api-Key": key, "User-Agent": "sentiment-ingestion"}
        with (
            _translated(),
            self._http.stream("GET", self._url, params=asked, headers=said, timeout=timeout) as response,
        ):
            body = _body(response, left, max(start - self._limits.whole, 0))
        return _articles(response, body, self._clock())


def retry_after(text: str, now: datetime) -> float | None:
    """Seconds, from seconds or an HTTP date; what is neither asks for nothing."""
    if re.fullmatch("[0-9]{1,9}", text.strip()):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    moment = moment.replace(tzinfo=moment.tzinfo or UTC)
    return max((moment - now).total_seconds(), 0)


def _body(response: httpx.Response, left: Left, end: float) -> bytes:
    """All of it, if it is whole before only `end` seconds are left."""
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if left() < end:
            raise NewsFailed(Problem.TIMED_OUT, f"the answer was not whole after {len(body)} bytes", again=True)
        if len(body) > LARGEST:
            raise NewsFailed(Problem.MALFORMED, f"the answer has more than {LARGEST} bytes")
    return bytes(body)


def _articles(response: httpx.Response, body: bytes, now: datetime) -> list[object]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        said = {}
    articles = said.get("articles")
    if response.status_code == httpx.codes.OK and said.get("status") == "ok" and isinstance(articles, list):
        return articles
    raise _failed(response, said, body, now)


def _failed(response: httpx.Response, said: Mapping[str, Any], body: bytes, now: datetime) -> NewsFailed:
    status, code = response.status_code, said.get("code")
    problem = _problem(status, code)
    passes = status >= 500 or status == 429 or problem is Problem.MALFORMED
    return NewsFailed(
        problem,
        f"{status} {code or ''} {said.get('message') or body.decode(errors='replace')}",
        again=passes and problem not in _HOPELESS,
        retry_after=retry_after(response.headers.get("Retry-After", ""), now),
    )


def _problem(status: int, code: object) -> Problem:
    """By NewsAPI's code; by the status where a proxy or a broken server says none."""
    if code:
        return Problem(code) if isinstance(code, str) and code in THEIRS else Problem.UNKNOWN_ERROR
    if status == httpx.codes.OK:
        return Problem.MALFORMED
    if status == httpx.codes.UNAUTHORIZED:
        return Problem.API_KEY_INVALID
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return Problem.RATE_LIMITED
    return Problem.UNEXPECTED_ERROR if status >= 500 else Problem.UNKNOWN_ERROR


@contextmanager
def _translated() -> Iterator[None]:
    """The errors of httpx in our words. A connection that ends early is TRUNCATED, whatever of the answer had come."""
    try:
        yield
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise NewsFailed(Problem.UNREACHABLE, f"the address cannot be used: {error}") from error
    except httpx.TimeoutException as error:
        raise NewsFailed(Problem.TIMED_OUT, type(error).__name__, again=True) from error
    except (httpx.RemoteProtocolError, httpx.ReadError, httpx.DecodingError) as error:
        raise NewsFailed(Problem.TRUNCATED, f"{type(error).__name__} {error}", again=True) from error
    except httpx.RequestError as error:
        raise NewsFailed(Problem.UNREACHABLE, f"{type(error).__name__} {error}", again=True) from error
