"""Terraform in a container. Every step carries a value of its own, so that no layer cache answers for it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import dagger
from dagger import dag

from ferry import tfplan
from ferry.outside.terraform import PLAN_FILE, mirror, words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ferry.tfplan import Plan

WORK = "/work"
CLI_CONFIG = "/etc/ferry/terraform.rc"
AWS_CONFIG = "/etc/ferry/aws"
CREDENTIALS = "/run/ferry/credentials.json"
PROVIDERS = "/opt/providers"


async def bare(image: str, root: dagger.Directory, *, providers: dagger.Directory | None) -> dagger.Container:
    """Terraform beside the root module, with Ferry's CLI configuration and nothing of anyone's credentials."""
    container = dag.container().from_(image).with_directory(WORK, root).with_workdir(WORK)
    for name, value in (words.ENVIRONMENT | {"TF_CLI_CONFIG_FILE": CLI_CONFIG}).items():
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
    """`container` is the working folder as the last step left it."""

    def __init__(self, container: dagger.Container) -> None:
        self.container = container

    async def write(self, name: str, text: str) -> None:
        self.container = self.container.with_new_file(f"{WORK}/{name}", text)

    async def init(self, backend: Mapping[str, str]) -> None:
        words.check_version(await self._run(*words.VERSION))
        locked = await self.container.exists(f"{WORK}/{words.LOCK_FILE}")
        await self._run(*words.init(backend, locked=locked))

    async def plan(self, variables: str) -> Plan:
        await self._run(*words.plan(PLAN_FILE, variables))
        return tfplan.read(await self._run(*words.show(PLAN_FILE)))

    async def apply(self, say: Callable[[str], None]) -> None:
        said = await self._run(*words.apply(PLAN_FILE))
        for line in said.splitlines():
            words.only_progress(say)(line)

    async def outputs(self) -> Mapping[str, Any]:
        return words.outputs(await self._run(*words.OUTPUTS))

    async def _run(self, *args: str) -> str:
        ran = self.container.with_env_variable("FERRY_CALL", uuid.uuid4().hex).with_exec(
            ["terraform", *args], expect=dagger.ReturnType.ANY
        )
        code = await ran.exit_code()
        if code != 0:
            raise words.failed(args[0], code, await ran.stderr())
        self.container = ran
        return await ran.stdout()
