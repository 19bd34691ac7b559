from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from sentiment import clock
from sentiment.articles import Article, Hour, Label, Sentiment
from sentiment.summary import summary
from sentiment.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.awsbox.people import Account

NOW = datetime(2026, 11, 21, 15, 42, 7, tzinfo=UTC)
NOTHING = {"count": 0, "positive": 0, "neutral": 0, "negative": 0, "mean_score": None}


class Kept:
    """Hours by topic, as a table would find them."""

    def __init__(self, **topics: list[Hour]) -> None:
        self._topics = topics

    def hours(self, topic: str, hours: Sequence[str]) -> list[Hour]:
        return [hour for hour in self._topics.get(topic, []) if hours[0] <= hour.hour <= hours[-1]]


def test_every_hour_of_the_window_is_there_with_its_mean() -> None:
    found = [Hour(hour="2026-11-21T14Z", positive=2, negative=1, score=0.5)]
    said = summary(Kept(energy=found), ["energy"], 3, NOW)
    assert said["window"] == {"hours": 3, "from": "2026-11-21T13:00:00.000Z", "to": "2026-11-21T15:42:07.000Z"}
    counted = {"count": 3, "positive": 2, "neutral": 0, "negative": 1, "mean_score": 0.1667}
    assert said["topics"]["energy"] == counted | {
        "hours": [
            {"hour": "2026-11-21T13Z", **NOTHING},
            {"hour": "2026-11-21T14Z", **counted},
            {"hour": "2026-11-21T15Z", **NOTHING},
        ]
    }


def test_a_topic_without_items_is_there_and_has_no_mean() -> None:
    said = summary(Kept(), ["energy", "markets"], 1, NOW)
    assert said["topics"] == {
        topic: NOTHING | {"hours": [{"hour": "2026-11-21T15Z", **NOTHING}]} for topic in said["topics"]
    }
    assert list(said["topics"]) == ["energy", "markets"]


def test_a_mean_of_scores_that_cancel_out_is_zero_without_a_sign() -> None:
    [topic] = summary(Kept(energy=[Hour(hour="2026-11-21T15Z", neutral=3, score=-1e-9)]), ["energy"], 1, NOW)[
        "topics"
    ].values()
    assert str(topic["mean_score"]) == "0.0"


def test_the_window_is_in_utc_wherever_now_was_read() -> None:
    here = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert summary(Kept(), ["energy"], 4, here) == summary(Kept(), ["energy"], 4, NOW)


@given(hours=st.integers(1, 168), now=st.datetimes(datetime(2001, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_the_window_starts_and_ends_with_its_hours(hours: int, now: datetime) -> None:
    said = summary(Kept(), ["energy"], hours, now)
    names = [hour["hour"] for hour in said["topics"]["energy"]["hours"]]
    assert len(names) == hours == len(set(names))
    assert names == sorted(names)
    assert names[0] == clock.hour(clock.moment(said["window"]["from"]))
    assert names[-1] == clock.hour(clock.moment(said["window"]["to"]))


def test_it_counts_what_the_table_recorded(account: Account, table_name: str) -> None:
    table = Table(account.root.client("dynamodb"), table_name, keep=timedelta(days=30), clock=lambda: NOW)
    article = Article(id="0" * 32, topic="energy", title="Wind", url="https://example.com/wind")
    for number, (label, score) in enumerate([(Label.POSITIVE, 0.9), (Label.NEGATIVE, -0.4), (Label.NEUTRAL, 0.0)]):
        table.put_new(replace(article, id=f"{number}" * 32))
        table.record(f"{number}" * 32, Sentiment(label=label, score=score, model="mock-1"))
    said = summary(table, ["energy", "markets"], 24, NOW)["topics"]
    assert said["energy"]["hours"][-1] == {
        "hour": "2026-11-21T15Z", "count": 3, "positive": 1, "neutral": 1, "negative": 1, "mean_score": 0.1667,
    }  # fmt: skip
    assert [said["energy"]["count"], said["markets"]["count"]] == [3, 0]
