"""publish: images go to the environment's registry, zips to its bucket.

They are asked for again before anyone relies on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ferry.config import ImageArtifact, ZipArtifact, fill
from ferry.errors import AwsError, BuildFailed, RegistryRefused
from ferry.model import Kind
from ferry.outside.aws.packages import checksum

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ferry.config import Config
    from ferry.model import Artifact, Environment, Release
    from ferry.outside.builder.assemble import Image
    from ferry.outside.registry import Registry
    from ferry.report import Report, Step
    from ferry.verbs.build import Built
    from ferry.verbs.hands import Hands


@dataclass(frozen=True, slots=True)
class References:
    """What Terraform is told of a release, by artifact: content, never a name that can be moved."""

    images: Mapping[str, str]
    packages: Mapping[str, Mapping[str, str]]


def references(config: Config, environment: Environment, release: Release) -> References:
    registry = f"{environment.account}.dkr.ecr.{environment.region}.amazonaws.com"
    return References(
        images={
            artifact.name: f"{registry}/{repository(config, environment, artifact.name)}@{artifact.digest}"
            for artifact in release.artifacts
            if artifact.kind is Kind.IMAGE
        },
        packages={
            artifact.name: {
                "key": key(config, environment, artifact),
                "hash": checksum(artifact.digest),
                "digest": artifact.digest,
            }
            for artifact in release.artifacts
            if artifact.kind is Kind.ZIP
        },
    )


def repository(config: Config, environment: Environment, name: str) -> str:
    artifact = config.artifacts[name]
    if not isinstance(artifact, ImageArtifact):
        raise TypeError(f"{name} is not an image")
    return fill(artifact.repository, env=environment.name, project=config.project, name=name)


def key(config: Config, environment: Environment, built: Artifact) -> str:
    """The zip's key in the bucket, its digest before the ending: another content is another object."""
    artifact = config.artifacts[built.name]
    if not isinstance(artifact, ZipArtifact):
        raise TypeError(f"{built.name} is not a zip")
    named = PurePosixPath(fill(artifact.package, env=environment.name, project=config.project, name=built.name))
    return str(named.with_name(f"{named.stem}-{built.digest.removeprefix('sha256:')}{named.suffix}"))


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
    """A repository or bucket that has to be made first is adopted by the next plan."""
    refuse_stand_ins(built.release, hands)
    for name, image in built.images.items():
        target = repository(config, environment, name)
        with report.step(f"publish {name}", f"Publish {name} to {target}") as step:
            await _publish_image(image, target, ("latest", environment.name), hands, step)
    if built.packages:
        await _publish_packages(config, environment, built, hands, report)


async def _publish_image(image: Image, target: str, tags: tuple[str, ...], hands: Hands, step: Step) -> None:
    if await hands.ensure_repository(target):
        step.say("made the repository; Terraform adopts it")
    step.say(f"pushing {image.size / 1e6:.1f} MB")
    sent = await hands.registry.push(target, image, tags)
    await _verify_tags(image, hands.registry, target, tags)
    step.done(f"{sent} blobs pushed, {len(image.layers) + 1 - sent} were there; tags {', '.join(tags)}")


async def _publish_packages(
    config: Config, environment: Environment, built: Built, hands: Hands, report: Report
) -> None:
    bucket = environment.packages
    with report.step("publish packages", f"Publish {len(built.packages)} packages to {bucket}") as step:
        if await hands.packages.ensure(bucket):
            step.say("made the bucket; Terraform adopts it")
        sent = 0
        for artifact in built.release.artifacts:
            if artifact.kind is not Kind.ZIP:
                continue
            place = key(config, environment, artifact)
            if await hands.packages.holds(bucket, place, artifact.digest):
                continue
            step.say(f"uploading {place}, {artifact.size / 1e6:.1f} MB")
            await hands.packages.put(bucket, place, built.packages[artifact.name], artifact.digest)
            sent += 1
        step.done(f"{sent} uploaded, {len(built.packages) - sent} were there")


async def verify(config: Config, environment: Environment, release: Release, hands: Hands) -> None:
    """Ask for every artifact of the release where Lambda will: nothing is applied that it could not find."""
    again = f"publish to {environment.name} first, and plan again; `deploy` does all of it"
    for artifact in release.artifacts:
        if artifact.kind is Kind.IMAGE:
            target = repository(config, environment, artifact.name)
            if await hands.registry.digest(target, artifact.digest) != artifact.digest:
                raise RegistryRefused(
                    "the release is not published",
                    where=f"{hands.registry.name}/{target}",
                    why=f"the registry has no image {artifact.digest}",
                    next=again,
                )
        else:
            place = key(config, environment, artifact)
            if not await hands.packages.holds(environment.packages, place, artifact.digest):
                raise AwsError(
                    "the release is not published",
                    where=f"s3://{environment.packages}/{place}",
                    why=f"the bucket has no package {artifact.digest} there",
                    next=again,
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
