"""build: every artifact of the configuration, each named by the hash of what goes into it, and the release they make.

What is found under that name is not built: in the environment that it would be published to. Dependencies have a name
of their own, and are found there or on this machine.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from ferry import inputs
from ferry.config import ZipArtifact
from ferry.errors import BuildFailed
from ferry.model import Artifact, Finding, Kind, Release, Severity
from ferry.outside.builder import DEPENDENCIES
from ferry.outside.builder.assemble import Image, Layer, assemble, read_layout
from ferry.outside.builder.layer import adapter_layer, layer
from ferry.outside.builder.normal import normalised
from ferry.outside.builder.package import dependencies_zip, package
from ferry.report import words
from ferry.verbs.together import together

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping
    from pathlib import Path

    from ferry.config import Config, ImageArtifact, Recipe
    from ferry.lockfile import Lock
    from ferry.outside.blobs import Blob, Store
    from ferry.outside.builder import Builder
    from ferry.outside.builder.assemble import Base
    from ferry.outside.registry import Registry
    from ferry.outside.registry.ecr import Described
    from ferry.outside.registry.external import Externals
    from ferry.report import Report, Step
    from ferry.verbs.shelf import Shelf


AT_ONCE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What artifacts are built with. `shelf` is what is published already; None where nobody looks."""

    builder: Builder
    externals: Externals
    store: Store
    lock: Lock
    shelf: Shelf | None = None
    turns: dict[str, anyio.Lock] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An artifact before anyone has built or found it. `dependencies` is the key that these have alone."""

    artifact: ImageArtifact | ZipArtifact
    inputs: Mapping[str, str]
    stand_ins: tuple[str, ...] = ()
    dependencies: str = ""

    @property
    def name(self) -> str:
        return self.artifact.name

    @property
    def kind(self) -> Kind:
        return self.artifact.kind

    @property
    def key(self) -> str:
        return inputs.key(self.inputs)

    def made(self, digest: str, size: int) -> Artifact:
        return Artifact(
            name=self.name,
            kind=self.kind,
            key=self.key,
            digest=digest,
            size=size,
            stand_ins=self.stand_ins,
            inputs=self.inputs,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Dependencies, apart from what uses them: as a layer of an image, or as a zip."""

    key: str
    blob: Blob
    diff_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImage:
    """`base` and `dependencies` say where the blobs are that this machine does not have.

    It is not `whole` where something stands in for its base: it has no system to run on.
    """

    image: Image
    whole: bool = True
    base: Base | None = None
    open_base: Callable[[], Registry] | None = None
    dependencies: Part | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltPackage:
    blob: Blob
    dependencies: Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A release. Artifacts in neither `images` nor `packages` are where they would be published to.

    `recorded`: it is written down there as what was published last.
    """

    release: Release
    images: Mapping[str, BuiltImage] = field(default_factory=dict)
    packages: Mapping[str, BuiltPackage] = field(default_factory=dict)
    described: Mapping[str, Described] = field(default_factory=dict)
    """What the registry said of the images that were found there."""
    recorded: bool = False


async def build(config: Config, workshop: Workshop, report: Report, *, commit: str, dirty: bool) -> Built:
    wanted = await want(config, workshop, report)
    missing = {it for one in wanted for it in one.stand_ins}
    if missing and workshop.shelf and workshop.shelf.is_real:
        raise for_trying_out(missing, where=", ".join(one.name for one in wanted if one.stand_ins))
    if workshop.shelf:
        known = await workshop.shelf.release(wanted, commit=commit, dirty=dirty)
        described = await workshop.shelf.complete(known) if known else None
        if known and described is not None:
            _tell(known, report)
            return Built(release=known, described=described, recorded=True)
    bench = _Bench(workshop, report)
    await together(bench.make, wanted)
    release = Release(commit=commit, dirty=dirty, artifacts=tuple(bench.made[one.name] for one in wanted))
    return Built(release=release, images=bench.images, packages=bench.packages)


class _Bench:
    """Where artifacts are made side by side: most of the time goes into waiting for uv, a registry or an engine."""

    def __init__(self, workshop: Workshop, report: Report) -> None:
        self.made: dict[str, Artifact] = {}
        self.images: dict[str, BuiltImage] = {}
        self.packages: dict[str, BuiltPackage] = {}
        self._workshop = workshop
        self._report = report
        self._room = anyio.Semaphore(AT_ONCE)

    async def make(self, one: Wanted) -> None:
        async with self._room:
            with self._report.step(f"build {one.name}", f"Build the {one.kind} {one.name}") as step:
                found = await self._workshop.shelf.find(one) if self._workshop.shelf else None
                if found:
                    step.done(f"published already, {found.digest}")
                self.made[one.name] = found or await self._built(one, step)
            self._report.made(self.made[one.name])

    async def _built(self, one: Wanted, step: Step) -> Artifact:
        if isinstance(one.artifact, ZipArtifact):
            self.packages[one.name] = zipped = await _package(one.artifact, one, self._workshop, step)
            step.done(f"{zipped.blob.size / 1e6:.1f} MB, {zipped.blob.digest}")
            return one.made(zipped.blob.digest, zipped.blob.size)
        self.images[one.name] = built = await _image(one.artifact, one, self._workshop, step)
        step.done(f"{len(built.image.layers)} layers, {built.image.digest}")
        return one.made(built.image.digest, built.image.size)


async def want(config: Config, workshop: Workshop, report: Report) -> tuple[Wanted, ...]:
    """What would be built, by the hashes of what goes into it: files are read, nothing else is done."""
    with report.step("inputs", "Look at what goes into the release") as step:
        tree = await workshop.builder.tree(_paths(config))
        python = await workshop.builder.compiler()
        pinned = workshop.lock.python
        unlike = (f"python {pinned}",) if pinned not in {"", python} else ()
        wanted = []
        for artifact in config.artifacts.values():
            if isinstance(artifact, ZipArtifact):
                said = inputs.of_package(artifact, tree=tree, python=python)
                installed = _dependencies(tree / artifact.lock, "zip", python)
                wanted.append(Wanted(artifact=artifact, inputs=said, stand_ins=unlike, dependencies=installed))
            elif artifact.recipe is None:
                wanted.append(Wanted(artifact=artifact, inputs=inputs.of_dockerfile(artifact, tree=tree)))
            else:
                one = await _image_wanted(artifact, artifact.recipe, workshop, tree, python)
                wanted.append(replace(one, stand_ins=one.stand_ins + unlike))
        for missing in sorted({it for one in wanted for it in one.stand_ins}):
            report.found(_stood_in(missing))
        step.done(words.count(len(wanted), "artifact"))
    return tuple(wanted)


async def _image_wanted(artifact: ImageArtifact, recipe: Recipe, workshop: Workshop, tree: Path, python: str) -> Wanted:
    externals: dict[str, str | None] = {image: None for image in (recipe.base, recipe.adapter) if image}

    async def ask(image: str) -> None:
        externals[image] = await workshop.externals.digest(image)

    await together(ask, list(externals))  # a registry that is silent is waited for
    said = inputs.of_image(recipe, tree=tree, python=python, externals=externals, also=artifact.inputs)
    missing = tuple(image for image, digest in externals.items() if digest is None)
    installed = _dependencies(tree / recipe.lock, DEPENDENCIES, python)
    return Wanted(artifact=artifact, inputs=said, stand_ins=missing, dependencies=installed)


def _dependencies(lock: Path, form: str, python: str) -> str:
    """The key of what is installed: artifacts with the same lock, and of the same form, share it."""
    return inputs.key(inputs.of_dependencies(lock.read_bytes(), python) | {"form": form})


def _paths(config: Config) -> tuple[str, ...]:
    """Everything of the repository that artifacts are made from."""
    paths: dict[str, None] = {}
    for artifact in config.artifacts.values():
        paths |= dict.fromkeys(artifact.inputs)
        if isinstance(artifact, ZipArtifact):
            paths |= dict.fromkeys((artifact.lock, *artifact.source))
        elif artifact.recipe:
            paths |= dict.fromkeys((artifact.recipe.lock, *artifact.recipe.source))
        else:
            paths[str(artifact.dockerfile)] = None
    return tuple(paths)


def for_trying_out(missing: Collection[str], *, where: str) -> BuildFailed:
    return BuildFailed(
        "this release is for trying out, not for an AWS account",
        where=where,
        why=f"something stands in for: {', '.join(sorted(missing))}",
        next="build where these can be had; `ferry lock` pins the ones that are to be used",
    )


def _stood_in(what: str) -> Finding:
    return Finding(
        guard="build",
        severity=Severity.WARN,
        verdict="stand-in",
        address=what,
        what=f"something stands in for {what}: this release is for trying out, and no AWS account takes it",
        next="build where it can be had",
    )


def _tell(known: Release, report: Report) -> None:
    with report.step("found", "Nothing has changed since this was built and published") as step:
        for artifact in known.artifacts:
            report.made(artifact)
        step.done(known.id)


async def _package(artifact: ZipArtifact, wanted: Wanted, workshop: Workshop, step: Step) -> BuiltPackage:
    dependencies = await _zipped(artifact.lock, wanted.dependencies, workshop, step)
    step.say("adding the application")
    application = await workshop.builder.application(artifact.source)
    blob = await to_thread.run_sync(package, dependencies.blob, application, workshop.store)
    return BuiltPackage(blob=blob, dependencies=dependencies)


async def _image(artifact: ImageArtifact, wanted: Wanted, workshop: Workshop, step: Step) -> BuiltImage:
    if artifact.recipe:
        return await _by_recipe(wanted, artifact.recipe, workshop, step)
    step.say(f"building {artifact.dockerfile}")
    tar = await workshop.builder.dockerfile(str(artifact.dockerfile), artifact.inputs)
    return BuiltImage(image=normalised(read_layout(tar, workshop.store), workshop.store))


async def _by_recipe(wanted: Wanted, recipe: Recipe, workshop: Workshop, step: Step) -> BuiltImage:
    base = await _external(recipe.base, wanted, workshop)
    adapter = await _external(recipe.adapter, wanted, workshop) if recipe.adapter else None
    layers: list[Layer] = []
    if adapter:
        layers.append(await _adapter(adapter, workshop))
    dependencies = await _layered(wanted, recipe.lock, workshop, step)
    layers.append(Layer(dependencies.blob, dependencies.diff_id))
    step.say("adding the application")
    layers.append(layer(await workshop.builder.application(recipe.source), recipe.workdir, workshop.store))
    image = assemble(
        layers,
        base=base,
        command=recipe.command,
        environment=variables(recipe),
        workdir=recipe.workdir,
        port=recipe.port,
    )
    opener = partial(workshop.externals.open, base) if base else None
    return BuiltImage(image=image, whole=base is not None, base=base, open_base=opener, dependencies=dependencies)


def variables(recipe: Recipe) -> dict[str, str]:
    """PORT is where the web adapter and the box look for the application. Sorted: their order is no input."""
    own = {"PORT": str(recipe.port), "PYTHONPATH": f"{recipe.workdir}:{DEPENDENCIES}"}
    return dict(sorted((own | dict(recipe.environment)).items()))


async def _external(name: str, wanted: Wanted, workshop: Workshop) -> Base | None:
    """None where something stands in for it, which `wanted` has said by then."""
    return None if name in wanted.stand_ins else await workshop.externals.image(name)


async def _adapter(image: Base, workshop: Workshop) -> Layer:
    async def make() -> Layer:
        async with workshop.externals.open(image) as registry:
            blobs = [await registry.download(image.repository, it.digest, workshop.store) for it in image.layers]
        return adapter_layer([blob.path for blob in blobs if blob.path], workshop.store)

    part = await _part(inputs.key({"adapter": image.digest, "builder": inputs.FORMAT}), make, workshop)
    return Layer(part.blob, part.diff_id)


async def _layered(wanted: Wanted, lock: str, workshop: Workshop, step: Step) -> Part:
    """From this machine, from the environment's cache repository (where it stays), or installed."""

    async def make() -> Layer:
        if workshop.shelf and (found := await workshop.shelf.layer(wanted.name, wanted.dependencies)):
            step.say(f"what {lock} locks is published already")
            return found
        step.say(f"installing what {lock} locks")
        folder = await workshop.builder.dependencies(lock)
        return await to_thread.run_sync(layer, folder, DEPENDENCIES, workshop.store)

    return await _part(wanted.dependencies, make, workshop)


async def _zipped(lock: str, key: str, workshop: Workshop, step: Step) -> Part:
    """The same; but what a zip is made from has to be here."""

    async def make() -> Layer:
        if workshop.shelf and (found := await workshop.shelf.zipped(key, workshop.store)):
            step.say(f"what {lock} locks is published already")
            return Layer(found, "")
        step.say(f"installing what {lock} locks")
        folder = await workshop.builder.dependencies(lock)
        return Layer(await to_thread.run_sync(dependencies_zip, folder, workshop.store), "")

    return await _part(key, make, workshop)


async def _part(key: str, make: Callable[[], Awaitable[Layer]], workshop: Workshop) -> Part:
    """Made once on this machine, for as long as the store keeps it; who comes second waits for who came first."""
    async with workshop.turns.setdefault(key, anyio.Lock()):
        noted = workshop.store.noted(key)
        if blob := workshop.store.find(noted.get("digest", "")):
            return Part(key=key, blob=blob, diff_id=noted.get("diff_id", ""))
        made = await make()
        workshop.store.note(key, {"digest": made.blob.digest, "diff_id": made.diff_id})
        return Part(key=key, blob=made.blob, diff_id=made.diff_id)
