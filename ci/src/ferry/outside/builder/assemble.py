"""Directories in, an image out: the same bytes on every machine.

Order, times, owners and modes are fixed, so that a layer's digest depends on nothing but names and contents.
What comes out is one manifest of one platform with gzip layers, which is what Lambda accepts.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import posixpath
import stat
import tarfile
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
EPOCH = "1970-01-01T00:00:00Z"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Blob:
    media_type: str
    data: bytes

    @property
    def digest(self) -> str:
        return digest_of(self.data)

    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}


@dataclass(frozen=True, slots=True)
class Image:
    """A manifest and everything that it names."""

    manifest: Blob
    config: Blob
    layers: tuple[Blob, ...]

    @property
    def digest(self) -> str:
        return self.manifest.digest

    @property
    def size(self) -> int:
        return sum(len(blob.data) for blob in (self.manifest, self.config, *self.layers))


def layer(folder: Path, at: str) -> Blob:
    """The folder's content, to lie at an absolute place in the image."""
    place = PurePosixPath(posixpath.normpath(at)).relative_to("/")
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for parent in [*reversed(place.parents), place][1:]:
            archive.addfile(_entry(str(parent), mode=0o755, kind=tarfile.DIRTYPE))
        for path in sorted(folder.rglob("*")):
            _add(archive, path, str(place / path.relative_to(folder)))
    return Blob(LAYER, gzip.compress(tar.getvalue(), compresslevel=6, mtime=0))


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    if path.is_symlink():
        entry = _entry(name, mode=0o777, kind=tarfile.SYMTYPE)
        entry.linkname = str(path.readlink())
        archive.addfile(entry)
    elif path.is_dir():
        archive.addfile(_entry(name, mode=0o755, kind=tarfile.DIRTYPE))
    else:
        data = path.read_bytes()
        # Lambda runs as a user of its own: whatever the umask was here, everyone may read.
        runs = path.stat().st_mode & stat.S_IXUSR
        entry = _entry(name, mode=0o755 if runs else 0o644, kind=tarfile.REGTYPE)
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))


def _entry(name: str, *, mode: int, kind: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.type = mode, kind
    return entry


def assemble(
    layers: Sequence[Blob],
    *,
    base: Image | None,
    command: Sequence[str],
    environment: Mapping[str, str],
    workdir: str,
    port: int,
) -> Image:
    """The layers on top of the base, and how the image is started."""
    below = json.loads(base.config.data) if base else {}
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
            "diff_ids": (below.get("rootfs", {}).get("diff_ids") or [])
            + [digest_of(gzip.decompress(blob.data)) for blob in layers],
        },
        # Tools that read an image expect one entry a layer.
        "history": (below.get("history") or []) + [{"created": EPOCH, "created_by": "ferry"} for _ in layers],
    }
    stack = (*(_renamed(blob) for blob in (base.layers if base else ())), *layers)
    made = Blob(CONFIG, _canonical(config))
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": made.descriptor(),
        "layers": [blob.descriptor() for blob in stack],
    }
    return Image(Blob(MANIFEST, _canonical(manifest)), made, stack)


def _renamed(blob: Blob) -> Blob:
    """Docker's name for the same kind of layer has no place in a manifest of OCI's."""
    return Blob(LAYER, blob.data) if blob.media_type == DOCKER_LAYER else blob


def _canonical(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def layout(image: Image) -> bytes:
    """The image as one tar in OCI layout: what container engines import."""
    index = {"schemaVersion": 2, "manifests": [image.manifest.descriptor()]}
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": _canonical(index)}
    for blob in (image.manifest, image.config, *image.layers):
        files[f"blobs/sha256/{blob.digest.removeprefix('sha256:')}"] = blob.data
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for name, data in sorted(files.items()):
            entry = _entry(name, mode=0o644, kind=tarfile.REGTYPE)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return tar.getvalue()


def read_layout(tar: bytes) -> Image:
    """What `layout` wrote."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        files = {entry.name: archive.extractfile(entry) for entry in archive.getmembers() if entry.isreg()}
        content = {name: file.read() for name, file in files.items() if file}

    def blob(said: Mapping[str, Any]) -> Blob:
        return Blob(said["mediaType"], content[f"blobs/sha256/{said['digest'].removeprefix('sha256:')}"])

    manifest = blob(json.loads(content["index.json"])["manifests"][0])
    said = json.loads(manifest.data)
    return Image(manifest, blob(said["config"]), tuple(blob(part) for part in said["layers"]))
