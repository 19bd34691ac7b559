from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from ferry import tfplan
from ferry.errors import AwsError, Blocked, TerraformFailed
from ferry.guards.context import Context
from ferry.model import Severity
from ferry.outside.aws.probes import Found, State
from ferry.outside.terraform import words
from ferry.report.events import Found as Said
from ferry.verbs import adopt
from ferry.verbs.adopt import Existing
from ferry.verbs.plan import plan
from ferry.verbs.publish import References
from tests.verbs.fakes import CONFIG, PREPROD, FakeTerraform, World, changed, created

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ferry.model import Finding
    from ferry.tfplan import Change, Plan

pytestmark = pytest.mark.anyio

CONTEXT = Context(environment="preprod")
ROLE = created("aws_iam_role.app", name="app")
OWN = created("aws_iam_role_policy.own", role="app", name="own")
BUCKET = created("aws_s3_bucket.page", bucket="page")
VERSIONS = created("aws_s3_bucket_versioning.page")
VERSIONS_NAMED = created("aws_s3_bucket_versioning.page", bucket="page")
QUEUES = [created(f"aws_sqs_queue.work[{n}]", name=f"work-{n}") for n in range(2)]
TOPIC = created("aws_sns_topic.news", name="news")
SECRET = created("aws_secretsmanager_secret.key", name="key")
LEAVING = Found(id="arn:key", state=State.LEAVING, note="deleted, and kept")


def planned(*changes: Mapping[str, Any], refers: Mapping[str, Mapping[str, list[str]]] | None = None) -> Plan:
    """`refers`: what terraform says of a configuration, by resource and attribute."""
    resources = [
        {"address": address, "mode": "managed", "expressions": {name: {"references": to} for name, to in said.items()}}
        for address, said in (refers or {}).items()
    ]
    configuration = {"root_module": {"resources": resources}}
    said = {"format_version": "1.2", "resource_changes": changes, "configuration": configuration}
    return tfplan.read(json.dumps(said))


def waiting(address: str, *names: str, **after: Any) -> dict[str, Any]:
    """Created, with some of its attributes known only after the apply."""
    return changed(address, "create", after=after, after_unknown=dict.fromkeys(names, True))


def taken(change: Mapping[str, Any]) -> dict[str, Any]:
    return changed(change["address"], "no-op", importing={"id": "there"})


@dataclass
class Aws:
    """What exists, by address; a list is one answer after the other. Remembers who was asked, and how many at once."""

    exists: Mapping[str, Found | AwsError | list[Found | None]] = field(default_factory=dict)
    parts: Mapping[str, Found | AwsError] = field(default_factory=dict)
    """By what they are asked for: the type, and all that is known of it."""
    asked: list[str] = field(default_factory=list)
    now: int = 0
    most: int = 0

    async def probe(self, change: Change, plan: Plan) -> Found | None:
        assert change.address in plan.changes
        self.asked.append(change.address)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await anyio.lowlevel.checkpoint()
            found = self.parts.get(" ".join((change.type, *change.after.values()))) or self.exists.get(change.address)
            if isinstance(found, AwsError):
                raise found
            return (found.pop(0) if len(found) > 1 else found[0]) if isinstance(found, list) else found
        finally:
            self.now -= 1


@dataclass
class Planner:
    """Answers with the next of its plans, and keeps what it was told to import."""

    plans: list[Plan | TerraformFailed]
    told: list[Mapping[str, str]] = field(default_factory=list)

    async def again(self, imports: Mapping[str, str]) -> Plan:
        self.told.append(dict(imports))
        made = self.plans.pop(0)
        if isinstance(made, TerraformFailed):
            raise made
        return made


async def adopted(aws: Aws, first: Plan, *more: Plan | TerraformFailed) -> tuple[Existing, Planner]:
    planner = Planner(list(more))
    last, existing = await adopt.adopted(first, aws.probe, planner.again, CONTEXT)
    assert last is (first, *more)[-1]
    assert planner.plans == []
    return existing, planner


