"""Terraform as a process on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread

from ferry import tfdrift, tfplan
from ferry.errors import FerryError, ToolError
from ferry.outside import machine, processes
from ferry.outside.aws.access import without_aws
from ferry.outside.terraform import PLAN_FILE, failure, lock, mirror, rescue, saved, sources, words
from ferry.outside.terraform.listener import Listener, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from ferry.outside.aws import Access
    from ferry.outside.processes import Done
    from ferry.outside.terraform.lock import Holder
    from ferry.outside.terraform.rescue import Rescued
    from ferry.outside.terraform.saved import Saved
    from ferry.tfdrift import Refreshed
    from ferry.tfplan import Plan

RESCUED = Path(".ferry/rescued/state")


class HostTerraform:
    """`rescued` is where a state is kept that cannot be written: a folder, and how the file's name begins."""

    def __init__(
        self, root: Path, work: Path, access: Access, *, rescued: Path = RESCUED, parallelism: int | None = None
    ) -> None:
        if not root.is_dir():
            raise ToolError("the Terraform root does not exist", where=str(root), next="mend infrastructure.root")
        self._program = processes.find("terraform", next="install terraform 1.11 or newer, and put it on PATH")
        self._root, self._rescued, self._access = root.absolute(), rescued.absolute(), access
        self._backend: Mapping[str, str] = {}
        self._version = ""
        found = mirror.find()
        self.folder = sources.copied(root, work)
        config = work.with_suffix(".tfrc")
        config.write_text(mirror.cli_config(found, mirror.providers(found) if found else ()))
        self.environment = {
            **words.HASTE,
            **{name: value for name, value in without_aws().items() if not words.STEERING.fullmatch(name)},
            **words.ENVIRONMENT,
            **words.parallel(parallelism),
            **access.environment(),
            "TF_CLI_CONFIG_FILE": str(config),
            machine.MARK: machine.where(),
        }

    async def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    async def init(self, backend: Mapping[str, str]) -> None:
        for left in (words.IMPORTS_FILE, PLAN_FILE):
            (self.folder / left).unlink(missing_ok=True)
        await self._known()
        self._backend = dict(backend)
        await self._events(*words.init(backend, locked=(self.folder / words.LOCK_FILE).is_file()))

    async def plan(self, variables: str) -> Plan:
        code = await self._events(*words.plan(PLAN_FILE, variables), made=(words.NO_CHANGES, words.CHANGES))
        standing = saved.standing(self.folder / PLAN_FILE) if code == words.NO_CHANGES else None
        return standing or tfplan.read(await self._run(*words.show(PLAN_FILE)))

    async def drift(self, variables: str) -> Refreshed:
        await self._events(*words.drift(PLAN_FILE, variables))
        return tfdrift.read(await self._run(*words.show(PLAN_FILE)))

    async def saved(self) -> Saved:
        return saved.identity(self.folder / PLAN_FILE, self.folder / words.LOCK_FILE, await self._known())

    async def apply(self, saved: Saved, say: Callable[[str], None]) -> Mapping[str, float]:
        failure.unchanged(saved, await self.saved())
        listener = Listener(say)
        try:
            await self._listened(listener, *words.apply(PLAN_FILE), say=say, record=self.folder / "ferry-apply")
        except FerryError as error:
            self._settled(error, await self._rescue(say))
        except BaseException:
            with anyio.CancelScope(shield=True):  # who stops us does not wait for long
                outcome = await self._rescue(say, pauses=(0,))
            if outcome and outcome.kept:
                say(f"to write the state: {self._push_command(outcome.kept)}")
            raise
        return listener.seconds

    async def outputs(self) -> Mapping[str, Any]:
        return words.outputs(await self._run(*words.OUTPUTS))

    async def lock_holder(self) -> Holder | None:
        return await to_thread.run_sync(lock.holder, self._access, self._backend)

    async def release(self, id: str) -> None:
        await self._run(*words.force_unlock(id))

    async def _known(self) -> str:
        """The version, asked for once: each start of terraform costs what a call of AWS does, and more."""
        self._version = self._version or words.version(await self._run(*words.VERSION))
        return self._version

    async def _rescue(self, say: Callable[[str], None], pauses: Sequence[float] = rescue.PAUSES) -> Rescued | None:
        errored = self.folder / words.ERRORED_FILE
        if not errored.exists():
            return None
        return await rescue.rescued(errored, self._rescued, self._push, say, pauses=pauses)

    async def _push(self) -> tuple[int, str]:
        done = await self._process(*words.push(words.ERRORED_FILE))
        return done.code, done.err

    def _settled(self, error: FerryError, outcome: Rescued | None) -> None:
        """An apply whose only trouble was the state, which is written by now, is done."""
        if outcome is None:
            raise error
        told = failure.of(error)
        if outcome.kept:
            raise failure.state_kept(told, outcome.kept, outcome.why, self._push_command(outcome.kept))
        if others := [one for one in told if one.kind is not failure.Kind.STATE_LOST]:
            raise failure.raised("apply", others)

    def _push_command(self, kept: Path) -> str:
        return rescue.command(self._root, self._backend, kept)

    async def _run(self, *args: str) -> str:
        done = await self._process(*args)
        if done.code != 0:
            raise words.failed(args[0], done.code, done.err)
        return done.out

    async def _events(self, *args: str, made: Collection[int] = (0,)) -> int:
        return await self._listened(Listener(), *args, made=made)

    async def _listened(
        self,
        listener: Listener,
        *args: str,
        made: Collection[int] = (0,),
        say: Callable[[str], None] = silent,
        record: Path | None = None,
    ) -> int:
        """How it ended: with one of the codes of what was made as it should."""
        done = await processes.run(
            [self._program, *args],
            cwd=self.folder,
            env=self.environment | words.EARLY,
            on_line=listener.line,
            on_err=listener.log,
            say=say,
            record=record,
        )
        if done.code not in made:
            raise listener.error(args[0], done.code, done.err)
        return done.code

    async def _process(self, *args: str) -> Done:
        return await processes.run([self._program, *args], cwd=self.folder, env=self.environment)
