"""One service hands to another what the other's policy lets it: SNS, EventBridge, Lambda's failures, function URLs."""

from __future__ import annotations

import io
import json
import time
import zipfile
from itertools import count
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.awsbox.people import REGION, Account, Caller, Statement, allow, policy, trusting

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

CODE = """
def handler(event, context):
    if event.get("fail"):
        raise ValueError("on purpose")
    return {"statusCode": 200, "body": "here"}
"""
SECONDS = 8
_NAMES = count(1)


def eventually[T](look: Callable[[], T], seconds: float = SECONDS) -> T:
    """The first answer that is something, or the last one."""
    until = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def function(account: Account, *rights: Statement, **more: Any) -> str:
    held, name = io.BytesIO(), f"deliver-{next(_NAMES)}"
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("main.py", CODE)
    made = account.root.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="main.handler",
        Role=account.role(allow("logs:*"), *rights),
        Code={"ZipFile": held.getvalue()},
        **more,
    )
    return str(made["FunctionArn"])


def queue(account: Account, policy_text: str = "", **attributes: str) -> tuple[str, str]:
    """ARN and URL."""
    name = f"deliver-{next(_NAMES)}"
    said = {**attributes, **({"Policy": policy_text} if policy_text else {})}
    url = account.root.client("sqs").create_queue(QueueName=name, Attributes=said)["QueueUrl"]
    return account.arn("sqs", name), url


def letting(service: str, source: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sqs:SendMessage",
        "Resource": "*",
        "Condition": {"ArnEquals": {"aws:SourceArn": source}},
    }
    return policy(statement)


def messages(account: Account, url: str) -> list[Any]:
    said = account.root.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return list(said.get("Messages", []))


def delivered(account: Account, action: str, resource: str) -> list[bool]:
    """What the audit says of deliveries there."""
    found = [one for one in account.box.authority.audit if one.action == action and one.resource == resource]
    return [one.allowed for one in found if one.call.startswith("delivery")]


def permit(account: Account, function_arn: str, service: str, source: str) -> None:
    account.root.client("lambda").add_permission(
        FunctionName=function_arn,
        StatementId=f"s{next(_NAMES)}",
        Action="lambda:InvokeFunction",
        Principal=service,
        SourceArn=source,
    )


@pytest.mark.parametrize("source", ["none", "another", "right"])
def test_sns_calls_a_function_that_lets_it(account: Account, source: str) -> None:
    sns, target = account.root.client("sns"), function(account)
    topic = sns.create_topic(Name=f"deliver-{next(_NAMES)}")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=target)
    if source != "none":
        permit(account, target, "sns.amazonaws.com", topic if source == "right" else topic + "-other")

    sns.publish(TopicArn=topic, Message="x")

    assert eventually(lambda: delivered(account, "lambda:InvokeFunction", target)) == [source == "right"]


@pytest.mark.parametrize("allowed", [True, False])
def test_sns_fills_a_queue_that_lets_it(account: Account, *, allowed: bool) -> None:
    sns = account.root.client("sns")
    topic = sns.create_topic(Name=f"deliver-{next(_NAMES)}")["TopicArn"]
    arn, url = queue(account, letting("sns.amazonaws.com", topic if allowed else topic + "-other"))
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    sns.publish(TopicArn=topic, Message="x")

    assert eventually(lambda: delivered(account, "sqs:SendMessage", arn)) == [allowed]
    assert bool(messages(account, url)) is allowed


@pytest.mark.parametrize("knows", [True, False])
def test_an_encrypted_queue_needs_a_key_that_knows_sns(account: Account, *, knows: bool) -> None:
    owner = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account.box.account}:root"}, "Action": "kms:*"}
    services = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": ["kms:Decrypt", "kms:Gen*"]}
    statements = [{**one, "Resource": "*"} for one in ([owner, services] if knows else [owner])]
    key = account.root.client("kms").create_key(Policy=policy(*statements))["KeyMetadata"]["Arn"]
    sns = account.root.client("sns")
    topic = sns.create_topic(Name=f"deliver-{next(_NAMES)}")["TopicArn"]
    arn, url = queue(account, letting("sns.amazonaws.com", topic), KmsMasterKeyId=key)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    sns.publish(TopicArn=topic, Message="x")

    assert eventually(lambda: delivered(account, "sqs:SendMessage", arn)) == [True]
    assert bool(messages(account, url)) is knows


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("kind", ["queue", "function"])
def test_a_rule_reaches_targets_that_let_it(account: Account, kind: str, *, allowed: bool) -> None:
    events, name = account.root.client("events"), f"deliver-{next(_NAMES)}"
    rule = events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))["RuleArn"]
    if kind == "queue":
        arn, _ = queue(account, letting("events.amazonaws.com", rule) if allowed else "")
        action = "sqs:SendMessage"
    else:
        arn, action = function(account), "lambda:InvokeFunction"
        if allowed:
            permit(account, arn, "events.amazonaws.com", rule)
    events.put_targets(Rule=name, Targets=[{"Id": "one", "Arn": arn}])

    events.put_events(Entries=[{"Source": name, "DetailType": "x", "Detail": "{}"}])

    assert eventually(lambda: delivered(account, action, arn)) == [allowed]


