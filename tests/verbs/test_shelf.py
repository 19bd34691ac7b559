"""What is published is found again, and what cannot be trusted or has gone is not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ferry import model
from ferry.errors import RecordError
from ferry.model import Artifact, Kind, Release
from ferry.verbs import places
from tests.verbs.fakes import APP, CONFIG, JOBS, NEW_YEAR, PREPROD, Machine, World, config_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ferry.config import Config

pytestmark = pytest.mark.anyio
LATEST = "preprod/releases/latest.json"
OTHER = "d" * 40


@pytest.mark.req("B-08")
async def test_what_did_not_change_is_three_questions_and_nothing_is_written_or_built(tmp_path: Path) -> None:
    world = World()
    release = await Machine(tmp_path / "one").release(world)
    world.forget_requests()
    fresh = Machine(tmp_path / "two")
    world.now = NEW_YEAR + 3600
    assert await fresh.release(world) == release
    assert fresh.builder.history == []
    assert [call.partition(" ")[0] for call in world.requests] == ["read", "present", "describe"]
    assert (world.pushed, world.bucket.written, world.tried) == ([], [], [])
    assert "Nothing has changed since this was built and published" in world.said
    assert "was there, with its tags" in world.said


@pytest.mark.req("B-08")
@pytest.mark.parametrize("where", ["found one by one", "found as a whole", "built"])
async def test_a_release_is_the_same_however_it_was_come_by(tmp_path: Path, where: str) -> None:
    world = World()
    release = await Machine(tmp_path / "one").release(world)
    if where == "found one by one":
        del world.bucket.objects[LATEST]
    made = await Machine(tmp_path / "two").build(None if where == "built" else world)
    assert made.release == release
    assert made.release.id == release.id
    assert bool(made.images) == (where == "built")


BROKEN = [
    pytest.param(lambda _: None, id="gone"),
    pytest.param(lambda text: text[: len(text) // 2], id="half written"),
    pytest.param(lambda text: text.replace("ferry.release/1", "ferry.release/2"), id="another schema"),
    pytest.param(lambda text: text.replace("c" * 40, OTHER), id="changed by hand"),
    pytest.param(lambda _: "[]", id="no record"),
    pytest.param(lambda _: "", id="empty"),
]


@pytest.mark.req("B-08")
@pytest.mark.parametrize("damage", BROKEN)
async def test_without_a_record_artifacts_are_found_one_by_one_and_it_is_written_anew(
    tmp_path: Path, damage: Callable[[str], str | None]
) -> None:
    world = World()
    release = await Machine(tmp_path / "one").release(world)
    sound = world.bucket.objects[LATEST]
    damaged = damage(sound.decode())
    world.bucket.objects.pop(LATEST)
    world.bucket.objects |= {} if damaged is None else {LATEST: damaged.encode()}
    world.forget_requests()
    fresh = Machine(tmp_path / "two")
    assert await fresh.release(world) == release
    assert (fresh.builder.history, world.pushed) == ([], [])
    assert world.bucket.objects[LATEST] == sound


@pytest.mark.req("B-06")
async def test_an_image_that_has_gone_is_built_again(tmp_path: Path) -> None:
    world, machine = World(), Machine(tmp_path)
    release = await machine.release(world)
    for name in [name for name in world.registry.manifests if name.startswith("preprod-app:")]:
        del world.registry.manifests[name]
    machine.builder.history.clear()
    assert await machine.release(world) == release
    assert machine.builder.history == ["application app"]
    assert world.tags("preprod-app")["latest"] == release.artifacts[0].digest


async def test_a_package_that_has_gone_is_built_again(tmp_path: Path) -> None:
    world, machine = World(), Machine(tmp_path)
    release = await machine.release(world)
    place = places.package(CONFIG, PREPROD, "jobs", release.artifacts[1].key)
    data = world.bucket.objects.pop(place)
    machine.builder.history.clear()
    assert await machine.release(world) == release
    assert machine.builder.history == ["application jobs"]
    assert world.bucket.objects[place] == data


async def test_another_commit_of_the_same_inputs_is_found_tagged_and_written_down(tmp_path: Path) -> None:
    world = World()
    first = await Machine(tmp_path / "one").release(world)
    fresh = Machine(tmp_path / "two")
    second = await fresh.release(world, commit=OTHER)
    assert (second.commit, second.artifacts) == (OTHER, first.artifacts)
    assert fresh.builder.history == []
    assert world.tags("preprod-app")[OTHER] == first.artifacts[0].digest
    assert set(world.bucket.objects) >= {places.release(PREPROD, it.id) for it in (first, second)}
    assert await world.shelf().latest() == second


@pytest.mark.parametrize("config", [CONFIG, config_of(JOBS)], ids=["image and zip", "zip alone"])
async def test_what_was_published_last_is_known_also_when_nothing_had_to_be_sent(
    tmp_path: Path, config: Config
) -> None:
    """Forth to what nobody has committed, and back: no artifact changes, and for a zip no tag tells."""
    world, machine = World(), Machine(tmp_path)
    first = await machine.release(world, config)
    for dirty in (True, False):
        release = await machine.release(world, config, dirty=dirty)
        assert await world.shelf(config).latest() == release
        assert places.release(PREPROD, release.id) in world.bucket.objects
        assert (release == first) is not dirty


async def test_a_system_without_a_bucket_finds_its_images_by_key(tmp_path: Path) -> None:
    config = config_of(APP)
    world = World()
    world.bucket.name = ""
    release = await Machine(tmp_path / "one").release(world, config)
    world.forget_requests()
    fresh = Machine(tmp_path / "two")
    assert await fresh.release(world, config) == release
    assert fresh.builder.history == []
    assert len(world.requests) <= 3
    assert (world.pushed, world.bucket.history) == ([], [])


@pytest.mark.parametrize(
    "foreign",
    [
        b"not JSON",
        b"[]",
        b'{"manifests": []}',
        b'{"config": 1, "layers": []}',
        b'{"config": {"digest": "sha256:1", "size": "much"}, "layers": []}',
    ],
)
async def test_what_is_no_image_under_a_key_is_not_found(tmp_path: Path, foreign: bytes) -> None:
    world, machine = World(), Machine(tmp_path)
    release = await machine.release(world)
    del world.bucket.objects[LATEST]
    world.registry.hold(f"preprod-app:{places.tag(release.artifacts[0].key)}", foreign)
    assert await machine.release(world) == release
    assert world.tags("preprod-app")[places.tag(release.artifacts[0].key)] == release.artifacts[0].digest


async def test_what_is_found_counts_as_stood_in_for_when_it_is_so_now(tmp_path: Path) -> None:
    """The lock moved on: the same bytes, and another Python than the one that it names."""
    world, machine = World(stand_in=True), Machine(tmp_path)
    await machine.release(world)
    machine.lock = replace(machine.lock, python="3.13.9")
    found = (await machine.build(world)).release
    assert {artifact.stand_ins for artifact in found.artifacts} == {("python 3.13.9",)}


async def test_a_record_that_is_damaged_is_told_where_it_alone_is_asked_for() -> None:
    world = World()
    world.bucket.objects[LATEST] = b"{"
    with pytest.raises(RecordError) as caught:
        await world.shelf().latest()
    assert caught.value.where == f"s3://preprod-packages/{LATEST}"


async def test_a_release_of_another_configuration_is_refused_by_name() -> None:
    digest = f"sha256:{'1' * 64}"
    other = Artifact(name="other", kind=Kind.ZIP, key=digest, digest=digest, size=1)
    with pytest.raises(RecordError, match="was not built with this") as caught:
        await World().shelf().complete(Release(commit=OTHER, dirty=False, artifacts=(other,)))
    assert caught.value.where == "artifacts.other"
    with pytest.raises(RecordError):
        places.repository(CONFIG, PREPROD, "jobs")


async def test_a_release_is_written_down_once_and_under_its_id(tmp_path: Path) -> None:
    world = World()
    release = await Machine(tmp_path).release(world)
    own = world.bucket.objects[places.release(PREPROD, release.id)]
    assert model.from_json(Release, own.decode()) == release
    assert json.loads(own)["id"] == release.id
    world.forget_requests()
    await world.shelf().keep(release)
    assert world.bucket.written == []
