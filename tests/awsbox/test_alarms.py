"""Alarms: told as they were put, in the protocol that Terraform speaks and in boto3's; evaluated now."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from awsbox.answers.alarms import _state
from awsbox.answers.expressions import Unsupported, evaluated, parsed
from awsbox.answers.metrics import matches
from tests.awsbox import terraform

if TYPE_CHECKING:
    from tests.awsbox.people import Account

HERE = Path(__file__).parent
PLAIN = {
    "AlarmDescription": "a & b",
    "Namespace": "Own",
    "MetricName": "Errors",
    "Dimensions": [{"Name": "F", "Value": "one"}],
    "Statistic": "Sum",
    "Period": 300,
    "EvaluationPeriods": 1,
    "Threshold": 0.5,
    "ComparisonOperator": "GreaterThanThreshold",
    "TreatMissingData": "notBreaching",
    "AlarmActions": ["arn:aws:sns:us-east-1:111122223333:nobody"],
}


def metric(id: str, name: str, **more: Any) -> dict[str, Any]:
    about = {"Namespace": "Own", "MetricName": name, "Dimensions": [{"Name": "F", "Value": "math"}]}
    return {"Id": id, "MetricStat": {"Metric": about, "Period": 60, "Stat": "Sum"}, "ReturnData": False} | more


RATIO = {"Id": "rate", "Expression": "IF(FILL(calls, 0) > 0, 100 * FILL(errors, 0) / calls, 0)", "Label": "rate"}
MATH = {
    "EvaluationPeriods": 1,
    "Threshold": 5.0,
    "ComparisonOperator": "GreaterThanThreshold",
    "Metrics": [metric("errors", "Errors"), metric("calls", "Invocations"), RATIO | {"ReturnData": True}],
}


def state(account: Account, name: str) -> str:
    account.portal.call(account.box.evaluate_alarms)
    described = account.root.client("cloudwatch").describe_alarms(
        AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    return str([*described["MetricAlarms"], *described["CompositeAlarms"]][0]["StateValue"])


def put_data(account: Account, name: str, value: float, of: str) -> None:
    data = {"MetricName": name, "Value": value, "Dimensions": [{"Name": "F", "Value": of}]}
    account.root.client("cloudwatch").put_metric_data(Namespace="Own", MetricData=[data])


def test_described_is_what_was_put(account: Account) -> None:
    client = account.root.client("cloudwatch")
    client.put_metric_alarm(AlarmName="plain", **PLAIN)
    client.put_metric_alarm(AlarmName="math", **MATH)
    told = {alarm["AlarmName"]: alarm for alarm in client.describe_alarms(AlarmNames=["plain", "math"])["MetricAlarms"]}

    assert told["plain"] | PLAIN == told["plain"]
    assert told["math"]["Metrics"] == MATH["Metrics"]
    assert told["plain"]["ActionsEnabled"]
    assert "Statistic" not in told["math"]


def test_plain_alarm_follows_its_metric(account: Account) -> None:
    client = account.root.client("cloudwatch")
    client.put_metric_alarm(AlarmName="follows", **PLAIN | {"Dimensions": [{"Name": "F", "Value": "follows"}]})
    assert state(account, "follows") == "OK"
    put_data(account, "Errors", 1, of="another")
    assert state(account, "follows") == "OK"
    put_data(account, "Errors", 1, of="follows")
    assert state(account, "follows") == "ALARM"


def test_percentile(account: Account) -> None:
    client = account.root.client("cloudwatch")
    asked = {**PLAIN, "MetricName": "Duration", "ExtendedStatistic": "p90", "Threshold": 80.0}
    del asked["Statistic"]
    client.put_metric_alarm(AlarmName="slow", **asked)
    for value in (10, 20, 30, 40, 50, 60, 70, 75, 78, 79):
        put_data(account, "Duration", value, of="one")
    assert state(account, "slow") == "OK"
    for _ in range(3):
        put_data(account, "Duration", 100, of="one")
    assert state(account, "slow") == "ALARM"


def test_metric_math_alarm(account: Account) -> None:
    account.root.client("cloudwatch").put_metric_alarm(AlarmName="ratio", **MATH)
    assert state(account, "ratio") == "OK"
    put_data(account, "Invocations", 100, of="math")
    put_data(account, "Errors", 5, of="math")
    assert state(account, "ratio") == "OK"
    put_data(account, "Errors", 1, of="math")
    assert state(account, "ratio") == "ALARM"


def test_composite_alarm_follows_its_children(account: Account) -> None:
    client = account.root.client("cloudwatch")
    client.put_metric_alarm(AlarmName="child", **PLAIN | {"Dimensions": [{"Name": "F", "Value": "child"}]})
    client.put_composite_alarm(AlarmName="parent", AlarmRule="ALARM(child)", ActionsEnabled=False)
    assert state(account, "parent") == "OK"
    put_data(account, "Errors", 1, of="child")
    assert state(account, "parent") == "ALARM"


def test_alarm_sends_to_its_topic(account: Account) -> None:
    root = account.root
    topic = root.client("sns").create_topic(Name="alarms")["TopicArn"]
    queue = root.client("sqs").create_queue(QueueName="alarms")["QueueUrl"]
    arn = account.arn("sqs", "alarms")
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    root.client("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    root.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    asked = PLAIN | {"AlarmActions": [topic], "Dimensions": [{"Name": "F", "Value": "sends"}]}
    root.client("cloudwatch").put_metric_alarm(AlarmName="sends", **asked)
    put_data(account, "Errors", 1, of="sends")

    received = root.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"][0]["Body"]
    assert json.loads(json.loads(received)["Message"])["NewStateValue"] == "ALARM"


def test_what_the_box_cannot_evaluate_is_refused(account: Account) -> None:
    client = account.root.client("cloudwatch")
    band = MATH | {
        "Metrics": [metric("calls", "Invocations"), {"Id": "e", "Expression": "ANOMALY_DETECTION_BAND(calls, 2)"}]
    }
    with pytest.raises(ClientError, match="the box does not evaluate ANOMALY_DETECTION_BAND"):
        client.put_metric_alarm(AlarmName="band", **band)


N = None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b * 2", [21, N, N]),
        ("100 * a / b", [10, N, N]),
        ("a / 0", [N, N, N]),
        ("SUM([a, b])", [11, 2, N]),
        ("SUM(METRICS())", [11, 2, N]),
        ("MAX([a, b]) - MIN([a, b])", [9, 0, N]),
        ("SUM(a)", [3, 3, 3]),
        ("FILL(a, 0)", [1, 2, 0]),
        ("FILL(a, REPEAT)", [1, 2, 2]),
        ("IF(a > 1, 7, -a)", [-1, 7, N]),
        ("a > 0 AND FILL(b, 0) < 5", [0, 1, N]),
        ("a > 1 || b >= 10", [1, N, N]),
        ("a ^ 2", [1, 4, N]),
        ("CEIL(a / 3)", [1, 1, N]),
    ],
)
def test_metric_math(text: str, expected: list[float | None]) -> None:
    assert evaluated(parsed(text), {"a": [1, 2, N], "b": [10, N, N]}, 3) == expected


@pytest.mark.parametrize("text", ["RATE(a)", "a +", "'text'", "a.b", "open('x')", "__import__('os')"])
def test_other_expressions_are_refused(text: str) -> None:
    with pytest.raises(Unsupported):
        evaluated(parsed(text), {"a": [1.0]}, 1)


@pytest.mark.parametrize(
    # AWS's own table: 3 of 3 periods, as the datapoints that are there and how many of them breach.
    ("there", "breaching", "expected"),
    [
        (3, 2, ["OK", "OK", "OK", "OK"]),
        (1, 0, ["OK", "OK", "OK", "OK"]),
        (0, 0, ["INSUFFICIENT_DATA", None, "ALARM", "OK"]),
        (3, 3, ["ALARM", "ALARM", "ALARM", "ALARM"]),
        (1, 1, ["ALARM", None, "ALARM", "OK"]),
    ],
)
def test_missing_data(there: int, breaching: int, expected: list[str | None]) -> None:
    how = ("missing", "ignore", "breaching", "notBreaching")
    assert [_state(breaching, there, 3, 3, one) for one in how] == expected


@pytest.mark.parametrize(
    ("pattern", "line", "found"),
    [
        ("", "anything", True),
        ("ERROR", "an ERROR here", True),
        ("ERROR disk", "an ERROR here", False),
        ('"an ERROR"', "an ERROR here", True),
        ("ERROR -here", "an ERROR here", False),
        ("?WARN ?ERROR", "an ERROR here", True),
        ('{ $.level = "ERROR" }', '{"level": "ERROR"}', True),
        ('{ $.level = "ERR*" && $.n > 3 }', '{"level": "ERROR", "n": 4}', True),
        ('{ $.level = "ERROR" && $.n > 4 }', '{"level": "ERROR", "n": 4}', False),
        ("{ $.a.b != 1 || $.c = true }", '{"a": {"b": 1}, "c": true}', True),
        ("{ $.level = ERROR }", "no json", False),
    ],
)
def test_filter_patterns(pattern: str, line: str, found: bool) -> None:  # noqa: FBT001 - a table
    assert matches(pattern, line) is found


def sums(account: Account, namespace: str, name: str) -> dict[str, float]:
    """By the dimensions that the metric has."""
    client, now = account.root.client("cloudwatch"), datetime.now(UTC)
    found: dict[str, float] = {}
    for one in client.list_metrics(Namespace=namespace, MetricName=name)["Metrics"]:
        points = client.get_metric_statistics(
            **one,
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(minutes=1),
            Period=86400,
            Statistics=["Sum"],
        )["Datapoints"]
        found[",".join(dimension["Value"] for dimension in one["Dimensions"])] = sum(point["Sum"] for point in points)
    return found


def test_log_lines_become_metrics(account: Account) -> None:
    logs = account.root.client("logs")
    logs.create_log_group(logGroupName="app")
    logs.create_log_stream(logGroupName="app", logStreamName="one")
    change = {"metricName": "Failures", "metricNamespace": "Filtered", "metricValue": "$.count"}
    logs.put_metric_filter(
        logGroupName="app", filterName="f", filterPattern="{ $.level = ERROR }", metricTransformations=[change]
    )
    directive = {"Namespace": "Emf", "Dimensions": [["env"]], "Metrics": [{"Name": "items", "Unit": "Count"}]}
    now = int(time.time() * 1000)
    emf = {"_aws": {"Timestamp": now, "CloudWatchMetrics": [directive]}, "env": "preprod", "items": [2, 3]}
    said = [json.dumps(emf), '{"level": "ERROR", "count": 4}', '{"level": "INFO", "count": 9}', "ERROR"]
    logs.put_log_events(
        logGroupName="app", logStreamName="one", logEvents=[{"timestamp": now, "message": line} for line in said]
    )

    assert sums(account, "Emf", "items") == {"preprod": 5}
    assert sums(account, "Filtered", "Failures") == {"": 4}


@pytest.mark.slow
@pytest.mark.thorough  # a minute; alarms settle in the repository's own root too
@pytest.mark.skipif(bool(terraform.absent()), reason=terraform.absent())
def test_terraform_finds_nothing_to_do(account: Account, tmp_path: Path) -> None:
    """Its provider reads back all that it put: alarms of every shape, Cost Explorer's, a mail subscription."""
    root = terraform.Root.of(HERE / "watching", tmp_path, account.root)
    root.init()
    root.apply()
    assert root.changes() == {}
    changed = root.changes(change="true")
    assert set(map(tuple, changed.values())) == {("update",)}
    assert len(changed) == 6
    root.apply(change="true")
    assert root.changes(change="true") == {}
    root.destroy()
    assert not account.root.client("cloudwatch").describe_alarms(AlarmNamePrefix="watching")["MetricAlarms"]
