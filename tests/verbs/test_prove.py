from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ferry.config import Canary
from ferry.errors import ProofFailed, RecordError
from ferry.model import Severity
from ferry.outside.canary import Check, Verdict
from ferry.report import Report
from ferry.report.events import Ended, Finished, Found
from ferry.verbs import places
from ferry.verbs.prove import prove, prove_environment
from tests.verbs.fakes import CONFIG, PREPROD, FakeTerraform, Machine, World

if TYPE_CHECKING:
    from pathlib import Path

    from ferry.model import Release

pytestmark = [pytest.mark.anyio, pytest.mark.req("R-07")]

FINE = Check(name="health", target="http://x", ok=True, what="answers")
BUFFERED = Check(name="stream", target="http://x", ok=False, what="is buffered", why="all came at once")
UNASKED = Check(name="health", target="http://x", ok=None, what="was not asked")
GOOD = Verdict(word="healthy", checks=(FINE,))
BAD = Verdict(word="unhealthy", checks=(FINE, BUFFERED))
UNSURE = Verdict(word="undecided", checks=(UNASKED,))


async def proven(verdict: Verdict) -> Finished:
    async def judge() -> Verdict:
        return verdict

    report = Report()
    try:
        await prove(judge, report, what="preprod")
    finally:
        report.close()
    (finished,) = [event for event in report.events if isinstance(event, Finished)]
    return finished


async def test_a_healthy_service_is_proven() -> None:
    finished = await proven(GOOD)
    assert (finished.outcome, finished.summary) == (Ended.OK, "healthy: 1 checks")


@pytest.mark.parametrize(("said", "failed"), [(BAD, "unhealthy: stream"), (UNSURE, "undecided: health")])
async def test_whatever_else_the_canary_says_ends_the_run(said: Verdict, failed: str) -> None:
    with pytest.raises(ProofFailed, match=failed) as caught:
        await proven(said)
    assert caught.value.exit_code == 40


async def test_what_is_wrong_is_said_with_its_reason() -> None:
    with pytest.raises(ProofFailed) as caught:
        await proven(BAD)
    assert (caught.value.where, caught.value.why) == ("http://x", "stream: is buffered: all came at once")


WATCHED = replace(CONFIG, canary=Canary(artifact="jobs", command=("python", "-m", "jobs"), expects={"digest": "app"}))
SICK = """
import json
check = {"name": "stream", "target": "http://x", "ok": False, "what": "is buffered"}
print(json.dumps({"verdict": "unhealthy", "checks": [check]}))
raise SystemExit(1)
"""


@pytest.fixture
async def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "one")


@pytest.fixture
async def release(machine: Machine) -> Release:
    return (await machine.build()).release


def warned(world: World) -> list[str]:
    found = [event.finding for event in world.report.events if isinstance(event, Found)]
    return [finding.what for finding in found if finding.severity is Severity.WARN]


@pytest.mark.req("B-07")
async def test_an_image_is_judged_by_its_own_releases_canary_before_it_is_pushed(machine: Machine) -> None:
    world = World()
    release = await machine.release(world, WATCHED)
    assert world.tried == [release.artifacts[0].digest]
    assert "healthy: 0 checks" in world.said
    sick = World()
    machine.builder.write(**{"jobs/__main__.py": SICK})
    with pytest.raises(ProofFailed, match="the canary says that app is unhealthy: stream"):
        await machine.release(sick, WATCHED)
    assert (sick.pushed, sick.bucket.written) == ([], [])


@pytest.mark.req("B-07")
async def test_a_canary_that_was_found_published_is_fetched_for_the_trial(tmp_path: Path) -> None:
    world = World(fetches=True)
    first = await Machine(tmp_path / "one").release(world, WATCHED)
    world.forget_requests()
    fresh = Machine(tmp_path / "two")
    fresh.builder.write(**{"app/__init__.py": "changed"})
    built = await fresh.build(world, WATCHED)
    assert built.packages == {}
    await world.publish(built, WATCHED)
    place = places.package(WATCHED, PREPROD, "jobs", first.artifacts[1].key)
    assert f"get {place}" in world.bucket.history
    assert world.tried == [built.release.artifacts[0].digest]


