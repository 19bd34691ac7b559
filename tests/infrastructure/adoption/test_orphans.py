"""A state that is lost, whole or in part: everything is found again, and nothing that it holds is lost or doubled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from ferry.model import Severity
from ferry.outside.aws import probes
from ferry.tfplan import Action, Plan
from tests.awsbox import setup
from tests.infrastructure.adoption.desk import NAME, STATE, Desk
from tests.infrastructure.world import FUNCTIONS, PROJECT, bucket
from tests.outside.aws.small_aws import as_root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ferry.model import Finding
    from ferry.outside.aws import Access
    from tests.awsbox.people import Account
    from tests.infrastructure.world import World

KEY = "aws_kms_key.data"
ALIAS = "aws_kms_alias.data"
SECRET = 'aws_secretsmanager_secret.this["api"]'


def held(account: Account) -> dict[str, Any]:
    """What people would miss, and how many there are of what could be doubled."""
    root, name = account.root, NAME
    queue = root.client("sqs").get_queue_url(QueueName=f"{name}-dlq")["QueueUrl"]
    images = root.client("ecr").describe_images(repositoryName=f"{name}-sse-streaming-lambda")["imageDetails"]
    rules = root.client("events")
    functions = root.client("lambda")
    return {
        "items": root.client("dynamodb").scan(TableName=f"{name}-sentiment")["Items"],
        "messages": root.client("sqs").get_queue_attributes(
            QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"]
        )["Attributes"],
        "images": sorted(image["imageDigest"] for image in images),
        "packages": sorted(
            one["Key"] for one in root.client("s3").list_objects_v2(Bucket=bucket(account, name))["Contents"]
        ),
        "keys": sorted(key["KeyId"] for key in root.client("kms").list_keys()["Keys"]),
        "monitors": len(root.client("ce").get_anomaly_monitors()["AnomalyMonitors"]),
        "cost subscriptions": len(root.client("ce").get_anomaly_subscriptions()["AnomalySubscriptions"]),
        "subscriptions": len(root.client("sns").list_subscriptions()["Subscriptions"]),
        "targets": [
            len(rules.list_targets_by_rule(Rule=f"{name}-{one}-schedule")["Targets"]) for one in ("ingestion", "canary")
        ],
        "versions": [
            [
                one["Version"]
                for one in functions.list_versions_by_function(FunctionName=f"{name}-{function}")["Versions"]
            ]
            for function in FUNCTIONS
        ],
        "urls": functions.get_function_url_config(FunctionName=f"{name}-dashboard", Qualifier="live")["FunctionUrl"],
        "code": [
            functions.get_function(FunctionName=f"{name}-{one}")["Configuration"]["CodeSha256"] for one in FUNCTIONS
        ],
    }


def fill(account: Account) -> None:
    """Something in everything that can hold something."""
    root = account.root
    queue = root.client("sqs").get_queue_url(QueueName=f"{NAME}-dlq")["QueueUrl"]
    root.client("sqs").send_message(QueueUrl=queue, MessageBody="nobody could deal with it")
    item = {"pk": {"S": "item#1"}, "sk": {"S": "item"}}
    root.client("dynamodb").put_item(TableName=f"{NAME}-sentiment", Item=item)
    root.client("secretsmanager").put_secret_value(SecretId=f"{NAME}-api-key", SecretString="theirs")


@dataclass
class Story:
    """What was seen on the way: with no state at all, then without all that are parts of others, then the others."""

    before: dict[str, Any]
    lost: Plan
    findings: list[Finding]
    after: dict[str, Any]
    secret: str
    without_parts: Plan
    without_wholes: Plan
    alone: dict[str, str]
    elsewhere: list[str]

    @property
    def ids(self) -> dict[str, str]:
        return {address: change.imports for address, change in self.lost.changes.items()}

    @property
    def parts(self) -> set[str]:
        return parts_of(self.lost)


def parts_of(plan: Plan) -> set[str]:
    return {change.address for change in plan.changes.values() if probes.parent(change)[0]}


@pytest.fixture(scope="module")
def story(standing: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Told once: each plan takes seconds."""
    desk, account = Desk.of(standing, tmp_path_factory.mktemp("adoption")), standing.account
    found = account.box.snapshot()
    # What is asked here is no deployment: least privilege is shown by those.
    standing.forget()
    try:
        yield anyio.run(told, desk, account)
    finally:
        account.box.authority.audit.listeners.append(standing._hear)
        account.box.restore(found)


