"""publish: images go to the environment's registry, zips to its bucket, and then the release is written down.

What is there already stays as it is. What was sent is asked for again before anyone relies on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ferry.errors import AwsError, Blocked, RegistryRefused
from ferry.guards import image as guard
from ferry.model import Kind, Severity, Threshold
from ferry.outside.aws.bucket import checksum
from ferry.outside.blobs import digest_of
from ferry.outside.builder.assemble import Layer, assemble
from ferry.verbs import places
from ferry.verbs.build import for_trying_out
from ferry.verbs.lenders import lenders
from ferry.verbs.prove import prove_images
from ferry.verbs.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ferry.config import Config
    from ferry.model import Artifact, Environment, Release
    from ferry.outside.registry import Registry
    from ferry.outside.registry.ecr import Described
    from ferry.report import Step
    from ferry.verbs.build import Built, BuiltImage, Part
    from ferry.verbs.hands import Depot, Run, Target


LATEST = "latest"


@dataclass(frozen=True, slots=True)
class References:
    """What Terraform is told of a release, by artifact: content, never a name that can be moved."""

    images: Mapping[str, str]
    packages: Mapping[str, Mapping[str, str]]

    def told(self) -> dict[str, str]:
        """By artifact: an image by its digest, a zip by its hash."""
        return {**self.images, **{name: said["hash"] for name, said in self.packages.items()}}


def references(config: Config, environment: Environment, release: Release) -> References:
    registry = places.registry(environment)
    return References(
        images={
            it.name: f"{registry}/{places.repository(config, environment, it.name)}@{it.digest}"
            for it in release.artifacts
            if it.kind is Kind.IMAGE
        },
        packages={
            it.name: {
                "key": places.package(config, environment, it.name, it.key),
                "hash": checksum(it.digest),
                "digest": it.digest,
            }
            for it in release.artifacts
            if it.kind is Kind.ZIP
        },
    )


def refuse_stand_ins(release: Release, depot: Depot) -> None:
    """What was made for trying out stays where AWS is a stand-in too."""
    missing = {stand_in for artifact in release.artifacts for stand_in in artifact.stand_ins}
    if missing and not depot.stand_in:
        raise for_trying_out(missing, where=release.id)


async def publish(built: Built, target: Target, run: Run) -> None:
    """A repository or bucket that has to be made first is adopted by the next plan."""
    refuse_stand_ins(built.release, target.depot)
    await prove_images(built, target, run)
    deployment = _deployment(built.release, target)
    for artifact in built.release.artifacts:
        if artifact.kind is Kind.IMAGE:
            await _publish_image(artifact, built, target, deployment)
    if built.packages:
        await _publish_packages(built, target)
    if not built.recorded:
        await Shelf(target.config, target.environment, target.depot).keep(built.release)


def _deployment(release: Release, target: Target) -> str:
    now = datetime.fromtimestamp(target.report.clock(), UTC)
    named = f"{target.environment.name}-{now:%Y%m%dT%H%M%SZ}-{release.commit[:7]}"
    return named + ("-dirty" if release.dirty else "")


async def _publish_image(artifact: Artifact, built: Built, target: Target, deployment: str) -> None:
    """It is pushed by its digest. The tags come when it was looked at: who finds it by one may rely on it."""
    repository = places.repository(target.config, target.environment, artifact.name)
    with target.report.step(f"publish {artifact.name}", f"Publish {artifact.name} to {repository}") as step:
        image = built.images.get(artifact.name)
        how = await _push(artifact, image, target, step) if image else "was there"
        known = built.described.get(artifact.name) or await target.depot.described(repository, artifact.digest)
        await _judge(known, artifact, target)
        key = places.tag(artifact.key)
        missing = _missing(known, (key, *_moving(built.release)))
        if missing:
            missing = (*missing, deployment)
            await _tag(artifact, repository, missing, target.depot.registry)
        told = ", ".join(tag for tag in missing if tag != key)
        step.done(f"{how}; tags {told}" if missing else f"{how}, with its tags")


def _moving(release: Release) -> tuple[str, ...]:
    """A commit's tag says that this commit makes this image: of work that nobody has committed it would not be true."""
    return (LATEST,) if release.dirty else (release.commit, LATEST)


