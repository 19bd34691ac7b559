"""What Lambda would refuse of an image, read from its manifest and config; and what a scan found in it.

A registry takes far more than Lambda does, and Lambda says so late and in few words: "UnsupportedImageLayerDetected".
"""

from __future__ import annotations

import json
import re
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from ferry.model import Finding, Severity, Threshold
from ferry.shape import show

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

OCI = "application/vnd.oci.image.manifest.v1+json"
MANIFESTS = {
    OCI: "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json": "application/vnd.docker.container.image.v1+json",
}
"""The manifests that Lambda takes, each with its kind of config."""
INDEXES = frozenset(
    {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    }
)
LAYERS = frozenset(
    {
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
    }
)
MOST_LAYERS = 127
MOST_BYTES = 10 * 1024**3
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNDEFINED")
"""As ECR names them, the worst first. What it does not name here is no better known than what is UNDEFINED."""


def refusals(manifest: bytes, media_type: str, config: bytes) -> tuple[str, ...]:
    """A sentence for each thing that Lambda would not take; none for an image that it runs.

    `media_type` is what the registry calls the manifest, or nothing where no registry was asked.
    """
    said = _table(manifest)
    if said is None:
        return ("its manifest is not a JSON table: nobody can read what the image is made of",)
    # OCI lets a manifest leave its own type out.
    kind = media_type or _text(said, "mediaType") or OCI
    if kind in INDEXES or "manifests" in said:
        count = len(_list(said.get("manifests")))
        return (f"it is an index of {count} manifests ({show(kind)}): Lambda takes one image, not a choice",)
    return (*_manifest(said, kind), *_layers(said), *_config(said, config))


def scanned(findings: Mapping[str, int] | None, stops_at: str, *, address: str = "") -> Finding:
    """What the registry's scan says of the image at `address`, by severity; None while no scan is done."""
    said = partial(Finding, guard="image", address=address)
    rule = f"scan_stops_at = {str(stops_at)!r}"
    if findings is None:
        why = "" if stops_at == Threshold.NEVER else f"{rule} has nothing to judge by yet"
        what = "the registry has no finished scan of it"
        return said(severity=Severity.INFO, verdict="not-scanned", what=what, why=why)
    found = {severity: count for severity, count in findings.items() if count > 0}
    if not found:
        return said(severity=Severity.INFO, verdict="clean", what="the registry's scan finds nothing in it")
    worst = sorted(found, key=_rank)
    what = f"the registry's scan finds {', '.join(f'{found[name]} {name.lower()}' for name in worst)} in it"
    if stops_at == Threshold.NEVER or _rank(worst[0]) > _rank(stops_at.upper()):
        return said(severity=Severity.WARN, verdict="vulnerable", what=what, why=f"{rule} lets it pass")
    return said(
        severity=Severity.BLOCK,
        verdict="too-vulnerable",
        what=what,
        why=f"{rule}: it does not go to this environment",
        next="build on a newer base, or update what the findings name: the registry lists them",
    )


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity if severity in SEVERITIES else "UNDEFINED")


def _manifest(said: Mapping[str, Any], kind: str) -> Iterator[str]:
    if kind not in MANIFESTS:
        yield f"its manifest is of type {show(kind)}: Lambda takes {' or '.join(MANIFESTS)}"
    if (own := said.get("mediaType", kind)) != kind:
        yield f"its manifest calls itself {show(own)}, and the registry calls it {show(kind)}: one of them is wrong"
    if "artifactType" in said or "subject" in said:
        about = _text(said, "artifactType") or "it belongs to another image"
        yield f"it is an artifact, such as an attestation, and not an image: {show(about)}"
    type = _text(said.get("config"), "mediaType")
    if type not in MANIFESTS.values():
        yield f"its config is of type {show(type)}: Lambda runs images alone ({' or '.join(MANIFESTS.values())})"


def _layers(said: Mapping[str, Any]) -> Iterator[str]:
    layers = _list(said.get("layers"))
    if not layers:
        yield "it has no layers: there is nothing to run"
    if len(layers) > MOST_LAYERS:
        yield f"it has {len(layers)} layers: Lambda takes at most {MOST_LAYERS}"
    packed = sum(max(_size(layer), 0) for layer in layers)
    if packed > MOST_BYTES:
        yield f"its layers are more than {packed // 1024**3} GB, still packed: Lambda takes at most 10 GB, unpacked"
    for number, layer in enumerate(layers, start=1):
        yield from (f"layer {number} {what}" for what in _layer(layer))


def _layer(layer: object) -> Iterator[str]:
    if (type := _text(layer, "mediaType")) not in LAYERS:
        yield f"is of type {show(type)}: Lambda unpacks tar with gzip alone ({' or '.join(sorted(LAYERS))})"
    if not DIGEST.fullmatch(digest := _text(layer, "digest")):
        yield f"has the digest {show(digest)}: only by a whole sha256 can it be fetched"
    if _size(layer) <= 0:
        yield "has no size above 0: even an empty tar with gzip has one, so the registry cannot hold these bytes"


def _config(said: Mapping[str, Any], data: bytes) -> Iterator[str]:
    """The config is what the manifest names, or nothing in it counts."""
    digest = _text(said.get("config"), "digest")
    if digest != f"sha256:{sha256(data).hexdigest()}":
        yield f"its config is not the one that its manifest names: {show(digest)}"
    config = _table(data)
    if config is None:
        yield "its config is not a JSON table: nobody can read how the image is started"
        return
    platform = f"{_text(config, 'os')}/{_text(config, 'architecture')}"
    if platform != "linux/amd64":
        yield f"it is for {show(platform)}: these functions run on linux/amd64"
    yield from _stack(config, len(_list(said.get("layers"))))
    starts = config.get("config")
    if not isinstance(starts, dict) or not (starts.get("Entrypoint") or starts.get("Cmd")):
        yield "it has neither Entrypoint nor Cmd: Lambda has nothing to start"


def _stack(config: Mapping[str, Any], layers: int) -> Iterator[str]:
    """Layers, what they unpack to, and where they come from are three lists that go together one by one."""
    root = config.get("rootfs")
    ids = root.get("diff_ids") if isinstance(root, dict) else None
    if not isinstance(ids, list):
        yield "its config has no rootfs with diff_ids: Lambda cannot check a layer that it unpacked"
    elif len(ids) != layers:
        yield f"its config has {len(ids)} diff_ids for {layers} layers: Lambda pairs them one by one"
    # Without any history an image runs, AWS's own bases among them. With half of one it has been refused.
    history = _list(config.get("history"))
    made = sum(not (isinstance(entry, dict) and entry.get("empty_layer")) for entry in history)
    if history and made != layers:
        yield f"its config tells where {made} of {layers} layers come from: Lambda has refused layers that it left out"


def _table(data: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _text(table: object, key: str) -> str:
    value = table.get(key) if isinstance(table, dict) else None
    return value if isinstance(value, str) else ""


def _size(layer: object) -> int:
    """What is no size at all counts as none."""
    value = layer.get("size") if isinstance(layer, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
