from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentiment import clock
from sentiment.demo import Demo
from sentiment.errors import SettingsError
from sentiment.settings import Reader
from sentiment.source import DEV_TOPICS, open_source, topics

NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


class Hands:
    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def demo(now: datetime = NOON) -> Demo:
    return Demo(DEV_TOPICS, clock=Hands(now))


def test_news_goes_back_a_day_and_an_item_comes_about_each_second() -> None:
    minute = demo().after(clock.stamp(NOON - timedelta(minutes=1)), NOON, 1000)
    assert 55 <= len(minute) <= 61
    assert all(demo().hours(topic, clock.hours_until(NOON, 25))[0].count > 1000 for topic in DEV_TOPICS)


def test_two_processes_show_the_same_and_later_more_of_it() -> None:
    assert demo().newest(50) == demo().newest(50)
    later = demo(NOON + timedelta(seconds=10))
    new = later.after(demo().newest(1)[0].position, NOON + timedelta(seconds=10), 100)
    assert 8 <= len(new) <= 11
    assert [*reversed(new), *demo().newest(50 - len(new))] == later.newest(50)


@settings(deadline=None)
@given(seconds=st.integers(0, 10**7), sizes=st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_pages_back_and_forth_hold_each_item_once(seconds: int, sizes: list[int]) -> None:
    source = demo(NOON + timedelta(seconds=seconds))
    back, place = [], ""
    for size in sizes:
        page = source.newest(size, before=place)
        back += page
        place = page[-1].position
    positions = [item.position for item in back]
    assert positions == sorted(set(positions), reverse=True)
    assert source.after(place, NOON + timedelta(days=999), 1000) == back[-2::-1]


def test_counts_are_those_of_the_items() -> None:
    hour = clock.hour(NOON - timedelta(hours=1))
    items = demo().after(clock.stamp(NOON - timedelta(hours=1)), NOON, 5000)
    [counted] = demo().hours("energy", [hour])
    of_topic = [item for item in items if item.article.topic == "energy"]
    labels = Counter(item.sentiment.label.value for item in of_topic)
    assert {name: getattr(counted, name) for name in ("positive", "neutral", "negative")} == {
        name: labels[name] for name in ("positive", "neutral", "negative")
    }
    assert counted.score == pytest.approx(sum(item.sentiment.score for item in of_topic), abs=1e-3)


def test_one_topic_alone() -> None:
    assert {item.article.topic for item in demo().newest(30, topic="markets")} == {"markets"}


def test_nothing_comes_after_the_end_or_from_before_the_beginning() -> None:
    assert demo().after("zzz", NOON, 10) == []
    assert len(demo().after("", NOON, 10)) == 10
    assert demo().newest(10, before="0") == []
    assert demo().hours("energy", ["1999-01-01T00Z", "2099-01-01T00Z"]) == []


def test_only_dev_does_without_a_table() -> None:
    assert isinstance(open_source(environment="dev", table="", topics=DEV_TOPICS), Demo)
    with pytest.raises(SettingsError, match="TABLE is not set"):
        open_source(environment="preprod", table="", topics=DEV_TOPICS)


def test_only_dev_has_topics_of_its_own() -> None:
    assert topics(Reader({})) == DEV_TOPICS
    assert topics(Reader({"TOPICS": "a, b,a"})) == ("a", "b")
    with pytest.raises(SettingsError, match="TOPICS is not set"):
        topics(Reader({"ENVIRONMENT": "prod"}))
