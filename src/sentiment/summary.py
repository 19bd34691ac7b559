"""Counts and mean scores by topic and hour: what the dashboard draws, and the stream sends when something changed."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from sentiment import clock
from sentiment.articles import Hour, Label

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

DIGITS = 4
"""Of a mean: what scores are stored to."""


class Counts(Protocol):
    """What a summary is made from, such as `sentiment.table.Table`."""

    def hours(self, topic: str, hours: Sequence[str], /) -> Iterable[Hour]:
        """The counts of each of these hours that has any."""


def summary(source: Counts, topics: Iterable[str], hours: int, now: datetime) -> dict[str, Any]:
    """The last `hours` hours, the one that `now` is in being the last; hours in which nothing came are there too."""
    window = clock.hours_until(now, hours)
    start = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours - 1)
    return {
        "window": {"hours": hours, "from": clock.stamp(start), "to": clock.stamp(now)},
        "topics": {topic: _topic(source.hours(topic, window), window) for topic in topics},
    }


def _topic(found: Iterable[Hour], window: Sequence[str]) -> dict[str, Any]:
    by_hour = {hour.hour: hour for hour in found}
    hours = [by_hour.get(name, Hour(hour=name)) for name in window]
    return _counts(hours) | {"hours": [{"hour": hour.hour} | _counts([hour]) for hour in hours]}


def _counts(hours: Sequence[Hour]) -> dict[str, Any]:
    """No mean where nothing was counted: that is not a score of 0."""
    count = sum(hour.count for hour in hours)
    by_label = {label.value: sum(getattr(hour, label.value) for hour in hours) for label in Label}
    mean = round(sum(hour.score for hour in hours) / count, DIGITS) + 0.0 if count else None
    return {"count": count, **by_label, "mean_score": mean}
