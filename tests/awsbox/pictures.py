"""Small container images, and Ferry's own client to push them with."""

from __future__ import annotations

import asyncio
import base64
import gzip
import io
import json
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ferry.outside.blobs import Blob, Store, digest_of
from ferry.outside.builder.assemble import CONFIG, LAYER, MANIFEST, Image
from ferry.outside.registry import Login, Registry

if TYPE_CHECKING:
    from tests.awsbox.people import Caller

ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
INDEX = "application/vnd.oci.image.index.v1+json"
# Layers are files; they go with the process.
_FOLDER = tempfile.TemporaryDirectory(prefix="pictures-")
STORE = Store(Path(_FOLDER.name))


def picture(text: str, *, layer: str = LAYER) -> Image:
    """An image whose digest the text decides."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("said")
        entry.size = len(text.encode())
        tar.addfile(entry, io.BytesIO(text.encode()))
    contents = digest_of(archive.getvalue())
    said = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [contents]}}
    config = json.dumps(said | {"config": {"Env": [f"T={text}"]}}).encode()
    return made(config, STORE.keep(gzip.compress(archive.getvalue(), mtime=0)), layer=layer)


def made(config: bytes, *layers: Blob, layer: str = LAYER) -> Image:
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": digest_of(config), "size": len(config)},
        "layers": [{"mediaType": layer, "digest": blob.digest, "size": blob.size} for blob in layers],
    }
    return Image(json.dumps(manifest).encode(), config, layers)


def index(*images: Image) -> bytes:
    platform = {"os": "linux", "architecture": "amd64"}
    entries = [
        {"mediaType": MANIFEST, "digest": image.digest, "size": len(image.manifest), "platform": platform}
        for image in images
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()


def token(caller: Caller) -> str:
    said = caller.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    return base64.b64decode(said).decode().partition(":")[2]


def registry(caller: Caller, password: str = "") -> Registry:
    login = Login("AWS", password or token(caller))
    return Registry(urlsplit(caller.endpoint).netloc, url=caller.endpoint, login=login, pause=at_once)


async def at_once(_: float) -> None:
    """What would be waited for between two tries."""


def push(caller: Caller, repository: str, image: Image, *tags: str) -> int:
    """How many blobs had to travel."""

    async def pushing() -> int:
        async with registry(caller) as there:
            return (await there.push(repository, image, tags)).blobs

    return asyncio.run(pushing())


def pull(caller: Caller, repository: str, reference: str) -> Image:
    """The image with its layers, downloaded anew."""

    async def pulling() -> Image:
        async with registry(caller) as there:
            manifest = await there.manifest(repository, reference)
            assert manifest
            said = json.loads(manifest.data)
            config = await there.document(repository, said["config"]["digest"])
            with tempfile.TemporaryDirectory(prefix="pulled-") as folder:
                fresh = Store(Path(folder))
                pulled = [await there.download(repository, part["digest"], fresh) for part in said["layers"]]
                layers = tuple(STORE.keep(blob.path.read_bytes()) for blob in pulled if blob.path)
        return Image(manifest.data, config, layers)

    return asyncio.run(pulling())
