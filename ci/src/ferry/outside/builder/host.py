"""The builder for machines without a container engine: locked wheels by uv, the application by copying."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ferry.errors import BuildFailed
from ferry.outside import builder, processes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# An index that does not answer is told of within 30 seconds: three times this, and uv's pauses between.
PATIENCE = {"UV_HTTP_TIMEOUT": "7", "UV_HTTP_CONNECT_TIMEOUT": "7", "UV_HTTP_RETRIES": "2"}
# Compiling is ours, and these are the words that uv has no option against.
NOT_OURS = frozenset({"UV_COMPILE_BYTECODE", "UV_NO_INSTALLER_METADATA"})


class HostBuilder:
    """`work` is a folder of this builder's own. `python` is the version whose bytecode is wanted, this one's if empty.

    Where this machine does not have it, this one's is made: `compiler` says so.
    """

    def __init__(self, source: Path, work: Path, python: str = "") -> None:
        self._source = source
        self._work = work
        self._python = python
        self._found: tuple[str, str] | None = None

    async def compiler(self) -> str:
        return (await self._interpreter())[0]

    async def tree(self, paths: Sequence[str]) -> Path:
        builder.refuse_missing(self._source, paths)
        return self._source

    async def dependencies(self, lock: str) -> Path:
        file = self._source / lock
        if not file.is_file():
            raise BuildFailed("the lock file does not exist", where=lock, next="uv pip compile --generate-hashes")
        target = self._folder("dependencies")
        # Nothing is written into a file that uv has put there, so its cache may share them: a copy costs as much again.
        words = builder.install(str(target), str(file), link="clone")
        done = await processes.run([_uv(), *words], env=_environment(os.environ))
        if done.code != 0:
            raise builder.not_installed(lock, done.err)
        builder.tidy(target)
        await self._compile(target, lock)
        return target

    async def application(self, source: Sequence[str]) -> Path:
        target = self._folder("application")
        builder.copy_application(self._source, source, target)
        await self._compile(target, ", ".join(source))
        return target

    async def dockerfile(self, dockerfile: str, inputs: Sequence[str]) -> Path:  # noqa: ARG002 - the engine's
        raise BuildFailed(
            "an artifact with a Dockerfile of its own needs a Dagger engine",
            where=dockerfile,
            why="this machine's own tools install wheels and copy files; they do not run a Dockerfile's steps",
            next="dagger call build",
        )

    async def _compile(self, folder: Path, where: str) -> None:
        _, python = await self._interpreter()
        done = await processes.run([python, str(builder.BYTECODE), str(folder)])
        if done.code != 0:
            raise builder.not_compiled(where, done.err)

    async def _interpreter(self) -> tuple[str, str]:
        """Its version and its path; looked for once."""
        if self._found is None:
            self._found = platform.python_version(), sys.executable
            if self._python not in ("", self._found[0]):
                # It is not fetched: that is a step of the user's (`uv python install`).
                done = await processes.run(
                    [_uv(), "python", "find", "--no-project", f"cpython@{self._python}"],
                    env=_environment(os.environ) | {"UV_PYTHON_DOWNLOADS": "never"},
                )
                if done.code == 0:
                    self._found = self._python, done.out.strip()
        return self._found

    def _folder(self, name: str) -> Path:
        try:
            self._work.mkdir(parents=True, exist_ok=True)
            return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self._work))
        except OSError as error:
            raise BuildFailed(
                "there is no place to build in",
                where=str(self._work),
                why=error.strerror or str(error),
                next="give Ferry another folder, then run the same command again",
            ) from error


def _uv() -> str:
    # `uv run` names itself in UV; elsewhere it is on PATH.
    return os.environ.get("UV") or processes.find("uv", next="install uv, or start ferry through make")


def _environment(said: Mapping[str, str]) -> dict[str, str]:
    return PATIENCE | {name: value for name, value in said.items() if name not in NOT_OURS}
