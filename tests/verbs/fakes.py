"""Hands for the verbs: classes with a script and a history, and the registry and the bucket in memory."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import httpx

from ferry import config as reading
from ferry import tfdrift, tfplan
from ferry.errors import AwsError
from ferry.lockfile import Lock
from ferry.outside import builder as building
from ferry.outside.aws.bucket import Held, Seen
from ferry.outside.aws.probes import Found
from ferry.outside.blobs import Store, digest_of
from ferry.outside.builder.assemble import Image, layout
from ferry.outside.canary import Verdict
from ferry.outside.registry import Registry
from ferry.outside.registry.ecr import Described, Stored
from ferry.outside.registry.external import Externals
from ferry.outside.terraform import words
from ferry.outside.terraform.saved import Saved
from ferry.report import Report
from ferry.verbs.build import Built, Workshop, build
from ferry.verbs.hands import Depot, Hands, Target
from ferry.verbs.publish import publish
from ferry.verbs.shelf import Shelf
from tests.outside.registry.small_registry import NAME, SmallRegistry, image_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence

    from ferry.model import Release
    from ferry.outside.aws.rights import Rights
    from ferry.outside.blobs import Blob
    from ferry.outside.terraform.lock import Holder
    from ferry.tfdrift import Refreshed
    from ferry.tfplan import Change, Plan
    from ferry.verbs.build import BuiltImage
    from ferry.verbs.hands import Fetch

SLIM, ADAPTER = "python:3.13-slim", "public.test/adapter:1"
APP = """
[artifacts.app]
kind = "image"
repository = "{env}-app"
cache = "{env}-app-cache"
recipe = { base = "python:3.13-slim", lock = "app.lock", source = ["app"], command = ["python", "-m", "app"] }
"""
JOBS = """
[artifacts.jobs]
kind = "zip"
package = "{env}/jobs.zip"
lock = "jobs.lock"
source = ["jobs"]
handler = "jobs.handler"
"""
REST = """
[infrastructure]
root = "terraform"