async def test_nothing_that_exists_means_one_plan() -> None:
    aws = Aws()
    existing, planner = await adopted(aws, planned(ROLE, BUCKET, changed("aws_iam_role.other", "update")))
    assert (planner.told, existing.imports, existing.findings) == ([], {}, ())
    assert sorted(aws.asked) == ["aws_iam_role.app", "aws_s3_bucket.page"]


async def test_what_is_named_only_by_an_adopted_thing_is_asked_for_in_the_next_plan() -> None:
    aws = Aws({"aws_s3_bucket.page": Found(id="page"), "aws_s3_bucket_versioning.page": Found(id="page")})
    existing, planner = await adopted(
        aws,
        planned(BUCKET, VERSIONS, ROLE),
        planned(taken(BUCKET), VERSIONS_NAMED, ROLE),
        planned(taken(BUCKET), taken(VERSIONS), ROLE),
    )
    both = {"aws_s3_bucket.page": "page", "aws_s3_bucket_versioning.page": "page"}
    assert planner.told == [{"aws_s3_bucket.page": "page"}, both]
    assert existing.imports == both
    # Nobody is asked twice.
    assert sorted(aws.asked) == ["aws_iam_role.app", "aws_s3_bucket.page", "aws_s3_bucket_versioning.page"]


NAMED_BY_PAGE = {"aws_s3_bucket_versioning.page": {"bucket": ["aws_s3_bucket.page.id", "aws_s3_bucket.page"]}}
UNNAMED = waiting("aws_s3_bucket_versioning.page", "bucket")
FIRST = planned(BUCKET, UNNAMED, refers=NAMED_BY_PAGE)
PAGE = {"aws_s3_bucket.page": "page"}
BOTH = {**PAGE, "aws_s3_bucket_versioning.page": "page"}
THERE = {"aws_s3_bucket.page": Found(id="page")}


def settled(name: str, *actions: str) -> dict[str, Any]:
    """The settings of a bucket in the plan that adopts them."""
    change = {"after": {"bucket": name}, "importing": {"id": "page"}}
    return changed("aws_s3_bucket_versioning.page", *actions, **change)


async def test_what_is_named_by_an_adopted_thing_is_asked_for_by_the_name_that_was_found() -> None:
    aws = Aws(THERE, {"aws_s3_bucket_versioning page": Found(id="page")})
    existing, planner = await adopted(aws, FIRST, planned(taken(BUCKET), settled("page", "no-op")))
    assert (planner.told, existing.imports) == ([BOTH], BOTH)
    assert aws.asked == ["aws_s3_bucket.page", "aws_s3_bucket_versioning.page"]
    # What is not there is not asked for again either.
    nothing = Aws(THERE)
    existing, planner = await adopted(nothing, FIRST, planned(taken(BUCKET), VERSIONS_NAMED))
    assert (planner.told, existing.imports) == ([PAGE], PAGE)
    assert nothing.asked == aws.asked


@pytest.mark.parametrize(
    "second",
    [settled("page-logs", "no-op"), settled("page-logs", "delete", "create"), settled("page", "delete", "create")],
)
async def test_what_was_found_by_another_name_than_its_own_is_not_taken(second: dict[str, Any]) -> None:
    """A template refers to the same things as a plain name."""
    own, found = (
        created("aws_s3_bucket_versioning.page", bucket="page-logs"),
        {"aws_s3_bucket_versioning page": Found(id="page")},
    )
    seconds = planned(taken(BUCKET), second)
    existing, planner = await adopted(Aws(THERE, found), FIRST, seconds, planned(taken(BUCKET), own))
    assert (planner.told, existing.imports) == ([BOTH, PAGE], PAGE)
    there = Aws(THERE, {**found, "aws_s3_bucket_versioning page-logs": Found(id="page-logs")})
    last = planned(taken(BUCKET), settled("page-logs", "no-op"))
    existing, planner = await adopted(there, FIRST, seconds, planned(taken(BUCKET), own), last)
    meant = {**PAGE, "aws_s3_bucket_versioning.page": "page-logs"}
    assert (planner.told, existing.imports) == ([BOTH, PAGE, meant], meant)


