"""CloudWatch's alarms: kept as they were put, told in full in every protocol, and evaluated by AWS's rules.

AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html, "How CloudWatch alarms
evaluate" and "Configuring how alarms treat missing data". Periods end now here, and not at whole minutes: what has
just happened counts in the newest period. Anomaly detection bands are refused.
"""

from __future__ import annotations

import json
import operator
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio

from awsbox.answers import expressions, query
from awsbox.answers.expressions import Unsupported
from awsbox.calls import Answer, refusal
from awsbox.rules import stores
from awsbox.seams import replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from awsbox.answers.expressions import Series
    from awsbox.behind import Rules
    from awsbox.calls import Call, Next

    type Alarm = dict[str, Any]

KEPT = ("StateValue", "StateReason", "StateReasonData", "StateUpdatedTimestamp", "StateTransitionedTimestamp")
OWN = ("AlarmName", "AlarmArn", "AlarmConfigurationUpdatedTimestamp", *KEPT)
ALWAYS = {"ActionsEnabled": True, "OKActions": [], "AlarmActions": [], "InsufficientDataActions": []}
TIMES = ("StateUpdatedTimestamp", "StateTransitionedTimestamp", "AlarmConfigurationUpdatedTimestamp")
NAMESPACE = "http://monitoring.amazonaws.com/doc/2010-08-01/"
JSON = "application/x-amz-json-1.0"
COMPARED: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
EVALUATED_EVERY_SECONDS = 10


async def put(call: Call, way: Next) -> Answer:
    asked = _asked(call)
    try:
        _readable(asked)
    except Unsupported as error:
        return refusal(call, 400, "ValidationError", str(error))
    answer = await way(call)
    if answer.status == 200:
        _keep(stores.own("cloudwatch", "alarms")[asked["AlarmName"]], asked)
        evaluate_one(stores.own("cloudwatch", "alarms")[asked["AlarmName"]])
    return answer


async def put_composite(call: Call, way: Next) -> Answer:
    answer = await way(call)
    if answer.status == 200:
        asked = _asked(call)
        _keep(stores.own("cloudwatch", "composite_alarms")[asked["AlarmName"]], asked)
    return answer


async def described(call: Call, way: Next) -> Answer:
    """The emulator answers well in JSON, and leaves out half of it in XML."""
    if not call.form:
        return await way(call)
    headers = {**call.headers, "content-type": JSON, "x-amz-target": f"GraniteServiceVersion20100801.{call.operation}"}
    asked = json.dumps(_asked(call)).encode()
    answer = await way(replace(call, headers=headers, body=asked))
    told = stores.told(answer)
    if answer.status != 200:
        return await way(call)
    for alarm in [*told.get("MetricAlarms", []), *told.get("CompositeAlarms", [])]:
        alarm |= {name: _iso(alarm[name]) for name in TIMES if name in alarm}
    name = call.operation
    body = f'<{name}Response xmlns="{NAMESPACE}"><{name}Result>{query.xml(told)}</{name}Result></{name}Response>'
    return Answer(200, (("content-type", "text/xml"),), body.encode())


RULES: Rules = {
    ("monitoring", "PutMetricAlarm"): put,
    ("monitoring", "PutCompositeAlarm"): put_composite,
    ("monitoring", "DescribeAlarms"): described,
    ("monitoring", "DescribeAlarmsForMetric"): described,
}


def _asked(call: Call) -> Alarm:
    return query.document(call.arguments) if call.form else dict(call.arguments)


def _keep(alarm: Alarm, asked: Alarm) -> None:
    """What was asked for and nothing that was not, but for what an alarm has without being asked."""
    own = {name: alarm[name] for name in OWN if name in alarm}
    alarm.clear()
    alarm |= ALWAYS | {name: value for name, value in asked.items() if name != "Tags"} | own


def _iso(moment: Any) -> str:
    return moment if isinstance(moment, str) else datetime.fromtimestamp(moment, UTC).isoformat()


# Evaluation.


@contextmanager
def evaluated_by_the_box() -> Iterator[None]:
    with replaced(stores.service("cloudwatch"), _evaluate_alarm=evaluate_one):
        yield


async def keep_evaluating() -> None:
    """AWS looks every minute; who waits for an alarm here has less patience."""
    while True:
        await anyio.sleep(EVALUATED_EVERY_SECONDS)
        evaluate_all()


def evaluate_all() -> None:
    """Every alarm of every account, now."""
    scopes = {(account, region) for (account, region, _), _ in stores.own("cloudwatch", "alarms").all_items()}
    for account, region in sorted(scopes):
        with stores.core("responses").request_scope(account, region):
            for alarm in list(stores.own("cloudwatch", "alarms").values()):
                evaluate_one(alarm)


