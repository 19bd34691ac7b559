from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest

from ferry.errors import (
    Blocked,
    BuildFailed,
    FerryError,
    NotAgreed,
    RegistryDenied,
    RegistryRefused,
    RegistryUnavailable,
)
from ferry.model import Approval
from ferry.outside.terraform import events, failure
from ferry.verbs.bound import Bound
from ferry.verbs.deploy import apply, deploy
from tests.verbs.fakes import CONFIG, PREPROD, SAVED, FakeTerraform, Machine, SmallExternals, World, changed, created

if TYPE_CHECKING:
    from pathlib import Path

    from ferry.model import Environment, Release
    from ferry.verbs.build import Built

pytestmark = pytest.mark.anyio
ROLE = created("aws_iam_role.app", name="app")


@pytest.fixture
async def built(tmp_path: Path) -> Built:
    return await Machine(tmp_path).build()


async def deployed(world: World, built: Built, environment: Environment = PREPROD) -> None:
    await deploy(CONFIG, environment, built, world.hands, world.report)


def bound_to(release: Release) -> Bound:
    return Bound(
        environment=PREPROD.name,
        release=release.id,
        commit=release.commit,
        idle=False,
        changes={},
        substance={},
        saved=SAVED,
    )


def stale() -> FerryError:
    said = events.Diagnostic(summary="Saved plan is stale", detail="The given plan file can no longer be applied")
    return failure.error("apply", [said])


@pytest.mark.req("B-06")
async def test_what_is_applied_was_seen_in_the_registry_just_before(built: Built) -> None:
    world = World()
    await deployed(world, built)
    assert world.terraform.history[-2:] == ["plan preprod.tfvars", "apply"]
    image, package = built.release.artifacts
    assert world.registry.asked[-1] == f"HEAD /v2/preprod-app/manifests/{image.digest}"
    assert world.bucket.history[-1].startswith("find preprod/jobs-")
    assert package.key.removeprefix("sha256:") in world.bucket.history[-1]
    assert "applying" in world.said


async def test_terraform_is_told_what_was_published(built: Built) -> None:
    world = World()
    await deployed(world, built)
    (told,) = [text for text in world.terraform.files.values() if "images" in text]
    assert told["images"]["app"].endswith(f"/preprod-app@{built.release.artifacts[0].digest}")
    assert told["packages"]["jobs"]["key"] in world.bucket.objects


@pytest.mark.req("B-05")
@pytest.mark.parametrize(
    ("status", "kind"), [(403, RegistryDenied), (400, RegistryRefused), (503, RegistryUnavailable)]
)
async def test_a_push_that_fails_ends_the_deployment_before_terraform_runs(
    built: Built, status: int, kind: type[FerryError]
) -> None:
    world = World()
    world.registry.script["POST /v2/preprod-app/blobs/uploads/"] = httpx.Response(status)
    with pytest.raises(kind):
        await deployed(world, built)
    assert world.terraform.history == []
    assert world.tags("preprod-app") == {}
    assert world.bucket.written == []


@pytest.mark.req("B-05", "B-06")
async def test_an_image_that_lambda_would_refuse_ends_the_deployment_before_terraform_runs(built: Built) -> None:
    world = World()
    layer = built.images["app"].image.layers[0].digest
    world.registry.script[f"HEAD /v2/preprod-app/blobs/{layer}"] = httpx.Response(404)
    with pytest.raises(RegistryRefused, match="Lambda would not take this image"):
        await deployed(world, built)
    assert world.terraform.history == []
    assert world.bucket.written == []


async def test_a_plan_that_is_blocked_is_not_applied(built: Built) -> None:
    destroys = changed("aws_iam_role.app", "delete", "create", importing={"id": "app"})
    world = World(terraform=FakeTerraform([[ROLE], [destroys]]), exists={"aws_iam_role": "app"})
    with pytest.raises(Blocked):
        await deployed(world, built)
    assert "apply" not in world.terraform.history


async def test_an_image_that_has_gone_since_the_plan_is_not_applied(built: Built) -> None:
    world = World()
    with pytest.raises(RegistryRefused, match="not published"):
        await apply(world.target(), built.release, bound_to(built.release), world.hands)
    assert world.terraform.history == []


