"""What ingestion works with, real but for the articles: a table, a topic that a queue listens to, a secret."""

from __future__ import annotations

import io
import json
import logging
import time
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import httpx
from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.metrics import EphemeralMetrics

from ingestion.announcing import Announcer
from ingestion.newsapi import Limits, NewsApi
from ingestion.run import Tools, run
from sentiment.articles import Announcement
from sentiment.observe import NAMESPACE, Telemetry
from sentiment.secrets import Secret
from sentiment.table import Table
from tests.awsbox.people import policy
from tests.fixtures.newsapi_responses import KEY, OPENED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tests.awsbox.people import Account
    from tests.fixtures.newsapi_responses import NewsServer

_NUMBERS = count(1)
PENDING = timedelta(minutes=15)
ENOUGH = 60.0
IMPATIENT = Limits(read=0.1, whole=0.3)
"""For answers that never come: what does come may take its time on a busy machine."""
BUSY = Limits(read=1, whole=2)
"""For those, and one that comes after them."""


@dataclass
class Seen:
    """What would be on the function's stdout."""

    stream: io.StringIO = field(default_factory=io.StringIO)

    def __post_init__(self) -> None:
        # A name of its own: loggers of one name share the first one's handler.
        name = f"ingestion-{next(_NUMBERS)}"
        log = Logger(service=name, logger_handler=logging.StreamHandler(self.stream))
        metrics = EphemeralMetrics(namespace=NAMESPACE, service=name)
        metrics.clear_metrics()
        self.telemetry = Telemetry(log, metrics, Tracer(service=name, disabled=True))

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def metrics(self) -> dict[str, int]:
        """Those that are not zero, of all that was measured since the last look."""
        said: dict[str, Any] = dict(self.telemetry.metrics.serialize_metric_set())
        names = [metric["Name"] for metric in said["_aws"]["CloudWatchMetrics"][0]["Metrics"]]
        self.telemetry.metrics.clear_metrics()
        return {name: int(sum(said[name])) for name in names if sum(said[name])}


@dataclass
class World:
    account: Account
    server: NewsServer
    table_name: str
    now: datetime = OPENED
    waits: list[float] = field(default_factory=list)
    left: float = ENOUGH
    ticking: bool = False
    """Whether real time counts, too; otherwise only waits do."""
    limits: Limits = field(default_factory=Limits)
    seen: Seen = field(default_factory=Seen)

    def __post_init__(self) -> None:
        self.secret_name = f"test-{next(_NUMBERS)}-newsapi-key"
        self.secrets = self.account.root.client("secretsmanager")
        self.secrets.create_secret(Name=self.secret_name, SecretString=KEY)
        self.sns: Any = self.account.root.client("sns")
        self.sqs = self.account.root.client("sqs")
        name = f"test-{next(_NUMBERS)}-articles"
        self.topic = str(self.sns.create_topic(Name=name)["TopicArn"])
        let = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
        self.queue = self.sqs.create_queue(QueueName=name, Attributes={"Policy": policy({**let, "Resource": "*"})})[
            "QueueUrl"
        ]
        raw = {"RawMessageDelivery": "true"}
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=self.account.arn("sqs", name), Attributes=raw)
        self.table = Table(
            self.account.root.client("dynamodb"), self.table_name, keep=timedelta(days=30), clock=lambda: self.now
        )
        self.http = httpx.Client()
        self.secret = Secret(self.secrets, self.secret_name)
        self.started = 0.0

    @property
    def news(self) -> NewsApi:
        return NewsApi(
            self.http,
            self.server.url,
            self.secret,
            limits=self.limits,
            clock=lambda: self.now,
            wait=self.wait,
            jitter=lambda _, most: most,
        )

    def wait(self, seconds: float) -> None:
        """Nobody does: but afterwards there is so much less time."""
        self.waits.append(seconds)
        self.left -= seconds

    def left_now(self) -> float:
        if not self.ticking:
            return self.left
        self.started = self.started or time.monotonic()
        return self.left - (time.monotonic() - self.started)

    def run(self, *topics: str, **tools: Any) -> dict[str, int]:
        """What was counted and is not zero."""
        given: dict[str, Any] = {
            "news": self.news,
            "table": self.table,
            "announcer": Announcer(self.sns, self.topic),
            "telemetry": self.seen.telemetry,
            "clock": lambda: self.now,
            "order": in_order,
        }
        counted = run(topics or ("energy",), Tools(**given | tools), pending=PENDING, left=self.left_now)
        return {name: value for name, value in counted.items() if value}

    def later(self, by: timedelta = PENDING + timedelta(seconds=1)) -> None:
        self.now += by

    def pending(self) -> list[tuple[str, int]]:
        """Ids of what waits to be analyzed, in order, and how often each was announced."""
        found = self.table.pending(self.now + timedelta(days=365), 1000)
        return sorted((article.id, times) for article, times in found)

    def heard(self) -> list[Announcement]:
        """What came to the queue since the last look; SNS in the box has delivered when it answers."""
        heard = []
        while found := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            heard += [Announcement.from_json(one["Body"]) for one in found]
            for one in found:
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=one["ReceiptHandle"])
        return heard


def in_order(topics: Sequence[str]) -> Sequence[str]:
    """The first one first."""
    return topics[::-1]
