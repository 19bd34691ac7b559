"""build, publish, lock and generate, as people and programs call them."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from ferry import cli, model
from ferry.model import Release
from tests.publishing.shop import ROOT, SLIM

if TYPE_CHECKING:
    from awsbox.faults import Switchboard
    from tests.outside.registry.local_registry import LocalRegistry
    from tests.publishing.shop import Shop

RECORD = ROOT / "docs/reference/record.md"
NOTHING: dict[str, list[str]] = {"app": [], "job": []}


def shown(heading: str) -> list[Any]:
    """The JSON below a heading of the page that shows it."""
    section = RECORD.read_text().partition(f"\n## `{heading}`")[2].partition("\n## ")[0]
    return [json.loads(text) for text in re.findall(r"```json\n(.*?)```", section, re.DOTALL)]


@pytest.mark.slow
def test_what_programs_get_is_what_the_page_shows(shop: Shop, hub: LocalRegistry) -> None:
    release, explained = shown("ferry build --json")
    built = shop.ferry("build", "--offline").answer
    assert built.keys() == release.keys()
    assert [it.keys() for it in built["artifacts"]] == [release["artifacts"][0].keys()] * 2
    assert type(shop.ferry("build", "--offline", "--explain").answer["app"]) is type(explained["canary"])
    published, told = shop.publish().answer, shown("ferry publish --json")[0]
    assert published.keys() == told.keys()
    assert published["packages"]["job"].keys() == told["packages"]["canary"].keys()
    locked, generated = shown("ferry lock --json")
    assert shop.ferry("lock", "--mirror", hub.url).answer.keys() == locked.keys()
    assert shop.ferry("generate").answer.keys() == generated.keys()


# build


def test_a_build_prints_the_release_and_keeps_it(shop: Shop) -> None:
    assert cli.run(["build", "--offline", "--source", str(shop.folder)]) == 0
    out, err = shop.capsys.readouterr()
    kept = model.from_json(Release, (shop.folder / ".ferry/release.json").read_text(), where="kept")
    assert out == f"{kept.id}\n"
    assert "✓ Build the image app" in err
    assert "installing" not in err, "the dependencies are in the store"
    again = shop.ferry("build", "--offline")
    assert model.from_json(Release, again.out, where="stdout") == kept
    assert (shop.folder / ".ferry/.gitignore").read_text() == "*\n"


def test_explain_says_what_changed_and_builds_nothing(shop: Shop) -> None:
    assert shop.ferry("build", "--offline").code == 0
    before = (shop.folder / ".ferry/release.json").read_bytes()
    assert shop.ferry("build", "--offline", "--explain").answer == NOTHING
    (shop.folder / "app/main.py").touch()
    assert shop.ferry("build", "--offline", "--explain").answer == NOTHING
    shop.write(**{"app/main.py": "import first # changed\n"})
    assert shop.ferry("build", "--offline", "--explain").answer == NOTHING | {"app": ["app/main.py changed"]}
    shop.write(**{"app.lock": "first==2.0\n"})
    toml = (shop.folder / "ferry.toml").read_text()
    shop.write(**{"ferry.toml": toml.replace('"-m", "app"]', '"-m", "other"]')})
    changed = shop.ferry("build", "--offline", "--explain").answer
    assert set(changed["app"]) == {"app/main.py changed", "the lock app.lock changed", "the recipe changed: command"}
    assert changed["job"] == ["the lock app.lock changed"]
    assert (shop.folder / ".ferry/release.json").read_bytes() == before


def test_explain_needs_a_release_to_compare_with(shop: Shop) -> None:
    ended = shop.ferry("build", "--offline", "--explain")
    assert (ended.code, ended.error["class"]) == (11, "RecordError")
    assert ended.error["next"].startswith("ferry build")
    published = shop.ferry("build", "--offline", "--explain", "--env", "preprod")
    assert published.error["next"] == "ferry publish --env preprod"


# publish


@pytest.mark.req("B-02", "B-06", "B-08")
def test_what_is_published_is_found_and_neither_built_nor_sent_again(shop: Shop, faults: Switchboard) -> None:
    first = shop.publish()
    assert first.code == 0
    assert re.fullmatch(r".+/preprod-.+-app@sha256:[0-9a-f]{64}", first.answer["images"]["app"])
    shutil.rmtree(shop.folder / ".ferry")
    requests = faults.add("slow:*:*:0")
    writes = [faults.add(f"deny:{it}") for it in ("s3:Put*", "ecr:Put*", "ecr:*Upload*", "ecr:Create*")]
    again = shop.publish()
    assert again.answer == first.answer
    assert 0 < requests.hits <= 3
    assert [it.hits for it in writes] == [0, 0, 0, 0]
    assert "Build the" not in again.err
    assert shop.ferry("build", "--offline", "--explain", "--env", "preprod").answer == NOTHING


@pytest.mark.slow
@pytest.mark.req("B-08")
def test_of_a_changed_application_only_its_own_layer_travels(shop: Shop) -> None:
    """From a machine that has nothing of what was built before."""
    shop.publish()
    shutil.rmtree(shop.folder / ".ferry")
    shop.write(**{"app/main.py": "import first # changed\n"})
    ended = shop.publish()
    assert "installing" not in ended.err
    assert "2 blobs, " in ended.err, "the layer and the config"
    assert "1 were there" in ended.err
    assert "✓ Build the zip job · published already" in ended.err


@pytest.mark.slow
@pytest.mark.req("B-02")
def test_what_nobody_committed_gets_no_tag_of_a_commit(shop: Shop) -> None:
    shop.write(**{"app/main.py": "import first # changed\n"})
    shop.publish()
    assert {len(tag) for tag in shop.tags if re.fullmatch("[0-9a-f]+", tag)} == set()
    assert [tag for tag in shop.tags if tag.endswith("-dirty")]


@pytest.mark.slow
def test_outside_a_repository_it_is_published_as_nobodys_commit(shop: Shop) -> None:
    shutil.rmtree(shop.folder / ".git")
    assert shop.publish().code == 0
    assert [tag for tag in shop.tags if tag.endswith("-0000000-dirty")]


# lock, generate


def test_a_lock_is_written_checked_and_used(shop: Shop, hub: LocalRegistry) -> None:
    missing = shop.ferry("lock", "--check")
    assert (missing.code, missing.error["mistakes"][0]["found"]) == (10, "no such file")
    locked = shop.ferry("lock", "--mirror", hub.url)
    digest = hub.image("library/python", env=("PYTHON_VERSION=3.13.5",))
    assert locked.answer == {"python": "3.13.5", "images": {SLIM: digest}}
    assert shop.ferry("lock", "--check").answer == locked.answer
    hub.answers.clear()
    toml = (shop.folder / "ferry.toml").read_text()
    shop.write(**{"ferry.toml": toml.replace(SLIM, "python:3.13-alpine")})
    stale = shop.ferry("lock", "--check")
    assert [it["found"] for it in stale.error["mistakes"]] == [
        "no pin of python:3.13-alpine",
        f"a pin of {SLIM}, which ferry.toml does not name",
    ]
    assert stale.error["next"] == "ferry lock"


def test_a_dockerfile_is_written_and_checked(shop: Shop) -> None:
    assert shop.ferry("generate", "--check").code == 10
    assert shop.ferry("generate").answer == shop.ferry("generate", "--check").answer == {"files": ["Dockerfile"]}
    shop.write(Dockerfile="FROM scratch\n")
    stale = shop.ferry("generate", "--check")
    assert (stale.code, stale.error["next"]) == (10, "ferry generate")
