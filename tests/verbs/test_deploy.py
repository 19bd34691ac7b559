from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest

from ferry.errors import Blocked, BuildFailed, FerryError, RegistryDenied, RegistryRefused, RegistryUnavailable
from ferry.verbs.build import Built, build
from ferry.verbs.deploy import apply, deploy
from tests.outside.builder.images import folder_of, image
from tests.verbs.fakes import COMMIT, CONFIG, PREPROD, FakeBuilder, FakeTerraform, World, changed, created

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio
ROLE = created("aws_iam_role.app", name="app")


@pytest.fixture
async def built(tmp_path: Path) -> Built:
    base = image(folder_of(tmp_path / "base", base=""))
    return await build(CONFIG, FakeBuilder(tmp_path, on=base), World().report, commit=COMMIT, dirty=False)


async def deployed(world: World, built: Built) -> None:
    await deploy(CONFIG, PREPROD, built, world.hands, world.report)


@pytest.mark.req("B-06")
async def test_what_is_applied_was_seen_in_the_registry_just_before(built: Built) -> None:
    world = World(stand_in=False)
    await deployed(world, built)
    assert world.terraform.history[-2:] == ["plan preprod.tfvars", "apply"]
    assert world.registry.asked[-1] == f"GET /v2/preprod-app/manifests/{built.images['app'].digest}"
    assert "applying" in world.said


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
    assert world.registry.manifests == {}


async def test_a_plan_that_is_blocked_is_not_applied(built: Built) -> None:
    destroys = changed("aws_iam_role.app", "delete", "create", importing={"id": "app"})
    world = World(terraform=FakeTerraform([[ROLE], [destroys]]), exists={"aws_iam_role": "app"})
    with pytest.raises(Blocked):
        await deployed(world, built)
    assert "apply" not in world.terraform.history


async def test_an_image_that_has_gone_since_the_plan_is_not_applied(built: Built) -> None:
    world = World()
    with pytest.raises(RegistryRefused, match="not published"):
        await apply(CONFIG, PREPROD, built.release, world.hands, world.report)
    assert world.terraform.history == []


async def test_what_was_made_for_trying_out_stays_where_aws_is_a_stand_in(built: Built) -> None:
    tried = replace(built.release.artifacts[0], stand_ins=("python:3.13-slim",))
    trial = Built(replace(built.release, artifacts=(tried,)), built.images, {})
    world = World(stand_in=False)
    with pytest.raises(BuildFailed, match="for trying out") as caught:
        await deployed(world, trial)
    assert "python:3.13-slim" in caught.value.why
    assert (world.terraform.history, world.registry.asked) == ([], [])
    with pytest.raises(BuildFailed):
        await apply(CONFIG, PREPROD, trial.release, world.hands, world.report)
    await deployed(World(stand_in=True), trial)
