"""What AWS writes down about an invocation: lines in the function's log group, numbers in CloudWatch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from awsbox.rules import stores

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from awsbox.lambdas.functions import Function


def stream_name(version: str) -> str:
    """One stream an execution environment."""
    return f"{time.strftime('%Y/%m/%d', time.gmtime())}/[{version}]{uuid4().hex}"


def write_log(function: Function, stream: str, lines: Iterable[str]) -> None:
    """The group is there from the first line on: Lambda makes it."""
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": line, "ingestionTime": now} for line in lines]
    with stores.core("responses").request_scope(function.account, function.region):
        groups = stores.own("cloudwatch_logs", "log_groups")
        group = groups.get(function.log_group)
        if group is None:
            arn = stores.own("cloudwatch_logs", "make_group_arn")(function.log_group)
            group = {"arn": arn, "creationTime": now, "retentionInDays": None, "tags": {}, "subscriptionFilters": {}}
            groups[function.log_group] = group = group | {"streams": {}}
        into = group["streams"].setdefault(stream, _new_stream(now))
        stores.own("cloudwatch_logs", "append_log_events")(into, events)
        stores.own("cloudwatch_logs", "fanout_to_subscription_filters")(function.log_group, stream, events)


def _new_stream(now: int) -> dict[str, Any]:
    times = dict.fromkeys(("firstEventTimestamp", "lastEventTimestamp", "lastIngestionTime"))
    return {"events": [], "uploadSequenceToken": "1", "creationTime": now, **times}


def report(function: Function, id: str, milliseconds: float, init: float | None, used: int) -> str:
    """The REPORT line: what CloudWatch Insights and people read."""
    said = [
        f"REPORT RequestId: {id}",
        f"Duration: {milliseconds:.2f} ms",
        f"Billed Duration: {int(milliseconds + 0.999)} ms",
        f"Memory Size: {function.memory} MB",
        f"Max Memory Used: {used} MB",
    ]
    return "\t".join(said + ([f"Init Duration: {init:.2f} ms"] if init is not None else [])) + "\t"


def count_run(account: str, region: str, arn: str, *, failed: bool, milliseconds: float) -> None:
    numbers = [("Invocations", 1.0, "Count"), ("Errors", float(failed), "Count"), ("Throttles", 0.0, "Count")]
    _count(account, region, arn, [*numbers, ("Duration", milliseconds, "Milliseconds")])


def count_throttle(account: str, region: str, arn: str) -> None:
    """A call that never ran is no invocation."""
    _count(account, region, arn, [("Throttles", 1.0, "Count")])


def _count(account: str, region: str, arn: str, numbers: Iterable[tuple[str, float, str]]) -> None:
    with stores.core("responses").request_scope(account, region):
        for name, value, unit in numbers:
            for dimensions in _views(arn):
                stores.service("cloudwatch").record_metric("AWS/Lambda", name, value, unit, dict(dimensions))


def _views(arn: str) -> list[Mapping[str, str]]:
    """By function, and by what was called of it: the function itself, or an alias or version."""
    name, _, qualifier = arn.split(":", 6)[6].partition(":")
    return [{"FunctionName": name}, {"FunctionName": name, "Resource": f"{name}:{qualifier}" if qualifier else name}]
