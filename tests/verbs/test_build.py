from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ferry import config as reading
from ferry.config import ImageArtifact, Recipe
from ferry.errors import BuildFailed
from ferry.model import Kind
from ferry.outside.builder.assemble import digest_of
from ferry.verbs.build import Built, build
from tests.outside.builder.images import folder_of, image
from tests.verbs.fakes import COMMIT, CONFIG, FakeBuilder, World

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

DOCKER = """
[artifacts.jobs]
kind = "image"
repository = "{env}-jobs"
dockerfile = "Dockerfile"
inputs = ["jobs"]
"""
REST = """
project = "small"
region = "us-east-1"
infrastructure = { root = "terraform" }
environments.preprod.account = "111122223333"
environments.preprod.deployer = "arn:aws:iam::111122223333:user/deployer"
environments.preprod.state.bucket = "state"
environments.preprod.variables = "preprod.tfvars"
"""


async def built(builder: FakeBuilder, config: reading.Config = CONFIG) -> Built:
    return await build(config, builder, World().report, commit=COMMIT, dirty=False)


def with_recipe(recipe: Recipe) -> reading.Config:
    app = CONFIG.artifacts["app"]
    assert isinstance(app, ImageArtifact)
    return replace(CONFIG, artifacts={"app": replace(app, recipe=recipe)})


def recipe(**other: object) -> Recipe:
    app = CONFIG.artifacts["app"]
    assert isinstance(app, ImageArtifact)
    assert app.recipe
    return replace(app.recipe, **other)  # type: ignore[arg-type] # fields by name


async def test_dependencies_lie_below_the_application(tmp_path: Path) -> None:
    made = (await built(FakeBuilder(tmp_path))).images["app"]
    settings = json.loads(made.config.data)["config"]
    assert len(made.layers) == 2
    assert settings["Env"] == ["PORT=8080", "PYTHONPATH=/var/task:/opt/dependencies"]
    assert (settings["Cmd"], settings["WorkingDir"]) == (["python", "-m", "app"], "/var/task")


async def test_the_artifact_is_named_by_the_bytes_of_its_image(tmp_path: Path) -> None:
    made = await built(FakeBuilder(tmp_path))
    artifact = made.release.artifacts[0]
    assert (artifact.digest, artifact.size) == (made.images["app"].digest, made.images["app"].size)
    assert (made.release.commit, made.release.dirty) == (COMMIT, False)


async def test_the_same_inputs_are_the_same_release(tmp_path: Path) -> None:
    one, two = await built(FakeBuilder(tmp_path / "one")), await built(FakeBuilder(tmp_path / "two"))
    assert one.release.id == two.release.id


@pytest.mark.req("B-08")
async def test_a_change_of_the_application_makes_one_new_layer(tmp_path: Path) -> None:
    one = (await built(FakeBuilder(tmp_path / "one"))).images["app"]
    two = (await built(FakeBuilder(tmp_path / "two"), with_recipe(recipe(source=("changed",))))).images["app"]
    assert one.layers[0] == two.layers[0]
    assert one.layers[1] != two.layers[1]


async def test_an_image_without_its_base_is_for_trying_out(tmp_path: Path) -> None:
    (artifact,) = (await built(FakeBuilder(tmp_path), with_recipe(recipe(adapter="lwa:1")))).release.artifacts
    assert artifact.stand_ins == ("python:3.13-slim", "lwa:1")


async def test_an_image_on_its_base_has_no_stand_ins(tmp_path: Path) -> None:
    base = image(folder_of(tmp_path / "base", base=""))
    artifact, _ = (await built(FakeBuilder(tmp_path / "b", on=base))).release.artifacts
    alone, _ = (await built(FakeBuilder(tmp_path / "a"))).release.artifacts
    assert artifact.stand_ins == ()
    assert artifact.key != alone.key


async def test_a_zip_holds_dependencies_and_application_and_is_named_by_its_bytes(tmp_path: Path) -> None:
    made = await built(FakeBuilder(tmp_path))
    artifact = made.release.artifacts[1]
    data = made.packages["jobs"]
    assert (artifact.kind, artifact.digest, artifact.size) == (Kind.ZIP, digest_of(data), len(data))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {"jobs.lock", "jobs"} <= set(archive.namelist())


async def test_what_cannot_be_built_yet_is_refused_by_name(tmp_path: Path) -> None:
    config = reading.parse(REST + DOCKER)
    with pytest.raises(BuildFailed, match="nothing else yet") as caught:
        await built(FakeBuilder(tmp_path), config)
    assert caught.value.where == "artifacts.jobs"
