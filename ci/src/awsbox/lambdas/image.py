"""An image from the box's registry, unpacked into a folder: once per digest, however often it runs."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from awsbox.lambdas.functions import NoImage
from awsbox.rules import shelves, stores

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from awsbox.lambdas.functions import Source

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
GZIP = b"\x1f\x8b"


class BadImage(Exception):
    """It holds what Lambda would not run."""


@dataclass(frozen=True)
class Image:
    root: Path
    config: Mapping[str, Any]

    def inside(self, path: str) -> Path:
        """Where an absolute path of the image is on this machine."""
        return self.root / path.lstrip("/")


def pulled(source: Source, cache: Path) -> Image:
    """Read the registry's store in process: who may have the image was decided when the function was given it."""
    with stores.core("responses").request_scope(source.account, source.region):
        stored, blobs = shelves.image(source.repository, source.digest), shelves.blobs(source.repository)
    if stored is None:
        raise NoImage(f"{source.repository}@{source.digest} is not in the registry")
    manifest = json.loads(stored["imageManifest"])
    config = json.loads(_blob(blobs, manifest["config"]["digest"]))
    root = cache / source.digest.replace(":", "-")
    if not root.is_dir():
        # Unpacked beside it and renamed: whoever finds the folder finds all of it.
        half = Path(tempfile.mkdtemp(prefix="unpacking-", dir=cache))
        unpack((_blob(blobs, layer["digest"]) for layer in manifest["layers"]), half)
        half.rename(root)
    return Image(root, config.get("config") or {})


def _blob(blobs: Mapping[str, bytes], digest: str) -> bytes:
    try:
        return blobs[digest]
    except KeyError:
        raise NoImage(f"the registry lost the layer {digest}") from None


def unpack(layers: Iterable[bytes], root: Path) -> None:
    for layer in layers:
        data = gzip.decompress(layer) if layer.startswith(GZIP) else layer
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            members = archive.getmembers()
            # What a layer hides is hidden from below, never from itself: first all of the hiding.
            for member in members:
                _hide(member, root)
            for member in members:
                if not PurePosixPath(member.name).name.startswith(WHITEOUT):
                    _put(archive, member, root)


def _hide(member: tarfile.TarInfo, root: Path) -> None:
    name = PurePosixPath(member.name).name
    if not name.startswith(WHITEOUT):
        return
    folder = _place(PurePosixPath(member.name).parent, root)
    if name != OPAQUE:
        _remove(folder / name.removeprefix(WHITEOUT))
    elif folder.is_dir():
        for child in folder.iterdir():
            _remove(child)


def _put(archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path) -> None:
    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        return  # a device or a pipe: no function has use for one
    path = PurePosixPath(member.name)
    target = _place(path.parent, root) / path.name if path.name else root
    if member.islnk():
        source = _place(PurePosixPath(member.linkname), root)
        _remove(target)
        os.link(source, target, follow_symlinks=False)
        return
    if target.is_symlink() or (target.exists() and not (member.isdir() and target.is_dir())):
        _remove(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if member.issym():
        target.symlink_to(_kept_inside(member.linkname, target, root))
    elif member.isdir():
        target.mkdir(exist_ok=True)
    else:
        content = archive.extractfile(member)
        target.write_bytes(content.read() if content else b"")
        target.chmod(0o755 if member.mode & 0o111 else 0o644)


def _place(path: PurePosixPath, root: Path) -> Path:
    """Links on the way are followed, and may not lead out of the image."""
    if ".." in path.parts:
        raise BadImage(f"the layer's {path} leads out of the image")
    place = root / str(path).lstrip("/")
    if not place.resolve().is_relative_to(root.resolve()):
        raise BadImage(f"the layer's {path} leads out of the image")
    return place


def _kept_inside(link: str, at: Path, root: Path) -> str:
    """The image's own root is /, and nobody climbs above it."""
    root, parent = root.resolve(), at.parent.resolve()
    end = Path(os.path.normpath(f"{root if link.startswith('/') else parent}/{link}"))
    if not end.is_relative_to(root):
        end = root / end.name
    return os.path.relpath(end, parent)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
