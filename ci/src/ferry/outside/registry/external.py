"""Images that others publish, named as people name them: `python:3.13-slim`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferry.errors import RegistryUnavailable
from ferry.outside.registry.client import Registry

if TYPE_CHECKING:
    from ferry.outside.builder.assemble import Image

HUB = "registry-1.docker.io"
HUB_TOO = ("docker.io", "index.docker.io")
"""What people call it; there is no registry under these names."""


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


async def pull(name: str, *, mirror: str = "") -> Image | None:
    """The image, from the mirror where one is named; None where its registry cannot be reached."""
    host, repository, reference = parse(name)
    try:
        async with Registry(host, url=mirror) as registry:
            return await registry.pull(repository, reference)
    except RegistryUnavailable:
        return None
