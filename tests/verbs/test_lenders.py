from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ferry.errors import BuildFailed, RegistryRefused
from ferry.outside.blobs import Blob, Store, digest_of
from ferry.verbs.lenders import lenders
from tests.verbs.fakes import CONFIG, Machine, World

if TYPE_CHECKING:
    from pathlib import Path

    from ferry.verbs.build import BuiltImage

pytestmark = pytest.mark.anyio


async def on_a_fresh_machine(world: World, place: Path) -> BuiltImage:
    """Neither the base's layers nor the dependencies are on it."""
    await Machine(place / "one").release(world)
    fresh = Machine(place / "two")
    fresh.builder.write(**{"app/__init__.py": "changed"})
    return (await fresh.build(world, CONFIG)).images["app"]


async def test_each_layer_is_brought_from_where_it_is(tmp_path: Path) -> None:
    world, store = World(), Store(tmp_path / "brought")
    image = await on_a_fresh_machine(world, tmp_path)
    assert [blob.path is None for blob in image.image.layers] == [True, True, True, False]
    async with lenders(image, (world.registry.client(), "preprod-app-cache")) as found:
        paths = [await found.path(blob, store) for blob in image.image.layers]
    assert [digest_of(path.read_bytes()) for path in paths] == [blob.digest for blob in image.image.layers]
    assert paths[3] == image.image.layers[3].path
    assert {path.parent for path in paths[:3]} == {store.folder}


async def test_what_was_brought_once_is_not_brought_again(tmp_path: Path) -> None:
    world, store = World(), Store(tmp_path / "brought")
    image = await on_a_fresh_machine(world, tmp_path)
    async with lenders(image, (world.registry.client(), "preprod-app-cache")) as found:
        first = await found.path(image.image.layers[2], store)
        world.forget_requests()
        assert await found.path(image.image.layers[2], store) == first
    assert world.registry.asked == []


async def test_a_layer_that_nobody_is_known_to_have_is_told(tmp_path: Path) -> None:
    image = await on_a_fresh_machine(World(), tmp_path)
    async with lenders(image, None) as found:
        with pytest.raises(BuildFailed, match="a layer of the image is not on this machine") as caught:
            await found.path(image.image.layers[2], Store(tmp_path / "brought"))
    assert caught.value.where == image.image.layers[2].digest


async def test_a_layer_that_has_gone_from_the_cache_is_the_registrys_error(tmp_path: Path) -> None:
    world = World()
    image = await on_a_fresh_machine(world, tmp_path)
    gone = image.image.layers[2]
    del world.registry.blobs[gone.digest]
    async with lenders(image, (world.registry.client(), "preprod-app-cache")) as found:
        with pytest.raises(RegistryRefused):
            await found.path(Blob(gone.digest, gone.size), Store(tmp_path / "brought"))
