"""Where zips are published: a bucket, and keys that hold the digest, so that what is there is what it was."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Protocol

from anyio import to_thread

from ferry.outside.aws import failures

if TYPE_CHECKING:
    from ferry.outside.aws import Access


class Packages(Protocol):
    """A bucket of the environment's own."""

    async def ensure(self, bucket: str) -> bool:
        """Make the bucket if it is not there; True when it had to be made."""
        ...

    async def holds(self, bucket: str, key: str, digest: str) -> bool: ...

    async def put(self, bucket: str, key: str, data: bytes, digest: str) -> None: ...


def checksum(digest: str) -> str:
    """As S3 and Lambda write it, and Terraform's source_code_hash with them."""
    return base64.b64encode(bytes.fromhex(digest.removeprefix("sha256:"))).decode()


class S3Packages:
    def __init__(self, access: Access, account: str) -> None:
        self._access = access
        self._account = account

    async def ensure(self, bucket: str) -> bool:
        return await to_thread.run_sync(self._ensure, bucket)

    async def holds(self, bucket: str, key: str, digest: str) -> bool:
        return await to_thread.run_sync(self._holds, bucket, key, digest)

    async def put(self, bucket: str, key: str, data: bytes, digest: str) -> None:
        await to_thread.run_sync(self._put, bucket, key, data, digest)

    def _ensure(self, bucket: str) -> bool:
        client = self._access.client("s3")
        with failures.translated(f"s3:HeadBucket {bucket}"):
            try:
                # Somebody else's bucket of that name is not ours to fill.
                client.head_bucket(Bucket=bucket, ExpectedBucketOwner=self._account)
            except client.exceptions.ClientError as error:
                if not failures.is_absent(error):
                    raise
            else:
                return False
        with failures.translated(f"s3:CreateBucket {bucket}"):
            home = {"CreateBucketConfiguration": {"LocationConstraint": self._access.region}}
            client.create_bucket(Bucket=bucket, **({} if self._access.region == "us-east-1" else home))
        return True

    def _holds(self, bucket: str, key: str, digest: str) -> bool:
        client = self._access.client("s3")
        with failures.translated(f"s3:HeadObject {bucket}/{key}"):
            try:
                found = client.head_object(
                    Bucket=bucket, Key=key, ChecksumMode="ENABLED", ExpectedBucketOwner=self._account
                )
            except client.exceptions.ClientError as error:
                if not failures.is_absent(error):
                    raise
                return False
        return bool(found.get("ChecksumSHA256") == checksum(digest))

    def _put(self, bucket: str, key: str, data: bytes, digest: str) -> None:
        """S3 itself compares what arrives with the checksum."""
        client = self._access.client("s3")
        with failures.translated(f"s3:PutObject {bucket}/{key}"):
            client.put_object(
                Bucket=bucket,
                Key=key,
                Body=data,
                ChecksumSHA256=checksum(digest),
                ContentType="application/zip",
                ExpectedBucketOwner=self._account,
            )
