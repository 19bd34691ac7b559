"""Layers in, an image out: the same bytes on every machine.

What comes out is one manifest of one platform with gzip layers, which is what Lambda accepts.
Layers stay in files: only the manifest and the config, a few kilobytes each, are ever in memory.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ferry.errors import BuildFailed, InternalError
from ferry.outside.blobs import CHUNK, Blob, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ferry.outside.blobs import Store

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
EPOCH = "1970-01-01T00:00:00Z"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
DOCUMENT_LIMIT = 4 * 1024 * 1024
"""What a registry takes as a manifest; nobody's config is larger."""


@dataclass(frozen=True, slots=True)
class Layer:
    """What the config and the manifest of an image need to know of a layer. `diff_id` is the digest of its tar."""

    blob: Blob
    diff_id: str


@dataclass(frozen=True, slots=True)
class Image:
    """A manifest and everything that it names."""

    manifest: bytes
    config: bytes
    layers: tuple[Blob, ...]

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)

    @property
    def size(self) -> int:
        return len(self.manifest) + len(self.config) + sum(blob.size for blob in self.layers)

    @property
    def media_type(self) -> str:
        """OCI lets a manifest leave it out."""
        return str(json.loads(self.manifest).get("mediaType", MANIFEST))


@dataclass(frozen=True, slots=True)
class Base:
    """Somebody else's image of our one platform, and where its layers can be had. `digest` is its manifest's."""

    digest: str
    config: bytes
    layers: tuple[Blob, ...]
    registry: str
    repository: str


def assemble(
    layers: Sequence[Layer],
    *,
    base: Base | None,
    command: Sequence[str],
    environment: Mapping[str, str],
    workdir: str,
    port: int,
) -> Image:
    """The layers on top of the base, and how the image is started."""
    below = json.loads(base.config) if base else {}
    under = base.layers if base else ()
    # Go writes what is empty as null. An entrypoint would get the command as its arguments.
    said = {key: value for key, value in (below.get("config") or {}).items() if key != "Entrypoint"}
    variables = {name: value for name, _, value in (pair.partition("=") for pair in said.get("Env") or [])}
    variables |= dict(environment)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": EPOCH,
        "config": {
            **said,
            "Cmd": list(command),
            "Env": [f"{name}={value}" for name, value in variables.items()],
            "ExposedPorts": {f"{port}/tcp": {}},
            "WorkingDir": workdir,
        },
        "rootfs": {
            "type": "layers",
            "diff_ids": [*((below.get("rootfs") or {}).get("diff_ids") or []), *(it.diff_id for it in layers)],
        },
        "history": [*_history(below, len(under)), *_made(len(layers))],
    }
    return manifest_of(config, (*under, *(it.blob for it in layers)))


def manifest_of(config: Mapping[str, Any], layers: Sequence[Blob]) -> Image:
    """A config and its layers as one image.

    Docker names such layers in its own way: the same kind of bytes, which have OCI's name in a manifest of OCI's.
    """
    made = _canonical(config)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _descriptor(CONFIG, Blob(digest_of(made), len(made))),
        "layers": [_descriptor(LAYER, blob) for blob in layers],
    }
    return Image(_canonical(manifest), made, tuple(layers))


def port(image: Image) -> int:
    """Where it listens: PORT, or what it says that it exposes, or what Lambda's web adapter takes for granted."""
    said = json.loads(image.config).get("config") or {}
    variables = dict(pair.partition("=")[::2] for pair in said.get("Env") or [])
    exposed = [*(said.get("ExposedPorts") or {})]
    found = variables.get("PORT") or (exposed[0].partition("/")[0] if exposed else "")
    return int(found) if found.isdecimal() else 8080


def _history(below: Mapping[str, Any], layers: int) -> list[Mapping[str, Any]]:
    """Tools that read an image, Lambda among them, want one entry a layer: a base may have come without."""
    told: list[Mapping[str, Any]] = below.get("history") or []
    return told if sum(not entry.get("empty_layer") for entry in told) == layers else _made(layers)


