"""Hands for the verbs: classes with a script and a history, and the registry in memory."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ferry import config as reading
from ferry import tfplan
from ferry.outside.builder.assemble import digest_of
from ferry.outside.canary import Verdict
from ferry.outside.terraform import words
from ferry.report import Report
from ferry.verbs.hands import Hands
from tests.outside.registry.small_registry import SmallRegistry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ferry.config import Recipe
    from ferry.outside.builder.assemble import Image
    from ferry.tfplan import Plan

CONFIG = reading.parse("""
project = "small"
region = "us-east-1"

[artifacts.app]
kind = "image"
repository = "{env}-app"
recipe = { base = "python:3.13-slim", lock = "app.lock", source = ["app"], command = ["python", "-m", "app"] }

[artifacts.jobs]
kind = "zip"
package = "{env}/jobs.zip"
lock = "jobs.lock"
source = ["jobs"]
handler = "jobs.handler"

[infrastructure]
root = "terraform"

[environments.preprod]
account = "111122223333"
deployer = "arn:aws:iam::111122223333:user/deployer"
state = { bucket = "state", key = "a/terraform.tfstate" }
variables = "preprod.tfvars"
packages = "preprod-packages"
""")
PREPROD = CONFIG.environment("preprod")
COMMIT = "c" * 40
HEALTHY = Verdict(word="healthy", checks=())


def created(address: str, **after: Any) -> dict[str, Any]:
    return changed(address, "create", after=after)


def changed(address: str, *actions: str, **change: Any) -> dict[str, Any]:
    said = {"actions": actions, **change}
    return {"address": address, "mode": "managed", "type": address.partition(".")[0], "change": said}


@dataclass
class FakeTerraform:
    """Answers each `plan` with the next of its plans, the last one for ever."""

    plans: list[list[dict[str, Any]]] = field(default_factory=lambda: [[]])
    history: list[str] = field(default_factory=list)
    files: dict[str, Any] = field(default_factory=dict)
    backend: Mapping[str, str] = field(default_factory=dict)
    said: Mapping[str, Any] = field(default_factory=dict)

    async def write(self, name: str, text: str) -> None:
        self.history.append(f"write {name}")
        self.files[name] = json.loads(text)

    async def init(self, backend: Mapping[str, str]) -> None:
        self.history.append("init")
        self.backend = backend

    async def plan(self, variables: str) -> Plan:
        self.history.append(f"plan {variables}")
        changes = self.plans.pop(0) if len(self.plans) > 1 else self.plans[0]
        return tfplan.read(json.dumps({"format_version": "1.2", "resource_changes": changes}))

    async def apply(self, say: Callable[[str], None]) -> None:
        self.history.append("apply")
        say("applying")

    async def outputs(self) -> Mapping[str, Any]:
        return self.said

    @property
    def imports(self) -> list[dict[str, str]]:
        return list(self.files[words.IMPORTS_FILE]["import"])


@dataclass
class FakeBuilder:
    """Folders that lie there already, on a base or on none."""

    place: Path
    on: Image | None = None
    history: list[str] = field(default_factory=list)

    async def base(self, recipe: Recipe) -> Image | None:
        self.history.append(f"base {recipe.base}")
        return self.on

    async def dependencies(self, lock: str) -> Path:
        return self._folder("dependencies", lock)

    async def application(self, source: Sequence[str]) -> Path:
        return self._folder("application", *source)

    def _folder(self, name: str, *files: str) -> Path:
        self.history.append(name)
        (self.place / name).mkdir(parents=True, exist_ok=True)
        for file in files:
            (self.place / name / file).write_text(file)
        return self.place / name


@dataclass
class FakePackages:
    """Buckets in memory."""

    buckets: set[str] = field(default_factory=set)
    objects: dict[str, str] = field(default_factory=dict)
    uploads: list[str] = field(default_factory=list)

    async def ensure(self, bucket: str) -> bool:
        made = bucket not in self.buckets
        self.buckets.add(bucket)
        return made

    async def holds(self, bucket: str, key: str, digest: str) -> bool:
        return self.objects.get(f"{bucket}/{key}") == digest

    async def put(self, bucket: str, key: str, data: bytes, digest: str) -> None:
        assert digest_of(data) == digest
        self.uploads.append(f"{bucket}/{key}")
        self.objects[f"{bucket}/{key}"] = digest


@dataclass
class World:
    """What a verb works with, and where a test looks afterwards."""

    stand_in: bool = True
    repositories: set[str] = field(default_factory=set)
    exists: dict[str, str] = field(default_factory=dict)
    probed: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    verdict: Verdict = HEALTHY
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    terraform: FakeTerraform = field(default_factory=FakeTerraform)
    packages: FakePackages = field(default_factory=FakePackages)
    registry: SmallRegistry = field(default_factory=SmallRegistry)
    report: Report = field(default_factory=Report)

    @property
    def hands(self) -> Hands:
        return Hands(
            registry=self.registry.client(),
            packages=self.packages,
            ensure_repository=self.ensure,
            terraform=self.terraform,
            probe=self.probe,
            ask=self.ask,
            stand_in=self.stand_in,
        )

    async def ask(self, function: str, expected: Mapping[str, str]) -> Verdict:
        self.asked.append((function, expected))
        return self.verdict

    async def ensure(self, name: str) -> bool:
        made = name not in self.repositories
        self.repositories.add(name)
        return made

    async def probe(self, type: str, after: Mapping[str, Any]) -> str | None:
        self.probed.append((type, after))
        return self.exists.get(type)

    @property
    def said(self) -> str:
        return "\n".join(repr(event) for event in self.report.events)
