"""What ECR does to images by itself: scans, which find nothing here, and lifecycle policies with their previews."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from awsbox.rules import lifecycle, shelves, stores
from awsbox.rules.inquiry import Asked, Refused, answering, asking, nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from awsbox.behind import Rules
    from awsbox.calls import Answer, Call, Next


def _scanned(asked: Asked) -> Mapping[str, Any]:
    id = asked.arguments.get("imageId", {})
    one = asked.sure(id)
    one["scannedAt"] = time.time()
    said = asked.about | {"imageId": {**id, "imageDigest": one["imageDigest"]}}
    return said | {"imageScanStatus": {"status": "IN_PROGRESS"}}


def _findings(asked: Asked) -> Mapping[str, Any]:
    id = asked.arguments.get("imageId", {})
    one = asked.sure(id)
    if "scannedAt" not in one:
        raise Refused("ScanNotFoundException", f"Image scan does not exist for the image with '{id}' {asked.where}")
    at = one["scannedAt"]
    found = {
        "imageScanCompletedAt": at,
        "vulnerabilitySourceUpdatedAt": at,
        "findings": [],
        "findingSeverityCounts": {},
    }
    said = asked.about | {"imageId": {**id, "imageDigest": one["imageDigest"]}}
    return said | {"imageScanStatus": shelves.SCANNED, "imageScanFindings": found}


async def _registry_scans(_call: Call, _way: Next) -> Answer:
    said = {"registryId": stores.account(), "scanningConfiguration": {"scanType": "BASIC", "rules": []}}
    return stores.said(said)


async def _repository_scans(call: Call, _way: Next) -> Answer:
    said: dict[str, list[dict[str, Any]]] = {"scanningConfigurations": [], "failures": []}
    for name in call.arguments.get("repositoryNames", []):
        record = shelves.repository(name)
        if record is None:
            said["failures"].append({"repositoryName": name, "failureCode": "REPOSITORY_NOT_FOUND"})
            continue
        on_push = bool(record.get("imageScanningConfiguration", {}).get("scanOnPush"))
        frequency = "SCAN_ON_PUSH" if on_push else "MANUAL"
        about = {"repositoryArn": record["repositoryArn"], "repositoryName": name, "appliedScanFilters": []}
        said["scanningConfigurations"].append(about | {"scanOnPush": on_push, "scanFrequency": frequency})
    return stores.said(said)


def _may_keep(asked: Asked) -> None:
    try:
        lifecycle.rules(asked.arguments.get("lifecyclePolicyText", ""))
    except ValueError as error:
        why = "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation"
        raise Refused("InvalidParameterException", f"{why} failure: {error}'") from error


def _previewed(asked: Asked) -> Mapping[str, Any]:
    text = asked.arguments.get("lifecyclePolicyText") or _policy(asked)
    _may_keep(replace(asked, arguments={"lifecyclePolicyText": text}))
    gone = shelves.doomed(asked.name, text, time.time())
    results = [
        {
            "imageTags": one.get("imageTags", []),
            "imageDigest": one["imageDigest"],
            "imagePushedAt": one["imagePushedAt"],
            "action": {"type": "EXPIRE"},
            "appliedRulePriority": gone[one["imageDigest"]],
        }
        for one in shelves.images(asked.name)
        if one["imageDigest"] in gone
    ]
    record = shelves.repository(asked.name) or {}
    record["preview"] = {"lifecyclePolicyText": text, "previewResults": results}
    return asked.about | {"lifecyclePolicyText": text, "status": "IN_PROGRESS"}


def _policy(asked: Asked) -> str:
    text = stores.own("ecr", "lifecycle_policies").get(asked.name)
    if text is None:
        why = f"Lifecycle policy does not exist for the repository {asked.where}"
        raise Refused("LifecyclePolicyNotFoundException", why)
    return str(text)


def _preview(asked: Asked) -> Mapping[str, Any]:
    made: dict[str, Any] | None = (shelves.repository(asked.name) or {}).get("preview")
    if made is None:
        why = f"Lifecycle policy preview does not exist for the repository {asked.where}"
        raise Refused("LifecyclePolicyPreviewNotFoundException", why)
    summary = {"expiringImageTotalCount": len(made["previewResults"])}
    return asked.about | made | {"status": "COMPLETE", "summary": summary}


ANSWERS: dict[str, Callable[[Asked], Mapping[str, Any]]] = {
    "DescribeImageScanFindings": _findings,
    "GetLifecyclePolicyPreview": _preview,
    "StartImageScan": _scanned,
    "StartLifecyclePolicyPreview": _previewed,
}
RULES: Rules = {("ecr", operation): answering(answer) for operation, answer in ANSWERS.items()} | {
    ("ecr", "BatchGetRepositoryScanningConfiguration"): _repository_scans,
    ("ecr", "GetRegistryScanningConfiguration"): _registry_scans,
    ("ecr", "PutLifecyclePolicy"): asking(_may_keep, nothing),
}
