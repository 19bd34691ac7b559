"""What is asked, of whom, and what is expected. Whatever makes no sense is refused here, for every way of asking."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Sequence

HOST = re.compile(
    r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?", re.IGNORECASE
)
LONGEST = 900.0
"""Seconds: what a Lambda function may take."""
MOST_STREAMS = 5000


class Unusable(ValueError):
    """The question cannot be asked; the message is one line for whoever asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """All in seconds."""

    first_event: float = 10
    """Until the first event, from the moment that the stream was asked for."""
    gap: float = 20
    """Between two things on a stream, whether event or heartbeat."""
    listen: float = 20
    """How long to listen at most, once it is certain that things come one by one."""
    answer: float = 10
    """For a whole answer that is no stream."""
    within: float = 120
    """For everything."""

    def __post_init__(self) -> None:
        for each in fields(self):
            most = 2 * LONGEST if each.name == "within" else LONGEST
            _in_range(each.name, getattr(self, each.name), 0.001, most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    streams: int
    seconds: float = 20
    max_errors: float = 0.01
    """Share of streams that may fail."""

    def __post_init__(self) -> None:
        _in_range("streams", self.streams, 1, MOST_STREAMS)
        _in_range("seconds", self.seconds, 0.001, LONGEST)
        _in_range("max-errors", self.max_errors, 0, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Empty: not asked of, or not expected."""

    stream: str = ""
    dashboard: str = ""
    key: str = field(default="", repr=False)
    environment: str = ""
    digest: str = ""
    """Of the stream service's image."""
    dashboard_digest: str = ""
    limits: Limits = field(default_factory=Limits)
    load: Load | None = None

    def __post_init__(self) -> None:
        if not self.stream and not self.dashboard:
            raise Unusable("there is no URL to ask: name the stream service's")
        for url in filter(None, (self.stream, self.dashboard)):
            _check_url(url)
        if not re.fullmatch(r"[!-~]*", self.key):
            raise Unusable("the API key has characters that a header cannot carry")
        if self.load and not self.stream:
            raise Unusable("load is for streams: name the stream service's URL")
        if self.digest and not self.stream:
            raise Unusable("the digest expected is the stream service's: name its URL, or expect a dashboard digest")
        if self.dashboard_digest and not self.dashboard:
            raise Unusable("a dashboard digest is expected, and no dashboard is named")

    def expectations(self) -> dict[str, str | float]:
        """What was given, and the limits, as the verdict repeats them."""
        named = {"environment": self.environment, "digest": self.digest, "dashboard_digest": self.dashboard_digest}
        said: dict[str, str | float] = {name: text for name, text in named.items() if text}
        said |= {
            f"max_{name}" if name in {"first_event", "gap"} else name: v for name, v in asdict(self.limits).items()
        }
        return said | (asdict(self.load) if self.load else {})


def positional(urls: Sequence[str]) -> tuple[str, str]:
    """The stream service's, and the dashboard's or none."""
    if len(urls) > 2:
        raise Unusable(f"{len(urls)} URLs are too many: the stream service's, and the dashboard's")
    stream, dashboard = (*urls, "", "")[:2]
    if "" in urls:
        raise Unusable("a URL is empty")
    return stream, dashboard


def base(url: str) -> str:
    """Function URLs end in a slash, other people's in none."""
    return url.strip().rstrip("/")


def _check_url(url: str) -> None:
    try:
        read = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise Unusable(f"{url!r} is no URL: {error}") from None
    if read.scheme not in {"http", "https"} or not read.host:
        raise Unusable(f"{url!r} is no URL of a service: it must begin with http:// or https:// and a host")
    if read.userinfo or read.query or read.fragment:
        raise Unusable("a URL of a service has no user, password, query or fragment; the key goes by the environment")
    if not (HOST.fullmatch(read.raw_host.decode()) or ":" in read.host) or not 0 < (read.port or 80) <= 65535:
        raise Unusable(f"{url!r} is no URL of a service: its host or its port cannot be")


def _in_range(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise Unusable(f"{name.replace('_', '-')} is {str(value)[:40]}: it must be from {least:g} to {most:g}")
