from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from ferry.errors import AwsError, CredentialsError, RegistryRefused
from ferry.outside.registry import ecr
from ferry.outside.registry.ecr import Described, Stored
from tests.outside.aws.small_aws import small_aws

pytestmark = pytest.mark.anyio
TOKEN = {"authorizationData": [{"authorizationToken": base64.b64encode(b"AWS:planted-token").decode()}]}
DIGEST = f"sha256:{'1' * 64}"
TAGS = frozenset({"latest", "one"})
DETAIL = {"imageDigest": DIGEST, "imageTags": ["latest", "one"]}
COUNTS = {"CRITICAL": 1, "LOW": 7}


async def test_nobody_is_asked_for_a_token_before_one_is_needed() -> None:
    with small_aws(GetAuthorizationToken=(200, TOKEN)) as small:
        async with ecr.registry(small.access(), "111122223333") as registry:
            assert registry.name == "111122223333.dkr.ecr.us-east-1.amazonaws.com"
        assert small.history == []


@pytest.mark.req("B-11")
async def test_a_refused_login_is_about_credentials() -> None:
    expired = {"__type": "ExpiredTokenException", "message": "The security token is expired"}
    with small_aws(GetAuthorizationToken=(400, expired)) as small:
        async with ecr.registry(small.access(), "111122223333") as registry:
            with pytest.raises(CredentialsError, match="ExpiredToken") as caught:
                await registry.digest("app", "latest")
    assert caught.value.where == "ecr:GetAuthorizationToken"


async def test_a_repository_that_is_not_there_is_made() -> None:
    with small_aws(CreateRepository=(200, {})) as small:
        assert await ecr.ensure_repository(small.access(), "app")


async def test_a_repository_that_is_there_stays() -> None:
    there = {"__type": "RepositoryAlreadyExistsException", "message": "it exists"}
    with small_aws(CreateRepository=(400, there)) as small:
        assert not await ecr.ensure_repository(small.access(), "app")


async def test_a_repository_that_may_not_be_made_is_an_error() -> None:
    denied = {"__type": "AccessDeniedException", "message": "not authorized"}
    with small_aws(CreateRepository=(400, denied)) as small, pytest.raises(AwsError, match="AccessDenied"):
        await ecr.ensure_repository(small.access(), "app")


@pytest.mark.slow  # boto3 waits between its tries
@pytest.mark.req("B-11")
async def test_a_quota_of_repositories_is_told_as_one() -> None:
    full = {"__type": "LimitExceededException", "message": "the maximum allowed number of repositories is 100000"}
    with (
        small_aws(CreateRepository=(400, full)) as small,
        pytest.raises(RegistryRefused, match="no more repositories") as caught,
    ):
        await ecr.ensure_repository(small.access(), "app")
    assert "100000" in caught.value.why
    assert "Service Quotas" in caught.value.next


async def test_an_image_is_described_with_what_its_scan_found() -> None:
    detail = DETAIL | {"imageScanFindingsSummary": {"findingSeverityCounts": COUNTS}}
    with small_aws(DescribeImages=(200, {"imageDetails": [detail]})) as small:
        found = await ecr.described(small.access(), "app", "latest")
    assert found == Described(DIGEST, TAGS, COUNTS)
    assert small.history == ["DescribeImages"]


@pytest.mark.parametrize(
    ("scan", "findings"),
    [
        ({"imageScanFindings": {"findingSeverityCounts": COUNTS}}, COUNTS),
        ({"imageScanFindings": {}}, {}),
        ({"imageScanStatus": {"status": "IN_PROGRESS"}}, None),
    ],
    ids=["found", "nothing found", "goes on"],
)
async def test_the_newer_scanner_is_asked_where_it_tells(
    scan: dict[str, object], findings: dict[str, int] | None
) -> None:
    answers = {"DescribeImages": (200, {"imageDetails": [DETAIL]}), "DescribeImageScanFindings": (200, scan)}
    with small_aws(**answers) as small:
        assert await ecr.described(small.access(), "app", DIGEST) == Described(DIGEST, TAGS, None)
        assert await ecr.findings(small.access(), "app", DIGEST) == findings


async def test_an_image_that_was_never_scanned_has_no_findings() -> None:
    absent = {"__type": "ScanNotFoundException", "message": "no scan"}
    with small_aws(DescribeImageScanFindings=(400, absent)) as small:
        assert await ecr.findings(small.access(), "app", DIGEST) is None


@pytest.mark.parametrize("absent", ["ImageNotFoundException", "RepositoryNotFoundException"])
async def test_what_is_not_there_is_not_described(absent: str) -> None:
    with small_aws(DescribeImages=(400, {"__type": absent, "message": "not there"})) as small:
        assert await ecr.described(small.access(), "app", "latest") is None


async def test_all_images_of_a_repository_are_told_however_many_answers_they_take() -> None:
    untagged = {"imageDigest": f"sha256:{'2' * 64}", "imagePushedAt": 1700000000}
    pages = [
        (200, {"imageDetails": [DETAIL | {"imagePushedAt": 1800000000}], "nextToken": "more"}),
        (200, {"imageDetails": [untagged]}),
    ]
    with small_aws(DescribeImages=pages) as small:
        found = await ecr.stored(small.access(), "app")
    assert found == (
        Stored(DIGEST, ("latest", "one"), datetime.fromtimestamp(1800000000, UTC)),
        Stored(f"sha256:{'2' * 64}", (), datetime.fromtimestamp(1700000000, UTC)),
    )
    assert small.history == ["DescribeImages"] * 2


async def test_a_repository_that_is_not_there_has_no_images_and_one_that_is_hidden_is_an_error() -> None:
    absent = {"__type": "RepositoryNotFoundException", "message": "not there"}
    with small_aws(DescribeImages=(400, absent)) as small:
        assert await ecr.stored(small.access(), "app") == ()
    denied = {"__type": "AccessDeniedException", "message": "not authorized"}
    with small_aws(DescribeImages=(400, denied)) as small, pytest.raises(AwsError, match="AccessDenied"):
        await ecr.stored(small.access(), "app")
