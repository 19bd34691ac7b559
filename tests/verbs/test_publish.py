from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from ferry.errors import AwsError, Blocked, BuildFailed, RegistryRefused, RegistryUnavailable
from ferry.model import Severity, Threshold
from ferry.outside.aws.bucket import checksum
from ferry.report.events import Found
from ferry.verbs import places
from ferry.verbs.build import Built
from ferry.verbs.hands import Target
from ferry.verbs.publish import publish, references, verify
from tests.outside.registry.small_registry import SmallRegistry
from tests.verbs.fakes import (
    APP,
    COMMIT,
    CONFIG,
    JOBS,
    NEW_YEAR,
    PREPROD,
    SLIM,
    FakeBucket,
    Machine,
    SmallExternals,
    World,
    config_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ferry.model import Release

pytestmark = pytest.mark.anyio

LATEST = "preprod/releases/latest.json"
FIRST = "preprod-20260101T000000Z-ccccccc"
TWIN = """
[artifacts.twin]
kind = "zip"
package = "{env}/twin.zip"
lock = "jobs.lock"
source = ["app"]
handler = "app.handler"
"""
WEB = APP.replace("artifacts.app", "artifacts.web").replace('"{env}-app"', '"{env}-web"')


@pytest.fixture
async def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
async def built(machine: Machine) -> Built:
    return await machine.build()


def key_of(release: Release) -> str:
    return f"preprod/jobs-{release.artifacts[1].key.removeprefix('sha256:')}.zip"


async def test_deployments_name_content_by_its_digest(built: Built) -> None:
    registry = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
    image, package = built.release.artifacts
    known = references(CONFIG, PREPROD, built.release)
    assert known.images == {"app": f"{registry}/preprod-app@{image.digest}"}
    assert known.packages == {
        "jobs": {"key": key_of(built.release), "hash": checksum(package.digest), "digest": package.digest}
    }


@pytest.mark.req("B-02")
async def test_an_image_is_there_under_its_digest_its_key_the_commit_latest_and_the_deployment(built: Built) -> None:
    world = World()
    await world.publish(built)
    artifact = built.release.artifacts[0]
    names = {artifact.digest, places.tag(artifact.key), COMMIT, "latest", FIRST}
    assert world.tags("preprod-app") == dict.fromkeys(names, artifact.digest)


@pytest.mark.req("B-02")
async def test_work_that_nobody_has_committed_does_not_get_the_commits_tag(machine: Machine) -> None:
    world = World()
    await machine.release(world, dirty=True)
    assert COMMIT not in world.tags("preprod-app")
    assert f"{FIRST}-dirty" in world.tags("preprod-app")


@pytest.mark.req("B-02")
async def test_tags_that_exist_are_moved(machine: Machine) -> None:
    world = World()
    before = (await machine.release(world)).artifacts[0]
    machine.builder.write(**{"app/__init__.py": "changed"})
    world.now = NEW_YEAR + 1
    after = (await machine.release(world)).artifacts[0]
    tags = world.tags("preprod-app")
    assert {tags[name] for name in ("latest", COMMIT, places.tag(after.key), FIRST.replace("00Z", "01Z"))} == {
        after.digest
    }
    assert {tags[name] for name in (places.tag(before.key), FIRST)} == {before.digest}


async def test_a_tag_that_already_points_there_is_not_put_again(machine: Machine, built: Built) -> None:
    world = World()
    await world.publish(built)
    world.forget_requests()
    world.now = NEW_YEAR + 60
    await world.publish(built)
    digest = built.release.artifacts[0].digest
    assert [call for call in world.pushed if "uploads" not in call] == [f"PUT /v2/preprod-app/manifests/{digest}"]
    assert "0 blobs, 0.00 MB pushed, 5 were there, with its tags" in world.said
    world.registry.manifests.pop("preprod-app:latest")
    await machine.release(world)
    assert world.tags("preprod-app")["latest"] == digest
    assert world.tags("preprod-app")["preprod-20260101T000100Z-ccccccc"] == digest


async def test_all_images_of_a_release_name_the_deployment_alike(tmp_path: Path) -> None:
    world = World()

    def later() -> float:
        world.now += 1
        return world.now

    world.report.clock = later
    await Machine(tmp_path).release(world, config_of(APP, WEB))
    tags = [{tag for tag in world.tags(f"preprod-{name}") if tag.startswith("preprod-")} for name in ("app", "web")]
    assert tags[0] == tags[1]
    assert len(tags[0]) == 1


@pytest.mark.req("B-08")
async def test_of_a_changed_application_one_layer_travels(machine: Machine) -> None:
    world = World()
    before = await machine.release(world)
    world.forget_requests()
    machine.externals.hub.history.clear()
    machine.builder.write(**{"app/__init__.py": "changed"})
    built = await machine.build(world)
    await world.publish(built)
    image = built.images["app"].image
    assert [call for call in world.registry.asked if call.startswith("POST")] == [
        "POST /v2/preprod-app/blobs/uploads/"
    ] * 2
    assert "2 blobs" in world.said
    assert not [call for call in machine.externals.hub.asked if "/blobs/" in call and image.layers[0].digest in call]
    assert world.bucket.written == [f"write {places.release(PREPROD, built.release.id)}", f"write {LATEST}"]
    assert built.release.artifacts[1] == before.artifacts[1]


def apart(world: World, digest: str) -> None:
    """The service's repository does not have the blob yet: one registry in memory has no walls."""
    answers = [httpx.Response(404)]
    path = f"/v2/preprod-app/blobs/{digest}"
    world.registry.script[f"HEAD {path}"] = lambda _: answers.pop() if answers else httpx.Response(200)


@pytest.mark.req("B-08")
@pytest.mark.parametrize("mountable", [True, False], ids=["mounted", "streamed"])
async def test_dependencies_come_from_the_cache_repository(tmp_path: Path, *, mountable: bool) -> None:
    world = World()
    await Machine(tmp_path / "one").release(world)
    fresh = Machine(tmp_path / "two")
    fresh.builder.write(**{"app/__init__.py": "changed"})
    built = await fresh.build(world)
    part = built.images["app"].dependencies
    assert part
    world.forget_requests()
    apart(world, part.blob.digest)
    world.registry.mountable = {("preprod-app-cache", part.blob.digest)} if mountable else set()
    await world.publish(built)
    fetched = f"GET /v2/preprod-app-cache/blobs/{part.blob.digest}" in world.registry.asked
    assert fetched is not mountable
    assert "dependencies app.lock" not in fresh.builder.history
    assert world.tags("preprod-app")["latest"] == built.release.artifacts[0].digest


async def test_repositories_and_a_bucket_that_had_to_be_made_are_told_once(machine: Machine, built: Built) -> None:
    world = World(bucket=FakeBucket(there=False))
    await world.publish(built)
    assert world.repositories == {"preprod-app", "preprod-app-cache"}
    machine.builder.write(**{"app/__init__.py": "changed", "jobs/__init__.py": "changed"})
    await machine.release(world)
    made = ("made the repository;", "made preprod-app-cache;", "made the bucket;")
    assert [world.said.count(words) for words in made] == [1, 1, 1]


async def test_packages_with_the_same_lock_share_its_dependencies(tmp_path: Path) -> None:
    world, machine = World(), Machine(tmp_path)
    await machine.release(world, config_of(JOBS, TWIN))
    assert machine.builder.history.count("dependencies jobs.lock") == 1
    assert [call.partition("-")[0] for call in world.bucket.written if call.startswith("put")] == [
        f"put {next(key for key in world.bucket.objects if '/dependencies/' in key)}",
        "put preprod/jobs",
        "put preprod/twin",
    ]


@pytest.mark.req("B-06")
async def test_what_is_published_is_where_lambda_looks_for_it(built: Built) -> None:
    world = World()
    await world.publish(built)
    await verify(CONFIG, PREPROD, built.release, world.depot)


@pytest.mark.req("B-06")
@pytest.mark.parametrize("gone", ["image", "package", "package with other bytes"])
async def test_a_release_that_is_not_published_is_refused(built: Built, gone: str) -> None:
    world = World()
    await world.publish(built)
    if gone == "image":
        world.registry.manifests.clear()
    else:
        del world.bucket.objects[key_of(built.release)]
        world.bucket.objects |= {key_of(built.release): b"other"} if "other" in gone else {}
    with pytest.raises((RegistryRefused, AwsError), match="not published") as caught:
        await verify(CONFIG, PREPROD, built.release, world.depot)
    artifact = built.release.artifacts[0 if gone == "image" else 1]
    assert artifact.digest in caught.value.why
    if gone != "image":
        assert caught.value.where == f"s3://preprod-packages/{key_of(built.release)}"


@pytest.mark.req("B-06", "B-12")
async def test_what_lambda_would_refuse_gets_no_tag_and_is_not_found_again(tmp_path: Path, machine: Machine) -> None:
    world = World()
    built = await machine.build()
    digest = built.release.artifacts[0].digest
    index = "application/vnd.oci.image.index.v1+json"
    answer = httpx.Response(200, content=built.images["app"].image.manifest, headers={"content-type": index})
    world.registry.script[f"GET /v2/preprod-app/manifests/{digest}"] = answer
    with pytest.raises(RegistryRefused, match="Lambda would not take this image") as caught:
        await world.publish(built)
    assert "it is an index" in caught.value.why
    assert set(world.tags("preprod-app")) == {digest}
    assert LATEST not in world.bucket.objects
    world.registry.script.clear()
    again = Machine(tmp_path / "again")
    assert await again.release(world) == built.release
    assert "application app" in again.builder.history


@pytest.mark.req("B-06")
async def test_a_layer_that_the_registry_does_not_have_after_the_push_is_an_error(built: Built) -> None:
    world = World()
    layer = built.images["app"].image.layers[-1].digest
    world.registry.script[f"HEAD /v2/preprod-app/blobs/{layer}"] = httpx.Response(404)
    with pytest.raises(RegistryRefused, match="Lambda would not take") as caught:
        await world.publish(built)
    assert caught.value.why == f"the layer {layer} is not in the registry"


async def test_a_tag_that_holds_something_else_after_the_push_is_an_error(built: Built) -> None:
    world = World()
    world.registry.script[f"PUT /v2/preprod-app/manifests/{COMMIT}"] = httpx.Response(201)
    world.registry.hold(f"preprod-app:{COMMIT}", b"{}")
    with pytest.raises(RegistryRefused, match="does not hold what was pushed") as caught:
        await world.publish(built)
    assert built.release.artifacts[0].digest in caught.value.why


async def test_an_image_that_was_found_and_is_gone_now_says_so(built: Built) -> None:
    with pytest.raises(RegistryRefused, match="has gone from the registry"):
        await World().publish(Built(release=built.release))


async def scanned(built: Built, threshold: Threshold, findings: dict[str, int] | None) -> World:
    world = World(findings=findings)
    environment = replace(PREPROD, scan_stops_at=threshold)
    target = Target(config=CONFIG, environment=environment, depot=world.depot, report=world.report)
    try:
        await publish(built, target, world.run)
    except Blocked:
        assert [event.finding.severity for event in world.report.events if isinstance(event, Found)][-1] == "block"
    return world


@pytest.mark.parametrize(
    ("threshold", "findings", "severity"),
    [
        (Threshold.HIGH, {"HIGH": 1}, Severity.BLOCK),
        (Threshold.HIGH, {"CRITICAL": 1}, Severity.BLOCK),
        (Threshold.HIGH, {"MEDIUM": 9}, Severity.WARN),
        (Threshold.NEVER, {"CRITICAL": 1}, Severity.WARN),
        (Threshold.LOW, {}, Severity.INFO),
        (Threshold.LOW, None, Severity.INFO),
    ],
)
async def test_what_a_scan_found_is_told_and_stops_what_is_too_bad(
    built: Built, threshold: Threshold, findings: dict[str, int] | None, severity: Severity
) -> None:
    world = await scanned(built, threshold, findings)
    assert [event.finding.severity for event in world.report.events if isinstance(event, Found)] == [severity]
    stopped = severity is Severity.BLOCK
    assert ("latest" in world.tags("preprod-app")) is not stopped
    assert (LATEST in world.bucket.objects) is not stopped


async def test_latest_may_have_been_moved_on_by_another_release(built: Built) -> None:
    world = World()
    world.registry.script["PUT /v2/preprod-app/manifests/latest"] = httpx.Response(201)
    world.registry.hold("preprod-app:latest", b"{}")
    await world.publish(built)
    assert world.tags("preprod-app")[COMMIT] == built.release.artifacts[0].digest


@pytest.mark.parametrize(("threshold", "asked"), [(Threshold.HIGH, 1), (Threshold.NEVER, 0)])
async def test_the_newer_scanner_is_asked_apart_where_it_can_stop_something(
    built: Built, threshold: Threshold, asked: int
) -> None:
    world = World(findings={"HIGH": 1}, told_apart=True)
    environment = replace(PREPROD, scan_stops_at=threshold)
    target = Target(config=CONFIG, environment=environment, depot=world.depot, report=world.report)
    with pytest.raises(Blocked) if asked else nullcontext():
        await publish(built, target, world.run)
    assert len([one for one in world.described if one.startswith("scan ")]) == asked


async def test_dependencies_are_not_scanned_where_they_wait(built: Built) -> None:
    world = World()
    await world.publish(built)
    assert world.scanning == {"preprod-app": True, "preprod-app-cache": False}


async def test_a_scan_that_is_finished_later_stops_what_was_published(machine: Machine) -> None:
    world = World()
    await machine.release(world)
    world.findings = {"CRITICAL": 2}
    built = await machine.build(world)
    environment = replace(PREPROD, scan_stops_at=Threshold.CRITICAL)
    target = Target(config=CONFIG, environment=environment, depot=world.depot, report=world.report)
    with pytest.raises(Blocked, match="2 critical") as caught:
        await publish(built, target, world.run)
    assert caught.value.where == "app"


async def test_two_runs_that_publish_the_same_release_at_once_both_succeed(tmp_path: Path) -> None:
    world = World()
    builds = [await Machine(tmp_path / name).build(world) for name in ("one", "two")]
    async with anyio.create_task_group() as tasks:
        for built in builds:
            tasks.start_soon(world.publish, built)
    assert await world.shelf().latest() == builds[0].release == builds[1].release
    assert await world.shelf().complete(builds[0].release)
    await verify(CONFIG, PREPROD, builds[0].release, world.depot)


async def test_other_bytes_under_the_same_key_are_an_error_and_stay(built: Built) -> None:
    world = World()
    world.bucket.objects[key_of(built.release)] = b"somebody else's"
    with pytest.raises(AwsError, match="the same inputs made other bytes") as caught:
        await world.publish(built)
    assert world.bucket.objects[key_of(built.release)] == b"somebody else's"
    assert built.release.artifacts[1].digest in caught.value.why
    assert LATEST not in world.bucket.objects


@dataclass
class Cable:
    """What changes something goes through it; it is cut after so many."""

    left: int = 1000
    used: int = 0

    def carry(self, gone: Exception) -> None:
        if self.left <= self.used:
            raise gone
        self.used += 1


class CutRegistry(SmallRegistry):
    def __init__(self, cable: Cable) -> None:
        super().__init__()
        self.cable = cable

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method not in {"GET", "HEAD"}:
            self.cable.carry(httpx.ConnectError("cut"))
        return super().__call__(request)


@dataclass
class CutBucket(FakeBucket):
    cable: Cable = field(default_factory=Cable)

    def _write(self, what: str) -> None:
        self.cable.carry(AwsError("cut"))
        super()._write(what)


def on(cable: Cable) -> World:
    return World(registry=CutRegistry(cable), bucket=CutBucket(cable=cable))


@pytest.mark.slow  # a publish for each place
@pytest.mark.req("B-05")
async def test_a_publish_that_is_cut_anywhere_is_finished_by_the_next(tmp_path: Path) -> None:
    """What is written down last says that all of it is there: until then nobody relies on it."""
    whole = Cable()
    release = await Machine(tmp_path / "whole").release(on(whole))
    assert whole.used > 10
    for writes in range(whole.used):
        world = on(cable := Cable(left=writes))
        machine = Machine(tmp_path / f"one-{writes}")
        with pytest.raises((RegistryUnavailable, AwsError)):
            await machine.release(world)
        assert LATEST not in world.bucket.objects
        cable.left = 1000
        again = machine if writes % 2 else Machine(tmp_path / f"two-{writes}")
        assert await again.release(world) == release, f"cut after {writes} writes"
        assert await world.shelf().latest() == release
        await verify(CONFIG, PREPROD, release, world.depot)
        assert {"latest", COMMIT, places.tag(release.artifacts[0].key)} <= set(world.tags("preprod-app"))


async def test_what_was_made_for_trying_out_stays_where_aws_is_a_stand_in(tmp_path: Path) -> None:
    trial = await Machine(tmp_path, SmallExternals(down=True)).build()
    world = World()
    with pytest.raises(BuildFailed, match="for trying out") as caught:
        await world.publish(trial)
    assert SLIM in caught.value.why
    assert world.requests == []
    box = World(stand_in=True)
    await box.publish(trial)
    assert "latest" in box.tags("preprod-app")
