"""What AWS allows and what it denies, run case by case against the box."""

from __future__ import annotations

import io
import re
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.awsbox.authority_cases import (
    ASSUMED_BY_LAMBDA,
    BOUNDARY,
    CASES,
    NEW_FUNCTION,
    QUEUE,
    TOPIC,
    WORKER,
    Case,
    iam,
)
from tests.awsbox.people import Account, allow, policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = pytest.mark.slow  # many calls to the box; tests/awsbox has quicker ones

DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "KMSAccessDenied", "KMS.AccessDeniedException"}


@pytest.fixture(scope="module")
def world(account: Account) -> Iterator[Mapping[str, str]]:
    """The account of the cases, and what its resources are called; gone again after the last of them."""
    before = account.box.snapshot()
    yield made(account)
    account.box.restore(before)


def made(account: Account) -> Mapping[str, str]:
    root = account.root
    kms, people, s3 = root.client("kms"), root.client("iam"), root.client("s3")
    named = {"endpoint": account.box.endpoint, "zip": "zip"}
    named["key"] = kms.create_key()["KeyMetadata"]["Arn"]
    kms.create_alias(AliasName="alias/preprod", TargetKeyId=named["key"])
    worker = account.role(allow("sqs:*"), allow("logs:*"), name="preprod-worker")
    only = {"Effect": "Allow", "Principal": {"AWS": worker}, "Action": "kms:*", "Resource": "*"}
    named["sealed"] = kms.create_key(Policy=policy(only), BypassPolicyLockoutSafetyCheck=True)["KeyMetadata"]["Arn"]
    people.create_role(RoleName="preprod-ingestion", Path="/service/", AssumeRolePolicyDocument=ASSUMED_BY_LAMBDA)
    people.create_policy(PolicyName="preprod-boundary", PolicyDocument=policy(allow("s3:*")))
    people.create_role(
        RoleName="preprod-limited", AssumeRolePolicyDocument=ASSUMED_BY_LAMBDA, PermissionsBoundary=BOUNDARY
    )
    people.create_user(UserName="preprod-somebody")
    trust = {"Effect": "Allow", "Principal": {"AWS": iam("root")}, "Action": "sts:AssumeRole"}
    named["trusting"] = account.role(name="preprod-trusting", trust=policy(trust))
    people.create_open_id_connect_provider(
        Url="https://token.actions.githubusercontent.com", ClientIDList=["sts.amazonaws.com"], ThumbprintList=["0" * 40]
    )
    s3.create_bucket(Bucket="preprod-packages")
    s3.put_bucket_versioning(Bucket="preprod-packages", VersioningConfiguration={"Status": "Enabled"})
    named["version"] = s3.put_object(Bucket="preprod-packages", Key="f.zip", Body=package())["VersionId"]
    s3.put_object(Bucket="preprod-packages", Key="state/preprod.tfstate", Body=b"{}")
    encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": named["key"]}
    s3.put_object(Bucket="preprod-packages", Key="secret.txt", Body=b"x", **encrypted)
    _messages(account, named)
    _rest(account, named)
    return named


def package() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("main.py", "def handler(event, context):\n    return event\n")
    return held.getvalue()


def _messages(account: Account, named: dict[str, str]) -> None:
    root = account.root
    tags = {"env": "preprod"}
    root.client("sqs").create_queue(QueueName="preprod-items", Attributes={"KmsMasterKeyId": named["key"]}, tags=tags)
    root.client("sns").create_topic(Name="preprod-items", Attributes={"KmsMasterKeyId": named["key"]})
    said = root.client("sns").subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=QUEUE, ReturnSubscriptionArn=True)
    named["subscription"] = said["SubscriptionArn"]
    root.client("lambda").create_function(
        **{**NEW_FUNCTION, "FunctionName": "preprod-ingestion", "Code": {"ZipFile": package()}}, Role=WORKER
    )
    root.client("lambda").publish_version(FunctionName="preprod-ingestion")
    root.client("lambda").create_alias(FunctionName="preprod-ingestion", Name="live", FunctionVersion="1")
    root.client("lambda").put_function_event_invoke_config(FunctionName="preprod-ingestion", MaximumRetryAttempts=1)
    root.client("events").put_rule(Name="preprod-schedule", ScheduleExpression="rate(5 minutes)", State="DISABLED")


def _rest(account: Account, named: dict[str, str]) -> None:
    root = account.root
    root.client("ecr").create_repository(repositoryName="preprod-sse-streaming-lambda")
    root.client("dynamodb").create_table(
        TableName="preprod-items",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": named["key"]},
    )
    secrets = root.client("secretsmanager")
    secrets.create_secret(Name="preprod/news", SecretString="x")
    secrets.create_secret(Name="preprod/sealed", SecretString="x", KmsKeyId=named["key"])
    root.client("logs").create_log_group(logGroupName="/aws/lambda/preprod-ingestion")
    watch = root.client("cloudwatch")
    watch.put_dashboard(DashboardName="preprod", DashboardBody="{}")
    watch.put_metric_alarm(
        AlarmName="preprod-errors",
        Namespace="News",
        MetricName="x",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    limit = {"Amount": "10", "Unit": "USD"}
    root.client("budgets").create_budget(
        AccountId="111122223333",
        Budget={"BudgetName": "preprod", "BudgetType": "COST", "TimeUnit": "MONTHLY", "BudgetLimit": limit},
    )


def filled(said: Any, named: Mapping[str, str]) -> Any:
    """`<key>` in any string becomes what the world calls it."""
    if isinstance(said, dict):
        return {name: filled(value, named) for name, value in said.items()}
    if isinstance(said, (list, tuple)):
        return [filled(value, named) for value in said]
    if said == b"<zip>":
        return package()
    return re.sub(r"<(\w+)>", lambda found: named[found[1]], said) if isinstance(said, str) else said


def outcome(account: Account, one: Case, named: Mapping[str, str]) -> tuple[str, str]:
    """The code and the text of the error; two empty ones when there is none."""
    boundary = ""
    if one.boundary:
        document = policy(*one.boundary)
        boundary = account.root.client("iam").create_policy(
            PolicyName=f"b-{abs(hash(one.fact))}", PolicyDocument=document
        )["Policy"]["Arn"]
    user = account.user(*filled(one.rights, named), boundary=boundary)
    service, operation = one.call.split(".")
    arguments = filled(one.arguments, {**named, "me": user.arn.rpartition("/")[2]})
    try:
        getattr(user.client(service), operation)(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    return "", ""


@pytest.mark.parametrize("one", CASES, ids=[f"{one.call}-{one.fact}" for one in CASES])
def test_case(account: Account, world: Mapping[str, str], one: Case) -> None:
    code, message = outcome(account, one, world)
    if one.allowed:
        assert code == "", message
    else:
        assert code in DENIED, f"{code}: {message}"
