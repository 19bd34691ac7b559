"""Our words for the news: an article as it was found, what a model says of it, and both as one item."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from sentiment.errors import Rejected

SCHEMA = 1


class Label(StrEnum):
    POSITIVE = "positive"
    NEUTRAL = "neutral"
    NEGATIVE = "negative"


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """As ingestion found it. Texts are plain (no HTML), and never None."""

    id: str
    """Hash of the canonical URL: 32 hexadecimal digits."""
    topic: str
    title: str
    url: str
    description: str = ""
    source: str = ""
    published_at: str = ""
    """A stamp, or empty where the publisher gave no date that can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentiment:
    label: Label
    score: float
    """From -1, wholly negative, to 1."""
    model: str
    """Which one said so, such as mock-1 or distilbert-sst2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An analyzed article. `position` orders all items, and is where a reader goes on: `<stamp>~<article id>`."""

    article: Article
    sentiment: Sentiment
    position: str

    def public(self) -> dict[str, Any]:
        """As the API and the stream give it."""
        said = asdict(self.article) | asdict(self.sentiment)
        return said | {"analyzed_at": self.position.partition("~")[0], "position": self.position}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """What was analyzed of a topic within an hour."""

    hour: str
    """Such as 2026-11-21T15Z."""
    positive: int = 0
    neutral: int = 0
    negative: int = 0
    score: float = 0.0
    """The sum of scores."""

    @property
    def count(self) -> int:
        return self.positive + self.neutral + self.negative


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What ingestion tells analysis: the message on the topic, on its own enough to work on."""

    id: str
    topic: str
    title: str
    description: str = ""

    @classmethod
    def of(cls, article: Article) -> Self:
        return cls(id=article.id, topic=article.topic, title=article.title, description=article.description)

    def to_json(self) -> str:
        return json.dumps({"schema": SCHEMA, **asdict(self)}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What does not read is Rejected, with the reason."""
        try:
            said = json.loads(text)
        except ValueError as error:
            raise Rejected(f"the message is not JSON: {error}") from None
        if not isinstance(said, dict):
            raise Rejected("the message is not a JSON object")
        if said.get("schema") != SCHEMA:
            raise Rejected(f"the message's schema is {said.get('schema')!r}: this version reads {SCHEMA}")
        for name in ("id", "topic", "title"):
            if not isinstance(said.get(name), str) or not said[name].strip():
                raise Rejected(f"the message's {name} is {said.get(name)!r}: it must be text")
        description = said.get("description", "")
        if not isinstance(description, str):
            raise Rejected(f"the message's description is {description!r}: it must be text")
        return cls(id=said["id"], topic=said["topic"], title=said["title"], description=description)