[environments.preprod]
account = "111122223333"
deployer = "arn:aws:iam::111122223333:user/deployer"
state = { bucket = "state", key = "a/terraform.tfstate" }
variables = "preprod.tfvars"
packages = "preprod-packages"
"""


def config_of(*artifacts: str) -> reading.Config:
    return reading.parse("\n".join(('project = "small"', 'region = "us-east-1"', *artifacts, REST)))


CONFIG = config_of(APP, JOBS)
PREPROD = CONFIG.environment("preprod")
COMMIT = "c" * 40
PYTHON = "3.13.5"
HEALTHY = Verdict(word="healthy", checks=())
NEW_YEAR = 1_767_225_600.0
"""2026-01-01 00:00:00 UTC."""
FILES = {
    "app.lock": "wheel==1",
    "jobs.lock": "other==1",
    "app/__init__.py": "NAME = 'app'",
    "jobs/__init__.py": "",
    "jobs/__main__.py": 'print(\'{"verdict": "healthy", "checks": []}\')',
}


def created(address: str, **after: Any) -> dict[str, Any]:
    return changed(address, "create", after=after)


def changed(address: str, *actions: str, **change: Any) -> dict[str, Any]:
    said = {"actions": actions, **change}
    return {"address": address, "mode": "managed", "type": address.partition(".")[0], "change": said}


SAVED = Saved(path="ferry.tfplan", sha256="0" * 64, lock="", serial=0, lineage="", terraform="1.11.4")


@dataclass
class FakeTerraform:
    """Answers each `plan` with the next of its plans, the last one for ever."""

    plans: list[list[dict[str, Any]]] = field(default_factory=lambda: [[]])
    history: list[str] = field(default_factory=list)
    files: dict[str, Any] = field(default_factory=dict)
    backend: Mapping[str, str] = field(default_factory=dict)
    said: Mapping[str, Any] = field(default_factory=dict)
    drifted: Mapping[str, Any] = field(default_factory=dict)
    errors: list[Exception] = field(default_factory=list)
    """What applies end in, one after the other."""
    applyable: bool = True

    async def write(self, name: str, text: str) -> None:
        self.history.append(f"write {name}")
        self.files[name] = json.loads(text)

    async def init(self, backend: Mapping[str, str]) -> None:
        self.history.append("init")
        self.backend = backend

    async def plan(self, variables: str) -> Plan:
        self.history.append(f"plan {variables}")
        changes = self.plans.pop(0) if len(self.plans) > 1 else self.plans[0]
        said = {"format_version": "1.2", "applyable": self.applyable, "resource_changes": changes}
        return tfplan.read(json.dumps(said))

    async def drift(self, variables: str) -> Refreshed:
        self.history.append(f"drift {variables}")
        return tfdrift.read(json.dumps(self.drifted))

    async def saved(self) -> Saved:
        return replace(SAVED, serial=sum(step.startswith("plan") for step in self.history))

    async def apply(self, saved: Saved, say: Callable[[str], None]) -> Mapping[str, float]:
        assert saved == await self.saved(), "another plan was judged"
        self.history.append("apply")
        say("applying")
        if self.errors:
            raise self.errors.pop(0)
        return {"aws_iam_role.app": 1.0}

    async def lock_holder(self) -> Holder | None:
        return None

    async def release(self, id: str) -> None:
        self.history.append(f"release {id}")

    async def outputs(self) -> Mapping[str, Any]:
        return self.said

    @property
    def imports(self) -> list[dict[str, str]]:
        return list(self.files[words.IMPORTS_FILE]["import"])


@dataclass
class FakeBuilder:
    """A repository in a folder. What is installed from a lock is one file, which holds the lock's text."""

    place: Path
    python: str = PYTHON
    history: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.write(**FILES)

    @property
    def source(self) -> Path:
        return self.place / "source"

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.source / name).parent.mkdir(parents=True, exist_ok=True)
            (self.source / name).write_text(text)

    async def compiler(self) -> str:
        return self.python

    async def tree(self, paths: Sequence[str]) -> Path:
        building.refuse_missing(self.source, paths)
        return self.source

    async def dependencies(self, lock: str) -> Path:
        self.history.append(f"dependencies {lock}")
        folder = self._folder()
        shutil.copyfile(self.source / lock, folder / "installed.py")
        return folder

    async def application(self, source: Sequence[str]) -> Path:
        self.history.append(f"application {' '.join(source)}")
        folder = self._folder()
        building.copy_application(self.source, source, folder)
        return folder

    async def dockerfile(self, dockerfile: str, inputs: Sequence[str]) -> Path:
        self.history.append(f"dockerfile {dockerfile} {' '.join(inputs)}")
        tar = self._folder() / "image.tar"
        layout(image_of(self._folder(), (self.source / dockerfile).read_bytes()), tar)
        return tar

    def _folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.place))


class SmallExternals(Externals):
    """All the registries of others are one, in memory, which may be down."""

    def __init__(self, lock: Mapping[str, str] | None = None, *, down: bool = False) -> None:
        self.hub = SmallRegistry()
        self.down = down
        super().__init__(lock or {}, pause=_at_once)

    def hold(self, name: str, image: Image) -> None:
        repository, _, tag = name.partition(":")
        self.hub.hold_image(repository.removeprefix("public.test/"), image, tag)

    def _dialled(self, host: str) -> Registry:
        """The hub answers under its own name alone."""
        transport = httpx.MockTransport(self.hub)
        return Registry(host, url=f"https://{host if self.down else NAME}", transport=transport, pause=_at_once)


