"""Images that others publish, named as people name them: `python:3.13-slim`."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import httpx

from ferry.errors import FerryError, RegistryDenied, RegistryRefused, RegistryUnavailable, UsageError
from ferry.outside.registry.client import Registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from ferry.outside.builder.assemble import Base
    from ferry.outside.registry.patience import Pause

HUB = "registry-1.docker.io"
HUB_TOO = ("docker.io", "index.docker.io")
"""What people call it; there is no registry under these names."""
LAST_PORT = 65535
NO_LOGIN = "external images are asked for without a login: for one that wants it, name a mirror that does not"


def parse(name: str) -> tuple[str, str, str]:
    """Registry, repository, and tag or digest. A name without a registry is Docker Hub's, as everywhere."""
    rest, _, digest = name.partition("@")
    host, slash, path = rest.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host, path = HUB_TOO[0], rest
    if host in HUB_TOO:
        host, path = HUB, path if "/" in path else f"library/{path}"
    repository, _, tag = path.partition(":")
    return host, repository, digest or tag or "latest"


class Externals:
    """Each name is asked for once a run, and nobody waits twice for a registry that did not answer.

    `lock` holds digests by name; `mirror` is the address of a registry that has all of them under the same names.
    """

    def __init__(
        self, lock: Mapping[str, str], mirror: str = "", *, offline: bool = False, pause: Pause = anyio.sleep
    ) -> None:
        self._lock = lock
        self._mirror = _sound(mirror) if mirror else ""
        self._offline = offline
        self._pause = pause
        self._digests: dict[str, str] = {}
        self._images: dict[str, Base] = {}
        self._silent: dict[str, RegistryUnavailable] = {}
        self._turns: dict[str, anyio.Lock] = {}

    def pinned(self, name: str) -> bool:
        """By ferry.lock, or by the name itself."""
        return "@" in name or name in self._lock

    async def digest(self, name: str) -> str | None:
        """What the name stands for; a pin is not asked for anywhere. None: nobody can say, or may be asked."""
        try:
            return await self.resolve(name)
        except RegistryUnavailable:
            return None

    async def base(self, name: str) -> Base | None:
        """The image; None where it cannot be had, so that something has to stand in for it."""
        try:
            return await self.image(name)
        except RegistryUnavailable:
            return None

    async def resolve(self, name: str) -> str:
        """The digest that the name stands for: as pinned, or as its registry says now. An index has one too."""
        host, repository, reference = parse(name)
        if self._offline:
            raise _unasked(name)
        if self.pinned(name):
            return self._lock.get(name) or reference
        if name in self._digests:
            return self._digests[name]
        async with self._asking(host) as registry:
            if name not in self._digests:
                found = await registry.digest(repository, reference)
                self._digests[name] = found or _no_such_image(name, host)
        return self._digests[name]

    async def image(self, name: str) -> Base:
        """The image of our one platform that the name stands for."""
        host, repository, _ = parse(name)
        digest = await self.resolve(name)
        if name in self._images:
            return self._images[name]
        async with self._asking(host) as registry:
            if name not in self._images:
                self._images[name] = await self._fetched(registry, repository, digest, name)
        return self._images[name]

    def open(self, image: Base) -> Registry:
        """Where the blobs of an image are."""
        return self._dialled(image.registry)

    def _dialled(self, host: str) -> Registry:
        return Registry(host, url=self._mirror, pause=self._pause)

    async def _fetched(self, registry: Registry, repository: str, digest: str, name: str) -> Base:
        try:
            return await registry.base(repository, digest)
        except RegistryRefused as error:
            # Asked only after a refusal: which of its many reasons it had makes another error.
            if self.pinned(name) and await registry.digest(repository, digest) is None:
                raise _gone(name, digest, registry.name) from error
            raise

    @asynccontextmanager
    async def _asking(self, host: str) -> AsyncIterator[Registry]:
        """One question at a time to each address: whoever comes second finds what the first was told."""
        address = self._mirror or host
        async with self._turns.setdefault(address, anyio.Lock()):
            if address in self._silent:
                raise self._silent[address]
            try:
                async with self._dialled(host) as registry:
                    yield registry
            except FerryError as error:
                if self._mirror:
                    error.where += f", through {self._mirror}"
                if isinstance(error, RegistryDenied):
                    error.next = f"check its name; {NO_LOGIN}"
                if isinstance(error, RegistryUnavailable):
                    self._silent[address] = error
                raise


def _sound(mirror: str) -> str:
    if not _is_address(mirror):
        raise UsageError(
            "the mirror is not the address of a registry",
            # What may hold a login is not repeated: others read what we print.
            where="the mirror" if "@" in mirror else mirror,
            why="expected http:// or https://, a host and perhaps a port, and no login",
            next="name one such as http://127.0.0.1:5000",
        )
    return mirror


def _is_address(text: str) -> bool:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return False
    return url.scheme in {"http", "https"} and bool(url.host) and (url.port or 0) <= LAST_PORT and not url.userinfo


def _unasked(name: str) -> RegistryUnavailable:
    return RegistryUnavailable(
        "an external image is needed, and no registry may be asked",
        where=name,
        why="this run is to stay offline",
        next="run the same command again without --offline",
    )


def _no_such_image(name: str, host: str) -> str:
    raise RegistryRefused(
        "the image does not exist",
        where=name,
        why=f"{host} has nothing under this name",
        next="mend its name in ferry.toml",
    )


def _gone(name: str, digest: str, host: str) -> RegistryRefused:
    """Publishers delete what they have replaced, some of them after days."""
    exact = "@" in name
    return RegistryRefused(
        "an external image is gone: its registry does not have the pinned digest any more",
        where=f"{name}, pinned {'in ferry.toml' if exact else 'by ferry.lock'}",
        why=f"{host} has no {digest}",
        next="name a digest that is there in ferry.toml" if exact else "pin what the name stands for now: ferry lock",
    )
