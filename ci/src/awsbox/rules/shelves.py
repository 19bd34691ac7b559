"""What the box's registry holds: images, blobs, and what becomes of them. Shared by the ECR API and by `/v2/`."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from awsbox.rules import lifecycle, stores

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Expired:
    """An image that a lifecycle policy removed."""

    repository: str
    digest: str
    tags: tuple[str, ...]
    priority: int


def repository(name: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = stores.own("ecr", "repositories").get(name)
    return found


def images(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stores.own("ecr", "images").get(name) or []
    return found


def image(name: str, reference: str) -> dict[str, Any] | None:
    """By digest or by tag."""
    by_digest = reference.startswith("sha256:")
    for one in images(name):
        if one["imageDigest"] == reference if by_digest else reference in one.get("imageTags", []):
            return one
    return None


def blobs(name: str) -> dict[str, bytes]:
    """Layers and configurations, by digest. What is put in here is kept."""
    found: dict[str, bytes] = stores.own("ecr", "layer_blobs").setdefault(name, {})
    return found


def manifests(name: str) -> dict[str, bytes]:
    found: dict[str, bytes] = stores.own("ecr", "manifest_blobs").setdefault(name, {})
    return found


def parts(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The descriptors of the blobs that an image is made of; layers with addresses of their own are not stored."""
    yield from [manifest["config"]] if "config" in manifest else []
    yield from (layer for layer in manifest.get("layers", []) if not layer.get("urls"))


def missing(name: str, manifest: dict[str, Any]) -> list[str]:
    """What a manifest names and the repository does not hold."""
    held, kept = blobs(name), {one["imageDigest"] for one in images(name)}
    gone = [part["digest"] for part in parts(manifest) if part["digest"] not in held]
    return gone + [entry["digest"] for entry in manifest.get("manifests", []) if entry["digest"] not in kept]


def size(one: dict[str, Any]) -> int:
    manifest = json.loads(one["imageManifest"])
    return sum(part.get("size", 0) for part in parts(manifest)) or len(one["imageManifest"])


def immutable(name: str, tag: str) -> bool:
    """The exclusion filters turn the repository's setting round for the tags that they match."""
    record = repository(name) or {}
    setting = record.get("imageTagMutability", "MUTABLE")
    excluded = setting.endswith("_WITH_EXCLUSION") and any(
        re.fullmatch(".*".join(map(re.escape, one["filter"].split("*"))), tag)
        for one in record.get("imageTagMutabilityExclusionFilters", [])
    )
    return bool(setting.startswith("IMMUTABLE") != excluded)


def remove(name: str, digest: str) -> None:
    """The layers stay: other images may be made of them, and a client may ask whether they are there."""
    stores.own("ecr", "images")[name] = [one for one in images(name) if one["imageDigest"] != digest]
    manifests(name).pop(digest, None)


def pushed(name: str) -> None:
    """What ECR does after a push: it scans what is new, and sweeps."""
    if (repository(name) or {}).get("imageScanningConfiguration", {}).get("scanOnPush"):
        for one in images(name):
            one.setdefault("scannedAt", time.time())
    sweep(name)


def doomed(name: str, text: str, now: float) -> dict[str, int]:
    """The digests that a policy expires. An image of an index that stays does not go."""
    kept = [
        lifecycle.Stored(one["imageDigest"], tuple(one.get("imageTags", [])), one["imagePushedAt"])
        for one in images(name)
    ]
    gone = lifecycle.expired(text, kept, now)
    stays = [json.loads(one["imageManifest"]) for one in images(name) if one["imageDigest"] not in gone]
    held = {entry["digest"] for index in stays for entry in index.get("manifests", [])}
    return {digest: priority for digest, priority in gone.items() if digest not in held}


def sweep(name: str, now: float | None = None) -> list[Expired]:
    text = stores.own("ecr", "lifecycle_policies").get(name)
    if not text:
        return []
    gone = doomed(name, text, time.time() if now is None else now)
    swept = [
        Expired(name, one["imageDigest"], tuple(one.get("imageTags", [])), gone[one["imageDigest"]])
        for one in images(name)
        if one["imageDigest"] in gone
    ]
    for one in swept:
        remove(name, one.digest)
    return swept


def expire(days: float = 0) -> list[Expired]:
    """Apply every lifecycle policy of every account now, or as it will be in so many days."""
    now = time.time() + days * lifecycle.DAY_SECONDS
    swept: list[Expired] = []
    for (account, region, name), _ in stores.own("ecr", "lifecycle_policies").all_items():
        with stores.core("responses").request_scope(account, region):
            swept += sweep(name, now)
    return swept
