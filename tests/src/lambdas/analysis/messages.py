"""Articles, the messages that announce them, and events of SNS that bring those."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sentiment.articles import Announcement, Article

if TYPE_CHECKING:
    from collections.abc import Iterable


def article(number: int, title: str = "Markets rally", topic: str = "markets") -> Article:
    return Article(id=f"{number:032x}", topic=topic, title=title, url=f"https://example.com/{number}")


def message(article: Article) -> str:
    return Announcement.of(article).to_json()


def event(messages: Iterable[str]) -> dict[str, Any]:
    return {"Records": [record(message, f"message-{number}") for number, message in enumerate(messages)]}


def record(message: object, id: object = "message-0") -> dict[str, Any]:
    """The parts of Amazon's sample that anybody reads, and some that nobody does."""
    sns = {"Type": "Notification", "MessageId": id, "Message": message, "Subject": None, "MessageAttributes": {}}
    return {"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": sns}
