from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ferry.errors import AwsError
from ferry.outside.aws import Access, probes
from tests.outside.aws.small_aws import NOBODY, as_root, small_aws

if TYPE_CHECKING:
    from tests.awsbox.people import Account

pytestmark = pytest.mark.anyio

ROLE = """<GetRoleResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><GetRoleResult><Role><RoleName>app</RoleName>
</Role></GetRoleResult></GetRoleResponse>"""
NO_ROLE = """<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>no</Message></Error>
</ErrorResponse>"""
DENIED = """<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error>
</ErrorResponse>"""


def missing(code: str) -> tuple[int, dict[str, str]]:
    return 404 if code == "ResourceNotFoundException" else 400, {"__type": code, "message": "no"}


ALL: tuple[tuple[str, str, str, Any, Any], ...] = (
    ("aws_ecr_repository", "name", "DescribeRepositories", (200, {}), missing("RepositoryNotFoundException")),
    ("aws_iam_role", "name", "GetRole", (200, ROLE), (404, NO_ROLE)),
    ("aws_lambda_function", "function_name", "GetFunction", (200, {}), missing("ResourceNotFoundException")),
    (
        "aws_cloudwatch_log_group",
        "name",
        "DescribeLogGroups",
        (200, {"logGroups": [{"logGroupName": "app-2"}, {"logGroupName": "app"}]}),
        (200, {"logGroups": [{"logGroupName": "app-2"}]}),
    ),
)


BOXED = {"aws_s3_bucket", "aws_secretsmanager_secret"}
"""Those that are tried against the box, below."""


def test_each_probe_is_tested() -> None:
    assert {case[0] for case in ALL} | BOXED == set(probes.PROBES)


@pytest.mark.parametrize(("type", "key", "operation", "there", "not_there"), ALL)
async def test_the_answer_is_the_import_id_or_none(
    type: str, key: str, operation: str, there: tuple[int, Any], not_there: tuple[int, Any]
) -> None:
    with small_aws(**{operation: there}) as aws:
        assert await probes.existing(aws.access(), type, {key: "app"}) == "app"
        aws.answers[operation] = not_there
        assert await probes.existing(aws.access(), type, {key: "app"}) is None
    assert aws.history == [operation, operation]


async def test_a_refusal_is_not_an_absence() -> None:
    with small_aws(GetRole=(403, DENIED)) as aws, pytest.raises(AwsError, match="AccessDenied") as caught:
        await probes.existing(aws.access(), "aws_iam_role", {"name": "app"})
    assert caught.value.where == "iam:GetRole app"


@pytest.mark.parametrize("after", [{}, {"name": None}, {"name": ""}, {"name_prefix": "app-"}])
async def test_what_has_no_name_yet_collides_with_nothing(after: dict[str, Any]) -> None:
    nowhere = Access(region="us-east-1", credentials=NOBODY, endpoint="http://127.0.0.1:9")
    assert await probes.existing(nowhere, "aws_iam_role", after) is None


async def test_a_type_without_a_probe_is_not_asked_for() -> None:
    nowhere = Access(region="us-east-1", credentials=NOBODY, endpoint="http://127.0.0.1:9")
    assert await probes.existing(nowhere, "aws_sns_topic", {"name": "app"}) is None


async def test_a_bucket_is_imported_by_its_name(account: Account) -> None:
    assert await probes.existing(as_root(account), "aws_s3_bucket", {"bucket": "probed"}) is None
    account.root.client("s3").create_bucket(Bucket="probed")
    assert await probes.existing(as_root(account), "aws_s3_bucket", {"bucket": "probed"}) == "probed"


async def test_a_secret_is_imported_by_its_arn_unless_it_is_on_its_way_out(account: Account) -> None:
    client = account.root.client("secretsmanager")
    asked = {"name": "probed"}
    assert await probes.existing(as_root(account), "aws_secretsmanager_secret", asked) is None
    arn = client.create_secret(Name="probed", SecretString="x")["ARN"]
    assert await probes.existing(as_root(account), "aws_secretsmanager_secret", asked) == arn
    client.delete_secret(SecretId="probed", RecoveryWindowInDays=7)
    assert await probes.existing(as_root(account), "aws_secretsmanager_secret", asked) is None
