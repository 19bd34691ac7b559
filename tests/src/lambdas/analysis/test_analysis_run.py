"""What is done with messages, against a table that fails as the real one can, and a queue that may be gone."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.deliveries import Delivery, deliveries
from analysis.models.mock import Mock
from analysis.run import Analysis, Outcome, raise_unavailable, text
from sentiment.articles import Announcement, Label, Sentiment
from sentiment.errors import Rejected, Unavailable
from tests.src.lambdas.analysis.messages import article, event, message, record

STORED = [article(number, title) for number, title in enumerate(["Crisis", "Growth", "Report", "War", "Win"])]
FINE, LOST, BROKEN = "fine", "the answer is lost", "not reached"
BAD = ["", "{", "[]", message(article(99))]
"""The last is of an article that is not in the table."""


@dataclass
class Items:
    """As the table: an article becomes an item once, with its place in the counts."""

    articles: set[str] = field(default_factory=lambda: {article.id for article in STORED})
    troubles: list[str] = field(default_factory=list)
    """What happens to the next calls; then nothing does."""
    items: dict[str, Sentiment] = field(default_factory=dict)
    counts: Counter[Label] = field(default_factory=Counter)
    abandoned: list[str] = field(default_factory=list)

    def abandon(self, id: str) -> None:
        self.abandoned.append(id)

    def record(self, id: str, sentiment: Sentiment) -> bool:
        trouble = self.troubles.pop(0) if self.troubles else FINE
        if trouble == BROKEN:
            raise Unavailable("dynamodb:GetItem failed: throttled")
        if id not in self.articles:
            raise Rejected(f"there is no article {id}")
        if id in self.items:
            return False
        self.items[id] = sentiment
        self.counts[sentiment.label] += 1
        if trouble == LOST:
            raise Unavailable("dynamodb:TransactWriteItems failed: the connection broke")
        return True


@dataclass
class Refused:
    gone: bool = False
    kept: list[tuple[Delivery, str]] = field(default_factory=list)

    def send(self, delivery: Delivery, reason: str) -> None:
        if self.gone:
            raise Unavailable("sqs:SendMessage failed: no such queue")
        self.kept.append((delivery, reason))


def analysis(items: Items | None = None, refuse: Refused | None = None) -> Analysis:
    return Analysis(model=Mock(), items=items or Items(), refuse=refuse or Refused())


def outcomes(analysis: Analysis, *messages: str) -> list[Outcome]:
    return [result.outcome for result in analysis.run(deliveries(event(messages)))]


def test_an_article_is_analyzed_once() -> None:
    items = Items()
    assert outcomes(analysis(items), message(STORED[0])) == [Outcome.ANALYZED]
    assert outcomes(analysis(items), message(STORED[0])) == [Outcome.ALREADY_ANALYZED]
    assert items.items == {STORED[0].id: Sentiment(label=Label.NEGATIVE, score=-0.5, model="mock-1")}


def test_one_bad_message_stops_no_other() -> None:
    told = outcomes(analysis(), "{", message(STORED[0]), "[]", message(STORED[1]))
    assert told == [Outcome.REJECTED, Outcome.ANALYZED, Outcome.REJECTED, Outcome.ANALYZED]


def test_what_is_unavailable_is_said_after_all_were_tried() -> None:
    items = Items(troubles=[BROKEN, FINE, LOST])
    results = analysis(items).run(deliveries(event([message(article) for article in STORED[:3]])))
    assert [result.outcome for result in results] == [Outcome.UNAVAILABLE, Outcome.ANALYZED, Outcome.UNAVAILABLE]
    with pytest.raises(Unavailable, match=r"throttled; .* the connection broke"):
        raise_unavailable(results)
    raise_unavailable(results[1:2])


def test_a_bad_message_that_cannot_be_put_aside_is_tried_again() -> None:
    [result] = analysis(refuse=Refused(gone=True)).run(deliveries(event(["{"])))
    assert result.outcome is Outcome.UNAVAILABLE
    with pytest.raises(Unavailable, match=r"the message is not JSON: .*could not be put aside: sqs:SendMessage failed"):
        raise_unavailable([result])


class Baffled:
    name = "baffled-1"

    def judge(self, text: str) -> Sentiment:
        raise Rejected(f"{self.name} cannot read {text}")


def test_an_article_that_no_model_can_judge_is_not_announced_for_ever() -> None:
    items, refused = Items(), Refused()
    [result] = Analysis(model=Baffled(), items=items, refuse=refused).run(deliveries(event([message(STORED[0])])))
    assert result.outcome is Outcome.REJECTED
    assert items.abandoned == [STORED[0].id]
    assert len(refused.kept) == 1


@pytest.mark.parametrize("event", [None, [], "text", 7, {}, {"Records": []}, {"Records": {}}, {"Records": None}])
def test_what_is_no_event_of_sns_is_one_bad_message(event: object) -> None:
    refused = Refused()
    [result] = analysis(refuse=refused).run(deliveries(event))
    assert (result.outcome, result.reason) == (Outcome.REJECTED, "this is no message from SNS")
    assert [(delivery.message, reason) for delivery, reason in refused.kept] == [("", result.reason)]
    assert refused.kept[0][0].original


@pytest.mark.parametrize(
    "record", [None, "text", {}, {"Sns": None}, {"Sns": {}}, record(None), record({"id": 1}), record("", None)]
)
def test_a_record_without_a_message_is_kept_whole(record: object) -> None:
    refused = Refused()
    [result] = analysis(refuse=refused).run(deliveries({"Records": [record]}))
    assert result.outcome is Outcome.REJECTED
    assert deliveries({"Records": [record]})[0].original == refused.kept[0][0].original


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["Records", "Sns", "Message"]), inner),
    max_leaves=8,
)


@given(JSON | st.builds(lambda message: event([message]), st.text(st.characters())))
def test_no_event_is_an_accident(event: object) -> None:
    assert {result.outcome for result in analysis().run(deliveries(event))} == {Outcome.REJECTED}


FIELDS = {"schema": st.just(1) | JSON, "id": st.just(STORED[0].id) | JSON, "topic": st.just("markets") | JSON}


@given(st.fixed_dictionaries(FIELDS, optional={"title": JSON, "description": JSON}))
def test_no_message_is_an_accident(said: dict[str, object]) -> None:
    [result] = analysis().run(deliveries(event([json.dumps(said)])))
    assert result.outcome in {Outcome.ANALYZED, Outcome.REJECTED}


@pytest.mark.parametrize(
    ("title", "description", "judged"),
    [
        (" Wind ", "", "Wind"),
        ("Wind", "It blows. ", "Wind\nIt blows."),
        ("Half \ud83d", "of \udc00", "Half ?\nof ?"),
    ],
)
def test_title_and_description_are_judged_together(title: str, description: str, judged: str) -> None:
    assert text(Announcement(id="1", topic="energy", title=title, description=description)) == judged


EVENTS = st.lists(st.lists(st.sampled_from([*map(message, STORED), *BAD]), min_size=1, max_size=4), max_size=12)
TROUBLES = st.lists(st.sampled_from([FINE, LOST, BROKEN]), max_size=12)


def said_by(messages: set[str]) -> dict[str, Sentiment]:
    """The items that there must be."""
    return {article.id: Mock().judge(article.title) for article in STORED if message(article) in messages}


def delivered(analysis: Analysis, messages: list[str]) -> Counter[Outcome]:
    """As Lambda does: again until it ends well. Troubles end, and so does this."""
    told: Counter[Outcome] = Counter()
    while True:
        results = analysis.run(deliveries(event(messages)))
        told += Counter(result.outcome for result in results)
        try:
            raise_unavailable(results)
        except Unavailable:
            continue
        return told


@given(EVENTS, TROUBLES)
def test_any_order_repetition_and_trouble_gives_the_same_table(events: list[list[str]], troubles: list[str]) -> None:
    items, refused = Items(troubles=list(troubles)), Refused()
    told = sum((delivered(analysis(items, refused), messages) for messages in events), Counter())
    expected = said_by({message for messages in events for message in messages})
    assert items.items == expected
    assert items.counts == Counter(sentiment.label for sentiment in expected.values())
    # What was written and not heard of is told as already analyzed.
    assert len(expected) - troubles.count(LOST) <= told[Outcome.ANALYZED] <= len(expected)
    assert told[Outcome.REJECTED] == len(refused.kept)
