"""The function as Lambda calls it.

Metrics, by service and environment and again by model: Analyzed, AlreadyAnalyzed, Rejected, Unavailable; and by service
and environment alone NotReady: settings or the model's files are wrong or out of reach, and nothing was judged.
"""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from aws_lambda_powertools.metrics import MetricUnit

from analysis.dead_letters import DeadLetters
from analysis.deliveries import deliveries
from analysis.models.mock import Mock
from analysis.run import Analysis, Outcome, Result, raise_unavailable
from analysis.settings import Settings
from sentiment.aws import client
from sentiment.errors import SentimentError
from sentiment.observe import telemetry
from sentiment.settings import Reader
from sentiment.table import Table

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from analysis.models import Model

SERVICE = "analysis"
SEEN = telemetry(SERVICE, Reader(os.environ).environment())


@SEEN.log.inject_lambda_context
@SEEN.metrics.log_metrics
@SEEN.tracer.capture_lambda_handler(capture_response=False)
def handle(event: object, context: LambdaContext) -> None:
    try:
        analysis = made(context.function_name)
    except SentimentError:
        SEEN.metrics.add_metric("NotReady", MetricUnit.Count, 1)
        raise
    SEEN.metrics.add_dimensions(service=SERVICE, model=analysis.model.name)
    results = analysis.run(deliveries(event))
    for result in results:
        tell(result)
    raise_unavailable(results)


@cache
def made(function: str) -> Analysis:
    """Once, and kept across warm calls; what fails is tried again by the next call."""
    settings = Settings.read(Reader(os.environ))
    table = Table(client("dynamodb"), settings.table, keep=settings.keep)
    return Analysis(model=model(settings), items=table, refuse=DeadLetters(client("sqs"), settings.dlq_url, function))


def model(settings: Settings) -> Model:
    if settings.files is None:
        return Mock()
    # The mock must not pay for these.
    from analysis.models.files import bring  # noqa: PLC0415
    from analysis.models.transformer import Transformer  # noqa: PLC0415

    return Transformer(bring(client("s3"), settings.files, Path(tempfile.gettempdir()) / "sentiment-model"))


def tell(result: Result) -> None:
    SEEN.metrics.add_metric(result.outcome, MetricUnit.Count, 1)
    said = {"message_id": result.delivery.id, "article": result.article, "reason": result.reason}
    if result.sentiment:
        said |= {"label": result.sentiment.label, "score": str(result.sentiment.score)}
    level = SEEN.log.info if result.outcome in {Outcome.ANALYZED, Outcome.ALREADY_ANALYZED} else SEEN.log.warning
    level(result.outcome.value, extra={name: value for name, value in said.items() if value})
