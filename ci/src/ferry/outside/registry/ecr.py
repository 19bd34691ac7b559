"""ECR: the registry of an AWS account, the token that opens it, and what the account says of its images."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from ferry.errors import RegistryRefused
from ferry.outside.aws import failures
from ferry.outside.registry.auth import Login
from ferry.outside.registry.client import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ferry.outside.aws import Access


PAGE = 1000
"""As many images as ECR tells of at once."""


@dataclass(frozen=True, slots=True)
class Described:
    """`findings`, by severity: None while no scan is finished."""

    digest: str
    tags: frozenset[str]
    findings: Mapping[str, int] | None


@dataclass(frozen=True, slots=True)
class Stored:
    digest: str
    tags: tuple[str, ...]
    pushed_at: datetime


def registry(access: Access, account: str) -> Registry:
    """The account's registry, opened with a token of the caller's as soon as one is needed.

    It is dialled at the endpoint where one is set.
    """

    async def login() -> Login:
        token = await to_thread.run_sync(_token, access)
        user, _, password = base64.b64decode(token).decode().partition(":")
        return Login(user, password)

    return Registry(f"{account}.dkr.ecr.{access.region}.amazonaws.com", url=access.endpoint, login=login)


def _token(access: Access) -> str:
    with failures.translated("ecr:GetAuthorizationToken"):
        said = access.client("ecr").get_authorization_token()
    return str(said["authorizationData"][0]["authorizationToken"])


async def ensure_repository(access: Access, name: str, *, scanned: bool = True) -> bool:
    """Make the repository if it is not there; True when it had to be made. Terraform adopts it in the same run."""
    return await to_thread.run_sync(_ensure, access, name, scanned)


def _ensure(access: Access, name: str, scanned: bool) -> bool:  # noqa: FBT001 - run_sync passes no names
    client = access.client("ecr")
    with failures.translated(f"ecr:CreateRepository {name}"):
        try:
            client.create_repository(repositoryName=name, imageScanningConfiguration={"scanOnPush": scanned})
        except client.exceptions.RepositoryAlreadyExistsException:
            return False
        except client.exceptions.LimitExceededException as error:
            raise RegistryRefused(
                "the account may have no more repositories",
                where=f"ecr:CreateRepository {name}",
                why=error.response["Error"].get("Message", ""),
                next="remove what nobody uses, or have the quota raised (Service Quotas), then run it again",
            ) from error
    return True


async def described(access: Access, repository: str, reference: str) -> Described | None:
    """The image of a tag or digest; None where there is none."""
    return await to_thread.run_sync(_describe, access, repository, reference)


def _describe(access: Access, repository: str, reference: str) -> Described | None:
    client = access.client("ecr")
    absent = (client.exceptions.ImageNotFoundException, client.exceptions.RepositoryNotFoundException)
    with failures.translated(f"ecr:DescribeImages {repository}"):
        try:
            said = client.describe_images(repositoryName=repository, imageIds=[_id(reference)])["imageDetails"]
        except absent:
            return None
    if not said:
        return None
    digest, tags = said[0]["imageDigest"], frozenset(tag for detail in said for tag in detail.get("imageTags", []))
    return Described(digest, tags, _counts(said[0].get("imageScanFindingsSummary")))


async def stored(access: Access, repository: str) -> tuple[Stored, ...]:
    """All images of a repository, in no order; none where there is no such repository."""
    return await to_thread.run_sync(_stored, access, repository)


def _stored(access: Access, repository: str) -> tuple[Stored, ...]:
    client = access.client("ecr")
    with failures.translated(f"ecr:DescribeImages {repository}"):
        pages = client.get_paginator("describe_images").paginate(
            repositoryName=repository, PaginationConfig={"PageSize": PAGE}
        )
        try:
            said = pages.build_full_result().get("imageDetails", [])
        except client.exceptions.RepositoryNotFoundException:
            return ()
    return tuple(Stored(one["imageDigest"], tuple(one.get("imageTags", [])), one["imagePushedAt"]) for one in said)


async def findings(access: Access, repository: str, digest: str) -> Mapping[str, int] | None:
    """What a scan found, where `described` does not say: AWS's newer basic scanning tells only here."""
    return await to_thread.run_sync(_findings, access, repository, digest)


def _findings(access: Access, repository: str, digest: str) -> Mapping[str, int] | None:
    client = access.client("ecr")
    with failures.translated(f"ecr:DescribeImageScanFindings {repository}"):
        try:
            said = client.describe_image_scan_findings(repositoryName=repository, imageId=_id(digest), maxResults=1)
        except (client.exceptions.ScanNotFoundException, client.exceptions.ImageNotFoundException):
            return None
    return _counts(said.get("imageScanFindings"))


def _id(reference: str) -> Mapping[str, str]:
    return {"imageDigest" if reference.startswith("sha256:") else "imageTag": reference}


def _counts(summary: Mapping[str, Any] | None) -> Mapping[str, int] | None:
    """A scan that goes on has no summary yet; one that found nothing has an empty one."""
    return None if summary is None else dict(summary.get("findingSeverityCounts", {}))
