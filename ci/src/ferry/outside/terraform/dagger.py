"""Terraform in a container. Every step carries a value of its own, so that no layer cache answers for it."""

from __future__ import annotations

import posixpath
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import dagger
from dagger import dag

from ferry import tfdrift, tfplan
from ferry.errors import FerryError
from ferry.outside.terraform import PLAN_FILE, blocks, failure, lock, made_up, mirror, offline, rescue, saved, words
from ferry.outside.terraform.blocks import Module
from ferry.outside.terraform.listener import Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from ferry.outside.terraform.lock import Holder
    from ferry.outside.terraform.saved import Saved
    from ferry.tfdrift import Refreshed
    from ferry.tfplan import Plan

WORK = "/work"
CLI_CONFIG = "/etc/ferry/terraform.rc"
AWS_CONFIG = "/etc/ferry/aws"
CREDENTIALS = "/run/ferry/credentials.json"
PROVIDERS = "/opt/providers"


def folder(root: str) -> str:
    """Where the root module is in the container."""
    return f"{WORK}/{root}"


async def bare(
    image: str,
    source: dagger.Directory,
    *,
    root: str,
    providers: dagger.Directory | None,
    parallelism: int | None = None,
) -> dagger.Container:
    """Terraform in the root module, with Ferry's CLI configuration and nothing of anyone's credentials.

    `root` is where the module lies in the source: what it reaches beside itself has to be there too.
    """
    container = dag.container().from_(image).with_directory(WORK, source).with_workdir(folder(root))
    environment = words.HASTE | words.ENVIRONMENT | words.parallel(parallelism) | {"TF_CLI_CONFIG_FILE": CLI_CONFIG}
    for name, value in environment.items():
        container = container.with_env_variable(name, value)
    if providers is None:
        return container.with_new_file(CLI_CONFIG, mirror.cli_config(None))
    held = mirror.named(await providers.glob(f"{mirror.MARK}/*/*"))
    return container.with_mounted_directory(PROVIDERS, providers).with_new_file(
        CLI_CONFIG, mirror.cli_config(PROVIDERS, held)
    )


def knowing(container: dagger.Container, credentials: dagger.Secret, *, region: str) -> dagger.Container:
    """The same, as a caller of AWS.

    The credentials stay one mounted secret, which the AWS SDK reads as a credential process: no part of them is ever
    in a query or in an environment.
    """
    profile = f"[default]\nregion = {region}\ncredential_process = cat {CREDENTIALS}\n"
    return (
        container.with_mounted_secret(CREDENTIALS, credentials)
        .with_new_file(AWS_CONFIG, profile)
        .with_env_variable("AWS_CONFIG_FILE", AWS_CONFIG)
        .with_env_variable("AWS_REGION", region)
    )


def reaching(container: dagger.Container, service: dagger.Service, port: int) -> dagger.Container:
    """The same, with a stand-in for AWS."""
    return container.with_service_binding("aws", service).with_env_variable("AWS_ENDPOINT_URL", f"http://aws:{port}")


