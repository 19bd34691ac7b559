from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from sentiment import clock
from sentiment.articles import Article, Hour, Label, Sentiment
from sentiment.errors import Rejected, Unavailable
from sentiment.table import Table

if TYPE_CHECKING:
    from tests.awsbox.people import Account

NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
ARTICLE = Article(id="a" * 32, topic="energy", title="Wind", url="https://example.com/wind", description="It blows.")
GLAD = Sentiment(label=Label.POSITIVE, score=0.1, model="mock-1")


class Hands:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def table(account: Account, table_name: str, hands: Hands) -> Table:
    return Table(account.root.client("dynamodb"), table_name, keep=timedelta(days=30), clock=hands)


def test_an_article_is_new_once(table: Table) -> None:
    assert table.put_new(ARTICLE)
    assert not table.put_new(replace(ARTICLE, title="Another title"))
    assert table.pending(NOON + timedelta(seconds=1), 10) == [(ARTICLE, 0)]


def test_an_article_becomes_an_item_once(table: Table) -> None:
    table.put_new(ARTICLE)
    assert table.record(ARTICLE.id, GLAD)
    assert not table.record(ARTICLE.id, replace(GLAD, label=Label.NEGATIVE))
    [item] = table.newest(10)
    assert (item.article, item.sentiment) == (ARTICLE, GLAD)
    assert item.position == f"2026-11-21T12:00:00.000Z~{ARTICLE.id}"
    assert table.hours("energy", clock.hours_until(NOON, 2)) == [Hour(hour="2026-11-21T12Z", positive=1, score=0.1)]
    assert table.pending(NOON + timedelta(days=1), 10) == []


def test_what_is_not_there_cannot_be_analyzed(table: Table) -> None:
    with pytest.raises(Rejected, match="there is no article nobody"):
        table.record("nobody", GLAD)


def test_what_stays_pending_is_found_until_it_is_announced_again(table: Table, hands: Hands) -> None:
    table.put_new(ARTICLE)
    assert table.pending(NOON, 10) == []
    hands.now += timedelta(minutes=20)
    assert table.pending(hands.now, 10) == [(ARTICLE, 0)]
    table.announced(ARTICLE.id)
    assert table.pending(hands.now, 10) == []
    hands.now += timedelta(minutes=20)
    assert table.pending(hands.now, 10) == [(ARTICLE, 1)]
    table.abandon(ARTICLE.id)
    assert table.pending(hands.now, 10) == []
    # Late is better than never.
    assert table.record(ARTICLE.id, GLAD)


def test_the_feed_goes_both_ways(table: Table, hands: Hands) -> None:
    topics = ["energy", "markets", "energy", "markets", "energy"]
    articles = [replace(ARTICLE, id=f"{number}" * 32, topic=topic) for number, topic in enumerate(topics)]
    for article in articles:
        table.put_new(article)
        table.record(article.id, GLAD)
        hands.now += timedelta(seconds=1)
    positions = [item.position for item in table.newest(10)]
    assert positions == sorted(positions, reverse=True)
    assert [item.article.id[0] for item in table.newest(2)] == ["4", "3"]
    assert [item.article.id[0] for item in table.newest(2, before=positions[1])] == ["2", "1"]
    assert [item.article.id[0] for item in table.newest(2, topic="energy")] == ["4", "2"]
    assert [item.article.id[0] for item in table.after("", hands.now, 10)] == ["0", "1", "2", "3", "4"]
    assert [item.article.id[0] for item in table.after(positions[2], hands.now, 10)] == ["3", "4"]
    assert [item.article.id[0] for item in table.after(positions[3], hands.now, 1)] == ["2"]
    # What came in the last second may not be in every index yet.
    assert [item.article.id[0] for item in table.after(positions[2], NOON + timedelta(seconds=4), 10)] == ["3"]
    assert table.after(positions[0], NOON, 10) == []


def test_a_table_that_is_not_there_is_unavailable(account: Account) -> None:
    table = Table(account.root.client("dynamodb"), "nowhere", keep=timedelta(days=1))
    with pytest.raises(Unavailable, match="dynamodb:GetItem failed"):
        table.ask()
