"""Image scans: they find what was planted, and nothing where nothing was."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from awsbox import behind
from awsbox.rules import shelves, stores
from awsbox.rules.inquiry import Asked, Refused, answering

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from awsbox.behind import Rules
    from awsbox.calls import Answer, Call, Next

SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNDEFINED")
COMPLETE = {"status": "COMPLETE", "description": "The scan was completed successfully."}
RUNNING = {"status": "IN_PROGRESS"}


class Scans:
    """What scans find, by repository.

    `summarised`: whether DescribeImages tells it too. AWS's older scanner did so; of the newer one, AWS says that only
    DescribeImageScanFindings tells.
    """

    def __init__(self) -> None:
        self.summarised = True
        self._found: dict[str, Mapping[str, int] | None] = {}

    def find(self, repository: str, counts: Mapping[str, int] | None) -> None:
        """`find("page", {"CRITICAL": 1})`: in each image that is or will be scanned. None: its scans do not end."""
        if unknown := sorted(set(counts or {}) - set(SEVERITIES)):
            raise ValueError(f"no severity of ECR: {', '.join(unknown)}")
        self._found[repository] = counts

    def seated(self) -> AbstractContextManager[None]:
        """Around the other rules: what DescribeImages answers is added to."""
        return behind.seated(self._rules())

    def save(self) -> dict[str, Mapping[str, int] | None]:
        return dict(self._found)

    def load(self, saved: dict[str, Mapping[str, int] | None]) -> None:
        self._found = dict(saved)

    def _rules(self) -> Rules:
        return {
            ("ecr", "BatchGetRepositoryScanningConfiguration"): _repository_settings,
            ("ecr", "DescribeImageScanFindings"): answering(self._findings),
            ("ecr", "DescribeImages"): self._images,
            ("ecr", "GetRegistryScanningConfiguration"): _registry_settings,
            ("ecr", "StartImageScan"): answering(_begun),
        }

    def _findings(self, asked: Asked) -> Mapping[str, Any]:
        id = asked.arguments.get("imageId", {})
        one = asked.sure(id)
        if "scannedAt" not in one:
            raise Refused("ScanNotFoundException", f"Image scan does not exist for the image with '{id}' {asked.where}")
        said = asked.about | {"imageId": {**id, "imageDigest": one["imageDigest"]}}
        counts = self._counts(asked.name)
        if counts is None:
            return said | {"imageScanStatus": RUNNING}
        found = _summary(one, counts) | {"findings": _each(counts)}
        return said | {"imageScanStatus": COMPLETE, "imageScanFindings": found}

    async def _images(self, call: Call, way: Next) -> Answer:
        answer = await way(call)
        told = stores.told(answer)
        if answer.status != 200 or not self.summarised:
            return answer
        for detail in told["imageDetails"]:
            one = shelves.image(detail["repositoryName"], detail["imageDigest"])
            if one and "scannedAt" in one:
                counts = self._counts(detail["repositoryName"])
                detail["imageScanStatus"] = RUNNING if counts is None else COMPLETE
                detail.update({} if counts is None else {"imageScanFindingsSummary": _summary(one, counts)})
        return replace(answer, body=json.dumps(told).encode())

    def _counts(self, repository: str) -> Mapping[str, int] | None:
        return self._found.get(repository, {})


def _summary(one: Mapping[str, Any], counts: Mapping[str, int]) -> dict[str, Any]:
    at = one["scannedAt"]
    return {
        "imageScanCompletedAt": at,
        "vulnerabilitySourceUpdatedAt": at,
        "findingSeverityCounts": {severity: count for severity, count in counts.items() if count},
    }


def _each(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    return [
        {"name": f"CVE-0000-{severity}-{number}", "severity": severity, "description": "planted", "attributes": []}
        for severity, count in counts.items()
        for number in range(1, count + 1)
    ]


def _begun(asked: Asked) -> Mapping[str, Any]:
    id = asked.arguments.get("imageId", {})
    one = asked.sure(id)
    one["scannedAt"] = time.time()
    return asked.about | {"imageId": {**id, "imageDigest": one["imageDigest"]}, "imageScanStatus": RUNNING}


async def _registry_settings(_call: Call, _way: Next) -> Answer:
    said = {"registryId": stores.account(), "scanningConfiguration": {"scanType": "BASIC", "rules": []}}
    return stores.said(said)


async def _repository_settings(call: Call, _way: Next) -> Answer:
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
