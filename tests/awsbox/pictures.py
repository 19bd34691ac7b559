"""Small container images, and Ferry's own client to push them with."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ferry.outside.builder.assemble import CONFIG, LAYER, MANIFEST, Blob, Image
from ferry.outside.registry.client import Login, Registry

if TYPE_CHECKING:
    from tests.awsbox.people import Caller

ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"


def picture(text: str, *, layer: str = LAYER) -> Image:
    """An image whose digest the text decides."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("said")
        entry.size = len(text.encode())
        tar.addfile(entry, io.BytesIO(text.encode()))
    layers = (Blob(layer, gzip.compress(archive.getvalue(), mtime=0)),)
    contents = f"sha256:{hashlib.sha256(archive.getvalue()).hexdigest()}"
    said = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [contents]}}
    config = Blob(CONFIG, json.dumps(said | {"config": {"Env": [f"T={text}"]}}).encode())
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.descriptor(),
        "layers": [one.descriptor() for one in layers],
    }
    return Image(Blob(MANIFEST, json.dumps(manifest).encode()), config, layers)


def index(*images: Image) -> Blob:
    kind = "application/vnd.oci.image.index.v1+json"
    entries = [image.manifest.descriptor() | {"platform": {"os": "linux", "architecture": "amd64"}} for image in images]
    return Blob(kind, json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": entries}).encode())


def token(caller: Caller) -> str:
    said = caller.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    return base64.b64decode(said).decode().partition(":")[2]


def registry(caller: Caller, password: str = "") -> Registry:
    return Registry(
        urlsplit(caller.endpoint).netloc, url=caller.endpoint, login=Login("AWS", password or token(caller))
    )


def push(caller: Caller, repository: str, image: Image, *tags: str) -> int:
    async def pushing() -> int:
        async with registry(caller) as there:
            return await there.push(repository, image, tags)

    return asyncio.run(pushing())


def pull(caller: Caller, repository: str, reference: str) -> Image:
    async def pulling() -> Image:
        async with registry(caller) as there:
            return await there.pull(repository, reference)

    return asyncio.run(pulling())
