"""What would run without anybody hearing of it when it fails: no alarm, no dead letters, no budget, no logs.

Judged is what there is after the apply, and not only what the plan touches: a gap stays a gap. All of it is a warning.
Nothing is lost by such a plan, and the one that mends an incident at night must not be stopped by a missing alarm.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ferry.guards.values import WHOLE_PLAN, at, document, listed, resulting, text, unknown
from ferry.model import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ferry.guards.context import Context
    from ferry.tfplan import Change, Plan

DEAD_LETTERS = re.compile(r"(.*[-_.])?(dlq|dead[-_]?letters?([-_]?queue)?)([-_.].*)?", re.IGNORECASE)
"""What people call such a queue."""
EVENTS = re.compile(r"(events|sns|s3|ses|iot|logs|codecommit|config)(\.[a-z0-9-]+)?\.amazonaws\.com")
"""Services that call a function and do not wait for its answer."""

_warned = partial(Finding, guard="coverage", severity=Severity.WARN)


@dataclass(frozen=True, slots=True)
class Metric:
    """What an alarm looks at. `unsettled`: of whom, only the apply will know."""

    namespace: str
    name: str
    of: Mapping[str, Any]
    unsettled: bool


def findings(plan: Plan, context: Context) -> tuple[Finding, ...]:  # noqa: ARG001 - every guard has the same shape
    functions = resulting(plan, "aws_lambda_function")
    alarms = resulting(plan, "aws_cloudwatch_metric_alarm")
    metrics = [metric for alarm in alarms for metric in _metrics(alarm)]
    hidden = [
        *(one.address for one in functions if not text(one, "function_name")),
        *(one.address for one in resulting(plan, "aws_sqs_queue") if not text(one, "name")),
    ]
    return (
        *(found for function in functions for found in _function(function, metrics, plan)),
        *_queues(plan, metrics),
        *_deliveries(plan),
        *(found for alarm in alarms for found in _alarm(alarm, plan)),
        *([_no_budget()] if functions and not resulting(plan, "aws_budgets_budget") else []),
        *([_hidden(hidden)] if hidden else []),
    )


def _metrics(alarm: Change) -> Iterator[Metric]:
    """An alarm's own metric, or those that its expression reads."""
    places: list[tuple[str, ...]] = [()]
    places += [
        ("metric_query", str(number), "metric", "0") for number in range(len(alarm.after.get("metric_query") or []))
    ]
    for place in places:
        said = at(alarm.after, place) or {}
        if name := said.get("metric_name"):
            later = unknown(alarm, (*place, "dimensions"))
            yield Metric(str(said.get("namespace") or ""), str(name), said.get("dimensions") or {}, later)


def _watched(metrics: list[Metric], namespace: str, name: str, key: str, value: str) -> bool | None:
    """None where an alarm may be meant whose dimensions nobody knows yet."""
    of = [metric for metric in metrics if (metric.namespace, metric.name) == (namespace, name)]
    if any(metric.of.get(key) == value for metric in of):
        return True
    return None if any(metric.unsettled for metric in of) else False


def _function(function: Change, metrics: list[Metric], plan: Plan) -> Iterator[Finding]:
    name = text(function, "function_name")
    if not name:
        return
    if _watched(metrics, "AWS/Lambda", "Errors", "FunctionName", name) is False:
        yield _warned(
            verdict="no-error-alarm",
            address=function.address,
            what=f"no alarm looks at the errors of {name}",
            why="it can fail for days, and whoever finds out is a user",
            next=f"an aws_cloudwatch_metric_alarm: AWS/Lambda Errors, FunctionName = {name}",
        )
    yield from _logs(function, name, plan)
    yield from _destination(function, name, plan)


def _logs(function: Change, name: str, plan: Plan) -> Iterator[Finding]:
    wanted = text(function, "logging_config", "0", "log_group") or f"/aws/lambda/{name}"
    groups = resulting(plan, "aws_cloudwatch_log_group")
    group = next((one for one in groups if text(one, "name") == wanted), None)
    if group is None:
        if not any(unknown(one, ("name",)) for one in groups):
            yield _warned(
                verdict="no-log-group",
                address=function.address,
                what=f"the plan has no log group {wanted}",
                why="Lambda makes one on the first call, outside of Terraform's state, that keeps logs for ever",
                next="an aws_cloudwatch_log_group of that name, with retention_in_days",
            )
    elif not group.after.get("retention_in_days") and not unknown(group, ("retention_in_days",)):
        yield _warned(
            verdict="logs-for-ever",
            address=group.address,
            what=f"{wanted} keeps logs for ever",
            why="each month costs more than the last",
            next="set retention_in_days",
        )