async def test_nothing_is_asked_by_what_a_plan_with_something_wrong_in_it_says() -> None:
    policy, wrong = "aws_s3_bucket_policy.page", settled("page-logs", "update")
    first = planned(BUCKET, UNNAMED, waiting(policy, "bucket"), refers=NAMED_BY_PAGE)
    own = created("aws_s3_bucket_versioning.page", bucket="page-logs")
    aws = Aws(THERE, {"aws_s3_bucket_versioning page": Found(id="page"), "aws_s3_bucket_policy page": Found(id="page")})
    misled = planned(taken(BUCKET), wrong, created(policy, bucket="page"))
    existing, planner = await adopted(aws, first, misled, planned(taken(BUCKET), own, created(policy, bucket="other")))
    assert (planner.told, existing.imports) == ([BOTH, PAGE], PAGE)


async def test_what_was_found_by_a_name_that_nobody_confirms_is_not_taken() -> None:
    unsaid = changed("aws_s3_bucket_versioning.page", "update", after_unknown={"bucket": True}, importing={"id": "p"})
    aws = Aws(THERE, {"aws_s3_bucket_versioning page": Found(id="page")})
    last = planned(taken(BUCKET), UNNAMED, refers=NAMED_BY_PAGE)
    existing, planner = await adopted(aws, FIRST, planned(taken(BUCKET), unsaid), last)
    assert (planner.told, existing.imports) == ([BOTH, PAGE], PAGE)


async def test_what_was_not_found_by_another_name_is_asked_for_by_its_own() -> None:
    own = created("aws_s3_bucket_versioning.page", bucket="page-logs")
    last = planned(taken(BUCKET), settled("page-logs", "no-op"))
    aws = Aws(THERE, {"aws_s3_bucket_versioning page-logs": Found(id="page-logs")})
    existing, planner = await adopted(aws, FIRST, planned(taken(BUCKET), own), last)
    assert planner.told == [PAGE, {**PAGE, "aws_s3_bucket_versioning.page": "page-logs"}]
    assert existing.imports == planner.told[-1]


async def test_what_is_refused_by_a_name_that_may_be_wrong_is_asked_for_by_its_own() -> None:
    own = planned(taken(BUCKET), created("aws_s3_bucket_versioning.page", bucket="page-logs"))
    existing, planner = await adopted(Aws(THERE, {"aws_s3_bucket_versioning page": AwsError("refused")}), FIRST, own)
    assert (planner.told, existing.imports) == ([PAGE], PAGE)
    with pytest.raises(AwsError, match="refused"):
        await adopted(Aws(THERE, {"aws_s3_bucket_versioning page-logs": AwsError("refused")}), FIRST, own)


async def test_a_plan_that_fails_with_what_may_be_wrong_is_made_without_it() -> None:
    """It may not be destroyed, say, and by a wrong id it would be replaced."""
    failed, own = TerraformFailed("Instance cannot be destroyed"), planned(taken(BUCKET), VERSIONS_NAMED)
    aws = Aws(THERE, {"aws_s3_bucket_versioning page": Found(id="page")})
    existing, planner = await adopted(aws, FIRST, failed, own, planned(taken(BUCKET), settled("page", "no-op")))
    assert (planner.told, existing.imports) == ([BOTH, PAGE, BOTH], BOTH)
    with pytest.raises(TerraformFailed, match="destroyed"):
        await adopted(Aws(THERE), FIRST, failed)


