"""Each alarm is made to fire, and somebody hears of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.awsbox.people import policy
from tests.infrastructure.world import FUNCTIONS, NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.infrastructure.world import World

    type Trigger = Callable[[World, str], None]


def data(namespace: str, metric: str, value: float, **dimensions: str) -> Trigger:
    """As AWS's own services would say it: `{env}` is the environment."""

    def put(world: World, name: str) -> None:
        said = [{"Name": key, "Value": text.format(env=name)} for key, text in dimensions.items()]
        point = {"MetricName": metric, "Value": value, "Dimensions": said}
        world.account.root.client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=[point])

    return put


def errors(function: str) -> Trigger:
    return data("AWS/Lambda", "Errors", 6, FunctionName=f"{{env}}-{function}")


def fails(function: str) -> Trigger:
    def fail(world: World, name: str) -> None:
        client = world.account.root.client("lambda")
        for _ in range(6):
            said = client.invoke(FunctionName=f"{name}-{function}", Qualifier="live", Payload=b'{"raise": "no"}')
            assert said["FunctionError"]

    return fail


def verdict(value: int) -> Trigger:
    """The canary says it in its log, as its library does."""

    def say(world: World, name: str) -> None:
        directive = {
            "Namespace": "SentimentAnalyzer",
            "Dimensions": [["service", "environment"]],
            "Metrics": [{"Name": "CanaryHealthy", "Unit": "Count"}],
        }
        about = {"CloudWatchMetrics": [directive]}
        line = {"_aws": about, "service": "canary", "environment": name, "CanaryHealthy": value}
        world.account.root.client("lambda").invoke(
            FunctionName=f"{name}-canary", Qualifier="live", Payload=json.dumps({"print": [line]})
        )

    return say


def silence(world: World, name: str) -> None:
    """Nothing has been heard yet; what is new is that somebody thought otherwise."""
    client = world.account.root.client("cloudwatch")
    client.set_alarm_state(AlarmName=f"{name}-canary-silent", StateValue="OK", StateReason="a test")


TRIGGERS: Mapping[str, Trigger] = {
    **{f"{function}-errors": errors(function) for function in FUNCTIONS},
    "ingestion-errors": fails("ingestion"),
    "table-throttles": data(
        "AWS/DynamoDB", "WriteThrottleEvents", 1, TableName="{env}-sentiment", GlobalSecondaryIndexName="topic"
    ),
    "articles-undelivered": data("AWS/SNS", "NumberOfNotificationsFailed", 1, TopicName="{env}-articles"),
    "alarms-undelivered": data("AWS/SNS", "NumberOfNotificationsFailed", 1, TopicName="{env}-alarms"),
    "dlq-not-empty": data("AWS/SQS", "ApproximateNumberOfMessagesVisible", 1, QueueName="{env}-dlq"),
    "canary-failing": verdict(0),
    "canary-silent": silence,
}


@pytest.fixture
def listening(standing: World) -> Iterator[World]:
    """A queue of each environment hears what people would be told."""
    account, before = standing.account, standing.account.box.snapshot()
    sqs, sns = account.root.client("sqs"), account.root.client("sns")
    for name in NAMES:
        arn, topic = account.arn("sqs", f"{name}-people"), account.arn("sns", f"{name}-alarms")
        lets = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
        sqs.create_queue(QueueName=f"{name}-people", Attributes={"Policy": policy(lets)})
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    yield standing
    account.box.restore(before)


def heard(world: World, name: str) -> list[tuple[str, str]]:
    """Alarm and state, of every message that came."""
    sqs = world.account.root.client("sqs")
    url = sqs.get_queue_url(QueueName=f"{name}-people")["QueueUrl"]
    found: list[tuple[str, str]] = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        said: list[dict[str, Any]] = [json.loads(message["Body"]) for message in messages]
        found += [(one["AlarmName"], one["NewStateValue"]) for one in said]
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


@pytest.mark.req("R-05")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("alarm", TRIGGERS)
def test_an_alarm_fires_and_people_hear_of_it(listening: World, name: str, alarm: str) -> None:
    box = listening.account.box
    listening.account.portal.call(box.evaluate_alarms)
    heard(listening, name)

    TRIGGERS[alarm](listening, name)
    listening.account.portal.call(box.evaluate_alarms)

    other = next(one for one in NAMES if one != name)
    assert (f"{name}-{alarm}", "ALARM") in heard(listening, name)
    assert [what for what, _ in heard(listening, other) if what.startswith(name)] == []


@pytest.mark.req("R-05")
def test_a_canary_that_says_yes_wakes_nobody(listening: World) -> None:
    listening.account.portal.call(listening.account.box.evaluate_alarms)
    heard(listening, "prod")

    verdict(1)(listening, "prod")
    listening.account.portal.call(listening.account.box.evaluate_alarms)

    assert {state for _, state in heard(listening, "prod")} <= {"OK"}


@pytest.mark.req("R-05")
@pytest.mark.parametrize("name", NAMES)
def test_no_alarm_is_left_untried(standing: World, name: str) -> None:
    client = standing.account.root.client("cloudwatch")
    found = client.describe_alarms(AlarmNamePrefix=f"{name}-")["MetricAlarms"]

    assert {one["AlarmName"] for one in found} == {f"{name}-{alarm}" for alarm in TRIGGERS}
    assert all(one["AlarmActions"] == [standing.account.arn("sns", f"{name}-alarms")] for one in found)


@pytest.mark.req("R-06")
@pytest.mark.parametrize("name", NAMES)
def test_costs_are_watched_by_environment(standing: World, name: str) -> None:
    root, account = standing.account.root, standing.account.box.account
    budget = f"{name}-sentiment-analyzer-monthly"
    told = root.client("budgets").describe_notifications_for_budget(AccountId=account, BudgetName=budget)

    assert {one["NotificationType"] for one in told["Notifications"]} == {"ACTUAL", "FORECASTED"}
    (subscription,) = [
        one
        for one in root.client("ce").get_anomaly_subscriptions()["AnomalySubscriptions"]
        if one["SubscriptionName"].startswith(name)
    ]
    assert subscription["Subscribers"][0]["Address"] == standing.account.arn("sns", f"{name}-alarms")
