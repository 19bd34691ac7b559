"""What exists in AWS and not in the state: taken into it by one deployment, with all that it holds, and never twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.landing.harbour import ADDRESSES, KEY, NAME, STATE

if TYPE_CHECKING:
    from tests.landing.harbour import Harbour

APART = {
    "nothing that another one is named in": (
        "aws_cloudwatch_log_group.app",
        "aws_cloudwatch_metric_alarm.errors",
        "aws_ecr_repository.app",
        "aws_iam_role.app",
        "aws_kms_key.data",
        "aws_s3_bucket.files",
        "aws_sqs_queue.letters",
    ),
    "parts and users of those": (
        "aws_iam_role_policy.app",
        "aws_kms_alias.data",
        "aws_lambda_function.app",
        "aws_secretsmanager_secret.token",
        "aws_sns_topic.news",
    ),
}
"""No two of a group have anything to do with each other: each is alone, with all its neighbours in the state."""


@pytest.mark.req("P-01", "P-02", "P-03", "P-06", "P-08")
def test_with_the_state_gone_one_deployment_takes_everything_back(standing: Harbour) -> None:
    held = standing.held
    standing.account.root.client("s3").delete_object(Bucket=STATE, Key=KEY)
    standing.deployed()
    standing.settled()
    assert standing.held == held
    assert standing.records[-1]["changes"]["adopt"] == len(ADDRESSES)
    assert "create" not in standing.records[-1]["changes"]
    assert standing.deployed().answer["deployment"] is None


@pytest.mark.req("P-01", "P-02", "P-03", "P-06")
@pytest.mark.parametrize("lost", APART.values(), ids=list(APART))
def test_each_that_is_orphaned_alone_is_taken_back_and_nothing_else_changes(
    standing: Harbour, lost: tuple[str, ...]
) -> None:
    held = standing.held
    standing.forget(*lost)
    standing.deployed()
    standing.settled()
    assert standing.held == held
    changes = standing.records[-1]["changes"]
    assert changes["adopt"] == len(lost)
    assert not {"create", "replace", "destroy"} & changes.keys()


def test_the_groups_leave_nothing_out() -> None:
    assert sorted(address for group in APART.values() for address in group) == sorted(ADDRESSES)


@pytest.mark.req("P-03", "R-10")
def test_an_orphan_of_another_project_is_not_taken_and_not_touched(standing: Harbour) -> None:
    sns, state = standing.account.root.client("sns"), standing.state
    tags = [{"Key": "project", "Value": "other"}]
    topic = sns.create_topic(Name=f"{NAME}-more", Tags=tags)["TopicArn"]
    address = standing.add("aws_sns_topic")
    ended = standing.deploy()
    assert (ended.code, ended.error["where"]) == (3, address)
    assert "project=other" in ended.error["why"]
    assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == tags
    assert (standing.state, standing.lock, standing.outcomes) == (state, None, ["succeeded"])
    assert standing.run["outcome"] == "failed: Blocked"
