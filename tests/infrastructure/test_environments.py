"""Two environments in one account: applied side by side, settled, changed, and gone, each by its own deployer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from tests.infrastructure.world import FUNCTIONS, NAMES, PROJECT, bucket

if TYPE_CHECKING:
    from tests.infrastructure.conftest import Life
    from tests.infrastructure.world import World

OLD_SUB = "repo:an-owner/a-repository:environment:{}"
NEW_SUB = "repo:an-owner@123/a-repository@456:environment:{}"


def tags(world: World, repository: str) -> set[str]:
    found = world.account.root.client("ecr").describe_images(repositoryName=repository)["imageDetails"]
    return {tag for image in found for tag in image.get("imageTags", [])}


@pytest.mark.req("P-05", "P-07", "P-08", "R-11")
def test_both_are_applied_by_deployers_who_were_refused_nothing(standing: World) -> None:
    assert standing.denied == []
    assert {standing.seconds[f"apply {name}"] < 600 for name in NAMES} == {True}


@pytest.mark.req("P-07")
def test_a_second_plan_finds_nothing_to_do(life: Life) -> None:
    """In preprod by its user; in prod by its role, in a job of GitHub Actions."""
    assert life.settled == {name: {} for name in NAMES}


@pytest.mark.req("P-01", "P-02")
def test_what_publishing_made_is_adopted_and_not_made_again(standing: World) -> None:
    for name in NAMES:
        known = standing.environments[name].root.run("state", "list").split()
        made = {"aws_ecr_repository.sse_streaming", "aws_ecr_repository.cache", "aws_s3_bucket.packages"}
        assert made <= set(known)
        assert tags(standing, f"{name}-sse-streaming-lambda") == {"latest", name}
        assert tags(standing, f"{name}-sse-streaming-cache") == {"first"}


@pytest.mark.req("B-03", "B-12")
def test_dependencies_expire_by_their_age_and_images_never(standing: World) -> None:
    box = standing.account.box
    before = box.snapshot()
    box.expire(days=89)
    young = [tags(standing, f"{name}-sse-streaming-cache") for name in NAMES]

    gone = box.expire(days=91)

    assert young == [{"first"}, {"first"}]
    assert sorted(one.repository for one in gone) == [f"{name}-sse-streaming-cache" for name in NAMES]
    box.restore(before)


@pytest.mark.req("P-05")
def test_variables_change_in_place_and_settle(life: Life) -> None:
    for name in NAMES:
        others = {address: actions for address, actions in life.changing[name].items() if actions != ["update"]}
        assert others == {
            'aws_sns_topic_subscription.mail["somebody@example.com"]': ["create"],
            # The provider changes no lifecycle policy in place. It holds nothing.
            "aws_ecr_lifecycle_policy.sse_streaming": ["delete", "create"],
        }
        assert len(life.changing[name]) > 40
    assert life.changed == {name: {} for name in NAMES}


def test_an_environment_that_is_taken_down_leaves_nothing(life: Life) -> None:
    assert life.left == []


@pytest.mark.req("R-11")
def test_both_environments_are_the_same_but_for_their_names(life: Life) -> None:
    assert life.counts["preprod"] == life.counts["prod"]


@pytest.mark.req("R-11")
@pytest.mark.parametrize(("name", "expression"), [("preprod", "rate(2 hours)"), ("prod", "rate(15 minutes)")])
def test_everything_has_the_environment_in_its_name(standing: World, name: str, expression: str) -> None:
    root = standing.account.root
    for function in FUNCTIONS:
        assert root.client("lambda").get_alias(FunctionName=f"{name}-{function}", Name="live")["FunctionVersion"] == "1"
        root.client("iam").get_role(RoleName=f"{name}-{function}")
    assert root.client("dynamodb").describe_table(TableName=f"{name}-sentiment")
    root.client("sns").get_topic_attributes(TopicArn=standing.account.arn("sns", f"{name}-articles"))
    root.client("sqs").get_queue_url(QueueName=f"{name}-dlq")
    root.client("secretsmanager").describe_secret(SecretId=f"{name}-newsapi-key")
    root.client("s3").head_bucket(Bucket=bucket(standing.account, name))
    root.client("kms").describe_key(KeyId=f"alias/{name}-{PROJECT}")
    rule = root.client("events").describe_rule(Name=f"{name}-ingestion-schedule")
    assert rule["ScheduleExpression"] == expression


@pytest.mark.parametrize("sub", [OLD_SUB, NEW_SUB])
def test_a_job_of_the_repository_becomes_its_deployer(standing: World, sub: str) -> None:
    for name in NAMES:
        job = standing.environments[name].job(sub=sub.format(name))
        said = job.client("sts").get_caller_identity()["Arn"]
        assert said.endswith(f":assumed-role/{PROJECT}-{name}-deployer/job")


@pytest.mark.req("R-10")
@pytest.mark.parametrize(
    "sub",
    [
        OLD_SUB.format("preprod"),
        OLD_SUB.format("prod-2"),
        "repo:an-owner/a-repository:ref:refs/heads/main",
        "repo:an-owner/a-repository:pull_request",
        "repo:an-owner/another:environment:prod",
        "repo:somebody/a-repository:environment:prod",
        "repo:an-owner@123/a-repository@457:environment:prod",
        "repo:an-owner@999/a-repository@456:environment:prod",
    ],
)
def test_nobody_else_becomes_prods_deployer(standing: World, sub: str) -> None:
    with pytest.raises(ClientError, match="Not authorized to perform sts:AssumeRoleWithWebIdentity"):
        standing.environments["prod"].job(sub=sub)
