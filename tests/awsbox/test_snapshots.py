"""Everything a box holds comes back, as often as wanted, whatever was done to it in between."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from awsbox import emulator
from tests.awsbox import setup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.awsbox.people import Account

pytestmark = pytest.mark.slow  # many calls to the box; tests/awsbox has quicker ones

COUNTING = "count = 0\ndef handler(event, context):\n  global count\n  count += 1\n  return count"
NAME = "kept-in-a-snapshot"

type Reading = Callable[[Account], Any]


def made(account: Account) -> dict[str, Reading]:
    """One thing in every service that the stack uses; and how to read it back."""
    return {
        make.__name__: make(account)
        for make in (
            bucket, table, queue, topic, key, secret, role, session, function, rule, logs, alarm, dashboard, budget,
            costs, image
        )
    }  # fmt: skip


def bucket(account: Account) -> Reading:
    s3 = account.root.client("s3")
    s3.create_bucket(Bucket=NAME)
    s3.put_bucket_versioning(Bucket=NAME, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=NAME, Key="key", Body=b"first")["VersionId"]
    s3.put_object(Bucket=NAME, Key="key", Body=b"second")

    def read(**which: str) -> bytes:
        return bytes(s3.get_object(Bucket=NAME, Key="key", **which)["Body"].read())

    return lambda _: (read(), read(VersionId=first), len(s3.list_object_versions(Bucket=NAME)["Versions"]))


def table(account: Account) -> Reading:
    dynamodb = account.root.client("dynamodb")
    schema = {"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "id", "AttributeType": "S"}
    dynamodb.create_table(
        TableName=NAME, KeySchema=[schema[0]], AttributeDefinitions=[schema[1]], BillingMode="PAY_PER_REQUEST"
    )
    dynamodb.put_item(TableName=NAME, Item={"id": {"S": "1"}, "said": {"S": "kept"}})
    return lambda _: dynamodb.scan(TableName=NAME)["Items"]


def queue(account: Account) -> Reading:
    sqs = account.root.client("sqs")
    url = sqs.create_queue(QueueName=NAME)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="kept")
    # Seen, and visible again at once.
    return lambda _: [m["Body"] for m in sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]]


def topic(account: Account) -> Reading:
    sns = account.root.client("sns")
    arn = sns.create_topic(Name=NAME)["TopicArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=account.arn("sqs", NAME))
    return lambda _: [s["Endpoint"] for s in sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]]


def key(account: Account) -> Reading:
    kms = account.root.client("kms")
    made = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=f"alias/{NAME}", TargetKeyId=made)
    sealed = kms.encrypt(KeyId=made, Plaintext=b"kept")["CiphertextBlob"]
    return lambda _: (kms.decrypt(CiphertextBlob=sealed)["Plaintext"], kms.get_key_policy(KeyId=made)["Policy"])


def secret(account: Account) -> Reading:
    secrets = account.root.client("secretsmanager")
    secrets.create_secret(Name=NAME, SecretString="kept")
    return lambda _: secrets.get_secret_value(SecretId=NAME)["SecretString"]


def role(account: Account) -> Reading:
    account.role({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}, name=NAME)
    iam = account.root.client("iam")
    return lambda _: iam.get_role_policy(RoleName=NAME, PolicyName="rights")["PolicyDocument"]


def session(account: Account) -> Reading:
    """A user's keys and a role's session stay good."""
    user = account.user({"Effect": "Allow", "Action": "*", "Resource": "*"}, name=NAME)
    return lambda _: user.client("sts").get_caller_identity()["Arn"]


def function(account: Account) -> Reading:
    setup.function(account.root, NAME, f"arn:aws:iam::{account.box.account}:role/{NAME}", COUNTING)
    client = account.root.client("lambda")
    # A cold start each time: a restore ends the processes of functions.
    return lambda _: client.invoke(FunctionName=NAME)["Payload"].read()


def rule(account: Account) -> Reading:
    events = account.root.client("events")
    events.put_rule(Name=NAME, ScheduleExpression="rate(2 hours)")
    events.put_targets(Rule=NAME, Targets=[{"Id": "1", "Arn": account.arn("sqs", NAME)}])
    return lambda _: [target["Arn"] for target in events.list_targets_by_rule(Rule=NAME)["Targets"]]


def logs(account: Account) -> Reading:
    client = account.root.client("logs")
    client.create_log_group(logGroupName=NAME)
    client.create_log_stream(logGroupName=NAME, logStreamName="stream")
    said = {"timestamp": int(time.time() * 1000), "message": "kept"}
    client.put_log_events(logGroupName=NAME, logStreamName="stream", logEvents=[said])
    return lambda _: [event["message"] for event in client.filter_log_events(logGroupName=NAME)["events"]]


def alarm(account: Account) -> Reading:
    cloudwatch = account.root.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=NAME,
        MetricName="Errors",
        Namespace="AWS/Lambda",
        Statistic="Sum",
        Period=300,
        EvaluationPeriods=1,
        Threshold=5,
        ComparisonOperator="GreaterThanThreshold",
    )
    return lambda _: [a["Threshold"] for a in cloudwatch.describe_alarms(AlarmNames=[NAME])["MetricAlarms"]]


def dashboard(account: Account) -> Reading:
    cloudwatch = account.root.client("cloudwatch")
    cloudwatch.put_dashboard(DashboardName=NAME, DashboardBody='{"widgets": []}')
    return lambda _: cloudwatch.get_dashboard(DashboardName=NAME)["DashboardBody"]


def budget(account: Account) -> Reading:
    budgets = account.root.client("budgets")
    limit = {"Amount": "10", "Unit": "USD"}
    said = {"BudgetName": NAME, "BudgetType": "COST", "TimeUnit": "MONTHLY", "BudgetLimit": limit}
    budgets.create_budget(AccountId=account.box.account, Budget=said)
    asked = {"AccountId": account.box.account, "BudgetName": NAME}
    return lambda _: budgets.describe_budget(**asked)["Budget"]["BudgetLimit"]


def costs(account: Account) -> Reading:
    ce = account.root.client("ce")
    said = {"MonitorName": NAME, "MonitorType": "DIMENSIONAL", "MonitorDimension": "SERVICE"}
    arn = ce.create_anomaly_monitor(AnomalyMonitor=said)["MonitorArn"]
    return lambda _: [m["MonitorName"] for m in ce.get_anomaly_monitors(MonitorArnList=[arn])["AnomalyMonitors"]]


def image(account: Account) -> Reading:
    """A manifest and what it names."""
    with tempfile.TemporaryDirectory() as folder:
        reference = account.portal.call(
            setup.published, account.root, account.box.account, NAME, {"main.py": ""}, Path(folder)
        )
    ecr = account.root.client("ecr")
    asked = {"imageDigest": reference.partition("@")[2]}

    def read(_: Account) -> Any:
        manifest = ecr.batch_get_image(repositoryName=NAME, imageIds=[asked])["images"][0]["imageManifest"]
        layers = [one["digest"] for one in json.loads(manifest)["layers"]]
        there = ecr.batch_check_layer_availability(repositoryName=NAME, layerDigests=layers)["layers"]
        return manifest, [one["layerAvailability"] for one in there]

    return read


@pytest.fixture
def as_before(account: Account) -> Iterator[None]:
    """The box is the other tests', too."""
    snapshot = account.box.snapshot()
    yield
    account.box.restore(snapshot)


