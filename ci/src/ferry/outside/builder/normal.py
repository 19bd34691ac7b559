"""A team's own image without what says when it was built: an engine writes times into configs and layers."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING

from ferry.outside.builder.assemble import EPOCH, Image, Layer, manifest_of
from ferry.outside.builder.layer import readable, writing

if TYPE_CHECKING:
    from pathlib import Path

    from ferry.outside.blobs import Store


XATTR = "SCHILY.xattr."


def normalised(image: Image, store: Store) -> Image:
    """The same files under the same names, all of them from one moment, in gzip layers under one OCI manifest.

    Bytecode that looks at its source's time is compiled anew at each cold start: a Dockerfile should have it
    unchecked (`python -m compileall --invalidation-mode unchecked-hash`).
    """
    layers = [_timeless(blob.path, store) for blob in image.layers if blob.path]
    config = json.loads(image.config)
    config["created"] = EPOCH
    config["rootfs"] = {"type": "layers", "diff_ids": [one.diff_id for one in layers]}
    config["history"] = [entry | {"created": EPOCH} for entry in config.get("history") or []]
    return manifest_of(config, [one.blob for one in layers])


def _timeless(path: Path, store: Store) -> Layer:
    with readable(str(path)), tarfile.open(path) as old, writing(store) as new:
        for entry in old:
            entry.mtime = 0
            # Beside a file's capabilities these are times, and what of its name fits nowhere else: written anew.
            entry.pax_headers = {name: said for name, said in entry.pax_headers.items() if name.startswith(XATTR)}
            new.addfile(entry, old.extractfile(entry) if entry.isreg() else None)
    return new.layer
