from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from ferry import tfplan
from ferry.errors import AwsError, Blocked
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
SECRET = created("aws_secretsmanager_secret.key", name="key")
LEAVING = Found(id="arn:key", state=State.LEAVING, note="deleted, and kept")


def planned(*changes: Mapping[str, Any]) -> Plan:
    return tfplan.read(json.dumps({"format_version": "1.2", "resource_changes": changes}))


def taken(change: Mapping[str, Any]) -> dict[str, Any]:
    return changed(change["address"], "no-op", importing={"id": "there"})


@dataclass
class Aws:
    """What exists, by address; a list is one answer after the other. Remembers who was asked, and how many at once."""

    exists: Mapping[str, Found | AwsError | list[Found | None]] = field(default_factory=dict)
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
            found = self.exists.get(change.address)
            if isinstance(found, AwsError):
                raise found
            return (found.pop(0) if len(found) > 1 else found[0]) if isinstance(found, list) else found
        finally:
            self.now -= 1


@dataclass
class Planner:
    """Answers with the next of its plans, and keeps what it was told to import."""

    plans: list[Plan]
    told: list[Mapping[str, str]] = field(default_factory=list)

    async def again(self, imports: Mapping[str, str]) -> Plan:
        self.told.append(dict(imports))
        return self.plans.pop(0)


async def adopted(aws: Aws, *plans: Plan) -> tuple[Existing, Planner]:
    planner = Planner(list(plans[1:]))
    last, existing = await adopt.adopted(plans[0], aws.probe, planner.again, CONTEXT)
    assert last is plans[-1]
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
