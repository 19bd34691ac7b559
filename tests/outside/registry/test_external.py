from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from ferry.errors import RegistryDenied, RegistryRefused, RegistryUnavailable, UsageError
from ferry.outside.blobs import Store
from ferry.outside.registry import external
from ferry.outside.registry.external import Externals
from tests.outside.registry.local_registry import LocalRegistry, at_once, nobody, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SLIM = "python:3.13-slim"
HUBS = "library/python"
GONE = f"sha256:{'a' * 64}"


@pytest.fixture
def registry() -> Iterator[LocalRegistry]:
    with serving() as registry:
        yield registry


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("python", ("registry-1.docker.io", "library/python", "latest")),
        ("python:3.13-slim", ("registry-1.docker.io", "library/python", "3.13-slim")),
        ("grafana/k6:1.0", ("registry-1.docker.io", "grafana/k6", "1.0")),
        ("docker.io/python:3.13", ("registry-1.docker.io", "library/python", "3.13")),
        ("index.docker.io/grafana/k6:1.0", ("registry-1.docker.io", "grafana/k6", "1.0")),
        ("public.ecr.aws/awsguru/adapter:0.9.1", ("public.ecr.aws", "awsguru/adapter", "0.9.1")),
        ("localhost:5000/app:1", ("localhost:5000", "app", "1")),
        ("localhost/app", ("localhost", "app", "latest")),
        (f"python:3.13@sha256:{'a' * 64}", ("registry-1.docker.io", "library/python", f"sha256:{'a' * 64}")),
    ],
)
def test_a_name_means_what_people_mean_by_it(name: str, parts: tuple[str, str, str]) -> None:
    assert external.parse(name) == parts


@pytest.mark.anyio
async def test_what_is_not_pinned_is_what_its_registry_says_now(registry: LocalRegistry) -> None:
    ours = registry.image(HUBS)
    index = registry.index(HUBS, "3.13-slim", ours)
    externals = Externals({}, registry.url)
    assert not externals.pinned(SLIM)
    assert await externals.digest(SLIM) == index
    image = await externals.base(SLIM)
    assert image
    assert (image.digest, image.registry, image.repository) == (ours, "registry-1.docker.io", HUBS)


@pytest.mark.anyio
async def test_what_is_pinned_stays_while_its_tag_moves(registry: LocalRegistry) -> None:
    old = registry.image(HUBS, "3.13-slim", content="old")
    new = registry.image(HUBS, "3.13-slim", content="new")
    externals = Externals({SLIM: old}, registry.url)
    assert externals.pinned(SLIM)
    assert (await externals.image(SLIM)).digest == old
    assert (await Externals({}, registry.url).image(SLIM)).digest == new


@pytest.mark.anyio
@pytest.mark.req("B-08")
async def test_a_pin_is_known_without_asking_anyone(registry: LocalRegistry) -> None:
    exact = f"{SLIM}@{GONE}"
    externals = Externals({SLIM: GONE}, registry.url)
    assert externals.pinned(exact)
    assert [await externals.digest(SLIM), await externals.digest(exact)] == [GONE, GONE]
    assert registry.asked == []


@pytest.mark.anyio
async def test_the_name_itself_is_above_the_lock(registry: LocalRegistry) -> None:
    ours = registry.image(HUBS)
    assert (await Externals({}, registry.url).image(f"{SLIM}@{ours}")).digest == ours


@pytest.mark.anyio
async def test_each_name_is_asked_for_once_a_run(registry: LocalRegistry) -> None:
    registry.image(HUBS, "3.13-slim")
    externals = Externals({}, registry.url)
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(externals.digest, SLIM)
            group.start_soon(externals.image, SLIM)
    assert len(registry.asked) == len(set(registry.asked)) == 3, "the tag, the manifest, the config"


@pytest.mark.anyio
@pytest.mark.parametrize("pin", [{}, {SLIM: GONE}], ids=["by tag", "pinned"])
async def test_where_no_registry_answers_there_is_no_image(pin: dict[str, str]) -> None:
    externals = Externals(pin, nobody(), pause=at_once)
    assert await externals.digest(SLIM) == pin.get(SLIM)
    assert await externals.base(SLIM) is None
    with pytest.raises(RegistryUnavailable, match="cannot be reached"):
        await externals.image(SLIM)


@pytest.mark.anyio
@pytest.mark.req("B-11")
async def test_nobody_waits_twice_for_a_registry_that_is_down(registry: LocalRegistry) -> None:
    registry.down = True
    waited: list[float] = []

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    externals = Externals({}, registry.url, pause=pause)
    assert await externals.digest(SLIM) is None
    before = len(waited), len(registry.asked)
    assert await externals.digest("python:3.14-slim") is None
    assert (len(waited), len(registry.asked)) == before
    assert sum(waited) < 30