@pytest.mark.usefixtures("as_before")
def test_everything_comes_back(account: Account) -> None:
    readings = made(account)
    before = {name: read(account) for name, read in readings.items()}
    snapshot = account.box.snapshot()

    for _ in range(2):
        account.portal.call(emulator.wipe)
        account.root.client("s3").create_bucket(Bucket=NAME)
        account.root.client("sqs").create_queue(QueueName="made-since")
        account.root.client("iam").create_user(UserName="made-since")
        account.box.restore(snapshot)

        assert {name: read(account) for name, read in readings.items()} == before
        assert "made-since" not in str(account.root.client("sqs").list_queues())
        assert "made-since" not in str(account.root.client("iam").list_users())


@pytest.mark.usefixtures("as_before")
def test_a_snapshot_does_not_change_with_what_comes_later(account: Account) -> None:
    """What is put back is worked on in turn, and stays apart from the snapshot."""
    dynamodb = account.root.client("dynamodb")
    read = table(account)
    snapshot = account.box.snapshot()
    for said in ("once", "twice"):
        dynamodb.put_item(TableName=NAME, Item={"id": {"S": "1"}, "said": {"S": said}})

        assert read(account) == [{"id": {"S": "1"}, "said": {"S": said}}]

        account.box.restore(snapshot)

        assert read(account) == [{"id": {"S": "1"}, "said": {"S": "kept"}}]


@pytest.mark.usefixtures("as_before")
def test_a_service_first_used_after_the_snapshot_is_empty_again(account: Account) -> None:
    snapshot = account.box.snapshot()
    account.root.client("ssm").put_parameter(Name="made-since", Value="x", Type="String")
    account.box.restore(snapshot)

    assert account.root.client("ssm").describe_parameters()["Parameters"] == []
