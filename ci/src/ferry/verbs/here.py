"""What `ferry doctor` looks at on this machine and in the repository: nothing here asks AWS."""

from __future__ import annotations

import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import httpx
from anyio import to_thread

from ferry import config as reading
from ferry import lockfile
from ferry.errors import ConfigError, FerryError
from ferry.outside import git, processes
from ferry.outside.terraform import failure, mirror, providers, words
from ferry.report.words import count
from ferry.verbs import lock as locking
from ferry.verbs.checks import Check, failed, ok, tried, trouble, unasked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ferry.config import Config
    from ferry.outside.terraform.providers import Locked

REGISTRY = f"https://{mirror.MARK}/.well-known/terraform.json"
PATIENCE = 5.0
PLATFORM = re.compile(r'"platform":\s*"([a-z0-9_]+)"')


def configuration(source: Path) -> tuple[Check, Config | None]:
    """Every mistake has a line of its own."""
    name = "ferry.toml"
    try:
        found = reading.load(source / name)
    except ConfigError as error:
        return trouble(name, "\n".join(map(str, error.mistakes)), next=error.next), None
    stages = ", ".join(found.environments)
    return ok(name, f"{found.project}: {count(len(found.artifacts), 'artifact')}, for {stages}"), found


async def machine(source: Path, config: Config | None, environment: Mapping[str, str]) -> list[Check]:
    """In this order, whatever becomes of each."""
    looks: list[Callable[[], Awaitable[Check | list[Check]]]] = [
        lambda: commit(source),
        python,
        lambda: uv(environment),
        lambda: terraform_and_providers(source, config, environment),
    ]
    found: dict[int, list[Check]] = {}

    async def one(number: int, look: Callable[[], Awaitable[Check | list[Check]]]) -> None:
        said = await look()
        found[number] = said if isinstance(said, list) else [said]

    async with anyio.create_task_group() as tasks:
        for number, look in enumerate(looks):
            tasks.start_soon(one, number, look)
    pins = (
        unasked("ferry.lock", "ferry.toml is not sound")
        if config is None
        else tried("ferry.lock", lambda: pinned(source, config))
    )
    return [pins, *(check for number in sorted(found) for check in found[number])]


def pinned(source: Path, config: Config) -> Check:
    name = lockfile.FILE
    if not (source / name).exists():
        if not lockfile.named(config):
            return ok(name, "none is needed: ferry.toml names no external image")
        return ok(name, "there is none, so what is built changes with the images of others: ferry lock pins them")
    lock = lockfile.load(source)
    locking.check(config, lock)
    return ok(name, f"{count(len(lock.images), 'image')}, Python {lock.python}")


async def commit(source: Path) -> Check:
    """No commit, and changes that are in none, are no trouble: the release says so of itself."""
    found, dirty = await git.commit(source)
    if found == git.NO_COMMIT:
        return ok("git", "no commit is known: a release from here is nobody's")
    more = ", and changes that no commit holds: a release from here is marked as dirty" if dirty else ""
    return ok("git", f"commit {found[:12]}{more}")


async def python() -> Check:
    return ok("python", platform.python_version())


async def uv(environment: Mapping[str, str]) -> Check:
    try:
        program = environment.get("UV") or processes.find("uv", next="install uv, or start ferry through make")
        done = await processes.run([program, "--version"])
    except FerryError as error:
        return failed("uv", error)
    if done.code != 0:
        return trouble("uv", f"{program} --version ends with {done.code}", next="install uv again")
    return ok("uv", done.out.strip().removeprefix("uv "))


async def terraform_and_providers(source: Path, config: Config | None, environment: Mapping[str, str]) -> list[Check]:
    found, target = await terraform()
    place, where = await provider_source(environment)
    root = source / config.infrastructure.root if config else None
    locks = unasked("provider lock", "ferry.toml does not say where the root is")
    if root is not None:
        locks = await to_thread.run_sync(lambda: tried("provider lock", lambda: provider_lock(root, place, target)))
    return [found, where, locks, *cli_configuration(environment)]


async def terraform() -> tuple[Check, str]:
    """And the platform that it is for; empty where that is not known."""
    try:
        program = processes.find("terraform", next="install terraform 1.11 or newer, and put it on PATH")
        done = await processes.run([program, *words.VERSION])
        version = words.version(done.out)
    except FerryError as error:
        return failed("terraform", error), ""
    found = PLATFORM.search(done.out)
    return ok("terraform", f"{version} ({program})"), found[1] if found else ""


async def provider_source(environment: Mapping[str, str], opt: Path = Path("/opt")) -> tuple[Path | None, Check]:
    name = "providers"
    try:
        found = mirror.find(environment, opt)
    except FerryError as error:
        return None, failed(name, error)
    if found:
        held = ", ".join(one.partition("/")[2] for one in mirror.providers(found))
        return found, ok(name, f"from the mirror {found}: {held}")
    try:
        async with httpx.AsyncClient(timeout=PATIENCE) as client:
            (await client.get(REGISTRY)).raise_for_status()
    except httpx.HTTPError as error:
        why = f"there is no mirror, and {mirror.MARK} does not answer: {str(error) or type(error).__name__}"
        return None, trouble(name, why, next=failure.NO_REGISTRY)
    return None, ok(name, f"from {mirror.MARK}: there is no mirror")


def provider_lock(root: Path, place: Path | None, platform: str) -> Check:
    name, file = "provider lock", root / words.LOCK_FILE
    again = f"terraform -chdir={root} providers lock" + (f" -fs-mirror={place}" if place else "")
    again += f" -platform={platform}" if platform else ""
    if not root.is_dir():
        return trouble(name, f"the Terraform root {root} does not exist", next="mend infrastructure.root in ferry.toml")
    try:
        locked = providers.locked(file.read_text())
    except FileNotFoundError:
        return trouble(name, f"{file} is missing: any version that fits is taken", next=f"{again}, and commit the file")
    except (OSError, UnicodeDecodeError) as error:
        return trouble(name, f"{file} cannot be read: {error}", next=again)
    mirrored = [one for one in locked if place and platform and one.address in mirror.providers(place)]
    packages = {one: providers.package(place, one, platform) for one in mirrored if place}
    if absent := [one.name for one, package in packages.items() if package is None]:
        said = f"the mirror {place} has no {', '.join(absent)} for {platform}"
        return trouble(name, said, next=f"terraform -chdir={root} providers mirror -platform={platform} {place}")
    wrong = [
        f"{file} has no hash of the package {package}" for one, package in packages.items() if _other(one, package)
    ]
    # Of a registry's packages nothing is known before they are there: then terraform compares them.
    wrong += [f"{file} has no hashes of {one.name}" for one in locked if not one.hashes]
    known = ", ".join(one.name for one in locked) or "it names no provider"
    return trouble(name, "\n".join(wrong), next=again) if wrong else ok(name, known)


def _other(one: Locked, package: Path | None) -> bool:
    return package is not None and bool(one.hashes) and not providers.fits(one, package)


def cli_configuration(environment: Mapping[str, str]) -> list[Check]:
    """Terraform warns of one that is not there. Ferry's own terraform never reads it."""
    named = environment.get("TF_CLI_CONFIG_FILE", "")
    if not named or Path(named).exists():
        return []
    return [ok("terraform rc", f"TF_CLI_CONFIG_FILE names {named}, which is not there; Ferry does not need it")]
