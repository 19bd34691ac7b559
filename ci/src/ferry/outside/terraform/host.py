"""Terraform as a process on this machine."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from ferry import tfplan
from ferry.errors import ToolError
from ferry.outside import processes
from ferry.outside.aws.access import without_aws
from ferry.outside.terraform import PLAN_FILE, mirror, words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ferry.outside.aws import Access
    from ferry.tfplan import Plan

LEFT_OUT = shutil.ignore_patterns(
    ".terraform", "*.tfstate*", "*.tfplan", words.INPUTS_FILE, words.IMPORTS_FILE, words.OVERRIDE_FILE
)


class HostTerraform:
    def __init__(self, root: Path, work: Path, access: Access) -> None:
        if not root.is_dir():
            raise ToolError("the Terraform root does not exist", where=str(root), next="mend infrastructure.root")
        self._program = processes.find("terraform", next="install terraform 1.11 or newer, and put it on PATH")
        self._work = work
        shutil.copytree(root, work, ignore=LEFT_OUT)
        config = work.with_suffix(".tfrc")
        found = mirror.find()
        config.write_text(mirror.cli_config(found, mirror.providers(found) if found else ()))
        self._environment = {
            **{name: value for name, value in without_aws().items() if not words.STEERING.fullmatch(name)},
            **words.ENVIRONMENT,
            **access.environment(),
            "TF_CLI_CONFIG_FILE": str(config),
        }

    async def write(self, name: str, text: str) -> None:
        (self._work / name).write_text(text)

    async def init(self, backend: Mapping[str, str]) -> None:
        words.check_version(await self._run(*words.VERSION))
        await self._run(*words.init(backend, locked=(self._work / words.LOCK_FILE).is_file()))

    async def plan(self, variables: str) -> Plan:
        await self._run(*words.plan(PLAN_FILE, variables))
        return tfplan.read(await self._run(*words.show(PLAN_FILE)))

    async def apply(self, say: Callable[[str], None]) -> None:
        await self._run(*words.apply(PLAN_FILE), say=words.only_progress(say))

    async def outputs(self) -> Mapping[str, Any]:
        return words.outputs(await self._run(*words.OUTPUTS))

    async def _run(self, *args: str, say: Callable[[str], None] | None = None) -> str:
        done = await processes.run([self._program, *args], cwd=self._work, env=self._environment, on_line=say)
        if done.code != 0:
            raise words.failed(args[0], done.code, done.err)
        return done.out
