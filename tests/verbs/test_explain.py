from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ferry.errors import RecordError
from ferry.report import Report
from ferry.verbs.explain import explain, published, text
from tests.verbs.fakes import APP, CONFIG, JOBS, PREPROD, SLIM, Machine, SmallExternals, World, base_image, config_of

if TYPE_CHECKING:
    from pathlib import Path

    from ferry.config import Config
    from ferry.model import Release

pytestmark = pytest.mark.anyio


async def explained(machine: Machine, last: Release, config: Config = CONFIG) -> dict[str, tuple[str, ...]]:
    return dict(await explain(config, machine.workshop(), last, Report()))


async def test_nothing_changed(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    last = (await machine.build()).release
    machine.builder.history.clear()
    changes = await explained(machine, last)
    assert changes == {"app": (), "jobs": ()}
    assert text(changes) == "nothing changed since the last release"
    assert machine.builder.history == []


async def test_each_input_that_changed_is_said_of_the_artifact_that_it_belongs_to(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    last = (await machine.build()).release
    machine.builder.write(**{"app/__init__.py": "changed", "app/new.py": "", "jobs.lock": "other==2"})
    (machine.builder.source / "jobs/__init__.py").unlink()
    changes = await explained(machine, last)
    assert changes == {
        "app": ("app/__init__.py changed", "app/new.py added"),
        "jobs": ("the lock jobs.lock changed", "jobs/__init__.py removed"),
    }
    assert text(changes | {"jobs": ()}).splitlines() == [
        "app: app/__init__.py changed",
        "app: app/new.py added",
        "jobs: nothing changed",
    ]


async def test_another_base_and_another_python_are_said(tmp_path: Path) -> None:
    one, two = Machine(tmp_path / "one"), Machine(tmp_path / "two", python="3.13.4")
    last = (await one.build()).release
    two.externals.hold(f"library/{SLIM}", base_image(tmp_path / "newer", b"a newer base"))
    changes = await explained(two, last)
    assert changes["jobs"] == ("python: 3.13.5 → 3.13.4",)
    assert changes["app"][0] == "python: 3.13.5 → 3.13.4"
    assert changes["app"][1].startswith(f"base {SLIM}: sha256:")
    stood_in = await explained(Machine(tmp_path / "three", SmallExternals(down=True)), last)
    assert stood_in["app"][0].endswith("→ a stand-in")


async def test_artifacts_come_and_go(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    last = (await machine.build(config=config_of(JOBS))).release
    assert await explained(machine, last, config_of(APP)) == {
        "app": ("it is not in the last release",),
        "jobs": ("ferry.toml does not name it any more",),
    }


async def test_the_last_release_is_the_one_that_was_published_last(tmp_path: Path) -> None:
    world, machine = World(), Machine(tmp_path)
    await machine.release(world)
    machine.builder.write(**{"app/__init__.py": "changed"})
    last = await machine.release(world)
    assert await published(world.shelf(), PREPROD) == last


async def test_where_nothing_was_published_there_is_nothing_to_compare_with() -> None:
    with pytest.raises(RecordError, match="no release to compare with") as caught:
        await published(World().shelf(), PREPROD)
    assert (caught.value.where, caught.value.next) == ("s3://preprod-packages", "ferry publish --env preprod")


async def test_an_environment_without_a_bucket_has_no_last_release() -> None:
    world = World()
    world.bucket.name = ""
    with pytest.raises(RecordError) as caught:
        await published(world.shelf(), replace(PREPROD, packages=""))
    assert (caught.value.where, world.bucket.history) == ("environments.preprod", [])
