"""Made-up news for dev, where there is no table: one item about each second, for as long as anybody looks.

Nothing is stored and nothing runs: item number n belongs to the n-th second since 1970, and is worked out from n when
it is asked for. So two processes show the same news, and a page keeps its place when one is started again.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING
from zlib import crc32

from sentiment import clock as time_of
from sentiment.articles import Article, Hour, Item, Label, Sentiment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

KEPT = timedelta(hours=48)
"""How far back there is news."""
HOUR = 3600
FIRM = 0.25
"""From this score on it is no longer neutral."""

_FIRST = datetime(1970, 1, 1, tzinfo=UTC)

_NEWS = {
    Label.POSITIVE: (
        "{} rallies as orders beat every forecast",
        "Record quarter for {}: “we did not expect this”",
        "{} report welcomed from Zürich to 東京",
    ),
    Label.NEUTRAL: (
        "{}: what to watch this week",
        "Regulators publish new figures on {}",
        "{} & the week ahead, in five charts",
    ),
    Label.NEGATIVE: (
        "{} slides after a profit warning",
        "Outage hits {}, thousands affected",
        "Investors lose patience with {}",
    ),
}


class Demo:
    """Reads as sentiment.table.Table does."""

    def __init__(self, topics: tuple[str, ...], *, clock: time_of.Clock = time_of.now) -> None:
        self._topics = topics
        self._clock = clock

    def newest(self, limit: int, *, topic: str = "", before: str = "") -> list[Item]:
        there = self._there()
        there = there[: bisect_left(there, before, key=_position)] if before else there
        wanted = (number for number in reversed(there) if topic in ("", _topic(number, self._topics)))
        return [_item(number, self._topics) for number in islice(wanted, limit)]

    def after(self, position: str, until: datetime, limit: int) -> list[Item]:
        there = self._there()
        first = bisect_right(there, position, key=_position)
        last = bisect_left(there, time_of.stamp(until), key=_position)
        return [_item(number, self._topics) for number in there[first:last][:limit]]

    def hours(self, topic: str, hours: Sequence[str]) -> list[Hour]:
        there = self._there()
        counted = (self._counted(hour, there).get(topic) for hour in hours)
        return [hour for hour in counted if hour is not None]

    def ask(self) -> None:
        """It always answers."""

    def _there(self) -> range:
        """The numbers of all items that there are now."""
        now = self._clock()
        last = int((now - _FIRST).total_seconds())
        there = range(last - int(KEPT.total_seconds()), last + 1)
        return there if _moment(last) <= now else there[:-1]

    def _counted(self, hour: str, there: range) -> Mapping[str, Hour]:
        first = int((datetime.strptime(hour, "%Y-%m-%dT%HZ").replace(tzinfo=UTC) - _FIRST).total_seconds())
        start, stop = max(first, there.start), min(first + HOUR, there.stop)
        if stop - start == HOUR:
            return _whole_hour(hour, first, self._topics)
        return _counts(hour, range(start, stop), self._topics)


@lru_cache(maxsize=48)
def _whole_hour(hour: str, first: int, topics: tuple[str, ...]) -> Mapping[str, Hour]:
    return _counts(hour, range(first, first + HOUR), topics)


def _counts(hour: str, numbers: Iterable[int], topics: tuple[str, ...]) -> Mapping[str, Hour]:
    scores: dict[str, list[float]] = defaultdict(list)
    for number in numbers:
        scores[_topic(number, topics)].append(_score(number, topics))
    return {topic: _hour(hour, of_topic) for topic, of_topic in scores.items()}


def _hour(hour: str, scores: list[float]) -> Hour:
    labels = Counter(_label(score).value for score in scores)
    return Hour(hour=hour, score=round(math.fsum(scores), 4), **labels)


def _item(number: int, topics: tuple[str, ...]) -> Item:
    topic, score = _topic(number, topics), _score(number, topics)
    titles = _NEWS[_label(score)]
    title = titles[_luck(number, "title") % len(titles)].format(topic.capitalize())
    id = _id(number)
    article = Article(
        id=id,
        topic=topic,
        title=title,
        url=f"https://example.com/made-up/{id}",
        description="" if number % 5 == 0 else f"Made-up news about {topic}, number {number}.",
        source="Made up",
        published_at=time_of.stamp(_moment(number) - timedelta(minutes=_luck(number, "age") % 30)),
    )
    said = Sentiment(label=_label(score), score=score, model="made-up")
    return Item(article=article, sentiment=said, position=_position(number))


def _position(number: int) -> str:
    return f"{time_of.stamp(_moment(number))}~{_id(number)}"


def _moment(number: int) -> datetime:
    """Somewhere within its second."""
    return _FIRST + timedelta(seconds=number, milliseconds=_luck(number, "moment") % 1000)


def _id(number: int) -> str:
    return blake2b(str(number).encode(), digest_size=16).hexdigest()


def _topic(number: int, topics: tuple[str, ...]) -> str:
    return topics[_luck(number, "topic") % len(topics)]


def _score(number: int, topics: tuple[str, ...]) -> float:
    """Each topic's mood comes and goes over some hours, so that a chart has something to show."""
    turn = crc32(_topic(number, topics).encode()) % 100
    mood = math.sin(math.tau * (number / HOUR + turn) / (7 + turn % 5))
    chance = _luck(number, "score") % 2001 / 1000 - 1
    return round(0.5 * mood + 0.5 * chance, 4)


def _label(score: float) -> Label:
    if abs(score) < FIRM:
        return Label.NEUTRAL
    return Label.POSITIVE if score > 0 else Label.NEGATIVE


def _luck(number: int, what: str) -> int:
    """The same for the same words, and otherwise anything."""
    return crc32(f"{what} {number}".encode())