async def told(desk: Desk, account: Account) -> Story:
    fill(account)
    before = held(account)
    account.root.client("s3").delete_object(Bucket=STATE, Key="terraform.tfstate")
    account.root.client("secretsmanager").delete_secret(SecretId=f"{NAME}-api-key", RecoveryWindowInDays=30)
    lost = await desk.plan(restores=True)
    findings = desk.findings
    await desk.apply()
    after = held(account)
    secret = account.root.client("secretsmanager").get_secret_value(SecretId=f"{NAME}-api-key")["SecretString"]
    sound, parts = account.box.snapshot(), parts_of(lost)
    await desk.forget(parts)
    without_parts = await desk.plan()
    alone = await each_alone(desk.access, without_parts)
    account.box.restore(sound)
    await desk.forget(lost.changes.keys() - parts)
    # A key whose alias is gone too has nothing left but its tags.
    account.root.client("kms").delete_alias(AliasName=f"alias/{NAME}-{PROJECT}")
    without_wholes = await desk.plan()
    with setup.emptied(account):
        without_cost_watch(account)
        elsewhere = list(await each_alone(as_root(account), without_parts))
    return Story(before, lost, findings, after, secret, without_parts, without_wholes, alone, elsewhere)


def without_cost_watch(account: Account) -> None:
    """The box answers for Cost Explorer itself: emptying the emulator leaves that."""
    ce = account.root.client("ce")
    for one in ce.get_anomaly_subscriptions()["AnomalySubscriptions"]:
        ce.delete_anomaly_subscription(SubscriptionArn=one["SubscriptionArn"])
    for one in ce.get_anomaly_monitors()["AnomalyMonitors"]:
        ce.delete_anomaly_monitor(MonitorArn=one["MonitorArn"])


async def each_alone(access: Access, settled: Plan) -> dict[str, str]:
    """What is found of each resource when it alone is not in the state: address to id."""
    found: dict[str, str] = {}
    # The alias of a key that is yet to be made leads nowhere yet.
    alias = settled.changes[ALIAS]
    apart = replace(alias, after={name: value for name, value in alias.after.items() if name != "target_key_id"})
    for change in settled.changes.values():
        plan = Plan(changes={**settled.changes, **({ALIAS: apart} if change.address == KEY else {})})
        answer = await probes.existing(access, replace(change, action=Action.CREATE), plan)
        found |= {change.address: answer.id} if answer else {}
    return found


@pytest.mark.req("P-01", "P-06")
def test_everything_is_found_again_and_nothing_is_made(story: Story) -> None:
    assert len(story.ids) > 70
    assert [address for address, id in story.ids.items() if not id] == []
    actions = {change.action for change in story.lost.changes.values()}
    assert actions <= {Action.NO_OP, Action.UPDATE}


@pytest.mark.req("P-03")
def test_nothing_is_lost_and_nothing_is_doubled(story: Story) -> None:
    assert story.after == story.before
    assert story.after["items"]
    assert story.after["images"]
    assert story.after["messages"]["ApproximateNumberOfMessages"] == "1"


@pytest.mark.req("P-03")
def test_a_secret_that_was_on_its_way_out_is_back_with_its_value(story: Story) -> None:
    assert story.ids[SECRET].rpartition("-")[0].endswith(f":{NAME}-api-key")
    assert story.secret == "theirs"


def test_every_adoption_has_its_finding_and_only_code_is_set_again(story: Story) -> None:
    said = [finding for finding in story.findings if finding.guard == "adoption"]
    assert sorted(finding.address for finding in said) == sorted(story.ids)
    assert {finding.severity for finding in said} == {Severity.INFO}
    changed = {finding.address.rpartition(".")[0] for finding in said if finding.verdict == "changed-in-place"}
    assert {address.rpartition(".")[2] for address in changed} == {"aws_lambda_function", "aws_lambda_alias"}


def test_a_lost_state_is_called_that_and_stops_nobody(story: Story) -> None:
    assert [one.verdict for one in story.findings if one.guard == "wrongstate"] == ["lost-state"]
    assert Severity.BLOCK not in {one.severity for one in story.findings}


@pytest.mark.req("P-01", "P-02")
def test_parts_that_are_orphaned_are_adopted_and_nothing_else_is_to_do(story: Story) -> None:
    """The adopted environment is settled: of the rest there is nothing to change, and of these neither."""
    assert {change.action for change in story.without_parts.changes.values()} == {Action.NO_OP}
    adopted = {address: change.imports for address, change in story.without_parts.changes.items() if change.imports}
    assert adopted == {address: story.ids[address] for address in story.parts}
    assert len(adopted) > 25


@pytest.mark.req("P-01", "P-06")
def test_wholes_that_are_orphaned_are_adopted_and_their_parts_stay(story: Story) -> None:
    """The key among them, which has no alias any more."""
    plan = story.without_wholes
    adopted = {address: change.imports for address, change in plan.changes.items() if change.imports}
    assert adopted == {address: id for address, id in story.ids.items() if address not in story.parts | {ALIAS}}
    made = {address for address, change in plan.changes.items() if change.action is Action.CREATE}
    assert made == {ALIAS}
    assert plan.count()[Action.REPLACE] == plan.count()[Action.DESTROY] == 0


def test_each_is_found_alone_by_the_id_that_terraform_takes(story: Story) -> None:
    assert story.alone == story.ids


def test_in_an_empty_account_nothing_is_found(story: Story) -> None:
    assert story.elsewhere == []
