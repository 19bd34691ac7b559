from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ferry.guards import lockout, retention
from ferry.guards.context import Context, Identity
from ferry.outside.aws.rights import Rights
from ferry.outside.registry.ecr import Stored
from ferry.tfplan import Action
from ferry.verbs import facts
from tests.guards.making import change, plan
from tests.verbs.fakes import World

if TYPE_CHECKING:
    from ferry.model import Finding
    from ferry.tfplan import Change, Plan

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ACCOUNT = "111122223333"
DEPLOYER = f"arn:aws:iam::{ACCOUNT}:user/ships-preprod"
WHO = Context(account=ACCOUNT, deployer=DEPLOYER, region="eu-west-1")
CHANGES_KEYS = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}
NARROW = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
NO_OP, CREATE, UPDATE, DESTROY = Action.NO_OP, Action.CREATE, Action.UPDATE, Action.DESTROY


def digest(number: int) -> str:
    return f"sha256:{number:064}"


def image(number: int, repository: str = "berths") -> str:
    return f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/{repository}@{digest(number)}"


def shelf(*numbers: int) -> tuple[Stored, ...]:
    """Each a day older than the one before."""
    return tuple(Stored(digest(number), (), NOW - timedelta(days=at)) for at, number in enumerate(numbers))


def keeping(number: int, action: Action = NO_OP, repository: str = "berths", **more: Any) -> Change:
    selection = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": number}
    rules = [{"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}]
    after = {"repository": repository, "policy": json.dumps({"rules": rules})}
    return change(retention.POLICY, repository, action, after=after, **more)


def running(before: str, after: str, action: Action = UPDATE, name: str = "app", **more: Any) -> Change:
    said = {"before": {"image_uri": before} if before else {}, "after": {"image_uri": after} if after else {}}
    return change("aws_lambda_function", name, action, **said, **more)


async def found(world: World, made: Plan, **kept: str) -> list[str]:
    return [finding.what for finding in await told(world, made, **kept)]


async def told(world: World, made: Plan, **kept: str) -> tuple[Finding, ...]:
    by_digest = {digest(int(name.removeprefix("d"))): why for name, why in kept.items()}
    return (await facts.known(made, WHO, world.hands, now=NOW, kept=by_digest))[1]


# Which images are needed, and still there after the next run of a repository's rules.


@pytest.mark.req("B-12")
async def test_an_image_that_would_run_stays_or_the_plan_is_stopped() -> None:
    world = World(images={"berths": shelf(3, 2, 1)})
    back = plan(keeping(2), running(image(2), image(1)))
    (finding,) = await told(world, back)
    assert (finding.verdict, str(finding.severity)) == ("expires-needed", "block")
    assert finding.what == f"its next run removes {digest(1)}: aws_lambda_function.app runs it"
    assert finding.address == "aws_ecr_lifecycle_policy.berths"
    assert await found(world, plan(keeping(3), running(image(2), image(1)))) == []


@pytest.mark.req("B-12")
async def test_what_runs_until_the_plan_is_applied_is_the_way_back_and_stays() -> None:
    world = World(images={"berths": shelf(3, 2, 1)})
    assert await found(world, plan(keeping(2), running(image(1), image(3)))) == [
        f"its next run removes {digest(1)}: aws_lambda_function.app runs it now"
    ]


@pytest.mark.req("B-12", "B-03")
async def test_what_may_be_gone_back_to_stays() -> None:
    world = World(images={"berths": shelf(3, 2, 1)})
    made = plan(keeping(2), running(image(2), image(3)))
    assert await found(world, made, d2="rollback to d-2") == []
    assert await found(world, made, d1="rollback to d-1") == [f"its next run removes {digest(1)}: rollback to d-1"]


async def test_a_rule_that_keeps_fewer_is_run_though_no_image_changes() -> None:
    world = World(images={"berths": shelf(2, 1)})
    same = running(image(1), image(1), NO_OP)
    assert len(await found(world, plan(keeping(1, UPDATE), same))) == 1
    assert len(await found(world, plan(keeping(1, imports="berths"), same))) == 1
    repository = change("aws_ecr_repository", "berths", UPDATE, after={"name": "berths"})
    assert len(await found(world, plan(keeping(1), repository, same))) == 1


async def test_a_function_that_goes_needs_its_image_no_more_and_one_that_is_forgotten_does() -> None:
    world = World(images={"berths": shelf(2, 1)})
    gone = running(image(1), "", DESTROY)
    assert await found(world, plan(keeping(1, UPDATE), gone)) == []
    assert len(await found(world, plan(keeping(1), running(image(1), "", DESTROY, forgets=True)))) == 1


async def test_an_image_is_looked_for_in_its_own_repository_only() -> None:
    world = World(images={"berths": shelf(2), "tides": shelf(2, 1)})
    assert await found(world, plan(keeping(1), keeping(1, UPDATE, "tides"), running(image(2), image(1)))) == []


@pytest.mark.parametrize(
    "nothing",
    [
        plan(keeping(1), running(image(1), image(1), NO_OP)),
        plan(keeping(1), change("aws_sns_topic", "news", CREATE)),
        plan(running(image(1), image(2))),
        plan(keeping(1), running(image(1, "tides"), image(2, "tides"))),
        plan(keeping(1), running("", "", UPDATE)),
    ],
    ids=["no change", "another change", "no policy", "another repository", "a function from a zip"],
)
async def test_a_plan_that_can_lose_no_image_costs_no_call(nothing: Plan) -> None:
    world = World(images={"berths": shelf(2, 1)})
    assert await told(world, nothing) == ()
    assert world.looked == []


async def test_each_repository_is_asked_once_and_no_other() -> None:
    world = World()
    both = running(image(1), image(2)), running(image(1), image(3), name="other")
    await told(world, plan(keeping(1), keeping(1, repository="tides"), *both))
    assert world.looked == ["images of berths"]


async def test_a_policy_that_is_not_known_yet_is_the_guards_to_tell() -> None:
    """Once, and not twice."""
    world = World(images={"berths": shelf(2, 1)})
    made = plan(keeping(1, UPDATE, unknown={"policy": True}), running(image(1), image(2)))
    assert await told(world, made) == ()
    assert [one.verdict for one in retention.findings(made, WHO)] == ["not-known"]


# What the deployer's own policies say of a key.

ROOT_ONLY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                "Action": "kms:*",
                "Resource": "*",
            }
        ],
    }
)


