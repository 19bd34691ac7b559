"""The function as Lambda calls it, on a schedule; what the event says does not matter.

Metrics, by service and environment: those of `ingestion.run.Counted` and of `ingestion.newsapi.Problem`; and NotReady:
settings are wrong, and nothing was asked.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

import httpx
from aws_lambda_powertools.metrics import MetricUnit

from ingestion.announcing import Announcer
from ingestion.newsapi import NewsApi
from ingestion.run import Tools, run
from ingestion.settings import Settings
from sentiment import clock
from sentiment.aws import client
from sentiment.errors import SettingsError
from sentiment.observe import telemetry
from sentiment.secrets import Secret
from sentiment.settings import Reader
from sentiment.table import Table

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

SERVICE = "ingestion"
RESERVE = 5.0
"""Seconds kept back, to end well before Lambda ends us."""
SEEN = telemetry(SERVICE, Reader(os.environ).environment())


@SEEN.log.inject_lambda_context
@SEEN.metrics.log_metrics
@SEEN.tracer.capture_lambda_handler(capture_response=False)
def handle(event: object, context: LambdaContext) -> dict[str, int]:  # noqa: ARG001 - Lambda hands it over
    try:
        settings, tools = made()
    except SettingsError:
        SEEN.metrics.add_metric("NotReady", MetricUnit.Count, 1)
        raise

    def left() -> float:
        return context.get_remaining_time_in_millis() / 1000 - RESERVE

    return run(settings.topics, tools, pending=settings.pending, left=left)


@cache
def made() -> tuple[Settings, Tools]:
    """Once, and kept across warm calls; what fails is tried again by the next call."""
    settings = Settings.read(Reader(os.environ))
    secret = Secret(client("secretsmanager"), settings.newsapi_secret)
    return settings, Tools(
        news=NewsApi(httpx.Client(), settings.newsapi_url, secret),
        table=Table(client("dynamodb"), settings.table, keep=settings.retention),
        announcer=Announcer(client("sns"), settings.articles_topic),
        telemetry=SEEN,
        clock=clock.now,
    )
