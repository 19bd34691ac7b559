"""What the function is told by its environment variables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from sentiment.errors import SettingsError

if TYPE_CHECKING:
    from sentiment.settings import Reader

NEWSAPI = "https://newsapi.org"
LONGEST_TOPIC = 100
"""A topic is a search, a part of the table's keys, and a heading on the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    environment: str
    topics: tuple[str, ...]
    table: str
    retention: timedelta
    newsapi_url: str
    newsapi_secret: str
    articles_topic: str
    """ARN of the SNS topic."""
    pending: timedelta
    """Who was announced longer ago than this, and is not analyzed, is announced again."""

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(
            environment=reader.environment(),
            topics=_topics(reader),
            table=reader.text("TABLE"),
            retention=timedelta(days=reader.whole("RETENTION_DAYS", 30, least=1, most=3650)),
            newsapi_url=_url(reader),
            newsapi_secret=reader.text("NEWSAPI_SECRET"),
            articles_topic=reader.text("ARTICLES_TOPIC"),
            pending=timedelta(minutes=reader.number("PENDING_MINUTES", 15, least=1, most=1440)),
        )


def _topics(reader: Reader) -> tuple[str, ...]:
    topics = reader.words("TOPICS")
    for topic in topics:
        if len(topic) > LONGEST_TOPIC:
            raise SettingsError(f"TOPICS has {topic!r}: a topic has at most {LONGEST_TOPIC} characters")
    return topics


def _url(reader: Reader) -> str:
    url = reader.text("NEWSAPI_URL", NEWSAPI)
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(f"NEWSAPI_URL is {url!r}: it must be an address such as {NEWSAPI}")
    return url.rstrip("/")