@pytest.mark.anyio
@pytest.mark.parametrize("pin", [{}, {SLIM: GONE}], ids=["by tag", "pinned"])
async def test_offline_nobody_is_asked_and_nothing_is_known(registry: LocalRegistry, pin: dict[str, str]) -> None:
    externals = Externals(pin, registry.url, offline=True)
    assert await externals.digest(SLIM) is None
    assert await externals.base(SLIM) is None
    with pytest.raises(RegistryUnavailable, match="no registry may be asked"):
        await externals.image(SLIM)
    assert registry.asked == []


@pytest.mark.anyio
@pytest.mark.req("B-11")
@pytest.mark.parametrize(
    ("name", "next"),
    [(SLIM, "pin what the name stands for now: ferry lock"), (f"{SLIM}@{GONE}", "name a digest that is there")],
    ids=["by ferry.lock", "in ferry.toml"],
)
async def test_a_pinned_image_that_is_gone_has_an_error_of_its_own(
    registry: LocalRegistry, name: str, next: str
) -> None:
    registry.image(HUBS, "3.13-slim")
    with pytest.raises(RegistryRefused, match="is gone") as caught:
        await Externals({SLIM: GONE}, registry.url).image(name)
    assert caught.value.where.startswith(f"{name}, pinned")
    assert caught.value.why == f"registry-1.docker.io has no {GONE}"
    assert caught.value.next.startswith(next)


@pytest.mark.anyio
async def test_a_pin_to_something_else_than_an_image_of_ours_is_refused_as_that(registry: LocalRegistry) -> None:
    registry.index(HUBS, "3.13-slim", ours := registry.image(HUBS))
    registry.forget(HUBS, ours)
    arm_only = registry.index(HUBS, "arm", GONE)
    with pytest.raises(RegistryRefused) as caught:
        await Externals({SLIM: arm_only}, registry.url).image(SLIM)
    assert "is gone: its registry" not in caught.value.what


@pytest.mark.anyio
async def test_a_name_that_stands_for_nothing_is_a_mistake_in_the_configuration(registry: LocalRegistry) -> None:
    with pytest.raises(RegistryRefused, match="does not exist") as caught:
        await Externals({}, registry.url).digest(SLIM)
    assert caught.value.where == f"{SLIM}, through {registry.url}"
    assert caught.value.next == "mend its name in ferry.toml"


@pytest.mark.anyio
async def test_the_blobs_of_an_image_are_where_it_was_found(registry: LocalRegistry, tmp_path: Path) -> None:
    registry.image(HUBS, "3.13-slim", content="layer")
    externals = Externals({}, registry.url)
    image = await externals.image(SLIM)
    async with externals.open(image) as opened:
        blob = await opened.download(image.repository, image.layers[0].digest, Store(tmp_path))
    assert blob.path
    assert blob.path.read_bytes() == b"layer"


@pytest.mark.anyio
async def test_a_mirror_is_asked_directly_whatever_proxy_the_machine_has(
    registry: LocalRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    registry.image(HUBS, "3.13-slim")
    assert await Externals({}, registry.url).base(SLIM)


@pytest.mark.anyio
async def test_one_mirror_that_is_down_is_down_for_all_registries(registry: LocalRegistry) -> None:
    registry.down = True
    externals = Externals({}, registry.url, pause=at_once)
    assert await externals.digest(SLIM) is None
    before = len(registry.asked)
    assert await externals.digest("public.ecr.aws/awsguru/adapter:0.9.1") is None
    assert len(registry.asked) == before


@pytest.mark.anyio
async def test_who_is_not_let_in_reads_that_nobody_logs_in(registry: LocalRegistry) -> None:
    registry.refuses = 401
    with pytest.raises(RegistryDenied) as caught:
        await Externals({}, registry.url).digest(SLIM)
    assert "without a login" in caught.value.next
    assert "aws" not in caught.value.next, "our own registry's advice"


@pytest.mark.parametrize(
    "mirror",
    ["nonsense", "registry:5000", "ftp://there", "http://", "http://[::1", "http://a:99999", "http://me:hunter2@there"],
)
def test_a_mirror_is_an_address(mirror: str) -> None:
    with pytest.raises(UsageError) as caught:
        Externals({}, mirror)
    assert "hunter2" not in f"{caught.value} {caught.value.where} {caught.value.why}"
