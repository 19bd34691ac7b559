"""Who has the layers of an image that this machine has not: the base's own registry, and the cache repository."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ferry.errors import BuildFailed, InternalError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from ferry.outside.blobs import Blob, Store
    from ferry.outside.registry import Registry
    from ferry.verbs.build import BuiltImage

type Shop = tuple[Registry, str]
"""A registry and a repository in it."""


@dataclass(frozen=True, slots=True)
class Lenders:
    """Each layer by its digest."""

    shops: Mapping[str, Shop]

    async def path(self, blob: Blob, store: Store) -> Path:
        """Where the layer is on this machine, brought here if it was not."""
        if blob.path:
            return blob.path
        if blob.digest not in self.shops:
            raise BuildFailed(
                "a layer of the image is not on this machine",
                where=blob.digest,
                why="the dependencies were found published, and this call does not know where",
                next="build without looking at an environment: everything is made here then",
            )
        registry, repository = self.shops[blob.digest]
        brought = await registry.download(repository, blob.digest, store)
        if brought.path is None:
            raise InternalError("a layer was downloaded to nowhere", where=blob.digest)
        return brought.path


@asynccontextmanager
async def lenders(built: BuiltImage, cache: Shop | None) -> AsyncIterator[Lenders]:
    """`cache` is where dependencies are kept; None where nobody looked."""
    shops: dict[str, Shop] = {}
    if built.dependencies and cache:
        shops[built.dependencies.blob.digest] = cache
    async with AsyncExitStack() as stack:
        if built.base and built.open_base:
            registry = await stack.enter_async_context(built.open_base())
            shops |= {blob.digest: (registry, built.base.repository) for blob in built.base.layers}
        yield Lenders(shops)
