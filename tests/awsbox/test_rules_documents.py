"""IAM reads what it is handed; Secrets Manager keeps names and empty secrets as AWS does; logs begin at an invoke."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from awsbox.rules import documents
from awsbox.rules.secrets import PENDING
from tests.awsbox.people import allow, policy, trusting
from tests.awsbox.published import refused

if TYPE_CHECKING:
    from tests.awsbox.people import Account


def long(size: int) -> str:
    return policy(allow("s3:GetObject", f"arn:aws:s3:::{'x' * size}"))


def test_white_space_is_free() -> None:
    assert documents.size('{ "a" :\n\t"b" }') == len('{"a":"b"}')


def test_managed_policy_over_6144_characters(account: Account) -> None:
    iam = account.root.client("iam")
    arn = iam.create_policy(PolicyName="documents-small", PolicyDocument=long(5000))["Policy"]["Arn"]

    with refused(iam, "LimitExceeded", "Cannot exceed quota for PolicySize: 6144"):
        iam.create_policy(PolicyName="documents-large", PolicyDocument=long(6500))
    with refused(iam, "LimitExceeded", "PolicySize: 6144"):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=long(6500))


def test_inline_policies_of_a_user_count_together(account: Account) -> None:
    iam = account.root.client("iam")
    iam.create_user(UserName="documents-user")
    iam.put_user_policy(UserName="documents-user", PolicyName="a", PolicyDocument=long(1500))

    with refused(iam, "LimitExceeded", "Maximum policy size of 2048 bytes exceeded for user documents-user"):
        iam.put_user_policy(UserName="documents-user", PolicyName="b", PolicyDocument=long(1000))
    # The same policy again replaces itself.
    iam.put_user_policy(UserName="documents-user", PolicyName="a", PolicyDocument=long(1600))


def test_inline_policies_of_a_role(account: Account) -> None:
    iam = account.root.client("iam")
    account.role(name="documents-role")
    iam.put_role_policy(RoleName="documents-role", PolicyName="a", PolicyDocument=long(9000))

    with refused(iam, "LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role documents-role"):
        iam.put_role_policy(RoleName="documents-role", PolicyName="b", PolicyDocument=long(2000))


@pytest.mark.parametrize(
    ("trust", "why"),
    [
        ("{bad", "This policy contains invalid Json"),
        (policy(allow("sts:AssumeRole")), "Has prohibited field Resource"),
        (policy({"Effect": "Allow", "Action": "sts:AssumeRole"}), "Missing required field Principal"),
        (
            policy({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}),
            "Missing required field Action",
        ),
        (trusting("lambda"), 'Invalid principal in policy: "Service":"lambda"'),
        (
            policy({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/x"}, "Action": "sts:*"}),
            'Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:role/x"',
        ),
    ],
)
def test_trust_policy_that_cannot_be(account: Account, trust: str, why: str) -> None:
    iam = account.root.client("iam")

    with refused(iam, "MalformedPolicyDocument", why):
        iam.create_role(RoleName="documents-bad", AssumeRolePolicyDocument=trust)


def test_trust_policy_over_2048_characters(account: Account) -> None:
    iam = account.root.client("iam")
    said = json.loads(trusting("lambda.amazonaws.com"))
    said["Statement"] *= 30

    with refused(iam, "LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048"):
        iam.create_role(RoleName="documents-bad", AssumeRolePolicyDocument=json.dumps(said))


def test_trust_in_an_identity_provider_that_is_there(account: Account) -> None:
    iam = account.root.client("iam")
    url = "https://documents.example.com"
    arn = iam.create_open_id_connect_provider(Url=url, ClientIDList=["sts.amazonaws.com"])["OpenIDConnectProviderArn"]
    said = {"Effect": "Allow", "Principal": {"Federated": arn}, "Action": "sts:AssumeRoleWithWebIdentity"}

    assert iam.create_role(RoleName="documents-oidc", AssumeRolePolicyDocument=policy(said))


def test_name_of_a_deleted_secret_is_not_free(account: Account) -> None:
    secrets = account.root.client("secretsmanager")
    secrets.create_secret(Name="documents-gone", SecretString="s")
    secrets.delete_secret(SecretId="documents-gone", RecoveryWindowInDays=7)

    with refused(secrets, "InvalidRequestException", PENDING):
        secrets.create_secret(Name="documents-gone", SecretString="s")
    with refused(secrets, "InvalidRequestException", "marked for deletion"):
        secrets.get_secret_value(SecretId="documents-gone")

    secrets.restore_secret(SecretId="documents-gone")
    assert secrets.get_secret_value(SecretId="documents-gone")["SecretString"] == "s"


def test_secret_without_a_value_has_none(account: Account) -> None:
    secrets = account.root.client("secretsmanager")

    assert "VersionId" not in secrets.create_secret(Name="documents-empty")
    assert (
        "VersionIdsToStages" not in secrets.describe_secret(SecretId="documents-empty")
        or not (secrets.describe_secret(SecretId="documents-empty")["VersionIdsToStages"])
    )
    why = "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT"
    with refused(secrets, "ResourceNotFoundException", why):
        secrets.get_secret_value(SecretId="documents-empty")

    secrets.put_secret_value(SecretId="documents-empty", SecretString="now")
    assert secrets.get_secret_value(SecretId="documents-empty")["SecretString"] == "now"


@pytest.mark.slow  # invokes a function
def test_log_group_appears_at_the_first_invoke(account: Account) -> None:
    functions, logs = account.root.client("lambda"), account.root.client("logs")
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", "def handler(event, context):\n    return 1\n")
    functions.create_function(
        FunctionName="documents-logs",
        Runtime="python3.13",
        Handler="app.handler",
        Role=account.role(allow(["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"])),
        Code={"ZipFile": code.getvalue()},
    )
    group = "/aws/lambda/documents-logs"
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"] == []

    functions.get_waiter("function_active_v2").wait(FunctionName="documents-logs")
    functions.invoke(FunctionName="documents-logs")

    assert [one["logGroupName"] for one in logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]] == [group]
    with pytest.raises(ClientError, match="ResourceAlreadyExistsException"):
        logs.create_log_group(logGroupName=group)
