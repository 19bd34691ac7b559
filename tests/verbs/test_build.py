from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ferry.config import Config, ImageArtifact, Recipe
from ferry.errors import BuildFailed, RegistryUnavailable
from ferry.lockfile import Lock
from ferry.model import Kind, Severity
from ferry.report.events import Found
from ferry.verbs.build import variables, want
from tests.verbs.fakes import (
    ADAPTER,
    APP,
    COMMIT,
    CONFIG,
    JOBS,
    SLIM,
    Machine,
    SmallExternals,
    World,
    base_image,
    config_of,
    with_base,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

OWN = """
[artifacts.own]
kind = "image"
repository = "{env}-own"
dockerfile = "own/Dockerfile"
inputs = ["own/files"]
"""


def with_recipe(**other: object) -> Config:
    app = CONFIG.artifacts["app"]
    assert isinstance(app, ImageArtifact)
    assert app.recipe
    recipe = replace(app.recipe, **other)  # type: ignore[arg-type] # fields by name
    return replace(CONFIG, artifacts={**CONFIG.artifacts, "app": replace(app, recipe=recipe)})


def adapter_image(place: Path) -> bytes:
    """A layer with the adapter in it, as its publisher has it."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as archive:
        entry = tarfile.TarInfo("lambda-adapter")
        entry.size = 7
        archive.addfile(entry, io.BytesIO(b"adapter"))
    place.mkdir(parents=True, exist_ok=True)
    return tar.getvalue()


def with_both(place: Path) -> SmallExternals:
    externals = with_base(place)
    externals.hold(ADAPTER, base_image(place / "adapter", adapter_image(place)))
    return externals


def files_in(layer: Path | None) -> set[str]:
    assert layer
    with tarfile.open(layer) as archive:
        return {entry.name for entry in archive if entry.isreg()}


async def keys(machine: Machine, config: Config = CONFIG) -> dict[str, str]:
    return {one.name: one.key for one in await want(config, machine.workshop(), World().report)}


async def test_an_image_is_its_base_then_the_adapter_then_dependencies_then_the_application(tmp_path: Path) -> None:
    machine = Machine(tmp_path, with_both(tmp_path))
    image = (await machine.build(config=with_recipe(adapter=ADAPTER))).images["app"].image
    settings = json.loads(image.config)["config"]
    assert [blob.path is None for blob in image.layers] == [True, True, False, False, False]
    assert [files_in(blob.path) for blob in image.layers[2:]] == [
        {"opt/extensions/lambda-adapter"},
        {"opt/dependencies/installed.py"},
        {"var/task/app/__init__.py"},
    ]
    assert settings["Env"] == ["PORT=8080", "PYTHONPATH=/var/task:/opt/dependencies"]
    assert (settings["Cmd"], settings["WorkingDir"]) == (["python", "-m", "app"], "/var/task")


async def test_artifacts_are_named_by_their_bytes(tmp_path: Path) -> None:
    made = await Machine(tmp_path).build()
    app, jobs = made.release.artifacts
    image, package = made.images["app"].image, made.packages["jobs"].blob
    assert (app.kind, app.digest, app.size) == (Kind.IMAGE, image.digest, image.size)
    assert (jobs.kind, jobs.digest, jobs.size) == (Kind.ZIP, package.digest, package.size)
    assert (made.release.commit, made.release.dirty) == (COMMIT, False)
    assert package.path
    with zipfile.ZipFile(package.path) as archive:
        assert set(archive.namelist()) == {"installed.py", "jobs/__init__.py", "jobs/__main__.py"}


async def test_the_same_inputs_are_the_same_release_wherever_they_are_built(tmp_path: Path) -> None:
    one, two = await Machine(tmp_path / "one").build(), await Machine(tmp_path / "two").build()
    assert one.release == two.release
    assert one.release.artifacts[0].inputs["python"] == "3.13.5"


@pytest.mark.req("B-08")
async def test_a_change_of_the_application_installs_nothing_and_makes_one_new_layer(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    before = await machine.build()
    machine.builder.history.clear()
    machine.builder.write(**{"app/__init__.py": "NAME = 'another'"})
    after = await machine.build()
    assert sorted(machine.builder.history) == ["application app", "application jobs"]
    layers = [(one.images["app"].image.layers) for one in (before, after)]
    assert [one == two for one, two in zip(*layers, strict=True)] == [True, True, True, False]
    assert before.release.artifacts[1] == after.release.artifacts[1]


async def test_an_image_and_a_zip_may_have_the_same_lock(tmp_path: Path) -> None:
    made = await Machine(tmp_path).build(config=config_of(APP, JOBS.replace("jobs.lock", "app.lock")))
    package = made.packages["jobs"]
    assert files_in(made.images["app"].image.layers[2].path) == {"opt/dependencies/installed.py"}
    assert package.blob.path
    assert zipfile.is_zipfile(package.blob.path)


async def test_a_note_whose_blob_is_gone_is_no_reason_not_to_install(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    before = await machine.build()
    for file in machine.store.folder.iterdir():
        if not file.name.startswith("of-"):
            file.unlink()
    assert (await machine.build()).release == before.release
    assert machine.builder.history.count("dependencies app.lock") == 2


@pytest.mark.req("B-08")
async def test_a_fresh_machine_installs_nothing_that_is_published(tmp_path: Path) -> None:
    """The cache repository and the bucket have it; what goes into the image as a layer does not even travel."""
    world = World()
    await Machine(tmp_path / "one").release(world)
    world.forget_requests()
    fresh = Machine(tmp_path / "two")
    fresh.builder.write(**{"app/__init__.py": "changed", "jobs/__init__.py": "changed"})
    made = await fresh.build(world)
    assert sorted(fresh.builder.history) == ["application app", "application jobs"]
    part = made.images["app"].dependencies
    assert part
    assert part.blob.path is None
    assert not [call for call in world.registry.asked if part.blob.digest in call]
    here = Machine(tmp_path / "three")
    here.builder.write(**{"app/__init__.py": "changed", "jobs/__init__.py": "changed"})
    assert (await here.build()).release == made.release


async def test_what_this_machine_has_installed_is_asked_for_nowhere(tmp_path: Path) -> None:
    world, machine = World(), Machine(tmp_path)
    await machine.release(world)
    world.forget_requests()
    machine.builder.write(**{"app/__init__.py": "changed"})
    await machine.build(world)
    assert not [call for call in world.requests if "cache" in call or "dependencies" in call]


@pytest.mark.parametrize("damage", [b"[]", b'{"layers": []}', b"\xff", b'{"config": {"digest": "sha256:1"}}'])
async def test_a_cache_that_holds_something_else_is_installed_over(tmp_path: Path, damage: bytes) -> None:
    world = World()
    await Machine(tmp_path / "one").release(world)
    kept = next(name for name in world.registry.manifests if name.startswith("preprod-app-cache:key-"))
    sound = world.registry.manifests[kept]
    world.registry.hold(kept, damage)
    fresh = Machine(tmp_path / "two")
    fresh.builder.write(**{"app/__init__.py": "changed"})
    await fresh.release(world)
    assert "dependencies app.lock" in fresh.builder.history
    assert world.registry.manifests[kept] == sound


@pytest.mark.parametrize(
    ("changed", "differ"),
    [
        pytest.param({"app/__init__.py": "other"}, {"app"}, id="a file"),
        pytest.param({"app/new.py": ""}, {"app"}, id="a new file"),
        pytest.param({"app.lock": "wheel==2"}, {"app"}, id="a lock"),
        pytest.param({"jobs/__main__.py": "other"}, {"jobs"}, id="a file of the zip"),
        pytest.param({"README.md": "hello"}, set(), id="a file that no artifact is made from"),
        pytest.param({"app/__pycache__/x.pyc": "noise"}, set(), id="what Python leaves behind"),
    ],
)
@pytest.mark.req("B-08")
async def test_a_key_changes_with_what_the_artifact_is_made_from(
    tmp_path: Path, changed: dict[str, str], differ: set[str]
) -> None:
    machine = Machine(tmp_path)
    before = await keys(machine)
    machine.builder.write(**changed)
    after = await keys(machine)
    assert {name for name in after if after[name] != before[name]} == differ


async def test_a_key_changes_with_the_recipe_the_base_and_the_compiler(tmp_path: Path) -> None:
    externals = with_both(tmp_path)
    same = await keys(Machine(tmp_path / "same", externals))
    rebased = Machine(tmp_path / "base")
    rebased.externals.hold(f"library/{SLIM}", base_image(tmp_path / "newer", b"a newer base"))
    found = [
        same,
        await keys(Machine(tmp_path / "recipe", externals), with_recipe(command=("python", "other"))),
        await keys(Machine(tmp_path / "adapter", externals), with_recipe(adapter=ADAPTER)),
        await keys(Machine(tmp_path / "python", externals, python="3.13.4")),
        await keys(rebased),
        await keys(Machine(tmp_path / "none", SmallExternals(down=True))),
    ]
    assert len({one["app"] for one in found}) == len(found)
    assert [one["jobs"] == same["jobs"] for one in found] == [True, True, True, False, True, True]


async def test_what_is_for_an_account_is_not_built_where_something_would_stand_in(tmp_path: Path) -> None:
    machine = Machine(tmp_path, SmallExternals(down=True))
    with pytest.raises(BuildFailed, match="for trying out") as caught:
        await machine.build(World(stand_in=False), with_recipe(adapter=ADAPTER))
    assert (caught.value.where, SLIM in caught.value.why) == ("app", True)
    assert machine.builder.history == []


async def test_a_base_that_cannot_be_reached_is_stood_in_for_and_said(tmp_path: Path) -> None:
    world = World(stand_in=True)
    made = await Machine(tmp_path, SmallExternals(down=True)).build(world, with_recipe(adapter=ADAPTER))
    app, jobs = made.release.artifacts
    assert (app.stand_ins, jobs.stand_ins) == ((SLIM, ADAPTER), ())
    assert not made.images["app"].whole
    assert len(made.images["app"].image.layers) == 2
    said = [event.finding for event in world.report.events if isinstance(event, Found)]
    assert [(one.severity, one.address) for one in said] == [(Severity.WARN, ADAPTER), (Severity.WARN, SLIM)]


async def test_another_python_than_the_locked_one_makes_a_release_for_trying_out(tmp_path: Path) -> None:
    ours, other = Machine(tmp_path / "one"), Machine(tmp_path / "two", python="3.13.4")
    made = (await other.build()).release
    assert {artifact.stand_ins for artifact in made.artifacts} == {("python 3.13.5",)}
    assert {artifact.key for artifact in made.artifacts}.isdisjoint(
        artifact.key for artifact in (await ours.build()).release.artifacts
    )
    other.lock = Lock()
    assert {artifact.stand_ins for artifact in (await other.build()).release.artifacts} == {()}


async def test_a_pinned_base_that_cannot_be_reached_ends_the_build(tmp_path: Path) -> None:
    machine = Machine(tmp_path, SmallExternals({SLIM: f"sha256:{'1' * 64}"}, down=True))
    with pytest.raises(RegistryUnavailable):
        await machine.build()


def own(machine: Machine) -> Config:
    """The fake engine makes one layer of a Dockerfile: the Dockerfile."""
    machine.builder.write(**{"own/files/data": "1"})
    (machine.builder.source / "own/Dockerfile").write_bytes(empty_layer())
    return config_of(APP, JOBS, OWN)


async def test_a_dockerfile_is_the_engines_to_build_and_only_when_it_or_its_inputs_change(tmp_path: Path) -> None:
    world, machine = World(), Machine(tmp_path)
    config = own(machine)
    release = await machine.release(world, config)
    assert machine.builder.history.count("dockerfile own/Dockerfile own/files") == 1
    assert release.artifacts[2].stand_ins == ()
    other = Machine(tmp_path / "other", python="3.13.4")
    own(other)
    assert (await keys(other, config))["own"] == (await keys(machine, config))["own"]
    machine.builder.write(**{"own/files/data": "2"})
    await machine.build(world, config)
    assert machine.builder.history.count("dockerfile own/Dockerfile own/files") == 2


def empty_layer() -> bytes:
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w"):
        pass
    return gzip.compress(tar.getvalue(), mtime=0)


@pytest.mark.parametrize("gone", ["app.lock", "app"])
async def test_what_is_not_in_the_repository_is_named(tmp_path: Path, gone: str) -> None:
    machine = Machine(tmp_path)
    (machine.builder.source / gone).rename(tmp_path / "elsewhere")
    with pytest.raises(BuildFailed) as caught:
        await machine.build()
    assert gone in caught.value.where


async def test_a_build_tells_of_every_artifact(tmp_path: Path) -> None:
    world = World()
    made = await Machine(tmp_path).build(world)
    for artifact in made.release.artifacts:
        assert artifact.digest in world.said
    assert "installing what app.lock locks" in world.said


def test_variables_of_the_recipe_win() -> None:
    recipe = Recipe(base=SLIM, lock="a", source=("b",), command=("c",), environment={"PYTHONPATH": "/other", "A": "1"})
    assert variables(recipe) == {"PORT": "8080", "PYTHONPATH": "/other", "A": "1"}