def _made(layers: int) -> list[Mapping[str, Any]]:
    return [{"created": EPOCH, "created_by": "ferry"}] * layers


def _descriptor(media_type: str, blob: Blob) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": blob.digest, "size": blob.size}


def _canonical(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def layout(image: Image, target: Path) -> None:
    """The image as one tar in OCI layout: what container engines import. Every layer must be on this machine."""
    manifest = _descriptor(image.media_type, Blob(image.digest, len(image.manifest)))
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
    files["index.json"] = _canonical({"schemaVersion": 2, "manifests": [manifest]})
    files |= {_place(digest_of(data)): data for data in (image.manifest, image.config)}
    layers = {_place(blob.digest): blob for blob in image.layers}
    with _told(target, "the image cannot be written down"), tarfile.open(target, "w") as archive:
        for name in sorted({*files, *layers}):
            if name in files:
                _add(archive, name, len(files[name]), io.BytesIO(files[name]))
                continue
            path = layers[name].path
            if path is None:
                raise InternalError("a layer that is not on this machine cannot be put into a layout", where=name)
            with path.open("rb") as file:
                _add(archive, name, layers[name].size, file)


def _add(archive: tarfile.TarFile, name: str, size: int, data: Any) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = size
    archive.addfile(entry, data)


def read_layout(tar: Path, store: Store) -> Image:
    """What `layout` wrote, or an engine's own export. An index is followed to the one platform that we build for."""
    with _told(tar, "the image cannot be read"), tarfile.open(tar) as archive:
        found = _document(archive, "index.json")
        while "manifests" in (said := json.loads(found)):
            found = _named(archive, _ours(said["manifests"], tar))
        config = _named(archive, said["config"]["digest"])
        return Image(found, config, tuple(_kept(archive, it["digest"], store) for it in said["layers"]))


def _ours(manifests: Sequence[Mapping[str, Any]], tar: Path) -> str:
    """Beside the image an index may hold its attestations, which say that they are of no platform.

    One image with two tags is there twice.
    """
    platforms = [(it["digest"], it.get("platform") or {}) for it in manifests]
    fits = {
        digest
        for digest, it in platforms
        if (it.get("os", "linux"), it.get("architecture", "amd64")) == ("linux", "amd64")
    }
    if len(fits) != 1:
        raise BuildFailed(
            "the engine did not make one image for linux/amd64",
            where=tar.name,
            why=f"{len(fits)} of the {len(manifests)} manifests in its index are for it",
            next="make the Dockerfile build for one platform",
        )
    return str(fits.pop())


def _document(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.getmember(name)
    file = archive.extractfile(member)
    if file is None or member.size > DOCUMENT_LIMIT:
        raise ValueError(f"{name} is no small file")
    return file.read()


def _named(archive: tarfile.TarFile, digest: str) -> bytes:
    data = _document(archive, _place(digest))
    _same(digest, digest_of(data))
    return data


def _same(said: str, found: str) -> None:
    if said != found:
        raise ValueError(f"{said} holds other bytes: {found}")


def _kept(archive: tarfile.TarFile, digest: str, store: Store) -> Blob:
    if (known := store.find(digest)) is not None:
        return known
    file = archive.extractfile(_place(digest))
    with store.writing() as writer:
        while data := file.read(CHUNK) if file else b"":
            writer.write(data)
        _same(digest, writer.digest)
    return store.written(writer)


def _place(digest: str) -> str:
    if not DIGEST.fullmatch(digest):
        raise ValueError(f"{digest!r} is no SHA-256 digest")
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


@contextmanager
def _told(file: Path, what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, tarfile.TarError, AttributeError, KeyError, TypeError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        raise BuildFailed(
            what, where=str(file), why=why, next="look at the place and the room there, then run the same command again"
        ) from error