@pytest.mark.parametrize(
    ("found", "refers"),
    [
        (None, NAMED_BY_PAGE),
        (Found(id="page", tags={"environment": "prod"}), NAMED_BY_PAGE),
        (Found(id="page", state=State.STUCK, verdict="not-ours"), NAMED_BY_PAGE),
        (Found(id="page"), {}),
        (Found(id="page"), {"aws_s3_bucket_versioning.page": {"bucket": ["aws_s3_bucket.other.id"]}}),
        # Nobody knows its ARN.
        (Found(id="page"), {"aws_s3_bucket_versioning.page": {"bucket": ["aws_s3_bucket.page.arn"]}}),
    ],
)
async def test_nothing_is_asked_by_the_name_of_what_is_not_taken(
    found: Found | None, refers: Mapping[str, Mapping[str, list[str]]]
) -> None:
    aws = Aws({"aws_s3_bucket.page": found} if found else {}, {"aws_s3_bucket_versioning page": Found(id="page")})
    first, second = planned(BUCKET, UNNAMED, refers=refers), planned(taken(BUCKET), UNNAMED)
    await adopted(aws, first, *([second] if found and found.tags is None and found.state is State.READY else []))
    assert aws.asked == ["aws_s3_bucket.page"]


@pytest.mark.parametrize(
    "found", [Found(id="url", tags={"environment": "prod"}), Found(id="url", state=State.STUCK, verdict="not-ours")]
)
async def test_a_policy_of_what_is_not_taken_is_not_asked_for(found: Found) -> None:
    """Whose it is only its name says, which is the name of another's."""
    refers = {"aws_sqs_queue_policy.work": {"queue_url": ["aws_sqs_queue.work", "count.index"]}}
    first = planned(QUEUES[0], waiting("aws_sqs_queue_policy.work[0]", "queue_url"), refers=refers)
    aws = Aws({"aws_sqs_queue.work[0]": found}, {"aws_sqs_queue_policy url": Found(id="url")})
    existing, _ = await adopted(aws, first)
    assert (aws.asked, existing.imports) == (["aws_sqs_queue.work[0]"], {})


async def test_nothing_is_asked_by_a_name_that_a_provider_may_make_up() -> None:
    """Once it is imported, the plan shows the name it has, and not one that was meant."""
    own = waiting("aws_iam_role_policy.own", "name", role="app")
    refers = {"aws_iam_role_policy.own": {"name": ["var.named", "aws_s3_bucket.page.id", "aws_s3_bucket.page"]}}
    aws = Aws(THERE, {"aws_iam_role_policy app page": Found(id="app:page")})
    await adopted(aws, planned(BUCKET, own, refers=refers), planned(taken(BUCKET), own))
    assert aws.asked == ["aws_s3_bucket.page"]


@pytest.mark.parametrize("endpoint", [["aws_sqs_queue.work", "count.index"], ["aws_sqs_queue.work[1].arn"]])
async def test_what_takes_an_arn_is_asked_for_by_the_arn_of_its_own_instance(endpoint: list[str]) -> None:
    hears = [waiting(f"aws_sns_topic_subscription.news[{n}]", "topic_arn", "endpoint", protocol="sqs") for n in (0, 1)]
    policy = waiting("aws_sqs_queue_policy.work[1]", "queue_url")
    refers = {
        "aws_sns_topic_subscription.news": {"topic_arn": ["aws_sns_topic.news"], "endpoint": endpoint},
        "aws_sqs_queue_policy.work": {"queue_url": ["aws_sqs_queue.work", "count.index"]},
    }
    wholes = {f"aws_sqs_queue.work[{n}]": Found(id=f"url-{n}", arn=f"arn-{n}") for n in range(2)}
    parts = {
        "aws_sns_topic_subscription sqs news-arn arn-1": Found(id="subscribed"),
        "aws_sqs_queue_policy url-1": Found(id="url-1"),
    }
    aws = Aws({**wholes, "aws_sns_topic.news": Found(id="news-id", arn="news-arn")}, parts)
    planner = Planner([planned(), planned()])
    await adopt.adopted(planned(*QUEUES, TOPIC, *hears, policy, refers=refers), aws.probe, planner.again, CONTEXT)
    assert planner.told[0]["aws_sns_topic_subscription.news[1]"] == "subscribed"
    assert planner.told[0]["aws_sqs_queue_policy.work[1]"] == "url-1"
    assert ("aws_sns_topic_subscription.news[0]" in planner.told[0]) is (len(endpoint) == 1)


