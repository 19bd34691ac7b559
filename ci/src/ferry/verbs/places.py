"""Where things of a release are in an environment: repositories, tags, and keys in its bucket."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ferry.config import ImageArtifact, ZipArtifact, fill
from ferry.errors import RecordError

if TYPE_CHECKING:
    from ferry.config import Config
    from ferry.model import Environment


def registry(environment: Environment) -> str:
    return f"{environment.account}.dkr.ecr.{environment.region}.amazonaws.com"


def repository(config: Config, environment: Environment, name: str) -> str:
    return fill(_image(config, name).repository, env=environment.name, project=config.project, name=name)


def cache(config: Config, environment: Environment, name: str) -> str:
    """Where the image's dependencies are, out of the reach of its own repository's clean-up; empty for nowhere."""
    return fill(_image(config, name).cache or "", env=environment.name, project=config.project, name=name)


def tag(key: str) -> str:
    """What an image is found under again."""
    return f"key-{key.removeprefix('sha256:')}"


def package(config: Config, environment: Environment, name: str, key: str) -> str:
    """The zip's key in the bucket, the hash of its inputs before the ending: other inputs are another object."""
    artifact = config.artifacts.get(name)
    if not isinstance(artifact, ZipArtifact):
        raise _not_named(name, "zip")
    named = PurePosixPath(fill(artifact.package, env=environment.name, project=config.project, name=name))
    return str(named.with_name(f"{named.stem}-{key.removeprefix('sha256:')}{named.suffix}"))


def dependencies(environment: Environment, key: str) -> str:
    return f"{environment.name}/dependencies/{key.removeprefix('sha256:')}.zip"


def release(environment: Environment, id: str) -> str:
    return f"{environment.name}/releases/{id}.json"


def latest(environment: Environment) -> str:
    return f"{environment.name}/releases/latest.json"


def _image(config: Config, name: str) -> ImageArtifact:
    artifact = config.artifacts.get(name)
    if not isinstance(artifact, ImageArtifact):
        raise _not_named(name, "image")
    return artifact


def _not_named(name: str, kind: str) -> RecordError:
    return RecordError(
        "this release was not built with this ferry.toml",
        where=f"artifacts.{name}",
        why=f"the release has the {kind} {name}, and ferry.toml names none",
        next="build the release again: ferry build",
    )