def _missing(known: Described | None, tags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(tag for tag in tags if known is None or tag not in known.tags)


async def _tag(artifact: Artifact, repository: str, tags: tuple[str, ...], registry: Registry) -> None:
    manifest = await registry.manifest(repository, artifact.digest)
    if manifest is None:
        raise RegistryRefused(
            "an image has gone from the registry since it was found there",
            where=f"{registry.name}/{repository}",
            why=f"the registry has no image {artifact.digest}",
            next="run the same command again: what is gone is built again",
        )
    for tag in tags:
        await registry.put_manifest(repository, tag, manifest.data, manifest.media_type)
        found = await registry.digest(repository, tag)
        # Whoever publishes another release at this moment moves it on, and may.
        if found != artifact.digest and tag != LATEST:
            raise _unlike(registry, f"{repository}:{tag}", artifact.digest, found)


async def _push(artifact: Artifact, built: BuiltImage, target: Target, step: Step) -> str:
    depot, repository = target.depot, places.repository(target.config, target.environment, artifact.name)
    if await depot.ensure_repository(repository):
        step.say("made the repository; Terraform adopts it")
    mounts: tuple[str, ...] = ()
    cache = places.cache(target.config, target.environment, artifact.name)
    if cache and built.dependencies:
        mounts = (cache,)
        await _keep_dependencies(built.dependencies, cache, depot, step)
    step.say(f"pushing what is not there of {artifact.size / 1e6:.1f} MB")
    async with lenders(built, (depot.registry, cache) if cache else None) as others:
        sent = await depot.registry.push(
            repository, built.image, (artifact.digest,), mounts=mounts, others=others.shops
        )
    await _verify(built, repository, depot.registry)
    there = len(built.image.layers) + 1 - sent.blobs
    return f"{sent.blobs} blobs, {sent.bytes / 1e6:.2f} MB pushed, {there} were there"


async def _keep_dependencies(part: Part, cache: str, depot: Depot, step: Step) -> None:
    """As an image of one layer, so that a machine that never saw this lock has its dependencies at once."""
    if part.blob.path is None:
        return  # it came from there
    if await depot.ensure_repository(cache, scanned=False):
        step.say(f"made {cache}; Terraform adopts it")
    kept = assemble(
        (Layer(part.blob, part.diff_id),), base=None, command=("true",), environment={}, workdir="/", port=8080
    )
    if await depot.registry.digest(cache, places.tag(part.key)) == kept.digest:
        return
    step.say("keeping the dependencies for the next build")
    await depot.registry.push(cache, kept, (places.tag(part.key),))


async def _verify(built: BuiltImage, repository: str, registry: Registry) -> None:
    """Read back what Lambda will read: one manifest that it takes, its config, and every layer."""
    image = built.image
    manifest = await registry.manifest(repository, image.digest)
    if manifest is None:
        raise _unlike(registry, repository, image.digest, None)
    config = await registry.document(repository, digest_of(image.config))
    refusals = guard.refusals(manifest.data, manifest.media_type, config)
    missing = [blob.digest for blob in image.layers if not await registry.has(repository, blob.digest)]
    if refusals or missing:
        raise RegistryRefused(
            "Lambda would not take this image",
            where=f"{registry.name}/{repository}@{image.digest}",
            why="\n".join((*refusals, *(f"the layer {digest} is not in the registry" for digest in missing))),
            next="run the same command again; if it stays so, look at what pushes there beside Ferry",
        )


def _unlike(registry: Registry, where: str, pushed: str, found: str | None) -> RegistryRefused:
    return RegistryRefused(
        "the registry does not hold what was pushed",
        where=f"{registry.name}/{where}",
        why=f"pushed {pushed}, found {found or 'nothing'}",
        next="run the same command again; if it stays so, someone else pushes to this tag",
    )


async def _judge(known: Described | None, artifact: Artifact, target: Target) -> None:
    """What the registry's scan found in it, where it has looked. Nobody is asked twice for what stops nothing."""
    threshold, counts = target.environment.scan_stops_at, known.findings if known else None
    if known and counts is None and threshold is not Threshold.NEVER:
        repository = places.repository(target.config, target.environment, artifact.name)
        counts = await target.depot.scanned(repository, artifact.digest)
    finding = guard.scanned(counts, threshold, address=artifact.name)
    target.report.found(finding)
    if finding.severity is Severity.BLOCK:
        raise Blocked(finding.what, where=artifact.name, why=finding.why, next=finding.next)


async def _publish_packages(built: Built, target: Target) -> None:
    bucket, environment = target.depot.bucket, target.environment
    with target.report.step("publish packages", f"Publish {len(built.packages)} packages to {bucket.name}") as step:
        if await bucket.ensure():
            step.say("made the bucket; Terraform adopts it")
        sent = 0
        for artifact in built.release.artifacts:
            package = built.packages.get(artifact.name)
            if package is None:
                continue
            kept = places.dependencies(environment, package.dependencies.key)
            place = places.package(target.config, environment, artifact.name, artifact.key)
            for key, blob in ((kept, package.dependencies.blob), (place, package.blob)):
                held = await bucket.find(key)
                if held and held.digest != blob.digest:
                    raise _other_bytes(f"s3://{bucket.name}/{key}", held.digest, blob.digest)
                if held:
                    continue
                step.say(f"uploading {key}, {blob.size / 1e6:.1f} MB")
                await bucket.put(key, blob, "application/zip")
                sent += 1
        step.done(f"{sent} objects uploaded")


def _other_bytes(where: str, there: str, here: str) -> AwsError:
    return AwsError(
        "the same inputs made other bytes",
        where=where,
        why=f"{there} is published under this key, and this machine made {here}",
        next="nothing was overwritten: build again on a machine that has not built this yet, which takes what is "
        "published; a build that is not reproducible is a mistake in Ferry or in a dependency",
    )


async def verify(config: Config, environment: Environment, release: Release, depot: Depot) -> None:
    """Ask for every artifact of the release where Lambda will: nothing is applied that it could not find."""
    again = f"publish to {environment.name} first, and plan again; `deploy` does all of it"
    for artifact in release.artifacts:
        if artifact.kind is Kind.IMAGE:
            repository = places.repository(config, environment, artifact.name)
            if await depot.registry.digest(repository, artifact.digest) != artifact.digest:
                raise RegistryRefused(
                    "the release is not published",
                    where=f"{depot.registry.name}/{repository}",
                    why=f"the registry has no image {artifact.digest}",
                    next=again,
                )
        else:
            place = places.package(config, environment, artifact.name, artifact.key)
            held = await depot.bucket.find(place)
            if held is None or held.digest != artifact.digest:
                raise AwsError(
                    "the release is not published",
                    where=f"s3://{environment.packages}/{place}",
                    why=f"the bucket has no package {artifact.digest} there",
                    next=again,
                )
