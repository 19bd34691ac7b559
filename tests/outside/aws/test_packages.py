"""S3Packages against the box, whose S3 checks checksums and owners."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from ferry.errors import AwsError
from ferry.outside.aws.packages import S3Packages, checksum
from ferry.outside.builder.assemble import digest_of
from tests.outside.aws.small_aws import as_root

if TYPE_CHECKING:
    from tests.awsbox.people import Account

pytestmark = pytest.mark.anyio
_NUMBERS = count(1)
DATA = b"a zip"
DIGEST = digest_of(DATA)


@pytest.fixture
def bucket() -> str:
    return f"packages-{next(_NUMBERS)}"


def packages_of(account: Account, owner: str = "") -> S3Packages:
    return S3Packages(as_root(account), owner or account.box.account)


async def test_a_bucket_is_made_once(account: Account, bucket: str) -> None:
    packages = packages_of(account)
    assert await packages.ensure(bucket)
    assert not await packages.ensure(bucket)


async def test_what_was_put_is_there_and_nothing_else_is(account: Account, bucket: str) -> None:
    packages = packages_of(account)
    await packages.ensure(bucket)
    assert not await packages.holds(bucket, "a.zip", DIGEST)
    await packages.put(bucket, "a.zip", DATA, DIGEST)
    assert await packages.holds(bucket, "a.zip", DIGEST)
    assert not await packages.holds(bucket, "a.zip", digest_of(b"another"))
    found = account.root.client("s3").get_object(Bucket=bucket, Key="a.zip")
    assert (found["Body"].read(), found["ContentType"]) == (DATA, "application/zip")


async def test_what_does_not_arrive_whole_is_refused(account: Account, bucket: str) -> None:
    packages = packages_of(account)
    await packages.ensure(bucket)
    with pytest.raises(AwsError):
        await packages.put(bucket, "a.zip", DATA, digest_of(b"another"))
    assert not await packages.holds(bucket, "a.zip", DIGEST)


async def test_somebody_elses_bucket_is_not_filled(account: Account, bucket: str) -> None:
    await packages_of(account).ensure(bucket)
    with pytest.raises(AwsError):
        await packages_of(account, owner="999988887777").ensure(bucket)


def test_a_checksum_is_what_lambda_calls_the_hash() -> None:
    assert checksum(f"sha256:{'00' * 32}") == "A" * 43 + "="
