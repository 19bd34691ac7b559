"""One run: what waits is announced again, and each topic's new articles are kept and announced.

An article is put first, as pending, and then announced. Whatever happens between the two, it stays pending, and a later
run finds it. So an article may be announced twice, and none is lost.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from aws_lambda_powertools.metrics import MetricUnit

from ingestion.announcing import batches
from ingestion.articles import normalized
from ingestion.newsapi import NewsFailed
from sentiment.errors import SentimentError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from ingestion.announcing import Announcer
    from ingestion.newsapi import Left, NewsApi
    from sentiment.articles import Article
    from sentiment.clock import Clock
    from sentiment.observe import Telemetry
    from sentiment.table import Table

ANNOUNCEMENTS = 5
"""So often an article is announced before we give up."""
AGAIN = 200
"""The most that a run announces again."""


class Counted(StrEnum):
    """The metrics of each run, zeros as well. Beside them each problem of NewsAPI has one: see `Problem.metric`."""

    TOPICS_DONE = "TopicsDone"
    TOPICS_FAILED = "TopicsFailed"
    TOPICS_LEFT_OUT = "TopicsLeftOut"
    """There was no time for them."""
    ARTICLES_FOUND = "ArticlesFound"
    ARTICLES_SKIPPED = "ArticlesSkipped"
    ARTICLES_DOUBLED = "ArticlesDoubled"
    ARTICLES_NEW = "ArticlesNew"
    ARTICLES_ANNOUNCED = "ArticlesAnnounced"
    ARTICLES_ANNOUNCED_AGAIN = "ArticlesAnnouncedAgain"
    ARTICLES_ABANDONED = "ArticlesAbandoned"
    ANNOUNCEMENTS_FAILED = "AnnouncementsFailed"
    NEWSAPI_RETRIES = "NewsApiRetries"
    UNAVAILABLE = "Unavailable"
    """So often the table, SNS or the secret did not answer as they should."""


class RunFailed(SentimentError):
    """Not one topic was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    news: NewsApi
    table: Table
    announcer: Announcer
    telemetry: Telemetry
    clock: Clock
    order: Callable[[Sequence[str]], Sequence[str]] = lambda topics: random.sample(topics, len(topics))
    """Another one each time: where time is short, it is not always the same topic that is left out."""


def run(topics: Sequence[str], tools: Tools, *, pending: timedelta, left: Left) -> dict[str, int]:
    """What was counted. RunFailed: no topic was done."""
    count: Counter[str] = Counter(dict.fromkeys(Counted, 0))
    try:
        _announce_again(tools, count, pending=pending, left=left)
        waiting = list(tools.order(topics))
        while waiting and left() > 0:
            share = _share(left, len(waiting))
            _do_topic(waiting.pop(), tools, count, share=share, left=left)
        _tell_left_out(waiting, tools, count)
    finally:
        for name, value in count.items():
            tools.telemetry.metrics.add_metric(name, MetricUnit.Count, value)
    if not count[Counted.TOPICS_DONE]:
        raise RunFailed(f"none of {len(topics)} topics was done: the log lines before this one say why")
    return {str(name): value for name, value in count.items()}


def _share(left: Left, among: int) -> Left:
    """What is left for one of so many, so that one that hangs leaves the others theirs."""
    of_others = left() * (among - 1) / among
    return lambda: left() - of_others


def _do_topic(topic: str, tools: Tools, count: Counter[str], *, share: Left, left: Left) -> None:
    """Whatever goes wrong with one topic, the others have their turn."""
    try:
        _topic(topic, tools, count, share=share, left=left)
    except NewsFailed as failed:
        count[failed.problem.metric] += 1
        _complain(tools, str(failed), topic=topic, problem=failed.problem.value)
    except Unavailable as error:
        count[Counted.UNAVAILABLE] += 1
        _complain(tools, str(error), topic=topic)
    except Exception:  # a mistake of ours, told with its traceback
        tools.telemetry.log.exception("the topic failed, and not in a way that we know", extra={"topic": topic})
    else:
        count[Counted.TOPICS_DONE] += 1
        return
    count[Counted.TOPICS_FAILED] += 1


