"""What an environment has already: its registry, its cache repository and its bucket, asked by key."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ferry import model
from ferry.errors import RecordError, RegistryRefused
from ferry.model import Kind, Release
from ferry.outside.blobs import Blob
from ferry.outside.builder.assemble import Layer
from ferry.verbs import places

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ferry.config import Config
    from ferry.model import Artifact, Environment
    from ferry.outside.blobs import Store
    from ferry.outside.registry.ecr import Described
    from ferry.verbs.build import Wanted
    from ferry.verbs.hands import Depot

NOT_OURS = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What reading somebody else's manifest may end in: it lies under a name of ours, and is no image of ours."""


class Shelf:
    def __init__(self, config: Config, environment: Environment, depot: Depot) -> None:
        self._config = config
        self._environment = environment
        self._depot = depot

    @property
    def is_real(self) -> bool:
        """AWS itself: it takes nothing that something stands in for."""
        return not self._depot.stand_in

    async def release(self, wanted: Sequence[Wanted], *, commit: str, dirty: bool) -> Release | None:
        """What was published last, if it is what is wanted now."""
        try:
            last = await self.latest()
        except RecordError:
            return None  # of another Ferry, or damaged: what it names is found one by one, and written down anew
        if last is None or len(last.artifacts) != len(wanted):
            return None
        same = tuple(one.made(it.digest, it.size) for one, it in zip(wanted, last.artifacts, strict=True))
        return last if last == Release(commit=commit, dirty=dirty, artifacts=same) else None

    async def latest(self) -> Release | None:
        """What was published last, whatever came of it."""
        place = places.latest(self._environment)
        text = await self._depot.bucket.read(place) if self._depot.bucket.name else None
        return None if text is None else model.from_json(Release, text, where=f"s3://{self._depot.bucket.name}/{place}")

    async def complete(self, release: Release) -> Mapping[str, Described] | None:
        """What the registry says of its images, where every artifact is still where it was published to."""
        zips = {places.package(self._config, self._environment, it.name, it.key) for it in _of(release, Kind.ZIP)}
        if zips and await self._depot.bucket.present(zips) != zips:
            return None
        described: dict[str, Described] = {}
        for artifact in _of(release, Kind.IMAGE):
            target = places.repository(self._config, self._environment, artifact.name)
            known = await self._depot.described(target, artifact.digest)
            if known is None:
                return None
            described[artifact.name] = known
        return described

    async def find(self, wanted: Wanted) -> Artifact | None:
        """The artifact that was made of the same inputs."""
        if wanted.kind is Kind.ZIP:
            held = await self._depot.bucket.find(
                places.package(self._config, self._environment, wanted.name, wanted.key)
            )
            return wanted.made(held.digest, held.size) if held else None
        target = places.repository(self._config, self._environment, wanted.name)
        manifest = await self._depot.registry.manifest(target, places.tag(wanted.key))
        if manifest is not None:
            with suppress(*NOT_OURS):
                said = json.loads(manifest.data)
                size = len(manifest.data) + sum(_blob(part).size for part in (said["config"], *said["layers"]))
                return wanted.made(manifest.digest, size)
        return None

    async def layer(self, name: str, key: str) -> Layer | None:
        """Dependencies in the cache repository, an image of one layer. The layer itself stays there."""
        repository = places.cache(self._config, self._environment, name)
        manifest = await self._depot.registry.manifest(repository, places.tag(key)) if repository else None
        if manifest is not None:
            # What is damaged there is installed again, and put in its place.
            with suppress(*NOT_OURS, RegistryRefused):
                said = json.loads(manifest.data)
                config = json.loads(await self._depot.registry.document(repository, said["config"]["digest"]))
                (blob,), (diff_id,) = said["layers"], config["rootfs"]["diff_ids"]
                return Layer(_blob(blob), str(diff_id))
        return None

    async def zipped(self, key: str, store: Store) -> Blob | None:
        """Dependencies in the bucket, as a zip, brought here."""
        return await self._depot.bucket.get(places.dependencies(self._environment, key), store)

    async def keep(self, release: Release) -> None:
        """Write down that all of it is published: under its id, and then as the latest."""
        text, environment, bucket = model.to_json(release), self._environment, self._depot.bucket
        if not bucket.name:
            return  # a system without zips, whose environments name no bucket
        if await bucket.read(places.latest(environment)) == text:
            return
        await bucket.ensure()
        await bucket.write(places.release(environment, release.id), text, once=True)
        await bucket.write(places.latest(environment), text, once=False)


def _of(release: Release, kind: Kind) -> list[Artifact]:
    return [artifact for artifact in release.artifacts if artifact.kind is kind]


def _blob(part: Mapping[str, Any]) -> Blob:
    return Blob(str(part["digest"]), int(part["size"]))
