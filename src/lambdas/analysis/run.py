"""What is done with each message, whatever it holds and however often it comes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from sentiment.articles import Announcement, Sentiment
from sentiment.errors import Rejected, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from analysis.deliveries import Delivery
    from analysis.models import Model


class Outcome(StrEnum):
    """Also the names of the metrics."""

    ANALYZED = "Analyzed"
    ALREADY_ANALYZED = "AlreadyAnalyzed"
    REJECTED = "Rejected"
    UNAVAILABLE = "Unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    delivery: Delivery
    outcome: Outcome
    article: str = ""
    """Its id, where the message said one."""
    sentiment: Sentiment | None = None
    reason: str = ""
    """Why it was rejected, or what was unavailable."""


class Items(Protocol):
    def record(self, id: str, sentiment: Sentiment) -> bool:
        """See sentiment.table.Table."""
        ...

    def abandon(self, id: str) -> None: ...


class Refuse(Protocol):
    def send(self, delivery: Delivery, reason: str) -> None:
        """Keep it away from us, and for people to see. Unavailable: it was not kept."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """Each delivery is tried, also after one that failed: those that are done do no harm when they come again."""

    model: Model
    items: Items
    refuse: Refuse

    def run(self, deliveries: Iterable[Delivery]) -> list[Result]:
        return [self._result(delivery) for delivery in deliveries]

    def _result(self, delivery: Delivery) -> Result:
        try:
            return self._judged(delivery)
        except Rejected as error:
            return self._refused(delivery, str(error))
        except Unavailable as error:
            return Result(delivery=delivery, outcome=Outcome.UNAVAILABLE, reason=str(error))

    def _judged(self, delivery: Delivery) -> Result:
        announcement = _announcement(delivery)
        try:
            sentiment = self.model.judge(text(announcement))
        except Rejected:
            # Or it is announced, and refused, again and again.
            self.items.abandon(announcement.id)
            raise
        new = self.items.record(announcement.id, sentiment)
        outcome = Outcome.ANALYZED if new else Outcome.ALREADY_ANALYZED
        return Result(delivery=delivery, outcome=outcome, article=announcement.id, sentiment=sentiment)

    def _refused(self, delivery: Delivery, reason: str) -> Result:
        try:
            self.refuse.send(delivery, reason)
        except Unavailable as error:
            both = f"{reason}; and it could not be put aside: {error}"
            return Result(delivery=delivery, outcome=Outcome.UNAVAILABLE, reason=both)
        return Result(delivery=delivery, outcome=Outcome.REJECTED, reason=reason)


def raise_unavailable(results: Iterable[Result]) -> None:
    """Lambda tries the whole event again; what was done stays done."""
    if reasons := [result.reason for result in results if result.outcome is Outcome.UNAVAILABLE]:
        raise Unavailable("; ".join(reasons))


def text(announcement: Announcement) -> str:
    """What is judged: half a character, which JSON can hold, is left for no model to stumble over."""
    words = f"{announcement.title.strip()}\n{announcement.description.strip()}".strip()
    return words.encode(errors="replace").decode()


def _announcement(delivery: Delivery) -> Announcement:
    if not delivery.message:
        raise Rejected("this is no message from SNS")
    try:
        announcement = Announcement.from_json(delivery.message)
    except RecursionError:
        raise Rejected("the message is nested too deep") from None
    if not re.fullmatch("[0-9a-f]{32}", announcement.id):
        raise Rejected(f"the message's id is {announcement.id[:100]!r}: it must be 32 hexadecimal digits")
    return announcement