async def test_layers_that_are_elsewhere_are_brought_for_the_trial_and_leave_nothing(tmp_path: Path) -> None:
    """The base's from its own registry, dependencies from the cache repository."""
    world = World(fetches=True)
    await Machine(tmp_path / "one").release(world, WATCHED)
    world.forget_requests()
    fresh = Machine(tmp_path / "two")
    fresh.builder.write(**{"app/__init__.py": "changed"})
    built = await fresh.build(world, WATCHED)
    await world.publish(built, WATCHED)
    *below, dependencies, _ = [blob.digest for blob in built.images["app"].image.layers]
    assert f"GET /v2/preprod-app-cache/blobs/{dependencies}" in world.registry.asked
    assert {f"GET /v2/library/python/blobs/{digest}" for digest in below} <= set(fresh.externals.hub.asked)
    assert fresh.store.find(dependencies) is None


@pytest.mark.parametrize("instead", [None, b"not the canary"], ids=["gone", "another"])
async def test_a_canary_that_is_not_the_releases_is_not_run(tmp_path: Path, instead: bytes | None) -> None:
    world, machine = World(), Machine(tmp_path)
    await machine.release(world, WATCHED)
    machine.builder.write(**{"app/__init__.py": "changed"})
    built = await machine.build(world, WATCHED)
    place = places.package(WATCHED, PREPROD, "jobs", built.release.artifacts[1].key)
    world.bucket.objects.pop(place)
    world.bucket.objects |= {} if instead is None else {place: instead}
    world.forget_requests()
    with pytest.raises(ProofFailed, match="is not what was published") as caught:
        await world.publish(built, WATCHED)
    assert caught.value.where == f"s3://preprod-packages/{place}"
    assert (world.tried, world.pushed) == ([], [])


async def test_a_release_without_its_canary_is_refused(machine: Machine) -> None:
    built = await machine.build()
    alone = replace(built, release=replace(built.release, artifacts=built.release.artifacts[:1]))
    with pytest.raises(RecordError, match="has no canary"):
        await World().publish(alone, WATCHED)


@pytest.mark.req("B-07")
async def test_an_image_that_cannot_run_here_is_told_and_published_all_the_same(machine: Machine) -> None:
    world = World(url=None)
    release = await machine.release(world, WATCHED)
    assert warned(world) == ["app cannot run here, so nothing judged it before it is published"]
    assert world.tags("preprod-app")["latest"] == release.artifacts[0].digest


async def test_what_is_published_already_is_not_tried_again(tmp_path: Path, machine: Machine) -> None:
    world = World()
    await machine.release(world, WATCHED)
    world.forget_requests()
    await Machine(tmp_path / "two").release(world, WATCHED, commit="d" * 40)
    assert world.tried == []
    assert not [call for call in world.bucket.history if call.startswith("get preprod/jobs")]


async def test_without_a_canary_nothing_runs(machine: Machine) -> None:
    world = World()
    await machine.release(world)
    assert world.tried == []


async def test_the_deployed_canary_is_asked_about_the_release(release: Release) -> None:
    world = World(terraform=FakeTerraform(said={"functions": {"jobs": "preprod-jobs"}}), verdict=GOOD)
    await prove_environment(WATCHED, PREPROD, release, world.hands, world.report)
    assert world.asked == [("preprod-jobs", {"environment": "preprod", "digest": release.artifacts[0].digest})]


@pytest.mark.parametrize("said", [{}, {"functions": {}}, {"functions": "preprod-jobs"}])
async def test_an_infrastructure_that_does_not_name_its_canary_is_told(
    release: Release, said: dict[str, object]
) -> None:
    world = World(terraform=FakeTerraform(said=said))
    with pytest.raises(ProofFailed, match="does not name the canary"):
        await prove_environment(WATCHED, PREPROD, release, world.hands, world.report)


async def test_a_system_without_a_canary_is_warned_about(release: Release) -> None:
    world = World()
    await prove_environment(CONFIG, PREPROD, release, world.hands, world.report)
    (found,) = [event.finding for event in world.report.events if isinstance(event, Found)]
    assert (found.severity, found.what) == (Severity.WARN, "nothing judged whether the deployment works")
