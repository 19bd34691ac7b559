"""What Lambda calls: `dashboard.handler.handle`."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from dashboard.app import Dashboard
from dashboard.function_url import FunctionUrl, NotAnEventError
from dashboard.settings import Settings
from sentiment import observe
from sentiment.errors import SettingsError
from sentiment.keys import Keys, open_secret
from sentiment.source import open_source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sentiment.observe import Telemetry

type Event = Mapping[str, Any]
type Answer = dict[str, Any]

SERVICE = "dashboard"
LONGEST = 200
"""Of a path in the log."""


def handle(event: Event, context: object) -> Answer:
    try:
        answer = function()
    except SettingsError as error:
        # Not kept: the next call looks again, and says it again.
        Logger(service=SERVICE).error("the dashboard cannot start: %s", error)
        return _plain(500, '{"error":"settings","message":"This deployment is not set up. Its log says why."}')
    return answer(event, context)


@cache
def function() -> Callable[[Event, object], Answer]:
    settings = Settings.read(os.environ)
    telemetry = observe.telemetry(SERVICE, settings.environment)
    ask = FunctionUrl(dashboard(settings, telemetry).app())

    @telemetry.tracer.capture_lambda_handler(capture_response=False)
    def answer(event: Event, _context: object) -> Answer:
        started = time.perf_counter()
        try:
            said = ask(event)
        except NotAnEventError:
            said = _plain(400, '{"error":"event","message":"This is not an event of a function URL."}')
        _note(telemetry, event, said["statusCode"], time.perf_counter() - started)
        return said

    made: Callable[[Event, object], Answer] = answer
    return made


def dashboard(settings: Settings, telemetry: Telemetry) -> Dashboard:
    source = open_source(environment=settings.environment, table=settings.table, topics=settings.topics)
    secret = open_secret(settings.api_key_secret)
    asks = {"table": source.ask} | ({"key": secret.value} if secret else {})
    return Dashboard(settings=settings, source=source, keys=Keys(secret), asks=asks, log=telemetry.log)


def _note(telemetry: Telemetry, event: Event, status: int, seconds: float) -> None:
    path = event.get("rawPath", "") if isinstance(event, dict) else ""
    milliseconds = round(seconds * 1000, 1)
    telemetry.log.info("answered", path=str(path)[:LONGEST], status=status, milliseconds=milliseconds)
    telemetry.metrics.add_metric("Requests", "Count", 1)
    telemetry.metrics.add_metric("Failures", "Count", int(status >= 500))
    telemetry.metrics.add_metric("Refused", "Count", int(status == 401))
    telemetry.metrics.add_metric("Latency", "Milliseconds", milliseconds)
    telemetry.metrics.flush_metrics()


def _plain(status: int, body: str) -> Answer:
    headers = {"content-type": "application/json", "cache-control": "no-store", "x-content-type-options": "nosniff"}
    return {"statusCode": status, "headers": headers, "body": body, "isBase64Encoded": False}


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    # While a process starts, Lambda gives it a whole processor: what the first call needs is made now. A setting that
    # is wrong is for `handle` to say.
    with suppress(SettingsError):
        function()
