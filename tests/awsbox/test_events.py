"""Rules fired when it is wanted, and subscribers that have to confirm."""

from __future__ import annotations

import io
import json
import time
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from awsbox.events import NoRule

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.awsbox.people import Account


def queue(account: Account, name: str, service: str) -> tuple[str, str]:
    """Its address and ARN; the service may send to it."""
    client, arn = account.root.client("sqs"), account.arn("sqs", name)
    url = client.create_queue(QueueName=name)["QueueUrl"]
    said = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [said]})
    client.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return url, arn


def rule(account: Account, name: str, target: str, schedule: str = "rate(2 hours)", **more: Any) -> str:
    client = account.root.client("events")
    arn = client.put_rule(Name=name, ScheduleExpression=schedule, **more)["RuleArn"]
    client.put_targets(Rule=name, Targets=[{"Id": "one", "Arn": target}])
    return str(arn)


@pytest.mark.parametrize("schedule", ["rate(2 hours)", "cron(0 12 * * ? *)"])
def test_rule_fires_now(account: Account, schedule: str) -> None:
    name = f"ingestion-{schedule[:4]}"
    url, target = queue(account, name, "events.amazonaws.com")
    arn = rule(account, name, target, schedule)
    assert account.portal.call(account.box.fire, name) == 1

    received = account.root.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    event = json.loads(received[0]["Body"])
    assert (event["source"], event["detail-type"], event["resources"]) == ("aws.events", "Scheduled Event", [arn])


def test_only_enabled_rules_that_exist_fire(account: Account) -> None:
    _, target = queue(account, "off", "events.amazonaws.com")
    rule(account, "off", target, State="DISABLED")
    with pytest.raises(NoRule, match="off is disabled"):
        account.portal.call(account.box.fire, "off")
    with pytest.raises(NoRule, match=r"no rule is called of; there are: .*off"):
        account.portal.call(account.box.fire, "of")


FAILING = "def handler(event, context):\n raise RuntimeError(event['detail-type'])\n"


def eventually[T](look: Callable[[], T], seconds: float = 10) -> T:
    end = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < end:
        time.sleep(0.05)
    return found


def test_fired_function_that_fails_sets_off_its_alarm(account: Account) -> None:
    root, name = account.root, "failing"
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("main.py", FAILING)
    made = root.client("lambda").create_function(
        FunctionName=name,
        Role=account.role(name="failing-role"),
        Runtime="python3.13",
        Handler="main.handler",
        Code={"ZipFile": data.getvalue()},
    )
    arn = rule(account, name, made["FunctionArn"])
    root.client("lambda").add_permission(
        FunctionName=name,
        StatementId="e",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=arn,
    )
    root.client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        Namespace="AWS/Lambda",
        MetricName="Errors",
        Dimensions=[{"Name": "FunctionName", "Value": name}],
        Statistic="Sum",
        Period=300,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
    )
    account.portal.call(account.box.fire, name)

    def alarmed() -> bool:
        account.portal.call(account.box.evaluate_alarms)
        return bool(
            root.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"] == "ALARM"
        )

    assert eventually(alarmed)


def test_mail_subscribers_have_to_confirm(account: Account) -> None:
    client = account.root.client("sns")
    topic = client.create_topic(Name="mail")["TopicArn"]
    given = {"TopicArn": topic, "Protocol": "email", "Endpoint": "a@example.com"}
    assert client.subscribe(**given)["SubscriptionArn"] == "pending confirmation"
    arn = client.subscribe(**given, ReturnSubscriptionArn=True)["SubscriptionArn"]
    assert client.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["PendingConfirmation"] == "true"
    assert client.get_topic_attributes(TopicArn=topic)["Attributes"]["SubscriptionsPending"] == "1"
    with pytest.raises(client.exceptions.InvalidParameterException, match="pending confirmation"):
        client.unsubscribe(SubscriptionArn=arn)

    account.box.confirm(topic, "a@example.com")
    assert client.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["PendingConfirmation"] == "false"
    client.unsubscribe(SubscriptionArn=arn)
    assert not client.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