async def test_what_was_made_for_trying_out_is_applied_only_where_aws_is_a_stand_in(tmp_path: Path) -> None:
    trial = await Machine(tmp_path, SmallExternals(down=True)).build()
    world = World()
    applied = apply(world.target(), trial.release, bound_to(trial.release), world.hands)
    for verb in (deployed(world, trial), applied):
        with pytest.raises(BuildFailed, match="for trying out"):
            await verb
    assert (world.terraform.history, world.requests) == ([], [])
    box = World(stand_in=True)
    await deployed(box, trial)
    assert box.terraform.history[-1] == "apply"


async def test_a_plan_that_is_stale_is_made_again_and_applied_when_it_does_the_same(built: Built) -> None:
    world = World(terraform=FakeTerraform([[ROLE]], errors=[stale()]))
    await deployed(world, built)
    assert [step for step in world.terraform.history if step.startswith(("plan", "apply"))] == [
        "plan preprod.tfvars",
        "apply",
        "plan preprod.tfvars",
        "apply",
    ]


async def test_a_plan_that_is_stale_and_does_something_else_now_is_not_applied(built: Built) -> None:
    moved = changed("aws_iam_role.app", "update", before={"path": "/"}, after={"path": "/apps/"})
    world = World(terraform=FakeTerraform([[ROLE], [moved]], errors=[stale()]))
    with pytest.raises(Blocked, match="another one now") as caught:
        await deployed(world, built)
    assert "aws_iam_role.app: create became update" in caught.value.why
    assert world.terraform.history.count("apply") == 1


async def test_a_plan_that_is_stale_twice_is_given_up(built: Built) -> None:
    world = World(terraform=FakeTerraform([[ROLE]], errors=[stale(), stale()]))
    with pytest.raises(FerryError, match="changed by somebody else"):
        await deployed(world, built)
    assert world.terraform.history.count("apply") == 2


async def test_a_plan_of_another_release_is_not_applied(built: Built) -> None:
    world = World()
    other = replace(bound_to(built.release), release="r-000000000000")
    with pytest.raises(Blocked, match="not for what is deployed"):
        await apply(world.target(), built.release, other, world.hands)
    assert world.terraform.history == []


async def test_nothing_to_do_is_not_applied_and_asked_all_the_same(built: Built) -> None:
    world = World(terraform=FakeTerraform([[]], applyable=False))
    await deployed(world, built)
    assert "apply" not in world.terraform.history
    outputs_alone = World(terraform=FakeTerraform([[]]))
    await deployed(outputs_alone, built)
    assert outputs_alone.terraform.history[-1] == "apply"


@pytest.mark.req("R-03")
async def test_where_a_person_has_to_agree_nothing_is_applied_before(built: Built) -> None:
    guarded = replace(PREPROD, approval=Approval.PERSON)
    world = World(terraform=FakeTerraform([[ROLE]]), agrees="")
    with pytest.raises(NotAgreed) as caught:
        await deployed(world, built, guarded)
    assert "apply" not in world.terraform.history
    assert caught.value.next.endswith(f"ferry deploy --env preprod --agree {world.shown[0]}")
    agreed = World(terraform=FakeTerraform([[ROLE]]), agrees="somebody")
    await deployed(agreed, built, guarded)
    assert agreed.shown == world.shown
    assert "somebody agreed to the plan" in agreed.said


@pytest.mark.req("R-03")
@pytest.mark.parametrize(
    ("approval", "promote_from", "asks"),
    [
        (Approval.AUTOMATIC, "preprod", False),
        (Approval.BY_CHANGE, "", False),
        (Approval.BY_CHANGE, "preprod", True),
        (Approval.PERSON, "", True),
    ],
)
async def test_who_is_asked_follows_from_the_environment(
    built: Built, approval: Approval, promote_from: str, *, asks: bool
) -> None:
    world = World(terraform=FakeTerraform([[ROLE]]))
    await deployed(world, built, replace(PREPROD, approval=approval, promote_from=promote_from))
    assert bool(world.shown) is asks


async def test_nobody_is_asked_about_a_plan_that_changes_nothing(built: Built) -> None:
    world = World(terraform=FakeTerraform([[]]), agrees="")
    await deployed(world, built, replace(PREPROD, approval=Approval.PERSON))
    assert world.shown == []
