"""Names that a configuration only suggests, by the real Terraform: right ones save a plan, wrong ones take nothing."""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import pytest

from ferry.guards.context import Context
from ferry.outside.aws import probes
from ferry.outside.terraform import words
from ferry.outside.terraform.host import HostTerraform
from ferry.tfplan import Action
from ferry.verbs import adopt
from tests.awsbox import terraform as real
from tests.outside.aws.small_aws import as_root

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ferry.tfplan import Plan
    from tests.awsbox.people import Account

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    pytest.mark.skipif(bool(real.absent()), reason=real.absent() or "terraform is here"),
]
PROVIDER = 'terraform {\n  required_providers { aws = { source = "hashicorp/aws" } }\n}\n'
NAMED = (
    PROVIDER
    + """
provider "aws" { region = "us-east-1" }

resource "aws_sqs_queue" "work" {
  count = 2
  name  = "NAME-${count.index}"
}

resource "aws_sqs_queue_policy" "work" {
  count     = 2
  queue_url = aws_sqs_queue.work[count.index].url
  policy    = jsonencode({ Version = "2012-10-17", Statement = [] })
}

resource "aws_sns_topic" "news" { name = "NAME" }

resource "aws_sns_topic_subscription" "news" {
  count     = 2
  topic_arn = aws_sns_topic.news.arn
  protocol  = "sqs"
  endpoint  = aws_sqs_queue.work[count.index].arn
}

resource "aws_s3_bucket" "page" { bucket = "NAME" }

resource "aws_s3_bucket_versioning" "page" {
  bucket = aws_s3_bucket.page.id
  versioning_configuration { status = "Enabled" }
}
"""
)
COMPOSED = (
    PROVIDER
    + """
provider "aws" { region = "us-east-1" }

resource "aws_s3_bucket" "page" { bucket = "NAME" }

resource "aws_s3_bucket_versioning" "logs" {
  bucket = "${aws_s3_bucket.page.id}-logs"
  versioning_configuration { status = "Enabled" }
  LIFECYCLE
}
"""
)
_NUMBERS = count(1)


@pytest.fixture
def name() -> str:
    return f"guessed-{next(_NUMBERS)}"


async def adopted(account: Account, folder: Path, text: str) -> tuple[Plan, list[Mapping[str, str]]]:
    """The plan that is left in the end, and the imports that each but the first was made with."""
    told: list[Mapping[str, str]] = []
    access = as_root(account)
    folder.joinpath("root").mkdir()
    folder.joinpath("root/main.tf").write_text(text)
    terraform = HostTerraform(folder / "root", folder / "work", access)
    await terraform.write(words.OVERRIDE_FILE, words.override())
    await terraform.init({})

    async def again(imports: Mapping[str, str]) -> Plan:
        told.append(dict(imports))
        await terraform.write(words.IMPORTS_FILE, words.imports(imports))
        return await terraform.plan("")

    probe = partial(probes.existing, access)
    plan, existing = await adopt.adopted(await terraform.plan(""), probe, again, Context(environment="preprod"))
    assert {address: change.imports for address, change in plan.changes.items() if change.imports} == existing.imports
    return plan, told


def versioned(account: Account, *names: str) -> None:
    s3 = account.root.client("s3")
    for name in names:
        s3.create_bucket(Bucket=name)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


@pytest.mark.req("P-01")
async def test_all_that_is_named_by_what_is_adopted_is_adopted_with_it(
    account: Account, tmp_path: Path, name: str
) -> None:
    sqs, sns = account.root.client("sqs"), account.root.client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    allowed = '{"Version": "2012-10-17", "Statement": []}'
    urls = [sqs.create_queue(QueueName=f"{name}-{n}", Attributes={"Policy": allowed})["QueueUrl"] for n in range(2)]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=account.arn("sqs", f"{name}-0"))
    versioned(account, name)
    plan, (imports,) = await adopted(account, tmp_path, NAMED.replace("NAME", name))
    assert imports.keys() == plan.changes.keys() - {"aws_sns_topic_subscription.news[1]"}
    assert [imports[f"aws_sqs_queue_policy.work[{n}]"] for n in range(2)] == urls
    kept = {Action.NO_OP, Action.UPDATE}
    made = {address for address, change in plan.changes.items() if change.action not in kept}
    assert made == {"aws_sns_topic_subscription.news[1]"}


@pytest.mark.req("P-01", "P-06")
@pytest.mark.parametrize(
    "lifecycle", ["", pytest.param("lifecycle { prevent_destroy = true }", marks=pytest.mark.thorough)]
)
async def test_the_parts_of_another_thing_are_never_taken(
    account: Account, tmp_path: Path, name: str, lifecycle: str
) -> None:
    """A template refers to the same things as a plain name; by the wrong one what it names may not even be planned."""
    versioned(account, name, f"{name}-logs")
    text = COMPOSED.replace("NAME", name).replace("LIFECYCLE", lifecycle)
    plan, told = await adopted(account, tmp_path, text)
    guessed, part = told[0], "aws_s3_bucket_versioning.logs"
    assert guessed == {"aws_s3_bucket.page": name, part: name}
    assert told[-1] == {"aws_s3_bucket.page": name, part: f"{name}-logs"}
    assert plan.changes[part].action is Action.NO_OP
    assert plan.changes[part].before["bucket"] == f"{name}-logs"
