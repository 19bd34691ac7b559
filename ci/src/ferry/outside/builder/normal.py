"""A team's own image without what says when and where it was built: an engine writes both into configs and layers.

Whether it has just pulled the base or kept it over a restart makes a difference too: the history has other words then,
and the base's files come in another order, under other spellings of their names, with another name of a file that has
two as its first.
"""

from __future__ import annotations

import json
import posixpath
import tarfile
from typing import TYPE_CHECKING

from ferry.errors import InternalError
from ferry.outside.builder.assemble import EPOCH, Image, Layer, manifest_of
from ferry.outside.builder.layer import readable, writing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ferry.outside.blobs import Blob, Store


XATTR = "SCHILY.xattr."
WHITEOUT = ".wh."
"""How the name of an empty file begins that stands for one that a layer takes away."""


def normalised(image: Image, store: Store) -> Image:
    """The same files under the same names, all of them from one moment, in gzip layers under one OCI manifest.

    Its layers are best not compressed: they are not read from front to back.
    Bytecode that looks at its source's time is compiled anew at each cold start: a Dockerfile should have it
    unchecked (`python -m compileall --invalidation-mode unchecked-hash`).
    """
    layers = [_normal(_here(blob), store) for blob in image.layers]
    config = json.loads(image.config)
    config["created"] = EPOCH
    config["rootfs"] = {"type": "layers", "diff_ids": [one.diff_id for one in layers]}
    config["history"] = [{"created": EPOCH, "created_by": "ferry"} for _ in layers]
    return manifest_of(config, [one.blob for one in layers])


def _here(blob: Blob) -> Path:
    if blob.path is None:
        raise InternalError("a layer that is not on this machine cannot be normalised", where=blob.digest)
    return blob.path


def _normal(path: Path, store: Store) -> Layer:
    with readable(str(path)), tarfile.open(path) as old, writing(store) as new:
        # What comes later under the same name is what counts. The folder of everything is there without an entry.
        entries = {name: entry for entry in old if (name := _plain(entry.name))}
        written: dict[str, str] = {}
        for name in sorted(entries):
            file = _file(name, entries)
            entry = entries[file]
            if file in written:
                new.addfile(_link(name, written[file]))
            elif entry.islnk():
                new.addfile(_link(name, _plain(entry.linkname)))
            else:
                written[file] = name
                bare = _bare(name, entry)
                new.addfile(bare, old.extractfile(entry) if bare.size else None)
    return new.layer


def _plain(name: str) -> str:
    """Without the ways in which tars spell where they begin; empty for the folder of everything."""
    plain = posixpath.normpath(name).lstrip("/")
    return "" if plain == "." else plain


def _file(name: str, entries: Mapping[str, tarfile.TarInfo]) -> str:
    """The name that has the bytes: of a file with several names the archive has them once."""
    passed = {name}
    while entries[name].islnk() and (next := _plain(entries[name].linkname)) in entries and next not in passed:
        passed.add(next)
        name = next
    return name


def _link(name: str, to: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.LNKTYPE, to
    return entry


def _bare(name: str, entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """What a container sees of a file, and its content: owners are numbers there, and names of this machine here."""
    bare = tarfile.TarInfo(name)
    if posixpath.basename(name).startswith(WHITEOUT):
        bare.mode = 0
        return bare
    bare.type = tarfile.REGTYPE if entry.isreg() else entry.type
    bare.mode = entry.mode & 0o7777
    bare.uid, bare.gid, bare.linkname = entry.uid, entry.gid, entry.linkname
    bare.size = entry.size if entry.isreg() else 0
    bare.devmajor, bare.devminor = entry.devmajor, entry.devminor
    # Beside a file's capabilities these are times, and what of its name fits nowhere else: written anew.
    bare.pax_headers = {key: said for key, said in sorted(entry.pax_headers.items()) if key.startswith(XATTR)}
    return bare
