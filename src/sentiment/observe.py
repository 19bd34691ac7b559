"""Logs, metrics and traces, by aws-lambda-powertools: JSON lines on stdout, metrics among them (EMF)."""

from __future__ import annotations

from dataclasses import dataclass

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.metrics import EphemeralMetrics

NAMESPACE = "SentimentAnalyzer"


@dataclass(frozen=True, slots=True)
class Telemetry:
    log: Logger
    metrics: EphemeralMetrics
    tracer: Tracer


def telemetry(service: str, environment: str) -> Telemetry:
    return Telemetry(*log_and_metrics(service, environment), Tracer(service=service))


def log_and_metrics(service: str, environment: str) -> tuple[Logger, EphemeralMetrics]:
    """Every metric has the dimensions `service` and `environment`, so that alarms can name them."""
    # `Metrics` shares its state with every other of the process: tests import more than one function.
    metrics = EphemeralMetrics(namespace=NAMESPACE, service=service)
    metrics.set_default_dimensions(environment=environment)
    return Logger(service=service), metrics
