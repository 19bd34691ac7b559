"""Cost Explorer's anomaly calls, as botocore speaks and reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tests.awsbox.people import Account


def monitor(client: Any, name: str = "spend") -> str:
    given = {
        "MonitorName": name,
        "MonitorType": "CUSTOM",
        "MonitorSpecification": {"Tags": {"Key": "env", "Values": ["a"]}},
    }
    tags = [{"Key": "owner", "Value": "us"}]
    return str(client.create_anomaly_monitor(AnomalyMonitor=given, ResourceTags=tags)["MonitorArn"])


def test_monitor_is_kept_changed_and_deleted(account: Account) -> None:
    client = account.root.client("ce")
    arn = monitor(client)
    told = client.get_anomaly_monitors(MonitorArnList=[arn])["AnomalyMonitors"][0]
    assert (told["MonitorName"], told["MonitorType"], told["DimensionalValueCount"]) == ("spend", "CUSTOM", 0)
    assert told["MonitorSpecification"] == {"Tags": {"Key": "env", "Values": ["a"]}}

    client.update_anomaly_monitor(MonitorArn=arn, MonitorName="new")
    assert client.get_anomaly_monitors(MonitorArnList=[arn])["AnomalyMonitors"][0]["MonitorName"] == "new"
    client.delete_anomaly_monitor(MonitorArn=arn)
    with pytest.raises(client.exceptions.UnknownMonitorException):
        client.get_anomaly_monitors(MonitorArnList=[arn])


def test_subscription_is_kept_changed_and_deleted(account: Account) -> None:
    client = account.root.client("ce")
    watched = monitor(client)
    threshold = {"Dimensions": {"Key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE", "Values": ["10"]}}
    given = {
        "SubscriptionName": "mail",
        "MonitorArnList": [watched],
        "Subscribers": [{"Address": "a@example.com", "Type": "EMAIL"}],
        "Frequency": "DAILY",
        "ThresholdExpression": threshold,
    }
    arn = client.create_anomaly_subscription(AnomalySubscription=given)["SubscriptionArn"]
    client.update_anomaly_subscription(SubscriptionArn=arn, Frequency="WEEKLY")
    told = client.get_anomaly_subscriptions(MonitorArn=watched)["AnomalySubscriptions"][0]

    assert (told["SubscriptionArn"], told["Frequency"], told["ThresholdExpression"]) == (arn, "WEEKLY", threshold)
    assert told["Subscribers"] == [{"Address": "a@example.com", "Type": "EMAIL", "Status": "CONFIRMED"}]
    client.delete_anomaly_subscription(SubscriptionArn=arn)
    with pytest.raises(client.exceptions.UnknownSubscriptionException):
        client.delete_anomaly_subscription(SubscriptionArn=arn)
    with pytest.raises(client.exceptions.UnknownMonitorException):
        client.create_anomaly_subscription(AnomalySubscription=given | {"MonitorArnList": [watched + "x"]})


def test_tags(account: Account) -> None:
    client = account.root.client("ce")
    arn = monitor(client)
    client.tag_resource(ResourceArn=arn, ResourceTags=[{"Key": "more", "Value": "1"}])
    client.untag_resource(ResourceArn=arn, ResourceTagKeys=["owner"])
    assert client.list_tags_for_resource(ResourceArn=arn)["ResourceTags"] == [{"Key": "more", "Value": "1"}]


def test_one_dimensional_monitor_an_account(account: Account) -> None:
    client = account.root.client("ce")
    given = {"MonitorName": "all", "MonitorType": "DIMENSIONAL", "MonitorDimension": "SERVICE"}
    arn = client.create_anomaly_monitor(AnomalyMonitor=given)["MonitorArn"]
    with pytest.raises(client.exceptions.LimitExceededException):
        client.create_anomaly_monitor(AnomalyMonitor=given)
    client.delete_anomaly_monitor(MonitorArn=arn)


def test_snapshot_holds_it_and_other_accounts_do_not_see_it(account: Account) -> None:
    client = account.root.client("ce")
    snapshot = account.box.snapshot()
    arn = monitor(client)
    account.box.restore(snapshot)
    with pytest.raises(client.exceptions.UnknownMonitorException):
        client.get_anomaly_monitors(MonitorArnList=[arn])


def test_callers_without_the_right_are_refused(account: Account) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        account.user().client("ce").get_anomaly_monitors()