def _topic(topic: str, tools: Tools, count: Counter[str], *, share: Left, left: Left) -> None:
    def retried(failed: NewsFailed, pause: float) -> None:
        count[Counted.NEWSAPI_RETRIES] += 1
        said = {"topic": topic, "problem": failed.problem.value, "seconds": round(pause, 3)}
        tools.telemetry.log.warning("asking again: %s", failed, extra=said)

    found = tools.news.newest(topic, share, retried)
    made = normalized(found, topic)
    count[Counted.ARTICLES_FOUND] += len(found)
    count[Counted.ARTICLES_SKIPPED] += made.skipped.total()
    count[Counted.ARTICLES_DOUBLED] += made.doubled
    new, unavailable = _kept(made.articles, tools.table, left)
    count[Counted.ARTICLES_NEW] += len(new)
    _announce(new, tools, count, Counted.ARTICLES_ANNOUNCED, left)
    if unavailable:
        raise unavailable
    said = {"topic": topic, "found": len(found), "new": len(new), "skipped": dict(made.skipped)}
    tools.telemetry.log.info("the topic is done", extra=said)


def _kept(articles: Sequence[Article], table: Table, left: Left) -> tuple[list[Article], Unavailable | None]:
    """Those that were new. Who stops early has told us of them all the same: they are there, and want announcing."""
    new: list[Article] = []
    try:
        for article in articles:
            if left() <= 0:
                return new, Unavailable("there was no time to keep all articles: the next run finds them again")
            if table.put_new(article):
                new.append(article)
    except Unavailable as error:
        return new, error
    return new, None


def _announce_again(tools: Tools, count: Counter[str], *, pending: timedelta, left: Left) -> None:
    """What was announced, or put and not announced, long ago, and is not analyzed yet."""
    try:
        due = tools.table.pending(tools.clock() - pending, AGAIN)
        for article, times in due:
            if times >= ANNOUNCEMENTS:
                _abandon(article, tools, count)
        again = [article for article, times in due if times < ANNOUNCEMENTS]
        _announce(again, tools, count, Counted.ARTICLES_ANNOUNCED_AGAIN, left)
    except Unavailable as error:
        count[Counted.UNAVAILABLE] += 1
        _complain(tools, f"what is pending was not announced again, the next run will: {error}")


def _abandon(article: Article, tools: Tools, count: Counter[str]) -> None:
    tools.table.abandon(article.id)
    count[Counted.ARTICLES_ABANDONED] += 1
    _complain(
        tools,
        f"abandoned: announced {ANNOUNCEMENTS} times and never analyzed. Look at the analysis function's errors and at "
        "the DLQ: its messages can be redriven, also for what is abandoned",
        article=article.id,
        topic=article.topic,
    )


def _announce(articles: Sequence[Article], tools: Tools, count: Counter[str], counted: Counted, left: Left) -> None:
    """Unavailable: the rest stays pending, and so does what SNS refuses."""
    for batch in batches(articles):
        if left() <= 0:
            raise Unavailable("there was no time to announce all articles: a later run does")
        refused = tools.announcer.announce(batch)
        for id, why in refused.items():
            count[Counted.ANNOUNCEMENTS_FAILED] += 1
            tools.telemetry.log.warning("SNS refused it, a later run tries again: %s", why, extra={"article": id})
        for id, _ in batch:
            if id not in refused:
                tools.table.announced(id)
                count[counted] += 1


def _tell_left_out(topics: Sequence[str], tools: Tools, count: Counter[str]) -> None:
    count[Counted.TOPICS_LEFT_OUT] += len(topics)
    if topics:
        _complain(
            tools,
            "there was no time for these topics, the next run asks for them: give the function a longer time-out, or "
            "look at what was slow",
            topics=", ".join(topics),
        )


def _complain(tools: Tools, message: str, **more: str) -> None:
    """Without a traceback: the message says what happened and what to do."""
    tools.telemetry.log.error(message, extra=more)
