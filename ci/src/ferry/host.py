"""The verbs with this machine's own hands: what `ferry …` does where no engine is."""

from __future__ import annotations

import os
import tempfile
import uuid
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread

from ferry import lockfile, model, wiring
from ferry.errors import BuildFailed, ConfigError, CredentialsError, Mistake, RecordError
from ferry.model import Release
from ferry.outside import git
from ferry.outside.aws import Access
from ferry.outside.blobs import Store
from ferry.outside.builder.host import HostBuilder
from ferry.outside.registry.external import Externals
from ferry.outside.terraform.host import HostTerraform
from ferry.outside.terraform.offline import HostOffline
from ferry.verbs import generate as generating
from ferry.verbs import lock as locking
from ferry.verbs import there
from ferry.verbs.bound import Bound, agreeing, nobody
from ferry.verbs.build import Workshop, build
from ferry.verbs.deploy import deploy
from ferry.verbs.doctor import doctor
from ferry.verbs.drift import drift
from ferry.verbs.explain import explain, published
from ferry.verbs.hands import Target
from ferry.verbs.parity import parity
from ferry.verbs.plan import plan
from ferry.verbs.publish import publish, references
from ferry.verbs.shelf import Shelf
from ferry.verbs.there import Contact

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from ferry.config import Config
    from ferry.lockfile import Lock
    from ferry.model import Deployment, Environment, Finding
    from ferry.report import Report
    from ferry.tfplan import Plan
    from ferry.verbs.build import Built, BuiltImage
    from ferry.verbs.checks import Check
    from ferry.verbs.drift import Answer
    from ferry.verbs.hands import Agree, Depot, Fetch, Hands
    from ferry.verbs.publish import References

KEPT = ".ferry"
"""What Ferry keeps beside ferry.toml: dependencies that were installed, and the release that was built last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What is built, where, and with which registries."""

    config: Config
    source: Path
    mirror: str = ""
    offline: bool = False

    @property
    def last(self) -> Path:
        return self.source / KEPT / "release.json"


async def build_release(site: Site, environment: Environment | None, report: Report) -> Release:
    async with AsyncExitStack() as stack:
        shelf = None
        if environment:
            shelf = Shelf(site.config, environment, await stack.enter_async_context(_depot(environment)))
        return (await _built(site, shelf, report)).release


async def publish_release(site: Site, environment: Environment, report: Report) -> tuple[Release, References]:
    async with _depot(environment) as depot:
        built = await _built(site, Shelf(site.config, environment, depot), report)
        target = Target(config=site.config, environment=environment, depot=depot, report=report)
        await publish(built, target, _run)
    return built.release, references(site.config, environment, built.release)


async def plan_release(site: Site, environment: Environment, report: Report) -> tuple[Plan, Bound]:
    """What `deploy_release` would do. The release need not be published for that."""
    async with _hands(site, environment) as hands:
        built = await _built(site, Shelf(site.config, environment, hands.depot), report)
        known = references(site.config, environment, built.release)
        judged = await plan(site.config, environment, known, hands, report)
    return judged.plan, Bound.of(environment, built.release, judged)


async def deploy_release(
    site: Site, environment: Environment, agree: str, report: Report
) -> tuple[Release, Deployment | None]:
    """`agree` is the fingerprint of the plan that the caller has seen and wants. No deployment: nothing was to do."""
    async with _hands(site, environment, agreeing(agree)) as hands:
        built = await _built(site, Shelf(site.config, environment, hands.depot), report)
        return built.release, await deploy(site.config, environment, built, hands, report)


async def drift_environment(site: Site, environment: Environment, report: Report) -> Answer:
    async with _hands(site, environment) as hands:
        return await drift(site.config, environment, hands, report)


async def examine(source: Path, name: str) -> tuple[Check, ...]:
    """Whether all that a deployment needs is there; in AWS too, where an environment is named."""
    return await doctor(source, name, os.environ, _visit)


async def _visit(config: Config, environment: Environment) -> list[Check]:
    try:
        access = await to_thread.run_sync(Access.of_caller, environment.region)
    except CredentialsError as error:
        return there.without_credentials(error)
    async with wiring.depot(access, environment, stand_in=bool(access.endpoint)) as depot:
        ledger = wiring.ledger(access, environment)
        place = Contact(config=config, environment=environment, access=access, depot=depot, ledger=ledger)
        return await there.examined(place)


async def compare_environments(site: Site, report: Report) -> tuple[Finding, ...]:
    root = site.source / site.config.infrastructure.root
    with tempfile.TemporaryDirectory(prefix="ferry-") as work:
        return await parity(site.config, HostOffline(root, Path(work) / "terraform"), report)


