"""The builder under Dagger: what takes time is done in containers, which the engine caches."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import dagger
from dagger import dag

from ferry.errors import BuildFailed
from ferry.outside import builder

if TYPE_CHECKING:
    from collections.abc import Sequence

UV = "uv==0.13.8"
CACHE = "/var/cache/uv"
SCRIPT = "/bytecode.py"
BYTECODE = "src/ferry/outside/builder/bytecode.py"
"""Where the script lies in the module. Its text would be in every log that shows what the engine is told."""
VERSION = ("python", "-c", "import platform; print(platform.python_version())")


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
    """`python` is the image whose interpreter installs and compiles."""

    def __init__(self, source: dagger.Directory, *, python: str) -> None:
        self._source = source
        self._python = python

    async def compiler(self) -> str:
        return (await dag.container().from_(self._python).with_exec([*VERSION]).stdout()).strip()

    async def tree(self, paths: Sequence[str]) -> Path:
        root = _folder("tree")
        await self._only(paths).export(str(root))
        builder.refuse_missing(root, paths)
        return root

    async def dependencies(self, lock: str) -> Path:
        # Nothing here depends on the call: the same lock is the same layer, for as long as the engine keeps it.
        installed = (
            with_uv(self._python)
            .with_file("/requirements.lock", self._source.file(lock))
            .with_exec(["uv", *builder.install("/out", "/requirements.lock")], expect=dagger.ReturnType.ANY)
        )
        if await installed.exit_code() != 0:
            raise builder.not_installed(lock, await installed.stderr())
        tidy = dag.directory().with_directory("/", installed.directory("/out"), exclude=[*builder.UNTIDY])
        return await self._compiled(tidy, lock)

    async def application(self, source: Sequence[str]) -> Path:
        # Copied here, as on the host: an engine keeps links that a copy follows.
        target = _folder("application", here=True)
        builder.copy_application(await self.tree(source), source, target)
        return await self._compiled(dag.current_module().workdir(target.name), ", ".join(source))

    async def dockerfile(self, dockerfile: str, inputs: Sequence[str]) -> Path:
        context = self._only((dockerfile, *inputs))
        image = context.docker_build(dockerfile=dockerfile, platform=dagger.Platform("linux/amd64"))
        target = _folder("image") / "image.tar"
        try:
            # Compressed it is when it is the same everywhere.
            await image.as_tarball(
                forced_compression=dagger.ImageLayerCompression.Uncompressed,
                media_types=dagger.ImageMediaTypes.OCIMediaTypes,
            ).export(str(target))
        except dagger.ExecError as error:
            said = builder.last(error.stderr or error.stdout)
            raise BuildFailed(
                "a step of the Dockerfile fails",
                where=dockerfile,
                why=f"{' '.join(error.command)} ended with {error.exit_code}\n{said}".strip(),
                next="mend the step; `docker build` shows the same",
            ) from error
        return target

    async def _compiled(self, folder: dagger.Directory, what: str) -> Path:
        done = (
            dag.container()
            .from_(self._python)
            .with_file(SCRIPT, dag.current_module().source().file(BYTECODE))
            .with_directory("/out", folder)
            .with_exec(["python", SCRIPT, "/out"], expect=dagger.ReturnType.ANY)
        )
        if await done.exit_code() != 0:
            raise builder.not_compiled(what, await done.stderr())
        target = _folder("compiled")
        await done.directory("/out").export(str(target))
        return target

    def _only(self, paths: Sequence[str]) -> dagger.Directory:
        """A folder's name stands for all that is in it."""
        include = [pattern for path in paths for pattern in (path, f"{path}/**")]
        return dag.directory().with_directory("/", self._source, include=include)


def _folder(name: str, *, here: bool = False) -> Path:
    """A folder of this call's own, which goes with the function's container. The engine reads from `here` alone."""
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=Path.cwd() if here else None))
