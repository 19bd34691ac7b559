"""A built release as a folder, for whoever publishes it in another call: blobs by digest, and what they are."""

from __future__ import annotations

import json
import os
import shutil
from functools import partial
from typing import TYPE_CHECKING, Any

from ferry import model
from ferry.errors import BuildFailed, RecordError
from ferry.model import Release
from ferry.outside.blobs import Blob
from ferry.outside.builder.assemble import DIGEST, Base, Image
from ferry.verbs.build import Built, BuiltImage, BuiltPackage, Part

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ferry.outside.blobs import Store
    from ferry.outside.registry.external import Externals

RELEASE = "release.json"
CONTENT = "content.json"


def write(built: Built, store: Store, folder: Path) -> None:
    """Only what this release needs; a base's layers stay where they are."""
    for image in built.images.values():
        for document in (image.image.manifest, image.image.config):
            store.keep(document)
    content = {
        "images": {name: _image(image) for name, image in built.images.items()},
        "packages": {
            name: {"blob": _blob(package.blob), "dependencies": _part(package.dependencies)}
            for name, package in built.packages.items()
        },
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RELEASE).write_text(model.to_json(built.release))
        (folder / CONTENT).write_text(json.dumps(content))
        for blob in _here(built, store):
            if blob.path and not (place := folder / _name(blob.digest)).exists():
                _linked(blob.path, place)
    except OSError as error:
        raise BuildFailed(
            "the release cannot be kept",
            where=str(folder),
            why=error.strerror or str(error),
            next="make room there, then run the same command again",
        ) from error


def read(folder: Path, externals: Externals) -> Built:
    """What the registry and the bucket said is left out: by now they may say something else."""
    try:
        release = model.from_json(Release, (folder / RELEASE).read_text(), where=str(folder / RELEASE))
        said = json.loads((folder / CONTENT).read_text())
        return Built(
            release=release,
            images={name: _read_image(image, folder, externals) for name, image in said["images"].items()},
            packages={name: _read_package(package, folder) for name, package in said["packages"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RecordError(
            "this is not a release that Ferry has kept",
            where=str(folder),
            why=f"{type(error).__name__}: {error}",
            next="build the release again: ferry build",
        ) from error


def _image(built: BuiltImage) -> dict[str, Any]:
    base = built.base
    return {
        "manifest": built.image.digest,
        "whole": built.whole,
        "layers": [_blob(blob) for blob in built.image.layers],
        "dependencies": _part(built.dependencies) if built.dependencies else None,
        "base": base
        and {
            "digest": base.digest,
            "config": base.config.decode(),
            "layers": [_blob(blob) for blob in base.layers],
            "registry": base.registry,
            "repository": base.repository,
        },
    }


def _read_image(said: dict[str, Any], folder: Path, externals: Externals) -> BuiltImage:
    manifest = (folder / _name(said["manifest"])).read_bytes()
    config = (folder / _name(json.loads(manifest)["config"]["digest"])).read_bytes()
    base = None
    if known := said["base"]:
        base = Base(
            digest=known["digest"],
            config=known["config"].encode(),
            layers=tuple(_found(blob, folder) for blob in known["layers"]),
            registry=known["registry"],
            repository=known["repository"],
        )
    return BuiltImage(
        image=Image(manifest, config, tuple(_found(blob, folder) for blob in said["layers"])),
        whole=said["whole"],
        base=base,
        open_base=partial(externals.open, base) if base else None,
        dependencies=_read_part(said["dependencies"], folder) if said["dependencies"] else None,
    )


def _read_package(said: dict[str, Any], folder: Path) -> BuiltPackage:
    return BuiltPackage(blob=_found(said["blob"], folder), dependencies=_read_part(said["dependencies"], folder))


def _part(part: Part) -> dict[str, Any]:
    return {"key": part.key, "blob": _blob(part.blob), "diff_id": part.diff_id}


def _read_part(said: dict[str, Any], folder: Path) -> Part:
    return Part(key=said["key"], blob=_found(said["blob"], folder), diff_id=said["diff_id"])


def _blob(blob: Blob) -> dict[str, Any]:
    return {"digest": blob.digest, "size": blob.size}


def _found(said: dict[str, Any], folder: Path) -> Blob:
    path = folder / _name(said["digest"])
    return Blob(said["digest"], said["size"], path if path.is_file() else None)


def _here(built: Built, store: Store) -> Iterable[Blob]:
    for image in built.images.values():
        yield from image.image.layers
        for digest in (image.image.digest, json.loads(image.image.manifest)["config"]["digest"]):
            if blob := store.find(digest):
                yield blob
    for package in built.packages.values():
        yield from (package.blob, package.dependencies.blob)


def _name(digest: str) -> str:
    if not DIGEST.fullmatch(digest):
        raise ValueError(f"{digest!r} is no SHA-256 digest")
    return digest.removeprefix("sha256:")


def _linked(path: Path, place: Path) -> None:
    try:
        os.link(path, place)
    except OSError:  # another file system
        shutil.copyfile(path, place)