async def explain_changes(site: Site, environment: Environment | None, report: Report) -> Mapping[str, tuple[str, ...]]:
    last = await _last(site, environment)
    with tempfile.TemporaryDirectory(prefix="ferry-") as work:
        return await explain(site.config, _workshop(site, Path(work), None), last, report)


async def _last(site: Site, environment: Environment | None) -> Release:
    if environment:
        async with _depot(environment) as depot:
            return await published(Shelf(site.config, environment, depot), environment)
    try:
        return model.from_json(Release, site.last.read_text(), where=str(site.last))
    except OSError as error:
        raise RecordError(
            "there is no release to compare with",
            where=str(site.last),
            why=error.strerror or str(error),
            next="ferry build, or name an environment with --env",
        ) from None


async def _built(site: Site, shelf: Shelf | None, report: Report) -> Built:
    _make_room(site)
    commit, dirty = await git.commit(site.source)
    with tempfile.TemporaryDirectory(prefix="ferry-") as work:
        built = await build(site.config, _workshop(site, Path(work), shelf), report, commit=commit, dirty=dirty)
    _keep(site, built.release)
    return built


def _make_room(site: Site) -> None:
    """First of all: what takes minutes to build has to lie somewhere. None of it is anything for git."""
    folder = site.source / KEPT
    next = "move away what is in its place, or build where you may write"
    with _told(folder, what="there is no place for what Ferry keeps", next=next):
        folder.mkdir(exist_ok=True)
        (folder / ".gitignore").write_text("*\n")


def _keep(site: Site, release: Release) -> None:
    """Whole or not at all, whatever stops us."""
    part = site.last.with_name(f"part-{uuid.uuid4().hex}")
    with _told(site.last):
        part.write_text(model.to_json(release))
        part.replace(site.last)


def _workshop(site: Site, work: Path, shelf: Shelf | None) -> Workshop:
    lock = lockfile.load(site.source)
    return Workshop(
        builder=HostBuilder(site.source, work, lock.python),
        externals=Externals(lock.images, mirror=site.mirror, offline=site.offline),
        store=Store(site.source / KEPT / "store"),
        lock=lock,
        shelf=shelf,
    )


@asynccontextmanager
async def _depot(environment: Environment) -> AsyncIterator[Depot]:
    access = Access.of_caller(environment.region)
    async with wiring.depot(access, environment, stand_in=bool(access.endpoint)) as depot:
        yield depot


@asynccontextmanager
async def _hands(site: Site, environment: Environment, agree: Agree = nobody) -> AsyncIterator[Hands]:
    access = Access.of_caller(environment.region)
    root = site.source / site.config.infrastructure.root
    with tempfile.TemporaryDirectory(prefix="ferry-") as work:
        rescued = site.source / KEPT / "rescued" / environment.name
        at_once = site.config.infrastructure.parallelism
        terraform = HostTerraform(root, Path(work) / "terraform", access, rescued=rescued, parallelism=at_once)
        stand_in = bool(access.endpoint)
        async with wiring.hands(
            access, environment, terraform=terraform, run=_run, agree=agree, stand_in=stand_in
        ) as hands:
            yield hands


@asynccontextmanager
async def _run(built: BuiltImage, fetch: Fetch) -> AsyncIterator[str | None]:
    """Images run here without an engine where AWS in a box is installed, which knows how."""
    try:
        from ferry.rehearsal import trial  # noqa: PLC0415 - the emulator is slow to import, and an extra
    except ImportError:
        yield None
        return
    async with trial.run(built, fetch) as url:
        yield url


def check_lock(site: Site) -> Lock:
    if lockfile.named(site.config) and not (site.source / lockfile.FILE).exists():
        missing = Mistake(file=lockfile.FILE, line=1, key="", found="no such file", allowed="what `ferry lock` writes")
        error = ConfigError(lockfile.FILE, (missing,))
        error.next = "ferry lock"
        raise error
    lock = lockfile.load(site.source)
    locking.check(site.config, lock)
    return lock


async def write_lock(site: Site, report: Report) -> Lock:
    externals = Externals({}, mirror=site.mirror)
    lock = await locking.lock(site.config, externals, report, earlier=locking.pinned_before(site.source))
    _written(site.source / lockfile.FILE, lockfile.render(lock))
    return lock


def check_generated(site: Site) -> list[str]:
    files = generating.generated(site.config, lockfile.load(site.source))
    generating.check(files, site.source)
    return list(files)


def write_generated(site: Site) -> list[str]:
    files = generating.generated(site.config, lockfile.load(site.source))
    for name, text in files.items():
        _written(site.source / name, text)
    return list(files)


def _written(path: Path, text: str) -> None:
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@contextmanager
def _told(
    path: Path,
    *,
    what: str = "a file could not be written",
    next: str = "mend what it says, then run the same command again",
) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BuildFailed(what, where=str(path), why=error.strerror or str(error), next=next) from None