def _destination(function: Change, name: str, plan: Plan) -> Iterator[Finding]:
    """Whoever calls without waiting is not told of a failure: it needs a place to go."""
    permissions = resulting(plan, "aws_lambda_permission")
    callers = sorted(
        {text(one, "principal") for one in permissions if text(one, "function_name").partition(":")[0] == name}
    )
    events = [caller for caller in callers if EVENTS.fullmatch(caller)]
    if not events or _kept(function, ("dead_letter_config", "0", "target_arn")):
        return
    configs = resulting(plan, "aws_lambda_function_event_invoke_config")
    of = [one for one in configs if text(one, "function_name") == name or unknown(one, ("function_name",))]
    if not any(_kept(one, ("destination_config", "0", "on_failure", "0", "destination")) for one in of):
        yield _warned(
            verdict="no-failure-destination",
            address=function.address,
            what=f"{listed(events)} calls {name} and does not wait, and what fails has nowhere to go",
            why="after its last try Lambda throws the event away",
            next="an aws_lambda_function_event_invoke_config with destination_config.on_failure",
        )


def _queues(plan: Plan, metrics: list[Metric]) -> Iterator[Finding]:
    """Of queues that letters are sent to when all else failed."""
    targets = _targets(plan)
    for queue in resulting(plan, "aws_sqs_queue"):
        name = text(queue, "name")
        if not name or not (name in targets or DEAD_LETTERS.fullmatch(name)):
            continue
        if _watched(metrics, "AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", name) is False:
            yield _warned(
                verdict="no-queue-alarm",
                address=queue.address,
                what=f"no alarm looks at whether {name} is empty",
                why="what nobody could deal with lies there until it expires, and nobody is told",
                next=f"an aws_cloudwatch_metric_alarm: AWS/SQS ApproximateNumberOfMessagesVisible, QueueName = {name}",
            )


def _targets(plan: Plan) -> set[str]:
    """Names of the queues that something sends its dead letters to, as far as the plan knows them."""
    arns: list[object] = []
    for change in resulting(plan):
        arns.append(at(document(change.after.get("redrive_policy")), ("deadLetterTargetArn",)))
        arns += [at(change.after, path) for path in ARNS]
    return {arn.rpartition(":")[2] for arn in arns if isinstance(arn, str) and ":sqs:" in arn}


ARNS = (
    ("dead_letter_config", "0", "arn"),
    ("dead_letter_config", "0", "target_arn"),
    ("destination_config", "0", "on_failure", "0", "destination"),
    ("destination_config", "0", "on_failure", "0", "destination_arn"),
)


def _deliveries(plan: Plan) -> Iterator[Finding]:
    """A rule or a topic that cannot reach its function has no function that could say so."""
    kept = {
        "aws_cloudwatch_event_target": ("arn", ("dead_letter_config", "0", "arn")),
        "aws_sns_topic_subscription": ("endpoint", ("redrive_policy",)),
    }
    for type, (target, letters) in kept.items():
        for change in resulting(plan, type):
            lambdas = ":lambda:" in text(change, target) or text(change, "protocol") == "lambda"
            if lambdas and not _kept(change, letters):
                yield _warned(
                    verdict="no-dead-letters",
                    address=change.address,
                    what="what it cannot deliver is thrown away",
                    why="a function that is throttled, gone or may not be called is never asked, and raises no error",
                    next=f"set {'.'.join(part for part in letters if part != '0')}",
                )


def _kept(change: Change, path: tuple[str, ...]) -> bool:
    """Set, or set to what only the apply will know."""
    return bool(at(change.after, path)) or unknown(change, path)


def _alarm(alarm: Change, plan: Plan) -> Iterator[Finding]:
    composites = resulting(plan, "aws_cloudwatch_composite_alarm")
    name = text(alarm, "alarm_name")
    if any(unknown(one, ("alarm_rule",)) or (name and name in text(one, "alarm_rule")) for one in composites):
        return  # it speaks through that one
    off = alarm.after.get("actions_enabled") is False
    if off or not _kept(alarm, ("alarm_actions",)):
        yield _warned(
            verdict="silent-alarm",
            address=alarm.address,
            what="its actions are turned off" if off else "it has no alarm_actions",
            why="it turns red where nobody looks",
            next="let it tell a topic that people read",
        )


def _no_budget() -> Finding:
    return _warned(
        verdict="no-budget",
        address=WHOLE_PLAN,
        what="the plan has functions and no budget",
        why="a function that calls itself costs more in a night than in a year, and the bill comes weeks later",
        next="an aws_budgets_budget, here; or none, where the account's own configuration has one",
    )


def _hidden(addresses: list[str]) -> Finding:
    return Finding(
        guard="coverage",
        severity=Severity.INFO,
        verdict="not-judged",
        address=WHOLE_PLAN if len(addresses) > 1 else addresses[0],
        what=f"only the apply will know the name of {listed(addresses)}",
        why="so nobody can say which alarm looks at it",
    )