def evaluate_one(alarm: Alarm) -> None:
    found = _verdict(alarm)
    if found is None or found.state == alarm["StateValue"]:
        return
    before = alarm["StateValue"]
    alarm |= {"StateValue": found.state, "StateReason": found.reason, "StateUpdatedTimestamp": int(time.time())}
    stores.own("cloudwatch", "record_history")(alarm["AlarmName"], before, found.state, found.reason)
    stores.own("cloudwatch", "dispatch_alarm_actions")(alarm, before, found.state, found.reason)
    stores.own("cloudwatch", "evaluate_parent_alarms")(alarm)


@dataclass(frozen=True)
class _Verdict:
    state: str
    reason: str


def _verdict(alarm: Alarm) -> _Verdict | None:
    """None: it stays as it is."""
    if not (alarm.get("Metrics") or alarm.get("Namespace")):
        return None  # the emulator has not been told of its metrics yet
    periods = int(alarm["EvaluationPeriods"])
    needed = int(alarm.get("DatapointsToAlarm") or periods)
    values = _values(alarm, periods)
    there = [value for value in values if value is not None]
    compare, threshold = COMPARED[alarm["ComparisonOperator"]], float(alarm["Threshold"])
    breaching = sum(compare(value, threshold) for value in there)
    state = _state(breaching, len(there), periods, needed, alarm.get("TreatMissingData", "missing"))
    if state is None:
        return None
    said = ", ".join("-" if value is None else f"{value:g}" for value in values)
    reason = f"Threshold Crossed: {breaching} out of the last {periods} datapoints [{said}] against {threshold:g}"
    return _Verdict(state, reason if state == "ALARM" else f"{len(there)} datapoints [{said}] against {threshold:g}")


def _state(breaching: int, there: int, periods: int, needed: int, missing: str) -> str | None:
    """AWS's table of missing data: what is not there breaches, does not, leaves the state alone, or is left out."""
    absent = periods - there
    if breaching >= needed or (missing == "breaching" and breaching + absent >= needed):
        return "ALARM"
    if missing in {"breaching", "notBreaching"}:
        return "OK"
    if there == 0:
        return "INSUFFICIENT_DATA" if missing == "missing" else None
    if there < needed and breaching == there:
        return "ALARM" if missing == "missing" else None
    return "OK"


def _readable(alarm: Alarm) -> None:
    for one in alarm.get("Metrics", []):
        if "Expression" in one:
            expressions.parsed(one["Expression"])
    comparison = alarm.get("ComparisonOperator", "")
    if alarm.get("ThresholdMetricId") or comparison not in COMPARED:
        raise Unsupported(f"the box evaluates no anomaly detection, and not {comparison}")


def _values(alarm: Alarm, periods: int) -> Series:
    """Oldest first."""
    queries = alarm.get("Metrics")
    if not queries:
        statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average")
        return _measured(alarm, statistic, int(alarm.get("Period", 60)), alarm.get("Unit"), periods)
    period = max([one["MetricStat"]["Period"] for one in queries if "MetricStat" in one] or [60])
    known: dict[str, Series] = {}
    for one in queries:
        if stat := one.get("MetricStat"):
            known[one["Id"]] = _measured(stat["Metric"], stat["Stat"], int(period), stat.get("Unit"), periods)
    answer = next((one for one in queries if one.get("ReturnData", True)), queries[-1])
    return _of(answer["Id"], {one["Id"]: one for one in queries}, known, periods)


def _of(id: str, queries: Mapping[str, Any], known: dict[str, Series], periods: int) -> Series:
    """Expressions may name each other; each is computed after those that it names."""
    if id in known:
        return known[id]
    tree = expressions.parsed(queries[id]["Expression"])
    metrics = dict(known)
    for name in expressions.names(tree) & set(queries):
        metrics[name] = _of(name, queries, known, periods)
    return expressions.evaluated(tree, metrics, periods)


def _measured(metric: Mapping[str, Any], statistic: str, period: int, unit: str | None, periods: int) -> Series:
    cloudwatch, now = stores.service("cloudwatch"), time.time()
    dimensions = {one["Name"]: one["Value"] for one in metric.get("Dimensions") or []}
    key = (metric["Namespace"], metric["MetricName"], stores.own("cloudwatch", "dims_key")(dimensions))
    points = [p for p in stores.own("cloudwatch", "metrics").get(key) or [] if unit in {None, p.get("Unit")}]
    found: Series = []
    for back in range(periods, 0, -1):
        start, end = now - back * period, now - (back - 1) * period
        inside = [point for point in points if start < point["Timestamp"] <= end]
        statistics = cloudwatch._calc_stats(inside)  # noqa: SLF001 - the same numbers as GetMetricStatistics gives
        found.append(stores.own("cloudwatch", "stat_value")(statistics, statistic, inside) if inside else None)
    return found