async def test_parts_of_what_is_not_taken_are_not_asked_for_by_what_else_they_refer_to() -> None:
    rule, calls = created("aws_cloudwatch_event_rule.tick", name="tick"), "aws_cloudwatch_event_target.tick"
    refers = {calls: {"arn": ["aws_sqs_queue.work[0].arn"]}}
    first = planned(rule, QUEUES[0], waiting(calls, "arn", rule="tick"), refers=refers)
    exists: dict[str, Found | AwsError | list[Found | None]] = {
        "aws_cloudwatch_event_rule.tick": Found(id="tick", tags={"environment": "prod"}),
        "aws_sqs_queue.work[0]": Found(id="url", arn="arn"),
    }
    aws = Aws({**exists, calls: AwsError("refused")})
    second = planned(rule, taken(QUEUES[0]), created(calls, rule="tick", arn="arn"))
    existing, _ = await adopted(aws, first, second)
    assert sorted(aws.asked) == ["aws_cloudwatch_event_rule.tick", "aws_sqs_queue.work[0]"]
    assert [one.verdict for one in existing.findings] == ["not-ours"]


async def test_parts_of_what_does_not_exist_are_not_asked_for() -> None:
    aws = Aws()
    await adopted(aws, planned(OWN, ROLE))
    assert aws.asked == ["aws_iam_role.app"]
    there = Aws({"aws_iam_role.app": Found(id="app")})
    await adopted(there, planned(OWN, ROLE), planned(OWN, taken(ROLE)))
    assert there.asked == ["aws_iam_role.app", "aws_iam_role_policy.own"]
    in_state = Aws()
    await adopted(in_state, planned(OWN, changed("aws_iam_role.app", "no-op")))
    assert in_state.asked == ["aws_iam_role_policy.own"]


@pytest.mark.parametrize(
    "found", [Found(id="app", tags={"environment": "prod"}), Found(id="app", state=State.STUCK, verdict="not-ours")]
)
async def test_parts_of_what_is_not_taken_are_not_asked_for(found: Found) -> None:
    """Who may not look at a bucket may not look at its settings: that would end the run before anything is said."""
    aws = Aws({"aws_iam_role.app": found, "aws_iam_role_policy.own": AwsError("refused")})
    existing, planner = await adopted(aws, planned(OWN, ROLE))
    assert (aws.asked, planner.told) == (["aws_iam_role.app"], [])
    assert [one.verdict for one in existing.findings] == ["not-ours"]


async def test_many_are_asked_at_once_and_not_all() -> None:
    aws = Aws()
    await adopted(aws, planned(*(created(f"aws_iam_role.app[{n}]", name=f"app-{n}") for n in range(50))))
    assert len(aws.asked) == 50
    assert 2 < aws.most <= adopt.AT_ONCE


async def test_a_call_that_is_refused_ends_the_plan_and_is_named() -> None:
    aws = Aws({"aws_iam_role.app": AwsError("refused", where="iam:GetRole app"), "aws_s3_bucket.page": Found(id="p")})
    with pytest.raises(AwsError, match="refused") as caught:
        await adopted(aws, planned(ROLE, BUCKET))
    assert caught.value.where == "iam:GetRole app"


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (Found(id="app", tags={"environment": "prod"}), "not-ours"),
        (
            Found(id="app", state=State.STUCK, verdict="pending-deletion", note="it ends", next="save it"),
            "pending-deletion",
        ),
        (Found(id="app", tags={"environment": "prod"}, state=State.LEAVING, note="deleted"), "not-ours"),
    ],
)
async def test_what_is_not_ours_to_take_is_not_imported_and_blocks(found: Found, verdict: str) -> None:
    existing, _ = await adopted(Aws({"aws_iam_role.app": found}), planned(ROLE))
    (said,) = existing.findings
    assert (said.severity, said.verdict, said.address) == (Severity.BLOCK, verdict, "aws_iam_role.app")
    assert said.next
    assert (existing.imports, existing.leaving) == ({}, {})


