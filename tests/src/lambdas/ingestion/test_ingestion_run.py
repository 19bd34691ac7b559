"""Nothing is lost between the table and the topic, whatever breaks between them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ingestion.announcing import LARGEST, MOST, Announcer, batches
from ingestion.run import ANNOUNCEMENTS, RunFailed
from sentiment.articles import Announcement, Article, Label, Sentiment
from tests.fixtures.newsapi_responses import (
    BAD_URLS,
    DUPLICATES,
    EMPTY,
    HANGING,
    HUNDRED,
    KEY_INVALID,
    RATE_LIMITED,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.src.lambdas.ingestion.world import World


pytestmark = pytest.mark.slow


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


class Sns:
    """The real topic, with something before it."""

    def __init__(self, world: World, before: Callable[[dict[str, Any]], Any]) -> None:
        self._sns = world.sns
        self._before = before

    def publish_batch(self, **asked: Any) -> Any:
        return self._before(asked) or self._sns.publish_batch(**asked)

    @classmethod
    def announcer(cls, world: World, before: Callable[[dict[str, Any]], Any]) -> Announcer:
        return Announcer(cls(world, before), world.topic)  # type: ignore[arg-type] # all of SNS that is used


def killed(_: object) -> None:
    raise Killed


def test_killed_between_put_and_publish(world: World) -> None:
    with pytest.raises(Killed):
        world.run(announcer=Sns.announcer(world, killed))
    assert [times for _, times in world.pending()] == [0] * 5
    assert world.heard() == []

    assert "ArticlesAnnouncedAgain" not in world.run()  # it may be on its way yet
    world.later()
    assert world.run()["ArticlesAnnouncedAgain"] == 5
    assert len(world.heard()) == 5
    assert [times for _, times in world.pending()] == [1] * 5


def test_killed_after_the_first_of_many_batches(world: World) -> None:
    world.server.play(HUNDRED)
    calls = iter(range(100))
    with pytest.raises(Killed):
        world.run(announcer=Sns.announcer(world, lambda _: killed(_) if next(calls) else None))
    first = {one.id for one in world.heard()}
    assert len(first) == MOST

    world.later()
    assert world.run()["ArticlesAnnouncedAgain"] == 100
    assert len({one.id for one in world.heard()} | first) == 100


@pytest.mark.parametrize("fault", ["error:sns:PublishBatch", "reset:sns:PublishBatch", "deny:sns:PublishBatch"])
def test_sns_is_down_and_comes_back(world: World, fault: str) -> None:
    world.account.box.faults.add(fault)
    with pytest.raises(RunFailed):
        world.run()
    world.server.play(EMPTY)
    for _ in range(ANNOUNCEMENTS + 1):
        world.later()
        assert world.run() == {"TopicsDone": 1, "Unavailable": 1}
    assert [times for _, times in world.pending()] == [0] * 5  # what was never told is never abandoned

    world.account.box.faults.clear()
    assert world.run() == {"TopicsDone": 1, "ArticlesAnnouncedAgain": 5}
    assert len(world.heard()) == 5


def test_the_answer_of_sns_is_lost(world: World) -> None:
    """It took them, and we did not hear of it: they come twice, and none is missing."""
    world.account.box.faults.add("cut:sns:PublishBatch:1")
    with pytest.raises(RunFailed):
        world.run()
    told = {one.id for one in world.heard()}
    world.later()
    world.run()
    assert {one.id for one in world.heard()} == told
    assert len(told) == 5


def test_sns_refuses_some_of_a_batch(world: World) -> None:
    def some(asked: dict[str, Any]) -> Any:
        first, *others = asked["PublishBatchRequestEntries"]
        answer = world.sns.publish_batch(**asked | {"PublishBatchRequestEntries": others})
        refused = {"Id": first["Id"], "Code": "InternalError", "Message": "Sorry", "SenderFault": False}
        return answer | {"Failed": [refused]}

    counted = world.run(announcer=Sns.announcer(world, some))

    assert (counted["ArticlesAnnounced"], counted["AnnouncementsFailed"], counted["TopicsDone"]) == (4, 1, 1)
    assert sorted(times for _, times in world.pending()) == [0, 1, 1, 1, 1]
    heard = {one.id for one in world.heard()}
    [refused] = [id for id, times in world.pending() if not times]
    assert refused not in heard
    world.later()
    world.run()
    assert refused in {one.id for one in world.heard()}


def test_the_table_does_not_take_what_was_announced(world: World) -> None:
    world.account.box.faults.add("error:dynamodb:UpdateItem")
    with pytest.raises(RunFailed):
        world.run()
    world.account.box.faults.clear()
    world.heard()
    world.later()
    assert world.run()["ArticlesAnnouncedAgain"] == 5
    assert len(world.heard()) == 5


def test_the_table_breaks_in_the_middle(world: World) -> None:
    """What was put until then is announced by the same run, and the next one finds the rest."""
    put, table = world.table.put_new, world.table
    calls = iter(range(100))

    class Breaking:
        pending = table.pending
        announced = table.announced

        def put_new(self, article: Article) -> bool:
            if next(calls) == 3:
                world.account.box.faults.add("throttle:dynamodb:PutItem:1")
            return put(article)

    with pytest.raises(RunFailed):
        world.run(table=Breaking())
    assert world.seen.metrics() == {
        "ArticlesFound": 5, "ArticlesNew": 3, "ArticlesAnnounced": 3, "TopicsFailed": 1, "Unavailable": 1,
    }  # fmt: skip
    assert world.run()["ArticlesAnnounced"] == 2
    assert len({one.id for one in world.heard()}) == 5


def test_what_is_analyzed_is_not_announced_again(world: World) -> None:
    world.run()
    for one in world.heard():
        world.table.record(one.id, Sentiment(label=Label.NEUTRAL, score=0, model="mock-1"))
    world.later()
    world.run()
    assert world.heard() == []


def test_after_some_announcements_we_give_up_and_say_so(world: World) -> None:
    world.server.play(DUPLICATES, EMPTY)
    for _ in range(ANNOUNCEMENTS):
        world.run()
        assert len(world.heard()) == 2
        world.later()

    counted = world.run()

    assert counted == {"TopicsDone": 1, "ArticlesAbandoned": 2}
    assert (world.heard(), world.pending()) == ([], [])
    complaints = [line for line in world.seen.lines if "abandoned" in line["message"]]
    assert len({line["article"] for line in complaints}) == 2
    assert all("DLQ" in line["message"] for line in complaints)


def test_what_waits_is_announced_again_also_where_newsapi_fails(world: World) -> None:
    with pytest.raises(Killed):
        world.run(announcer=Sns.announcer(world, killed))
    world.later()
    world.server.play(KEY_INVALID)
    with pytest.raises(RunFailed):
        world.run()
    assert len(world.heard()) == 5


def test_the_index_is_down_and_the_topics_are_done(world: World) -> None:
    world.account.box.faults.add("error:dynamodb:Query")
    counted = world.run()
    assert (counted["TopicsDone"], counted["Unavailable"], counted["ArticlesAnnounced"]) == (1, 1, 5)


@pytest.mark.req("R-05")
def test_the_run_fails_where_every_topic_did(world: World) -> None:
    world.server.play(RATE_LIMITED)
    with pytest.raises(RunFailed, match="none of 2 topics"):
        world.run("energy", "markets")
    assert world.seen.metrics()["TopicsFailed"] == 2


def test_a_mistake_with_one_topic_costs_no_other(world: World) -> None:
    real = world.news

    class Mistaken:
        def newest(self, topic: str, *rest: Any) -> list[object]:
            if topic == "energy":
                raise KeyError("on purpose")
            return real.newest(topic, *rest)

    counted = world.run("energy", "markets", news=Mistaken())

    assert (counted["TopicsDone"], counted["TopicsFailed"]) == (1, 1)
    [line] = [line for line in world.seen.lines if "exception" in line]
    assert "on purpose" in line["exception"]


@pytest.mark.slow
def test_a_topic_that_hangs_leaves_the_others_their_time(world: World) -> None:
    world.server.play(HANGING, topic="energy")
    world.left, world.ticking = 6.0, True  # and a read may take 8

    counted = world.run("energy", "markets")

    assert (counted["TopicsDone"], counted["NewsApiTimedOut"]) == (1, 1)
    assert {one.topic for one in world.heard()} == {"markets"}


def test_where_time_is_short_the_run_ends_with_what_it_has(world: World) -> None:
    """Three topics, and only so much time that the second one is read and not kept."""
    real = world.news

    class Costly:
        def newest(self, topic: str, *rest: Any) -> list[object]:
            found = real.newest(topic, *rest)
            world.left = 2 if topic == "energy" else 0
            return found

    counted = world.run("energy", "markets", "ships", news=Costly())

    assert (counted["TopicsDone"], counted["TopicsFailed"], counted["TopicsLeftOut"]) == (1, 1, 1)
    assert {one.topic for one in world.heard()} == {"energy"}
    assert any(line.get("topics") == "ships" for line in world.seen.lines)
    world.left = 120
    assert world.run("energy", "markets", "ships")["ArticlesAnnounced"] == 10


def test_without_any_time_the_run_fails_and_nothing_is_asked(world: World) -> None:
    world.left = 0
    with pytest.raises(RunFailed):
        world.run()
    assert world.server.asked == []


def test_two_topics_with_one_article_announce_it_once(world: World) -> None:
    world.server.play(BAD_URLS)
    world.run("Energy", "energy")
    assert len(world.heard()) == 2  # the scenario's path has the topic, and paths keep their case


def article(number: int, size: int = 10) -> Article:
    return Article(id=f"{number:032}", topic="energy", title="t", url="https://example.com", description="x" * size)


def test_a_batch_has_at_most_ten_messages() -> None:
    made = list(batches(article(number) for number in range(25)))
    assert [len(batch) for batch in made] == [10, 10, 5]
    assert [id for batch in made for id, _ in batch] == [article(number).id for number in range(25)]


def test_a_batch_has_at_most_what_sns_takes() -> None:
    made = list(batches(article(number, 60_000) for number in range(9)))
    assert [len(batch) for batch in made] == [4, 4, 1]
    assert all(sum(len(text.encode()) for _, text in batch) <= LARGEST for batch in made)


def test_one_that_is_too_large_on_its_own_is_alone() -> None:
    sizes = [10, LARGEST + 1, 10]
    made = list(batches(article(number, size) for number, size in enumerate(sizes)))
    assert [len(batch) for batch in made] == [1, 1, 1]


def test_messages_read_as_announcements(world: World) -> None:
    world.run()
    assert {type(one) for one in world.heard()} == {Announcement}
    world.later(timedelta(days=1))
    assert world.run()["ArticlesAnnouncedAgain"] == 5
