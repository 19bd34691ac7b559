"""build: every image of the configuration, each named by the hash of its bytes, and the release that they make."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ferry.model import Artifact, Kind, Release
from ferry.outside.builder import DEPENDENCIES
from ferry.outside.builder.assemble import Image, assemble, layer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ferry.config import Config, Recipe
    from ferry.outside.builder import Builder
    from ferry.report import Report


@dataclass(frozen=True, slots=True)
class Built:
    release: Release
    images: Mapping[str, Image]


async def build(config: Config, builder: Builder, report: Report, *, commit: str, dirty: bool) -> Built:
    artifacts: list[Artifact] = []
    images: dict[str, Image] = {}
    for name in config.artifacts:
        made, image = await _image(name, config.recipe(name), builder, report)
        report.made(made)
        artifacts.append(made)
        images[name] = image
    return Built(Release(commit=commit, dirty=dirty, artifacts=tuple(artifacts)), images)


async def _image(name: str, recipe: Recipe, builder: Builder, report: Report) -> tuple[Artifact, Image]:
    with report.step(f"build {name}", f"Build the image {name}") as step:
        base = await builder.base(recipe)
        step.say(f"installing what {recipe.lock} locks")
        dependencies = layer(await builder.dependencies(recipe), DEPENDENCIES)
        step.say("adding the application")
        application = layer(await builder.application(recipe), recipe.workdir)
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
