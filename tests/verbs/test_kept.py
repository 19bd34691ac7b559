"""A built release in a folder: what was written is read, and can be published by whoever reads it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ferry.errors import BuildFailed, RecordError
from ferry.verbs import kept
from tests.verbs.fakes import CONFIG, Machine, SmallExternals, World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from ferry.outside.blobs import Blob
    from ferry.verbs.build import Built

pytestmark = pytest.mark.anyio


def bare(blob: Blob) -> Blob:
    return replace(blob, path=None)


def content(built: Built) -> list[object]:
    """Everything but where on this machine it is."""
    images = [
        (
            one.whole,
            replace(one.image, layers=tuple(bare(blob) for blob in one.image.layers)),
            one.base and replace(one.base, layers=tuple(bare(blob) for blob in one.base.layers)),
            one.dependencies and replace(one.dependencies, blob=bare(one.dependencies.blob)),
        )
        for one in built.images.values()
    ]
    packages = [
        (bare(one.blob), replace(one.dependencies, blob=bare(one.dependencies.blob))) for one in built.packages.values()
    ]
    return [built.release, *images, *packages]


async def written(machine: Machine, folder: Path, world: World | None = None) -> Built:
    built = await machine.build(world)
    kept.write(built, machine.store, folder)
    return built


async def test_what_was_written_is_read(tmp_path: Path) -> None:
    machine, folder = Machine(tmp_path), tmp_path / "kept"
    built = await written(machine, folder)
    read = kept.read(folder, machine.externals)
    assert content(read) == content(built)
    paths = [blob.path for blob in read.images["app"].image.layers]
    assert [path and path.parent for path in paths] == [None, None, folder, folder]
    assert read.packages["jobs"].blob.path
    assert read.packages["jobs"].blob.path.parent == folder


async def test_what_has_no_system_to_run_on_is_read_as_that(tmp_path: Path) -> None:
    machine, folder = Machine(tmp_path, SmallExternals(down=True)), tmp_path / "kept"
    built = await written(machine, folder)
    assert content(kept.read(folder, machine.externals)) == content(built)
    assert not built.images["app"].whole


async def test_only_what_the_release_needs_is_written(tmp_path: Path) -> None:
    machine, folder = Machine(tmp_path), tmp_path / "kept"
    await machine.build()
    machine.builder.write(**{"app/__init__.py": "changed"})
    built = await written(machine, folder)
    blobs = {path.name for path in folder.iterdir()} - {kept.RELEASE, kept.CONTENT}
    image, package = built.images["app"].image, built.packages["jobs"]
    named = [image.digest, *(blob.digest for blob in image.layers[2:]), package.blob.digest]
    named += [package.dependencies.blob.digest, json.loads(image.manifest)["config"]["digest"]]
    assert blobs == {digest.removeprefix("sha256:") for digest in named}


@pytest.mark.parametrize("fresh", [False, True])
async def test_what_is_read_can_be_published(tmp_path: Path, *, fresh: bool) -> None:
    """Also where the dependencies are in the cache repository alone: they are found there again."""
    world, machine, folder = World(), Machine(tmp_path / "one"), tmp_path / "kept"
    if fresh:
        await Machine(tmp_path / "earlier").release(world)
        machine.builder.write(**{"app/__init__.py": "changed"})
    built = await written(machine, folder, world if fresh else None)
    (tmp_path / "one").rename(tmp_path / "gone")
    await world.publish(kept.read(folder, machine.externals))
    assert world.tags("preprod-app")["latest"] == built.release.artifacts[0].digest
    assert await world.shelf().complete(built.release)


@pytest.mark.req("B-08")
async def test_a_release_that_was_found_published_is_no_files_and_asked_for_again(tmp_path: Path) -> None:
    """What the registry said may be old by the time that it is read."""
    world, folder = World(), tmp_path / "kept"
    release = await Machine(tmp_path / "one").release(world)
    await written(Machine(tmp_path / "two"), folder, world)
    assert {path.name for path in folder.iterdir()} == {kept.RELEASE, kept.CONTENT}
    world.forget_requests()
    del world.registry.manifests["preprod-app:latest"]
    await world.publish(kept.read(folder, Machine(tmp_path / "three").externals))
    assert world.tags("preprod-app")["latest"] == release.artifacts[0].digest
    world.forget_requests()
    await world.publish(kept.read(folder, Machine(tmp_path / "four").externals))
    assert (world.pushed, world.bucket.written) == ([], [])


def _image(**other: object) -> Callable[[dict[str, Any]], Any]:
    return lambda said: said | {"images": {"app": said["images"]["app"] | other}}


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda said: {"packages": said["packages"]}, id="no images"),
        pytest.param(lambda said: said | {"packages": {"jobs": 1}}, id="no package"),
        pytest.param(_image(layers=[{"digest": "release.json", "size": 1}]), id="a path"),
        pytest.param(_image(base={"digest": 1}), id="no base"),
        pytest.param(lambda _: [], id="a list"),
    ],
)
async def test_a_folder_that_holds_something_else_is_refused(
    tmp_path: Path, damage: Callable[[dict[str, Any]], Any]
) -> None:
    machine, folder = Machine(tmp_path), tmp_path / "kept"
    await written(machine, folder)
    said = json.loads((folder / kept.CONTENT).read_text())
    (folder / kept.CONTENT).write_text(json.dumps(damage(said)))
    with pytest.raises(RecordError, match="not a release that Ferry has kept"):
        kept.read(folder, machine.externals)


@pytest.mark.parametrize("name", [kept.RELEASE, kept.CONTENT])
async def test_a_half_written_folder_is_refused(tmp_path: Path, name: str) -> None:
    machine, folder = Machine(tmp_path), tmp_path / "kept"
    await written(machine, folder)
    (folder / name).write_text((folder / name).read_text()[:-20])
    with pytest.raises(RecordError):
        kept.read(folder, machine.externals)
    (folder / name).unlink()
    with pytest.raises(RecordError):
        kept.read(folder, machine.externals)


async def test_a_place_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    built = await machine.build(config=CONFIG)
    (tmp_path / "file").write_text("")
    with pytest.raises(BuildFailed, match="cannot be kept") as caught:
        kept.write(built, machine.store, tmp_path / "file" / "kept")
    assert caught.value.where == str(tmp_path / "file" / "kept")