def key(action: Action, **more: Any) -> Change:
    return change("aws_kms_key", "hold", action, after={"policy": ROOT_ONLY, "tags_all": {}}, **more)


async def read(world: World, made: Plan, who: Context = WHO) -> Context:
    return (await facts.known(made, who, world.hands, now=NOW))[0]


@pytest.mark.req("P-05")
@pytest.mark.parametrize(
    ("may", "verdict"),
    [
        (Rights(policies=(CHANGES_KEYS,)), "info via-iam"),
        (Rights(policies=(CHANGES_KEYS,), boundary=NARROW), "block lockout"),
        (Rights(policies=()), "block lockout"),
        (None, "warn via-iam"),
    ],
    ids=["they allow it", "within no boundary", "they do not", "nobody may read them"],
)
async def test_what_a_key_leaves_to_iam_is_judged_by_the_deployers_own_policies(
    may: Rights | None, verdict: str
) -> None:
    world, made = World(may=may), plan(key(CREATE))
    context = await read(world, made)
    found = lockout.findings(made, context)[0]
    assert f"{found.severity} {found.verdict}" == verdict
    assert world.looked == [f"rights of {DEPLOYER}"]


@pytest.mark.parametrize(
    ("made", "asks"),
    [
        (key(CREATE), True),
        (key(UPDATE), True),
        (key(NO_OP, imports="1234"), True),
        (change("aws_kms_key_policy", "hold", UPDATE, after={"policy": ROOT_ONLY}), True),
        (key(NO_OP), False),
        (key(DESTROY), False),
        (change("aws_kms_alias", "hold", CREATE), False),
    ],
    ids=["made", "changed", "adopted", "its policy alone", "as it is", "destroyed", "an alias"],
)
async def test_rights_are_read_where_a_key_is_made_or_changed_and_nowhere_else(made: Change, asks: bool) -> None:  # noqa: FBT001 - a column
    world = World(may=Rights(policies=()))
    context = await read(world, plan(made))
    assert bool(world.looked) is asks
    assert (context.identity is not None) is asks


async def test_rights_that_are_known_already_are_not_asked_for_and_nobodys_cannot_be() -> None:
    world, told = World(), Identity(policies=())
    given = Context(deployer=DEPLOYER, identity=told)
    assert (await read(world, plan(key(CREATE)), given)).identity is told
    assert (await read(world, plan(key(CREATE)), Context())).identity is None
    assert world.looked == []