@dataclass
class FakeBucket:
    """A bucket in memory. `history` has every call but `ensure`, which finds it there; `now` is S3's clock."""

    name: str = "preprod-packages"
    there: bool = True
    objects: dict[str, bytes] = field(default_factory=dict)
    history: list[str] = field(default_factory=list)
    times: dict[str, float] = field(default_factory=dict)
    now: Callable[[], float] = time.monotonic
    unreachable: bool = False
    """For those who look and swap."""

    async def ensure(self) -> bool:
        made, self.there = not self.there, True
        return made

    async def find(self, key: str) -> Held | None:
        self.history.append(f"find {key}")
        await anyio.lowlevel.checkpoint()
        data = self.objects.get(key)
        return None if data is None else Held(digest_of(data), len(data))

    async def present(self, keys: Collection[str]) -> frozenset[str]:
        self.history.append(f"present {' '.join(sorted(keys))}")
        return frozenset(keys) & self.objects.keys()

    async def put(self, key: str, blob: Blob, kind: str) -> None:
        assert kind == "application/zip"
        self._write(f"put {key}")
        assert blob.path
        self.objects[key] = blob.path.read_bytes()
        assert digest_of(self.objects[key]) == blob.digest

    async def get(self, key: str, store: Store) -> Blob | None:
        self.history.append(f"get {key}")
        return store.keep(self.objects[key]) if key in self.objects else None

    async def read(self, key: str) -> str | None:
        self.history.append(f"read {key}")
        data = self.objects.get(key)
        return None if data is None else data.decode()

    async def write(self, key: str, text: str, *, once: bool) -> bool:
        self._write(f"write {key}")
        if once and key in self.objects:
            return False
        self.objects[key] = text.encode()
        return True

    async def look(self, key: str) -> Seen | None:
        self._ask(f"look {key}")
        await anyio.lowlevel.checkpoint()
        if key not in self.objects:
            return None
        data = self.objects[key]
        return Seen(text=data.decode(), etag=digest_of(data), age=self.now() - self.times.get(key, self.now()))

    async def swap(self, key: str, text: str, seen: Seen | None) -> Seen | None:
        self._ask(f"swap {key}")
        await anyio.lowlevel.checkpoint()
        if (digest_of(self.objects[key]) if key in self.objects else None) != (seen.etag if seen else None):
            return None
        self.objects[key], self.times[key] = text.encode(), self.now()
        return Seen(text=text, etag=digest_of(text.encode()), age=0.0)

    def _ask(self, what: str) -> None:
        self._write(what)
        if self.unreachable:
            raise AwsError("AWS could not be reached", where=what)

    def _write(self, what: str) -> None:
        self.history.append(what)
        if not self.there:
            raise AwsError("AWS refused a call: NoSuchBucket", where=what)

    @property
    def written(self) -> list[str]:
        return [call for call in self.history if call.startswith(("put", "write", "swap"))]


