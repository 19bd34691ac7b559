"""publish: images go to the environment's registry, and are asked for again before anyone relies on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferry.config import ImageArtifact, fill
from ferry.errors import BuildFailed, RegistryRefused

if TYPE_CHECKING:
    from ferry.config import Config
    from ferry.model import Environment, Release
    from ferry.outside.builder.assemble import Image
    from ferry.outside.registry import Registry
    from ferry.report import Report
    from ferry.verbs.build import Built
    from ferry.verbs.hands import Hands


def repository(config: Config, environment: Environment, name: str) -> str:
    artifact = config.artifacts[name]
    if not isinstance(artifact, ImageArtifact):
        raise TypeError(f"{name} is not an image")
    return fill(artifact.repository, env=environment.name, project=config.project, name=name)


def references(config: Config, environment: Environment, release: Release) -> dict[str, str]:
    """Artifact name to the reference by digest that Terraform gets: the only kind that deployments use."""
    registry = f"{environment.account}.dkr.ecr.{environment.region}.amazonaws.com"
    return {
        artifact.name: f"{registry}/{repository(config, environment, artifact.name)}@{artifact.digest}"
        for artifact in release.artifacts
    }


def refuse_stand_ins(release: Release, hands: Hands) -> None:
    """What was made for trying out stays where AWS is a stand-in too."""
    missing = sorted({stand_in for artifact in release.artifacts for stand_in in artifact.stand_ins})
    if missing and not hands.stand_in:
        raise BuildFailed(
            "this release is for trying out, not for an AWS account",
            where=release.id,
            why=f"something stands in for: {', '.join(missing)}",
            next="build where these images can be fetched, with a Ferry that assembles them",
        )


async def publish(
    config: Config,
    environment: Environment,
    built: Built,
    hands: Hands,
    report: Report,
) -> None:
    """Push every image under each of its tags. A repository that has to be made first is adopted by the next plan."""
    refuse_stand_ins(built.release, hands)
    for name, image in built.images.items():
        target = repository(config, environment, name)
        with report.step(f"publish {name}", f"Publish {name} to {target}") as step:
            if await hands.ensure_repository(target):
                step.say("made the repository; Terraform adopts it")
            step.say(f"pushing {image.size / 1e6:.1f} MB")
            tags = ("latest", environment.name)
            sent = await hands.registry.push(target, image, tags)
            await _verify_tags(image, hands.registry, target, tags)
            step.done(f"{sent} blobs pushed, {len(image.layers) + 1 - sent} were there; tags {', '.join(tags)}")


async def verify(config: Config, environment: Environment, release: Release, hands: Hands) -> None:
    """Ask the registry for every image of the release: nothing is applied that Lambda could not find."""
    for artifact in release.artifacts:
        target = repository(config, environment, artifact.name)
        if await hands.registry.digest(target, artifact.digest) != artifact.digest:
            raise RegistryRefused(
                "the release is not published",
                where=f"{hands.registry.name}/{target}",
                why=f"the registry has no image {artifact.digest}",
                next=f"publish to {environment.name} first, and plan again; `deploy` does all of it",
            )


async def _verify_tags(image: Image, registry: Registry, target: str, tags: tuple[str, ...]) -> None:
    for tag in tags:
        found = await registry.digest(target, tag)
        if found != image.digest:
            raise RegistryRefused(
                "the registry does not hold what was pushed",
                where=f"{registry.name}/{target}:{tag}",
                why=f"pushed {image.digest}, found {found}",
                next="run the same command again; if it stays so, someone else pushes to this tag",
            )
