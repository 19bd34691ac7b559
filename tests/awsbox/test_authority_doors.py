"""Who gets in at all: root until it is closed, nobody without a signature, no call that the box does not know."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from botocore import UNSIGNED
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.awsbox.people import REGION, Account, Caller, allow, deny

if TYPE_CHECKING:
    from collections.abc import Iterator


def code(call: Any, *arguments: Any, **named: Any) -> str:
    try:
        call(*arguments, **named)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


@pytest.fixture
def closed(account: Account) -> Iterator[None]:
    account.box.close_root()
    yield
    account.box.authority.root_is_closed = False


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize("key", ["test", "111122223333", "444455556666"])
def test_no_key_is_root_once_it_is_closed(account: Account, key: str) -> None:
    who = Caller(account.box.endpoint, key, "test").client("sts")

    assert code(who.get_caller_identity) == "InvalidClientTokenId"


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize("path", ["/_ministack/reset", "/_ministack/config", "/_ministack/health", "/_localstack/info"])
def test_the_emulators_own_doors_close_with_root(account: Account, path: str) -> None:
    assert httpx.post(account.box.endpoint + path).status_code == 403


def test_users_go_on_when_root_is_closed(account: Account, closed: None) -> None:  # noqa: ARG001
    account.box.authority.root_is_closed = False
    user = account.user(allow("sqs:ListQueues"))
    account.box.close_root()

    assert code(user.client("sqs").list_queues) == ""
    assert code(user.client("sns").list_topics) == "AuthorizationError"


@pytest.mark.parametrize(
    ("service", "operation", "expected"),
    [
        ("iam", "list_roles", "MissingAuthenticationToken"),
        ("dynamodb", "list_tables", "MissingAuthenticationTokenException"),
        ("kms", "list_keys", "MissingAuthenticationTokenException"),
        ("sts", "get_caller_identity", "MissingAuthenticationToken"),
        ("s3", "list_buckets", "AccessDenied"),
    ],
)
def test_a_call_without_signature_is_refused(account: Account, service: str, operation: str, expected: str) -> None:
    client = account.root.client(service, config=Config(signature_version=UNSIGNED, s3={"addressing_style": "path"}))

    assert code(getattr(client, operation)) == expected


def test_a_wrong_secret_is_refused(account: Account) -> None:
    user = account.user(allow("*"))
    wrong = Caller(user.endpoint, user.key, "wrong")

    assert code(wrong.client("sqs").list_queues) in {"SignatureDoesNotMatch", "InvalidSignatureException"}


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("athena", "list_work_groups", {}),
        ("ec2", "describe_instances", {}),
        ("iam", "create_saml_provider", {"SAMLMetadataDocument": "x" * 1000, "Name": "x"}),
        ("xray", "get_groups", {}),
        ("ssm", "get_parameter", {"Name": "x"}),
        ("s3", "list_bucket_metrics_configurations", {"Bucket": "preprod-unknown"}),
        ("lambda", "list_code_signing_configs", {}),
    ],
)
def test_a_call_outside_the_tables_is_refused_by_name(
    account: Account, service: str, operation: str, arguments: dict[str, Any]
) -> None:
    user = account.user(allow("*"))

    with pytest.raises(ClientError, match="awsbox does not know") as refused:
        getattr(user.client(service), operation)(**arguments)

    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in {400, 403}


@pytest.mark.parametrize(
    "body",
    [
        "Action=GetRole&RoleName=preprod-x&Action=DeleteRole",
        "Action=GetRole&RoleName=preprod-x&RoleName=prod-x",
        "Action=GetRole&RoleName.member=preprod-x&RoleName=prod-x",
    ],
)
def test_a_call_that_says_two_things_is_refused(account: Account, body: str) -> None:
    user = account.user(allow("iam:*"))

    answer = sent(user, "iam", "POST", "/", body)

    assert answer.status_code == 403
    assert "awsbox does not know" in answer.text


def test_an_action_in_the_address_does_not_cover_the_one_in_the_body(account: Account) -> None:
    user = account.user(allow("iam:ListRoles"))

    answer = sent(user, "iam", "POST", "/?Action=ListRoles", "Action=ListUsers")

    assert "awsbox does not know" in answer.text


def sent(caller: Caller, service: str, method: str, path: str, body: str, **headers: str) -> httpx.Response:
    said = {"content-type": "application/x-www-form-urlencoded; charset=utf-8", **headers}
    request = AWSRequest(method, caller.endpoint + path, headers=said, data=body)
    SigV4Auth(Credentials(caller.key, caller.secret), service, REGION).add_auth(request)
    return httpx.request(method, caller.endpoint + path, content=body, headers=dict(request.headers))


def test_the_box_may_be_known_by_a_name_of_its_own(account: Account) -> None:
    user = account.user(allow("iam:ListRoles"))

    answer = sent(user, "iam", "POST", "/", "Action=ListRoles&Version=2010-05-08", host="aws:4566")

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    # A name of one word is the box's own: then the bucket is the one in the path, and there is none.
    [("prod-hidden.s3.amazonaws.com", 403), ("prod-hidden", 404), ("prod-hidden:4566", 404)],
)
def test_a_bucket_in_the_host_is_not_a_way_around(account: Account, host: str, status: int) -> None:
    account.root.client("s3").create_bucket(Bucket="prod-hidden")  # again is no error here
    account.root.client("s3").put_object(Bucket="prod-hidden", Key="allowed/k", Body=b"secret")
    user = account.user(allow("s3:*", "arn:aws:s3:::allowed/*"))

    answer = sent(user, "s3", "GET", "/allowed/k", "", host=host)

    assert answer.status_code == status
    assert b"secret" not in answer.content


def test_every_decision_is_recorded_with_its_reason(account: Account) -> None:
    user = account.user(allow("sqs:ListQueues"), deny("sns:ListTopics"))
    user.client("sqs").list_queues()
    code(user.client("sns").list_topics)
    code(user.client("kms").list_keys)

    said = [(one.action, one.allowed, one.why) for one in account.box.authority.audit if one.principal == user.arn]

    assert said == [
        ("sqs:ListQueues", True, "allowed by policy"),
        ("sns:ListTopics", False, "with an explicit deny in an identity-based policy"),
        ("kms:ListKeys", False, "because no identity-based policy allows the kms:ListKeys action"),
    ]


def test_a_refusal_names_caller_action_and_resource(account: Account) -> None:
    user = account.user()

    with pytest.raises(ClientError) as refused:
        user.client("dynamodb").describe_table(TableName="prod-items")

    table = account.arn("dynamodb", "table/prod-items")
    assert refused.value.response["Error"]["Message"] == (
        f"User: {user.arn} is not authorized to perform: dynamodb:DescribeTable on resource: {table} "
        "because no identity-based policy allows the dynamodb:DescribeTable action"
    )
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_boundary_is_named_when_it_decides(account: Account) -> None:
    made = account.root.client("iam").create_policy(
        PolicyName="only-s3",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow("s3:*")]}),
    )
    user = account.user(allow("*"), boundary=made["Policy"]["Arn"])

    with pytest.raises(ClientError, match="because no permissions boundary allows the sqs:ListQueues action"):
        user.client("sqs").list_queues()


def test_a_signed_link_needs_no_headers(account: Account) -> None:
    account.root.client("s3").create_bucket(Bucket="preprod-links")
    account.root.client("s3").put_object(Bucket="preprod-links", Key="k", Body=b"here")
    able, unable = account.user(allow("s3:GetObject", "arn:aws:s3:::preprod-links/*")), account.user()

    links = [
        one.client("s3").generate_presigned_url("get_object", Params={"Bucket": "preprod-links", "Key": "k"})
        for one in (able, unable)
    ]

    assert [httpx.get(link).status_code for link in links] == [200, 403]
