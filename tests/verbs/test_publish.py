from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from ferry.errors import AwsError, RegistryRefused
from ferry.outside.aws.packages import checksum
from ferry.verbs.build import Built, build
from ferry.verbs.publish import publish, references, verify
from tests.verbs.fakes import COMMIT, CONFIG, PREPROD, FakeBuilder, World

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.fixture
async def built(tmp_path: Path) -> Built:
    return await build(CONFIG, FakeBuilder(tmp_path), World().report, commit=COMMIT, dirty=False)


async def published(world: World, built: Built) -> None:
    await publish(CONFIG, PREPROD, built, world.hands, world.report)


async def test_deployments_name_content_by_its_digest(built: Built) -> None:
    registry = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
    image, package = built.release.artifacts
    known = references(CONFIG, PREPROD, built.release)
    assert known.images == {"app": f"{registry}/preprod-app@{image.digest}"}
    assert known.packages == {
        "jobs": {"key": key_of(built), "hash": checksum(package.digest), "digest": package.digest}
    }


def key_of(built: Built) -> str:
    return f"preprod/jobs-{built.release.artifacts[1].digest.removeprefix('sha256:')}.zip"


async def test_a_zip_is_uploaded_once(built: Built) -> None:
    world = World()
    await published(world, built)
    assert world.packages.uploads == [f"preprod-packages/{key_of(built)}"]
    await published(world, built)
    assert len(world.packages.uploads) == 1
    assert world.said.count("made the bucket") == 1
    assert "0 uploaded, 1 were there" in world.said


async def test_a_release_whose_zip_is_not_published_is_refused(built: Built) -> None:
    world = World()
    await published(world, built)
    world.packages.objects.clear()
    with pytest.raises(AwsError, match="not published") as caught:
        await verify(CONFIG, PREPROD, built.release, world.hands)
    assert caught.value.where == f"s3://preprod-packages/{key_of(built)}"


async def test_an_image_is_there_under_each_tag_and_its_digest(built: Built) -> None:
    world = World()
    await published(world, built)
    digest = built.images["app"].digest
    assert set(world.registry.manifests) == {f"preprod-app:{name}" for name in ("latest", "preprod", digest)}
    await verify(CONFIG, PREPROD, built.release, world.hands)


async def test_a_repository_that_had_to_be_made_is_told_once(built: Built) -> None:
    world = World()
    await published(world, built)
    assert world.repositories == {"preprod-app"}
    await published(world, built)
    assert world.said.count("made the repository") == 1
    assert "0 blobs pushed, 3 were there" in world.said


async def test_a_tag_that_holds_something_else_after_the_push_is_an_error(built: Built) -> None:
    world = World()
    world.registry.script["PUT /v2/preprod-app/manifests/latest"] = httpx.Response(201)
    world.registry.hold("preprod-app:latest", b"{}")
    with pytest.raises(RegistryRefused, match="does not hold what was pushed") as caught:
        await published(world, built)
    assert built.images["app"].digest in caught.value.why


@pytest.mark.req("B-06")
async def test_a_release_that_is_not_in_the_registry_is_refused(built: Built) -> None:
    with pytest.raises(RegistryRefused, match="not published") as caught:
        await verify(CONFIG, PREPROD, built.release, World().hands)
    assert built.images["app"].digest in caught.value.why