async def test_what_stands_in_nobodys_way_is_only_reported() -> None:
    found = Found(id="k", state=State.STUCK, verdict="pending-deletion", note="it ends", next="save it", blocks=False)
    existing, _ = await adopted(Aws({"aws_iam_role.app": found}), planned(ROLE))
    assert [(one.severity, one.next) for one in existing.findings] == [(Severity.WARN, "save it")]


async def test_what_is_being_made_is_waited_for() -> None:
    aws = Aws({"aws_iam_role.app": [Found(id="app", state=State.BUSY, note="CREATING"), Found(id="app")]})
    existing, _ = await adopted(aws, planned(ROLE), planned(taken(ROLE)))
    assert existing.imports == {"aws_iam_role.app": "app"}
    # What was going away, is.
    gone = Aws({"aws_iam_role.app": [Found(id="app", state=State.BUSY, note="DELETING"), None]})
    assert (await adopted(gone, planned(ROLE)))[0].imports == {}


async def test_what_is_never_done_blocks_in_the_end() -> None:
    busy, first = Found(id="app", state=State.BUSY, note="DELETING"), planned(ROLE)
    found = await adopt.settled(first.changes["aws_iam_role.app"], first, Aws({"aws_iam_role.app": busy}).probe, 0)
    assert found is busy
    existing = adopt.judged(first, Existing(), {"aws_iam_role.app": busy}, CONTEXT)
    assert [(one.severity, one.verdict) for one in existing.findings] == [(Severity.BLOCK, "busy")]
    assert "DELETING" in existing.findings[0].what


def test_types_that_nobody_can_look_for_are_named_once() -> None:
    first = planned(ROLE, created("aws_vpc.a"), created("aws_vpc.b"), created("aws_subnet.a"))
    (said,) = adopt.unasked(first)
    assert (said.severity, said.verdict, said.address) == (Severity.INFO, "not-asked", "*")
    assert said.what.endswith("aws_subnet, aws_vpc")
    assert adopt.unasked(planned(ROLE)) == ()


def verdicts(world: World) -> list[str]:
    findings: list[Finding] = [event.finding for event in world.report.events if isinstance(event, Said)]
    return [finding.verdict for finding in findings]


async def test_a_plan_restores_nothing_and_says_what_a_deployment_will() -> None:
    world = World(terraform=FakeTerraform([[SECRET]]), exists={"aws_secretsmanager_secret": LEAVING})
    await plan(CONFIG, PREPROD, References({}, {}), world.hands, world.report)
    assert (world.restored, verdicts(world)) == ([], ["will-be-restored"])
    assert words.IMPORTS_FILE not in world.terraform.files


@pytest.mark.req("P-03")
async def test_a_deployment_restores_what_is_leaving_and_adopts_it() -> None:
    there = changed(SECRET["address"], "no-op", importing={"id": "arn:key"})
    world = World(terraform=FakeTerraform([[SECRET], [there]]), exists={"aws_secretsmanager_secret": LEAVING})
    await plan(CONFIG, PREPROD, References({}, {}), world.hands, world.report, restores=True)
    assert (world.restored, verdicts(world)) == (["arn:key"], ["adopted-clean"])
    assert world.terraform.imports == [{"to": "aws_secretsmanager_secret.key", "id": "arn:key"}]


async def test_nothing_is_restored_for_a_plan_that_is_blocked() -> None:
    exists: dict[str, str | Found] = {
        "aws_secretsmanager_secret": LEAVING,
        "aws_iam_role": Found(id="app", tags={"environment": "prod"}),
    }
    world = World(terraform=FakeTerraform([[SECRET, ROLE]]), exists=exists)
    with pytest.raises(Blocked):
        await plan(CONFIG, PREPROD, References({}, {}), world.hands, world.report, restores=True)
    assert world.restored == []
