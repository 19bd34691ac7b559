from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ferry import config as reading
from ferry.config import Config, ImageArtifact
from ferry.errors import BuildFailed, ConfigError, RegistryRefused, RegistryUnavailable
from ferry.lockfile import FILE, Lock, load, parse, render, stale
from ferry.outside.registry.external import Externals
from ferry.report import Report
from ferry.verbs import generate
from ferry.verbs.lock import check, lock, pinned_before
from tests.outside.registry.local_registry import LocalRegistry, at_once, nobody, serving
from tests.verbs.fakes import CONFIG

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SLIM, ADAPTER = "python:3.13-slim", "public.ecr.aws/a/adapter:1.0"
PYTHON = "library/python"
D1, D2 = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


def config(base: str = SLIM, adapter: str | None = ADAPTER) -> Config:
    app = CONFIG.artifacts["app"]
    assert isinstance(app, ImageArtifact)
    assert app.recipe
    recipe = replace(app.recipe, base=base, adapter=adapter)
    twin = replace(app, name="twin", recipe=replace(recipe, lock="twin/app.lock"))
    return replace(CONFIG, artifacts={**CONFIG.artifacts, "app": replace(app, recipe=recipe), "twin": twin})


@pytest.fixture
def registry() -> Iterator[LocalRegistry]:
    with serving() as registry:
        registry.image("a/adapter", "1.0")
        yield registry


async def locked(registry: LocalRegistry, config: Config, earlier: Lock = Lock()) -> Lock:  # noqa: B008 - frozen
    return await lock(config, Externals({}, registry.url), Report(), earlier=earlier)


@pytest.mark.anyio
async def test_every_name_gets_the_digest_that_people_see_in_its_registry(registry: LocalRegistry) -> None:
    ours = registry.image(PYTHON, env=("PATH=/usr/bin", "PYTHON_VERSION=3.13.5"))
    index = registry.index(PYTHON, "3.13-slim", ours)
    made = await locked(registry, config())
    adapter = registry.image("a/adapter", "1.0")
    assert made == Lock(python="3.13.5", images={SLIM: index, ADAPTER: adapter})
    assert stale(made, config()) == ()
    assert parse(render(made)) == made
    assert (await Externals(made.images, registry.url).image(SLIM)).digest == ours


@pytest.mark.anyio
async def test_two_images_on_one_base_ask_for_it_once(registry: LocalRegistry) -> None:
    registry.image(PYTHON, "3.13-slim")
    await locked(registry, config())
    assert len(registry.asked) == len(set(registry.asked))


@pytest.mark.anyio
async def test_what_names_its_digest_itself_gets_no_pin_and_has_its_say_on_python(registry: LocalRegistry) -> None:
    ours = registry.image(PYTHON, env=("PYTHON_VERSION=3.13.7",))
    assert await locked(registry, config(f"{SLIM}@{ours}", None)) == Lock(python="3.13.7")


@pytest.mark.anyio
async def test_a_tag_that_moved_is_told_with_both_digests(registry: LocalRegistry) -> None:
    now = registry.image(PYTHON, "3.13-slim")
    report = Report()
    await lock(config(), Externals({}, registry.url), report, earlier=Lock(images={SLIM: D1}))
    assert f"{SLIM} is {now}, it was {D1}" in [getattr(event, "text", "") for event in report.events]


@pytest.mark.anyio
@pytest.mark.parametrize(("earlier", "python"), [("3.13.1", "3.13.1"), ("", platform.python_version())])
async def test_a_base_that_does_not_say_its_python_changes_nothing(
    registry: LocalRegistry, earlier: str, python: str
) -> None:
    registry.image(PYTHON, "3.13-slim", env=("PYTHON_VERSION_OF_SOMETHING=3",))
    assert (await locked(registry, config(), Lock(python=earlier))).python == python


@pytest.mark.anyio
async def test_of_several_bases_the_newest_python_counts(registry: LocalRegistry) -> None:
    registry.image(PYTHON, "3.13.9-slim", env=("PYTHON_VERSION=3.13.9",))
    registry.image(PYTHON, "3.13.10-slim", env=("PYTHON_VERSION=3.13.10",))
    old, new = config("python:3.13.9-slim"), config("python:3.13.10-slim")
    both = replace(old, artifacts={"app": old.artifacts["app"], "twin": new.artifacts["twin"]})
    assert (await locked(registry, both)).python == "3.13.10"


