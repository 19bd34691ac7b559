"""The builder for machines without a container engine: locked wheels by uv, the application by copying."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ferry.errors import BuildFailed
from ferry.outside import builder, processes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ferry.config import Recipe


class HostBuilder:
    """`work` is a folder of this builder's own."""

    def __init__(self, source: Path, work: Path) -> None:
        self._source = source
        self._work = work

    async def base(self, recipe: Recipe) -> None:
        """A rehearsal runs on this machine's Python: pulling the base would be for nothing."""

    async def dependencies(self, lock: str) -> Path:
        target = self._folder("dependencies")
        file = self._source / lock
        if not file.is_file():
            raise BuildFailed("the lock file does not exist", where=lock, next="uv pip compile --generate-hashes")
        # `uv run` names itself in UV; elsewhere it is on PATH.
        uv = os.environ.get("UV") or processes.find("uv", next="install uv, or start ferry through make")
        # Compiling would be for nothing (see `tidy`), and uv has no option against this variable.
        environment = {name: value for name, value in os.environ.items() if name != "UV_COMPILE_BYTECODE"}
        done = await processes.run([uv, *builder.install(str(target), str(file))], env=environment)
        if done.code != 0:
            raise builder.not_installed(lock, done.err)
        builder.tidy(target)
        return target

    async def application(self, source: Sequence[str]) -> Path:
        target = self._folder("application")
        builder.copy_application(self._source, source, target)
        return target

    def _folder(self, name: str) -> Path:
        self._work.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self._work))
