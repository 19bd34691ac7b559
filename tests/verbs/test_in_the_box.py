"""Build and publish against the box's own registry and bucket, which refuse what AWS refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ferry import wiring
from ferry.verbs.build import build
from ferry.verbs.hands import Target
from ferry.verbs.publish import publish, verify
from ferry.verbs.shelf import Shelf
from tests.outside.aws.small_aws import as_root
from tests.verbs.fakes import COMMIT, CONFIG, PREPROD, Machine, World

if TYPE_CHECKING:
    from pathlib import Path

    from ferry.model import Release
    from ferry.verbs.hands import Depot
    from tests.awsbox.people import Account

pytestmark = pytest.mark.anyio
BOXED = replace(PREPROD, name="boxed", packages="boxed-packages")


async def released(machine: Machine, depot: Depot, world: World) -> Release:
    workshop = machine.workshop(Shelf(CONFIG, BOXED, depot))
    built = await build(CONFIG, workshop, world.report, commit=COMMIT, dirty=False)
    await publish(built, Target(config=CONFIG, environment=BOXED, depot=depot, report=world.report), world.run)
    await verify(CONFIG, BOXED, built.release, depot)
    return built.release


@pytest.mark.req("B-02", "B-06", "B-08")
async def test_a_release_is_published_found_again_and_followed_by_the_next(account: Account, tmp_path: Path) -> None:
    world, fresh = World(), Machine(tmp_path / "two")
    async with wiring.depot(as_root(account), BOXED, stand_in=True) as depot:
        first = await released(Machine(tmp_path / "one"), depot, world)
        described = await depot.described("boxed-app", first.artifacts[0].digest)
        assert described
        assert {COMMIT, "latest", "boxed-20260101T000000Z-ccccccc"} < described.tags
        assert await released(fresh, depot, world) == first
        assert fresh.builder.history == []
        fresh.builder.write(**{"app/__init__.py": "changed", "jobs/__init__.py": "changed"})
        second = await released(fresh, depot, world)
        assert sorted(fresh.builder.history) == ["application app", "application jobs"]
        assert await depot.registry.digest("boxed-app", "latest") == second.artifacts[0].digest
    assert "2 blobs" in world.said
    for told in ("made the repository;", "made boxed-app-cache;", "made the bucket;"):
        assert world.said.count(told) == 1
