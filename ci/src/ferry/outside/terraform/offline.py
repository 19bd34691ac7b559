"""Terraform without an account: a root is prepared once, then planned for each environment with what is made up."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ferry.errors import ToolError
from ferry.outside import processes
from ferry.outside.aws.access import without_aws
from ferry.outside.terraform import blocks, made_up, mirror, sources, words
from ferry.outside.terraform.blocks import Module
from ferry.outside.terraform.listener import Listener

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ferry.errors import FerryError
    from ferry.outside.processes import Done

NOBODY = {"AWS_EC2_METADATA_DISABLED": "true"}
"""A provider that could not be replaced finds no credentials here, and is told so at once."""
RECORD = Path(".terraform/modules/modules.json")
READ = (".tf", ".tf.json")


class Offline(Protocol):
    """A copy of the Terraform root that no state and no account belongs to."""

    async def write(self, name: str, text: str) -> None:
        """`name` is a path from the root."""
        ...

    async def init(self) -> None: ...

    async def modules(self) -> tuple[Module, ...]:
        """The root, and every module that it calls."""
        ...

    async def schemas(self) -> str: ...

    async def planned(self, environment: str, variables: Sequence[str]) -> str:
        """What `terraform test` says of this environment's test."""
        ...


class HostOffline:
    def __init__(self, root: Path, work: Path) -> None:
        if not root.is_dir():
            raise ToolError("the Terraform root does not exist", where=str(root), next="mend infrastructure.root")
        self._program = processes.find("terraform", next="install terraform 1.11 or newer, and put it on PATH")
        found = mirror.find()
        self.folder = sources.copied(root, work)
        config = work.with_suffix(".tfrc")
        config.write_text(mirror.cli_config(found, mirror.providers(found) if found else ()))
        kept = {name: value for name, value in without_aws().items() if not words.STEERING.fullmatch(name)}
        self._environment = kept | words.ENVIRONMENT | NOBODY | {"TF_CLI_CONFIG_FILE": str(config)}

    async def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    async def init(self) -> None:
        for own in (path for pattern in made_up.TESTS for path in self.folder.glob(pattern)):
            own.unlink()
        words.version((await self._run(*words.VERSION)).out)
        await self._run(*made_up.init(locked=(self.folder / words.LOCK_FILE).is_file()))

    async def modules(self) -> tuple[Module, ...]:
        record = self.folder / RECORD
        found = blocks.folders(record.read_text() if record.is_file() else "")
        return tuple(Module(key=key, folder=folder, files=self._files(folder)) for key, folder in found.items())

    def _files(self, folder: str) -> dict[str, str]:
        paths = sorted(Path(os.path.normpath(self.folder / folder)).iterdir())
        return {path.name: path.read_text(errors="replace") for path in paths if path.name.endswith(READ)}

    async def schemas(self) -> str:
        return (await self._run(*made_up.SCHEMAS)).out

    async def planned(self, environment: str, variables: Sequence[str]) -> str:
        return (await self._run(*made_up.test(environment, variables))).out

    async def _run(self, *args: str) -> Done:
        """What it says of errors is among its events, or on stderr."""
        done = await processes.run([self._program, *args], cwd=self.folder, env=self._environment)
        if done.code != 0:
            raise failed(args, done.out, done.err, done.code)
        return done


def failed(args: Sequence[str], out: str, err: str, code: int) -> FerryError:
    listener = Listener()
    for line in out.splitlines():
        listener.line(line)
    return listener.error(args[0], code, err)
