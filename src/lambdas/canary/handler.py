"""What Lambda calls: `canary.handler.handle`. The schedule sends its own event; a pipeline may ask for something else.

    {"urls": [stream, dashboard], "environment": …, "digest": …, "dashboard_digest": …, "listen": 20, "streams": 200, …}

It returns the verdict, and never raises for what it judged: a failed call would be made again, and the alarm is on the
metrics. CanaryHealthy is 1 or 0 on every scheduled run; when it is missing, the canary is silent. Questions that an
event asks leave the metrics alone: they are about something else than what is deployed.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit, single_metric
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from canary.judge import judge
from canary.question import Unusable
from canary.settings import Settings, asked, asks, same_places
from canary.verdict import Verdict, clip, undecided

if TYPE_CHECKING:
    from canary.question import Question

NAMESPACE = "SentimentAnalyzer"
SERVICE = "canary"
RESERVE = 3.0
"""Seconds of the function's own time that are kept for what follows the checks."""
METRICS = {"FirstByteMs": "first_byte_ms", "FirstEventMs": "first_event_ms", "HealthMs": "health_ms"}


def handle(event: object, context: Any) -> dict[str, object]:
    environment = os.environ.get("ENVIRONMENT", "").strip() or "dev"
    own = asks(event)
    try:
        settings = Settings.read(os.environ)
        question = asked(event, settings.question) if own else settings.question
        limits = replace(question.limits, within=_within(context, question.limits.within))
        verdict = _judged(replace(question, limits=limits), settings)
    except Unusable as error:
        verdict = Verdict(checks=(undecided("question", "canary", "cannot be asked", str(error)),))
    if not own:
        _count(verdict, environment)
    _log().info(verdict.word, extra={"verdict": verdict.said(), "asked_by_event": own})
    return verdict.said()


def _judged(question: Question, settings: Settings) -> Verdict:
    if not settings.api_key_secret:
        return asyncio.run(judge(question))
    if not same_places(question, settings.question):
        why = "the event names other places than the settings do, and the key is for those alone"
        return _without_key(question, settings, why)
    try:
        key = _key(settings.api_key_secret)
    except (ClientError, BotoCoreError) as error:
        return _without_key(question, settings, clip(str(error), 300))
    if not key:
        return _without_key(question, settings, "the secret has no text: put the key in with put-secret-value")
    return asyncio.run(judge(replace(question, key=key)))


def _without_key(question: Question, settings: Settings, why: str) -> Verdict:
    """What needs no key is judged all the same."""
    judged = asyncio.run(judge(question))
    check = undecided("secret", settings.api_key_secret, "is not at hand", why)
    return replace(judged, checks=(check, *judged.checks))


def _key(secret: str) -> str:
    """Read at every run: the canary is what notices that a rotated key does not work."""
    return str(_secrets().get_secret_value(SecretId=secret).get("SecretString", "")).strip()


@cache
def _secrets() -> Any:
    limits = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
    return boto3.client("secretsmanager", config=limits)


@cache
def _log() -> Logger:
    return Logger(service=SERVICE)


def _within(context: Any, usual: float) -> float:
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    return max(remaining() / 1000 - RESERVE, 0.1) if remaining else usual


def _count(verdict: Verdict, environment: str) -> None:
    metrics = EphemeralMetrics(namespace=NAMESPACE, service=SERVICE)
    metrics.set_default_dimensions(environment=environment)
    metrics.add_metric("CanaryHealthy", MetricUnit.Count, int(verdict.word == "healthy"))
    metrics.add_metric("ChecksFailed", MetricUnit.Count, sum(check.ok is False for check in verdict.checks))
    metrics.add_metric("ChecksUndecided", MetricUnit.Count, sum(check.ok is None for check in verdict.checks))
    for metric, measured in METRICS.items():
        if measured in verdict.measured:
            metrics.add_metric(metric, MetricUnit.Milliseconds, verdict.measured[measured])
    metrics.flush_metrics()
    for name in sorted({check.name for check in verdict.checks if check.ok is False}):
        dimensions = {"service": SERVICE, "environment": environment}
        with single_metric(
            "CheckFailed", MetricUnit.Count, 1, namespace=NAMESPACE, default_dimensions=dimensions
        ) as failed:
            failed.add_dimension("check", name)
