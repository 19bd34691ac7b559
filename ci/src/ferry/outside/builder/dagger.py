"""The builder under Dagger: dependencies are installed in a container, which the engine caches."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import dagger
from dagger import dag

from ferry.outside import builder
from ferry.outside.registry import external

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ferry.config import Recipe
    from ferry.outside.builder.assemble import Image

UV = "uv==0.13.8"
CACHE = "/var/cache/uv"


def with_uv(python: str) -> dagger.Container:
    """A Python image with uv in it, and what uv has fetched before."""
    return (
        dag.container()
        .from_(python)
        .with_exec(["pip", "install", "--quiet", "--no-cache-dir", "--root-user-action=ignore", UV])
        .with_env_variable("UV_CACHE_DIR", CACHE)
        .with_mounted_cache(CACHE, dag.cache_volume("ferry-uv"))
    )


class DaggerBuilder:
    """`python` is the image that dependencies are installed with; `mirror` is where base images are pulled from."""

    def __init__(self, source: dagger.Directory, *, python: str, mirror: str) -> None:
        self._source = source
        self._python = python
        self._mirror = mirror

    async def base(self, recipe: Recipe) -> Image | None:
        return await external.pull(recipe.base, mirror=self._mirror)

    async def dependencies(self, lock: str) -> Path:
        # Nothing here depends on the call: the same lock is the same layer, for as long as the engine keeps it.
        installed = (
            with_uv(self._python)
            .with_file("/requirements.lock", self._source.file(lock))
            .with_exec(["uv", *builder.install("/out", "/requirements.lock")], expect=dagger.ReturnType.ANY)
        )
        if await installed.exit_code() != 0:
            raise builder.not_installed(lock, await installed.stderr())
        target = _folder("dependencies")
        await installed.directory("/out").export(str(target))
        builder.tidy(target)
        return target

    async def application(self, source: Sequence[str]) -> Path:
        root, target = _folder("source"), _folder("application")
        await dag.directory().with_directory("/", self._source, include=[f"{it}/**" for it in source]).export(str(root))
        builder.copy_application(root, source, target)
        return target


def _folder(name: str) -> Path:
    """A folder of this call's own; it goes with the function's container."""
    return Path(tempfile.mkdtemp(prefix=f"{name}-"))
