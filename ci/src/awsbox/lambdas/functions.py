"""What the emulator keeps of a function, as far as running it needs it: one version, with its image and its rights."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from awsbox.rules import shelves, stores

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

LATEST = "$LATEST"
URI = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/"
    r"(?P<name>[a-z0-9._/-]+?)(:(?P<tag>[\w.-]+))?(@(?P<digest>sha256:[0-9a-f]{64}))?"
)


class NoImage(Exception):
    """The registry does not hold what the function was given."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where an image is: perhaps in another account than the function."""

    account: str
    region: str
    repository: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class Function:
    account: str
    region: str
    name: str
    version: str
    arn: str
    """Of this version; what was asked for (an alias, say) is the invocation's own."""
    image: Source
    memory: int
    timeout: float
    log_group: str
    environment: Mapping[str, str] = field(repr=False)
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    workdir: str = ""
    config: Mapping[str, Any] = field(repr=False, compare=False, default_factory=dict)

    @property
    def key(self) -> str:
        """Two functions of one key may share warm instances: nothing that an instance is started with differs."""
        started_with = (self.arn, self.image.digest, self.memory, self.command, self.entrypoint, self.workdir)
        said = json.dumps([*started_with, sorted(self.environment.items()), self.config.get("Role")])
        return hashlib.sha256(said.encode()).hexdigest()

    @property
    def owner(self) -> str:
        return f"{self.account}/{self.region}/{self.name}"


def is_image(config: Mapping[str, Any]) -> bool:
    return config.get("PackageType") == "Image"


def read(config: Mapping[str, Any]) -> Function:
    """Of the emulator's own record, whose ARN may name what was asked for."""
    arn = config["FunctionArn"].split(":")
    name, version = config["FunctionName"], config.get("Version", LATEST)
    plain = ":".join(arn[:7])
    override = config.get("ImageConfigResponse", {}).get("ImageConfig") or config.get("ImageConfig") or {}
    return Function(
        account=arn[4],
        region=arn[3],
        name=name,
        version=version,
        arn=plain if version == LATEST else f"{plain}:{version}",
        image=_image(config),
        memory=int(config.get("MemorySize", 128)),
        timeout=float(config.get("Timeout", 3)),
        log_group=(config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{name}",
        environment=dict((config.get("Environment") or {}).get("Variables") or {}),
        command=tuple(override.get("Command") or ()),
        entrypoint=tuple(override.get("EntryPoint") or ()),
        workdir=override.get("WorkingDirectory") or "",
        config=config,
    )


def _image(config: Mapping[str, Any]) -> Source:
    """What was pinned when the function was given the image, or else what its tag means now."""
    pinned = config.get("ResolvedImageUri") or ""
    reference = pinned if "@" in pinned else config.get("ImageUri", "")
    found = URI.fullmatch(reference)
    if found is None:
        raise NoImage(f"{reference} names no image of a registry")
    with stores.core("responses").request_scope(found["account"], found["region"]):
        image = shelves.image(found["name"], found["digest"] or found["tag"] or "latest")
    if image is None:
        raise NoImage(f"{reference} is not in the registry")
    return Source(found["account"], found["region"], found["name"], image["imageDigest"])


def chosen_version(alias: Mapping[str, Any], dice: random.Random) -> str:
    """An alias may send part of its calls to a second version."""
    weights = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    drawn = dice.random()
    for version, weight in weights.items():
        drawn -= float(weight)
        if drawn < 0:
            return str(version)
    return str(alias.get("FunctionVersion", LATEST))
