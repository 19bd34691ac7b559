"""The ECR API where the emulator differs from AWS: what may be put, listed and deleted, and tags that stay."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from awsbox.rules import shelves, stores
from awsbox.rules.inquiry import Asked, Refused, answering, asking

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from awsbox.behind import Rules
    from awsbox.calls import Answer, Call, Next


def _may_put(asked: Asked) -> None:
    text, tag = asked.arguments.get("imageManifest", ""), asked.arguments.get("imageTag")
    try:
        manifest = json.loads(text)
    except ValueError:
        why = "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'"
        raise Refused("InvalidParameterException", why) from None
    digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    if asked.arguments.get("imageDigest", digest) != digest:
        why = "The imageDigest provided does not match the digest of the imageManifest"
        raise Refused("ImageDigestDoesNotMatchException", why)
    if tag and shelves.image(asked.name, tag) and shelves.immutable(asked.name, tag):
        why = f"The image tag '{tag}' already exists in the '{asked.name}' repository and cannot be overwritten "
        raise Refused("ImageTagAlreadyExistsException", f"{why}because the repository is immutable.")
    there = shelves.image(asked.name, digest)
    if there and (tag is None or tag in there.get("imageTags", [])):
        why = f"Image with digest '{digest}' and tag '{tag}' already exists {asked.where}"
        raise Refused("ImageAlreadyExistsException", why)
    if gone := shelves.missing(asked.name, manifest):
        code = "ReferencedImagesNotFoundException" if "manifests" in manifest else "LayersNotFoundException"
        raise Refused(code, f"The following do not exist {asked.where}: [{', '.join(gone)}]")


def _put(asked: Asked) -> None:
    raw = asked.arguments["imageManifest"].encode()
    shelves.manifests(asked.name)[f"sha256:{hashlib.sha256(raw).hexdigest()}"] = raw
    shelves.pushed(asked.name)


def _got(asked: Asked) -> Mapping[str, Any]:
    found, failures = [], []
    for id in asked.arguments.get("imageIds", []):
        one = asked.image(id)
        if one is None:
            reason = "Requested image not found"
            failures.append({"imageId": id, "failureCode": "ImageNotFound", "failureReason": reason})
            continue
        kept = {name: one[name] for name in ("imageManifest", "imageManifestMediaType")}
        found.append(asked.about | kept | {"imageId": {**id, "imageDigest": one["imageDigest"]}})
    return {"images": found, "failures": failures}


def _listed(asked: Asked) -> Mapping[str, Any]:
    """One entry a tag, and one for an image without any."""
    wanted = asked.arguments.get("filter", {}).get("tagStatus", "ANY")
    ids: list[dict[str, str]] = []
    for one in shelves.images(asked.name):
        tags = one.get("imageTags", [])
        if wanted in ("ANY", "TAGGED" if tags else "UNTAGGED"):
            ids += [{"imageDigest": one["imageDigest"], "imageTag": tag} for tag in tags]
            ids += [] if tags else [{"imageDigest": one["imageDigest"]}]
    return {"imageIds": ids}


def _described(asked: Asked) -> Mapping[str, Any]:
    ids, wanted = asked.arguments.get("imageIds"), asked.arguments.get("filter", {}).get("tagStatus", "ANY")
    chosen = [asked.sure(id) for id in ids] if ids else shelves.images(asked.name)
    return {"imageDetails": [_detail(asked, one) for one in chosen if wanted in ("ANY", _status(one))]}


def _status(one: Mapping[str, Any]) -> str:
    return "TAGGED" if one.get("imageTags") else "UNTAGGED"


def _detail(asked: Asked, one: dict[str, Any]) -> dict[str, Any]:
    kept = {name: one[name] for name in ("imageDigest", "imagePushedAt", "imageManifestMediaType")}
    about = json.loads(one["imageManifest"])
    artifact = about.get("artifactType") or about.get("config", {}).get("mediaType")
    said = asked.about | kept | {"imageSizeInBytes": shelves.size(one)}
    said |= {"imageTags": one["imageTags"]} if one.get("imageTags") else {}
    return said | ({"artifactMediaType": artifact} if artifact else {})


def _deleted(asked: Asked) -> Mapping[str, Any]:
    """A tag alone takes only the tag away, as long as the image has others."""
    ids, failures = [], []
    for id in asked.arguments.get("imageIds", []):
        one = asked.image(id)
        if one is None:
            reason = "Requested image not found"
            failures.append({"imageId": id, "failureCode": "ImageNotFound", "failureReason": reason})
            continue
        tags = one.get("imageTags", [])
        if "imageDigest" not in id and len(tags) > 1:
            tags.remove(id["imageTag"])
        else:
            shelves.remove(asked.name, one["imageDigest"])
        ids.append({**id, "imageDigest": one["imageDigest"]})
    return {"imageIds": ids, "failures": failures}


def _emptied(asked: Asked) -> None:
    """A repository of the same name starts empty."""
    for kept in ("layer_blobs", "manifest_blobs", "uploads"):
        stores.own("ecr", kept).pop(asked.name, None)


def _may_empty(asked: Asked) -> None:
    if shelves.images(asked.name) and not asked.arguments.get("force"):
        why = f"The repository with name '{asked.name}' in registry with id '{stores.account()}' cannot be deleted "
        raise Refused("RepositoryNotEmptyException", f"{why}because it still contains images")


# tags that stay


async def _with_filters(call: Call, way: Next) -> Answer:
    """The emulator forgets the tags that a repository's mutability leaves out."""
    answer = await way(call)
    record = shelves.repository(call.arguments.get("repositoryName", ""))
    if answer.status != 200 or record is None:
        return answer
    filters = call.arguments.get("imageTagMutabilityExclusionFilters", [])
    record["imageTagMutabilityExclusionFilters"] = filters
    told = stores.told(answer)
    told.get("repository", told).update({"imageTagMutabilityExclusionFilters": filters} if filters else {})
    return replace(answer, body=json.dumps(told).encode())


async def _repositories(call: Call, way: Next) -> Answer:
    answer = await way(call)
    told = stores.told(answer)
    for one in told.get("repositories", []):
        filters = (shelves.repository(one["repositoryName"]) or {}).get("imageTagMutabilityExclusionFilters")
        one.update({"imageTagMutabilityExclusionFilters": filters} if filters else {})
    return replace(answer, body=json.dumps(told).encode())


ANSWERS: dict[str, Callable[[Asked], Mapping[str, Any]]] = {
    "BatchDeleteImage": _deleted,
    "BatchGetImage": _got,
    "DescribeImages": _described,
    "ListImages": _listed,
}
RULES: Rules = {("ecr", operation): answering(answer) for operation, answer in ANSWERS.items()} | {
    ("ecr", "CreateRepository"): _with_filters,
    ("ecr", "DeleteRepository"): asking(_may_empty, _emptied),
    ("ecr", "DescribeRepositories"): _repositories,
    ("ecr", "PutImage"): asking(_may_put, _put),
    ("ecr", "PutImageTagMutability"): _with_filters,
}