class DaggerTerraform:
    """`container` is the working folder as the last step left it, `folder` where the root lies in it.

    An exec tells what it said when it is over: there is no progress here, and what is cancelled dies of SIGKILL.
    """

    def __init__(self, container: dagger.Container, folder: str) -> None:
        self.container = container
        self._folder = folder
        self._version = ""

    async def write(self, name: str, text: str) -> None:
        self.container = self.container.with_new_file(self._at(name), text)

    async def init(self, backend: Mapping[str, str]) -> None:
        self.container = self.container.without_files([self._at(words.IMPORTS_FILE), self._at(PLAN_FILE)])
        await self._known()
        locked = await self.container.exists(self._at(words.LOCK_FILE))
        await self._listened(Listener(), *words.init(backend, locked=locked))

    async def plan(self, variables: str) -> Plan:
        code = await self._listened(
            Listener(), *words.plan(PLAN_FILE, variables), made=(words.NO_CHANGES, words.CHANGES)
        )
        standing = await self._standing() if code == words.NO_CHANGES else None
        return standing or tfplan.read(await self._run(*words.show(PLAN_FILE)))

    async def drift(self, variables: str) -> Refreshed:
        await self._listened(Listener(), *words.drift(PLAN_FILE, variables))
        return tfdrift.read(await self._run(*words.show(PLAN_FILE)))

    async def saved(self) -> Saved:
        version = await self._known()
        with TemporaryDirectory() as folder:
            plan, lock_file = Path(folder, PLAN_FILE), Path(folder, words.LOCK_FILE)
            await self.container.file(self._at(PLAN_FILE)).export(str(plan))
            if await self.container.exists(self._at(words.LOCK_FILE)):
                await self.container.file(self._at(words.LOCK_FILE)).export(str(lock_file))
            return saved.identity(plan, lock_file, version)

    async def apply(self, saved: Saved, say: Callable[[str], None]) -> Mapping[str, float]:
        failure.unchanged(saved, await self.saved())
        listener = Listener(say)
        try:
            await self._listened(listener, *words.apply(PLAN_FILE))
        except FerryError as error:
            if not await self.container.exists(self._at(words.ERRORED_FILE)):
                raise
            self._settled(error, await rescue.pushed(self._push))
        return listener.seconds

    async def outputs(self) -> Mapping[str, Any]:
        return words.outputs(await self._run(*words.OUTPUTS))

    async def lock_holder(self) -> Holder | None:
        """Terraform names the holder to whoever comes with the wrong id; it is who reaches the state from here."""
        ran = self._exec(*words.force_unlock(words.NOBODYS_LOCK))
        said = await ran.stderr()
        if words.NO_LOCK in said:
            return None
        holder = lock.printed(said)
        if holder is None:
            raise words.failed("force-unlock", await ran.exit_code(), said)
        return holder

    async def release(self, id: str) -> None:
        await self._run(*words.force_unlock(id))

    async def _known(self) -> str:
        """The version, asked for once: the image stays the same one."""
        self._version = self._version or words.version(await self._run(*words.VERSION))
        return self._version

    def _at(self, name: str) -> str:
        return f"{self._folder}/{name}"

    async def _push(self) -> tuple[int, str]:
        ran = self._exec(*words.push(words.ERRORED_FILE))
        return await ran.exit_code(), await ran.stderr()

    @staticmethod
    def _settled(error: FerryError, why: str | None) -> None:
        """An apply whose only trouble was the state, which is written by now, is done."""
        told = failure.of(error)
        if why is not None:
            raise failure.state_kept(told, None, why, "ferry deploy: what was made is found in AWS, and adopted")
        if others := [one for one in told if one.kind is not failure.Kind.STATE_LOST]:
            raise failure.raised("apply", others)

    async def _standing(self) -> Plan | None:
        with TemporaryDirectory() as folder:
            plan = Path(folder, PLAN_FILE)
            await self.container.file(self._at(PLAN_FILE)).export(str(plan))
            return saved.standing(plan)

    async def _listened(self, listener: Listener, *args: str, made: Collection[int] = (0,)) -> int:
        """What it leaves behind stays, also when it fails: a state that could not be written is among it."""
        ran = self._exec(*args, early=True)
        code, err = await ran.exit_code(), await ran.stderr()
        for line in err.splitlines():
            listener.log(line)
        for line in (await ran.stdout()).splitlines():
            listener.line(line)
        self.container = ran
        if code not in made:
            raise listener.error(args[0], code, err)
        return code

    async def _run(self, *args: str) -> str:
        ran = self._exec(*args)
        code = await ran.exit_code()
        if code != 0:
            raise words.failed(args[0], code, await ran.stderr())
        self.container = ran
        return await ran.stdout()

    def _exec(self, *args: str, early: bool = False) -> dagger.Container:
        container = self.container.with_env_variable("FERRY_CALL", uuid.uuid4().hex)
        for name, value in words.EARLY.items():
            container = container.with_env_variable(name, value) if early else container.without_env_variable(name)
        return container.with_exec(["terraform", *args], expect=dagger.ReturnType.ANY)


class DaggerOffline:
    """A root to plan in without an account. What it answers depends on the files alone: the layer cache may say it."""

    def __init__(self, container: dagger.Container, folder: str) -> None:
        self.container = container.with_env_variable("AWS_EC2_METADATA_DISABLED", "true")
        self._folder = folder

    async def write(self, name: str, text: str) -> None:
        self.container = self.container.with_new_file(posixpath.join(self._folder, name), text)

    async def init(self) -> None:
        directory = self.container.directory(self._folder)
        own = [name for pattern in made_up.TESTS for name in await directory.glob(pattern)]
        self.container = self.container.without_files([f"{self._folder}/{name}" for name in own])
        locked = await self.container.exists(f"{self._folder}/{words.LOCK_FILE}")
        words.version(await (await self._ran(*words.VERSION)).stdout())
        self.container = await self._ran(*made_up.init(locked=locked))

    async def modules(self) -> tuple[Module, ...]:
        record = f"{self._folder}/{offline.RECORD}"
        known = await self.container.exists(record)
        found = blocks.folders(await self.container.file(record).contents() if known else "")
        return tuple([Module(key=key, folder=at, files=await self._files(at)) for key, at in found.items()])

    async def _files(self, folder: str) -> dict[str, str]:
        directory = self.container.directory(posixpath.normpath(posixpath.join(self._folder, folder)))
        names = [name for pattern in offline.READ for name in await directory.glob(f"*{pattern}")]
        return {name: await directory.file(name).contents() for name in sorted(names)}

    async def schemas(self) -> str:
        return await (await self._ran(*made_up.SCHEMAS)).stdout()

    async def planned(self, environment: str, variables: Sequence[str]) -> str:
        return await (await self._ran(*made_up.test(environment, variables))).stdout()

    async def _ran(self, *args: str) -> dagger.Container:
        ran = self.container.with_exec(["terraform", *args], expect=dagger.ReturnType.ANY)
        if code := await ran.exit_code():
            raise offline.failed(args, await ran.stdout(), await ran.stderr(), code)
        return ran
