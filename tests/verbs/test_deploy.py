from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from ferry.errors import Blocked, BuildFailed, FerryError, RegistryDenied, RegistryRefused, RegistryUnavailable
from ferry.verbs.deploy import apply, deploy
from tests.verbs.fakes import CONFIG, PREPROD, SAVED, FakeTerraform, Machine, SmallExternals, World, changed, created

if TYPE_CHECKING:
    from pathlib import Path

    from ferry.verbs.build import Built

pytestmark = pytest.mark.anyio
ROLE = created("aws_iam_role.app", name="app")


@pytest.fixture
async def built(tmp_path: Path) -> Built:
    return await Machine(tmp_path).build()


async def deployed(world: World, built: Built) -> None:
    await deploy(CONFIG, PREPROD, built, world.hands, world.report)


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
        await apply(world.target(), built.release, SAVED, world.hands)
    assert world.terraform.history == []


async def test_what_was_made_for_trying_out_is_applied_only_where_aws_is_a_stand_in(tmp_path: Path) -> None:
    trial = await Machine(tmp_path, SmallExternals(down=True)).build()
    world = World()
    for verb in (deployed(world, trial), apply(world.target(), trial.release, SAVED, world.hands)):
        with pytest.raises(BuildFailed, match="for trying out"):
            await verb
    assert (world.terraform.history, world.requests) == ([], [])
    box = World(stand_in=True)
    await deployed(box, trial)
    assert box.terraform.history[-1] == "apply"