@dataclass
class World:
    """What a verb works with, and where a test looks afterwards."""

    stand_in: bool = False
    exists: dict[str, str | Found] = field(default_factory=dict)
    probed: list[str] = field(default_factory=list)
    restored: list[str] = field(default_factory=list)
    images: dict[str, tuple[Stored, ...]] = field(default_factory=dict)
    may: Rights | None = None
    looked: list[str] = field(default_factory=list)
    verdict: Verdict = HEALTHY
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    url: str | None = "http://image.test"
    agrees: str = "somebody"
    shown: list[str] = field(default_factory=list)
    """Fingerprints of the plans that somebody was asked about."""
    tried: list[str] = field(default_factory=list)
    fetches: bool = False
    findings: Mapping[str, int] | None = None
    told_apart: bool = False
    """Findings are not in the description: they have to be asked for."""
    described: list[str] = field(default_factory=list)
    repositories: set[str] = field(default_factory=set)
    scanning: dict[str, bool] = field(default_factory=dict)
    terraform: FakeTerraform = field(default_factory=FakeTerraform)
    bucket: FakeBucket = field(default_factory=FakeBucket)
    ledger: FakeBucket = field(default_factory=lambda: FakeBucket("state"))
    registry: SmallRegistry = field(default_factory=SmallRegistry)
    now: float = NEW_YEAR
    report: Report = field(init=False)

    def __post_init__(self) -> None:
        self.report = Report(clock=lambda: self.now)

    @property
    def depot(self) -> Depot:
        return Depot(
            registry=self.registry.client(),
            bucket=self.bucket,
            ensure_repository=self.ensure,
            described=self.describe,
            scanned=self.scan,
            stand_in=self.stand_in,
        )

    @property
    def hands(self) -> Hands:
        return Hands(
            depot=self.depot,
            ledger=self.ledger,
            run=self.run,
            terraform=self.terraform,
            probe=self.probe,
            restore=self.restore,
            stored=self.stored,
            rights=self.rights,
            ask=self.ask,
            agree=self.agree,
        )

    def shelf(self, config: reading.Config = CONFIG) -> Shelf:
        return Shelf(config, PREPROD, self.depot)

    def target(self, config: reading.Config = CONFIG) -> Target:
        return Target(config=config, environment=PREPROD, depot=self.depot, report=self.report)

    async def publish(self, built: Built, config: reading.Config = CONFIG) -> None:
        await publish(built, self.target(config), self.run)

    async def agree(self, fingerprint: str) -> str:
        self.shown.append(fingerprint)
        return self.agrees

    async def ask(self, function: str, expected: Mapping[str, str]) -> Verdict:
        self.asked.append((function, expected))
        return self.verdict

    async def ensure(self, name: str, *, scanned: bool = True) -> bool:
        self.scanning[name] = scanned
        made = name not in self.repositories
        self.repositories.add(name)
        return made

    async def describe(self, repository: str, digest: str) -> Described | None:
        self.described.append(f"{repository}@{digest}")
        tags = self.tags(repository)
        here = frozenset(tag for tag, held in tags.items() if held == digest and tag != digest)
        findings = None if self.told_apart else self.findings
        return Described(digest, here, findings) if digest in tags else None

    async def scan(self, repository: str, digest: str) -> Mapping[str, int] | None:
        self.described.append(f"scan {repository}@{digest}")
        return self.findings

    def tags(self, repository: str) -> dict[str, str]:
        """What each tag, and each digest, names in a repository."""
        held = {name.partition(":"): data for name, (_, data) in self.registry.manifests.items()}
        return {name[2]: digest_of(data) for name, data in held.items() if name[0] == repository}

    @asynccontextmanager
    async def run(self, built: BuiltImage, fetch: Fetch) -> AsyncIterator[str | None]:
        self.tried.append(built.image.digest)
        if self.fetches:
            for blob in built.image.layers:
                assert digest_of((await fetch(blob)).read_bytes()) == blob.digest
        yield self.url

    async def probe(self, change: Change, plan: Plan) -> Found | None:
        assert plan.changes[change.address] is change
        self.probed.append(change.address)
        found = self.exists.get(change.type)
        return Found(id=found) if isinstance(found, str) else found

    async def restore(self, id: str) -> None:
        self.restored.append(id)

    async def stored(self, repository: str) -> tuple[Stored, ...]:
        self.looked.append(f"images of {repository}")
        return self.images.get(repository, ())

    async def rights(self, arn: str) -> Rights | None:
        self.looked.append(f"rights of {arn}")
        return self.may

    @property
    def said(self) -> str:
        return "\n".join(repr(event) for event in self.report.events)

    @property
    def requests(self) -> list[str]:
        """Everything that the registry, the bucket and ECR were asked."""
        return [*self.registry.asked, *self.bucket.history, *(f"describe {one}" for one in self.described)]

    @property
    def pushed(self) -> list[str]:
        """What was written into the registry."""
        return [call for call in self.registry.asked if call.startswith(("PUT", "POST", "PATCH"))]

    def forget_requests(self) -> None:
        for history in (self.registry.history, self.bucket.history, self.described, self.tried):
            history.clear()


class Machine:
    """Where a release is built: a folder with the source, and what this machine has built before."""

    def __init__(self, place: Path, externals: SmallExternals | None = None, *, python: str = PYTHON) -> None:
        self.builder = FakeBuilder(place, python)
        self.store = Store(place / "store")
        self.externals = externals or with_base(place)
        self.lock = Lock(python=PYTHON)

    def workshop(self, shelf: Shelf | None = None) -> Workshop:
        return Workshop(builder=self.builder, externals=self.externals, store=self.store, lock=self.lock, shelf=shelf)

    async def build(
        self,
        world: World | None = None,
        config: reading.Config = CONFIG,
        *,
        commit: str = COMMIT,
        dirty: bool = False,
    ) -> Built:
        """Without a world nobody looks at what is published."""
        report = world.report if world else Report()
        workshop = self.workshop(world.shelf(config) if world else None)
        return await build(config, workshop, report, commit=commit, dirty=dirty)

    async def release(self, world: World, config: reading.Config = CONFIG, **what: Any) -> Release:
        """Built, where it has to be, and published."""
        built = await self.build(world, config, **what)
        await world.publish(built, config)
        return built.release


def with_base(place: Path) -> SmallExternals:
    """The registry that has the base image."""
    externals = SmallExternals()
    externals.hold(f"library/{SLIM}", base_image(place / "hub"))
    return externals


def base_image(place: Path, *layers: bytes) -> Image:
    return image_of(place, *(layers or (b"a base layer", b"another")))


async def _at_once(_: float) -> None:
    """A pause for tests."""