@pytest.mark.parametrize("allowed", [True, False])
def test_failures_travel_by_the_rights_of_the_role(account: Account, *, allowed: bool) -> None:
    iam, functions = account.root.client("iam"), account.root.client("lambda")
    arn, url = queue(account)
    target = function(account, allow("sqs:SendMessage", arn))
    functions.put_function_event_invoke_config(
        FunctionName=target, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": arn}}
    )
    if not allowed:
        # AWS looks when the destination is set; the right may go later.
        role = functions.get_function_configuration(FunctionName=target)["Role"].rpartition("/")[2]
        iam.put_role_policy(RoleName=role, PolicyName="rights", PolicyDocument=policy(allow("logs:*")))

    functions.invoke(FunctionName=target, InvocationType="Event", Payload=b'{"fail": true}')

    assert eventually(lambda: delivered(account, "sqs:SendMessage", arn)) == [allowed]
    assert bool(eventually(lambda: messages(account, url), 1)) is allowed


@pytest.mark.parametrize("said", ["nothing", "others only"])
def test_an_alarm_reaches_topics_that_let_it(account: Account, said: str) -> None:
    sns, watch, name = account.root.client("sns"), account.root.client("cloudwatch"), f"deliver-{next(_NAMES)}"
    topic = sns.create_topic(Name=name)["TopicArn"]
    if said == "others only":
        # A topic's default policy lets alarms in; one of its own need not.
        statement = {"Effect": "Allow", "Principal": {"Service": "budgets.amazonaws.com"}, "Action": "sns:Publish"}
        text = policy({**statement, "Resource": topic})
        sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=text)
    watch.put_metric_alarm(
        AlarmName=name,
        Namespace="News",
        MetricName=name,
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[topic],
    )

    watch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="on purpose")

    assert eventually(lambda: delivered(account, "sns:Publish", topic)) == [said == "nothing"]


def test_a_destination_that_the_role_cannot_reach_is_not_taken(account: Account) -> None:
    arn, _ = queue(account)

    with pytest.raises(ClientError, match="does not have permissions to call SendMessage"):
        account.root.client("lambda").put_function_event_invoke_config(
            FunctionName=function(account), DestinationConfig={"OnFailure": {"Destination": arn}}
        )


def test_a_queue_feeds_functions_that_may_read_it(account: Account) -> None:
    functions, (arn, _) = account.root.client("lambda"), queue(account)
    able = function(account, allow(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], arn))

    functions.create_event_source_mapping(FunctionName=able, EventSourceArn=arn)
    with pytest.raises(ClientError, match="does not have permissions to call ReceiveMessage on SQS"):
        functions.create_event_source_mapping(FunctionName=function(account), EventSourceArn=arn)


def test_lambda_wears_only_roles_that_trust_it(account: Account) -> None:
    other = account.role(trust=trusting("ec2.amazonaws.com"))

    with pytest.raises(ClientError, match="cannot be assumed by Lambda"):
        account.root.client("lambda").create_function(
            FunctionName="no-trust", Runtime="python3.13", Handler="a.b", Role=other, Code={"ZipFile": b"x"}
        )


@pytest.mark.parametrize("allowed", [True, False])
def test_a_functions_lines_need_the_right_to_log(account: Account, *, allowed: bool) -> None:
    target = function(account)
    name = target.rpartition(":")[2]
    functions = account.root.client("lambda")
    if not allowed:
        role = functions.get_function_configuration(FunctionName=target)["Role"].rpartition("/")[2]
        account.root.client("iam").delete_role_policy(RoleName=role, PolicyName="rights")

    functions.invoke(FunctionName=target, Payload=b"{}")

    groups = account.root.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")["logGroups"]
    assert bool(groups) is allowed


URL_RIGHTS = {
    "both": (["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"], 200),
    "only the old one": (["lambda:InvokeFunctionUrl"], 403),
    "none": ([], 403),
}


def url_of(account: Account, target: str, kind: str) -> str:
    said = account.root.client("lambda").create_function_url_config(FunctionName=target, AuthType=kind)
    return str(said["FunctionUrl"])


@pytest.mark.parametrize("rights", URL_RIGHTS)
def test_an_open_url_needs_both_permissions(account: Account, rights: str) -> None:
    actions, expected = URL_RIGHTS[rights]
    target = function(account)
    for action in actions:
        kind = {"FunctionUrlAuthType": "NONE"} if action.endswith("Url") else {"InvokedViaFunctionUrl": True}
        account.root.client("lambda").add_permission(
            FunctionName=target, StatementId=action.partition(":")[2], Action=action, Principal="*", **kind
        )

    assert httpx.get(url_of(account, target, "NONE")).status_code == expected


@pytest.mark.parametrize("rights", URL_RIGHTS)
def test_a_closed_url_asks_the_callers_policies(account: Account, rights: str) -> None:
    actions, expected = URL_RIGHTS[rights]
    target = function(account)
    url = url_of(account, target, "AWS_IAM")
    caller = account.user(*([allow(actions, target)] if actions else []))

    assert signed(caller, url).status_code == expected
    assert httpx.get(url).status_code == 403


def signed(caller: Caller, url: str) -> httpx.Response:
    request = AWSRequest("GET", url)
    SigV4Auth(Credentials(caller.key, caller.secret), "lambda", REGION).add_auth(request)
    return httpx.get(url, headers=dict(request.headers))