@pytest.mark.anyio
@pytest.mark.parametrize("version", ["3.12.4", "3.14.0", "3.13.0rc1", "3.130.1", "?"])
async def test_a_base_with_another_python_is_refused(registry: LocalRegistry, version: str) -> None:
    registry.image(PYTHON, "3.13-slim", env=(f"PYTHON_VERSION={version}",))
    with pytest.raises(BuildFailed, match="another Python") as caught:
        await locked(registry, config())
    assert caught.value.where == SLIM
    assert version in caught.value.why


@pytest.mark.anyio
@pytest.mark.req("B-11")
async def test_a_registry_that_cannot_be_reached_leaves_no_hole() -> None:
    with pytest.raises(RegistryUnavailable, match="cannot be reached"):
        await lock(config(), Externals({}, nobody(), pause=at_once), Report())


@pytest.mark.anyio
async def test_an_image_that_does_not_exist_is_named(registry: LocalRegistry) -> None:
    with pytest.raises(RegistryRefused, match="does not exist") as caught:
        await locked(registry, config())
    assert caught.value.where == f"{SLIM}, through {registry.url}"


def test_a_lock_that_fits_passes() -> None:
    check(config(), Lock(python="3.13.5", images={SLIM: D1, ADAPTER: D2}))


def test_a_lock_that_ferry_toml_has_left_behind_is_refused_with_all_that_is_wrong() -> None:
    with pytest.raises(ConfigError, match=r"ferry\.lock has 3 mistakes") as caught:
        check(config(), Lock(images={SLIM: D1, "python:3.12-slim": D2}))
    found = [mistake.found for mistake in caught.value.mistakes]
    assert found == [
        "no version of Python",
        f"no pin of {ADAPTER}",
        "a pin of python:3.12-slim, which ferry.toml does not name",
    ]
    assert caught.value.next == "ferry lock"
    assert "ferry.lock:1: the file: found no version of Python; allowed: what `ferry lock` writes" in caught.value.why


def test_a_lock_that_cannot_be_read_does_not_stand_in_the_way_of_its_replacement(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("<<<<<<< HEAD")
    assert pinned_before(tmp_path) == Lock()
    (tmp_path / FILE).write_text(render(Lock(python="3.13.5")))
    assert pinned_before(tmp_path) == Lock(python="3.13.5")


# The generated files.


@pytest.mark.req("B-01")
def test_the_dockerfile_in_the_repository_is_the_one_that_is_generated() -> None:
    files = generate.generated(reading.load(ROOT / "ferry.toml"), load(ROOT))
    assert [*files] == ["src/lambdas/sse_streaming/Dockerfile"]
    assert generate.stale(files, ROOT) == (), "run: ferry generate"
    generate.check(files, ROOT)


def test_each_image_with_a_recipe_has_its_dockerfile_beside_its_lock() -> None:
    files = generate.generated(config(), Lock(images={SLIM: D1}))
    assert [*files] == ["Dockerfile", "twin/Dockerfile"]
    assert all(f"FROM --platform=linux/amd64 {SLIM}@{D1}\n" in text for text in files.values())


def test_an_image_with_a_dockerfile_of_its_own_gets_none() -> None:
    app = config().artifacts["app"]
    assert isinstance(app, ImageArtifact)
    own = replace(app, recipe=None, dockerfile="Dockerfile", inputs=("app",))
    assert generate.generated(replace(CONFIG, artifacts={"app": own}), Lock()) == {}


def test_two_images_cannot_have_one_dockerfile() -> None:
    app = config().artifacts["app"]
    with pytest.raises(BuildFailed, match="same Dockerfile") as caught:
        generate.generated(replace(CONFIG, artifacts={"app": app, "again": app}), Lock())
    assert caught.value.where == "Dockerfile"


@pytest.mark.parametrize(
    ("there", "line", "found"),
    [
        (None, 1, "no text that can be read"),
        (b"\xff", 1, "no text that can be read"),
        (b"one\ntwo", 3, "another text"),
        (b"one\n2\nthree\n", 2, "another text"),
        (b"one\r\ntwo\r\nthree\r\n", 1, "another text"),
    ],
)
def test_a_file_that_is_not_as_it_must_be_is_refused_at_its_line(
    tmp_path: Path, there: bytes | None, line: int, found: str
) -> None:
    if there is not None:
        (tmp_path / "Dockerfile").write_bytes(there)
    (tmp_path / "good").write_text("good\n")
    files = {"good": "good\n", "Dockerfile": "one\ntwo\nthree\n"}
    assert generate.stale(files, tmp_path) == ("Dockerfile",)
    with pytest.raises(ConfigError) as caught:
        generate.check(files, tmp_path)
    assert [(it.file, it.line, it.found) for it in caught.value.mistakes] == [("Dockerfile", line, found)]
    assert caught.value.next == "ferry generate"
