"""build: every artifact of the configuration, each named by the hash of its bytes, and the release they make."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ferry.config import ZipArtifact
from ferry.model import Artifact, Kind, Release
from ferry.outside.builder import DEPENDENCIES
from ferry.outside.builder.assemble import Image, assemble, digest_of, layer
from ferry.outside.builder.package import package

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ferry.config import Config, Recipe
    from ferry.outside.builder import Builder
    from ferry.report import Report


@dataclass(frozen=True, slots=True)
class Built:
    release: Release
    images: Mapping[str, Image]
    packages: Mapping[str, bytes]


async def build(config: Config, builder: Builder, report: Report, *, commit: str, dirty: bool) -> Built:
    artifacts: list[Artifact] = []
    images: dict[str, Image] = {}
    packages: dict[str, bytes] = {}
    for name, artifact in config.artifacts.items():
        if isinstance(artifact, ZipArtifact):
            made, packages[name] = await _package(artifact, builder, report)
        else:
            made, images[name] = await _image(name, config.recipe(name), builder, report)
        report.made(made)
        artifacts.append(made)
    return Built(Release(commit=commit, dirty=dirty, artifacts=tuple(artifacts)), images, packages)


async def _package(artifact: ZipArtifact, builder: Builder, report: Report) -> tuple[Artifact, bytes]:
    name = artifact.name
    with report.step(f"build {name}", f"Build the package {name}") as step:
        step.say(f"installing what {artifact.lock} locks")
        dependencies = await builder.dependencies(artifact.lock)
        step.say("adding the application")
        made = package(dependencies, await builder.application(artifact.source))
        digest = digest_of(made)
        step.done(f"{len(made) / 1e6:.1f} MB, {digest}")
    # Nothing but its bytes goes into it, so they are its key as well.
    return Artifact(name=name, kind=Kind.ZIP, key=digest, digest=digest, size=len(made)), made


async def _image(name: str, recipe: Recipe, builder: Builder, report: Report) -> tuple[Artifact, Image]:
    with report.step(f"build {name}", f"Build the image {name}") as step:
        base = await builder.base(recipe)
        step.say(f"installing what {recipe.lock} locks")
        dependencies = layer(await builder.dependencies(recipe.lock), DEPENDENCIES)
        step.say("adding the application")
        application = layer(await builder.application(recipe.source), recipe.workdir)
        image = assemble(
            (dependencies, application),
            base=base,
            command=recipe.command,
            environment=_variables(recipe),
            workdir=recipe.workdir,
            port=recipe.port,
        )
        step.done(f"{len(image.layers)} layers, {image.digest}")
    # The adapter is not part of what this version assembles: such an image is for trying out.
    left_out = [recipe.adapter] if recipe.adapter else []
    stand_ins = tuple(left_out if base else [recipe.base, *left_out])
    key = _key(base, dependencies.digest, application.digest)
    artifact = Artifact(name=name, kind=Kind.IMAGE, key=key, digest=image.digest, size=image.size, stand_ins=stand_ins)
    return artifact, image


def _variables(recipe: Recipe) -> dict[str, str]:
    """PORT is where the web adapter and the box look for the application."""
    own = {"PORT": str(recipe.port), "PYTHONPATH": f"{recipe.workdir}:{DEPENDENCIES}"}
    return own | dict(recipe.environment)


def _key(base: Image | None, *layers: str) -> str:
    parts = (base.digest if base else "none", *layers)
    return f"sha256:{hashlib.sha256(' '.join(parts).encode()).hexdigest()}"
