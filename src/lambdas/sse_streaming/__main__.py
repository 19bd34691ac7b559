"""Serve on PORT, which is where Lambda's web adapter looks for the application."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING

from aws_lambda_powertools.metrics import MetricUnit

from sentiment.errors import SettingsError
from sentiment.keys import Keys, open_secret
from sentiment.observe import log_and_metrics
from sentiment.source import open_source
from sse_streaming.app import create_app
from sse_streaming.feed import Feed, Pace
from sse_streaming.health import Health
from sse_streaming.server import Server
from sse_streaming.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools.metrics import EphemeralMetrics

SERVICE = "sse-streaming"


def server(settings: Settings) -> Server:
    log, metrics = log_and_metrics(SERVICE, settings.environment)
    source = open_source(environment=settings.environment, table=settings.table, topics=settings.topics)
    secret = open_secret(settings.api_key_secret)
    pace = Pace(poll=settings.poll_seconds, settle=settings.settle_seconds, heartbeat=settings.heartbeat_seconds)
    feed = Feed(source, topics=settings.topics, pace=pace, log=log, report=reporter(metrics))
    checks: dict[str, Callable[[], object]] = {"table": source.ask} if settings.table else {}
    checks |= {"key": secret.value} if secret is not None else {}
    app = create_app(settings, feed=feed, keys=Keys(secret), health=Health(checks, log))
    return Server(app, feed, settings)


def reporter(metrics: EphemeralMetrics) -> Callable[[Mapping[str, int]], None]:
    def report(counts: Mapping[str, int]) -> None:
        for name, count in counts.items():
            metrics.add_metric(name, MetricUnit.Count, count)
        metrics.flush_metrics()

    return report


def main() -> int:
    try:
        serving = server(Settings.read(os.environ))
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - to whoever starts it
        return 2
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # logs and metrics: into a pipe they would wait for company
    serving.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
