"""An environment's bucket: zips, and what is written down of releases. What is there is what it was."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Protocol

from anyio import to_thread

from ferry.errors import AwsError
from ferry.outside.aws import failures
from ferry.outside.blobs import CHUNK

if TYPE_CHECKING:
    from collections.abc import Collection

    from botocore.exceptions import ClientError

    from ferry.outside.aws import Access
    from ferry.outside.blobs import Blob, Store

TAKEN = frozenset({409, 412})
"""How S3 says that a condition does not hold. 409: somebody else is writing it this very moment."""


@dataclass(frozen=True, slots=True)
class Held:
    digest: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A text as it was. `age`: seconds since it was written, by S3's own clock alone: no two machines agree on ours."""

    text: str
    etag: str
    age: float


class Bucket(Protocol):
    """One bucket of one account."""

    name: str

    async def ensure(self) -> bool:
        """Make it if it is not there; True when it had to be made."""
        ...

    async def find(self, key: str) -> Held | None:
        """What S3 says of an object that Ferry put there; None where there is none."""
        ...

    async def present(self, keys: Collection[str]) -> frozenset[str]:
        """Which of these there are, in as few questions as can be."""
        ...

    async def put(self, key: str, blob: Blob, kind: str) -> None: ...

    async def get(self, key: str, store: Store) -> Blob | None: ...

    async def read(self, key: str) -> str | None: ...

    async def write(self, key: str, text: str, *, once: bool) -> bool:
        """`once`: what is there already stays, and the answer is False."""
        ...

    async def look(self, key: str) -> Seen | None:
        """What is there now. Where there is no bucket that is an error: nothing in it would be no answer."""
        ...

    async def swap(self, key: str, text: str, seen: Seen | None) -> Seen | None:
        """Write only where `seen` still is, or still nothing; None when somebody else was faster."""
        ...


def checksum(digest: str) -> str:
    """As S3 and Lambda write it, and Terraform's source_code_hash with them."""
    return base64.b64encode(bytes.fromhex(digest.removeprefix("sha256:"))).decode()


class S3Bucket:
    def __init__(self, access: Access, account: str, name: str) -> None:
        self.name = name
        self._access = access
        self._account = account
        self._made: Any = None

    async def ensure(self) -> bool:
        return await to_thread.run_sync(self._ensure)

    async def find(self, key: str) -> Held | None:
        return await to_thread.run_sync(self._find, key)

    async def present(self, keys: Collection[str]) -> frozenset[str]:
        prefix = os.path.commonprefix(list(keys))  # noqa: RUF071 - keys are text, not paths
        listed, whole = await to_thread.run_sync(self._list, prefix)
        missing = [key for key in keys if key not in listed]
        asked = [] if whole else [key for key in missing if await self.find(key)]
        return frozenset([key for key in keys if key in listed] + asked)

    async def put(self, key: str, blob: Blob, kind: str) -> None:
        await to_thread.run_sync(self._put, key, blob, kind)

    async def get(self, key: str, store: Store) -> Blob | None:
        return await to_thread.run_sync(self._get, key, store)

    async def read(self, key: str) -> str | None:
        return await to_thread.run_sync(self._read, key)

    async def write(self, key: str, text: str, *, once: bool) -> bool:
        return await to_thread.run_sync(self._write, key, text, once)

    # Who is stopped does not wait for an AWS that does not answer: what is written all the same is written whole.
    async def look(self, key: str) -> Seen | None:
        return await to_thread.run_sync(self._look, key, abandon_on_cancel=True)

    async def swap(self, key: str, text: str, seen: Seen | None) -> Seen | None:
        return await to_thread.run_sync(self._swap, key, text, seen, abandon_on_cancel=True)

    @property
    def _client(self) -> Any:
        self._made = self._made or self._access.client("s3")
        return self._made

    @property
    def _place(self) -> dict[str, str]:
        """Somebody else's bucket of that name is not ours to read or fill."""
        return {"Bucket": self.name, "ExpectedBucketOwner": self._account}

    def _ensure(self) -> bool:
        with failures.translated(f"s3:HeadBucket {self.name}"):
            try:
                self._client.head_bucket(**self._place)
            except self._client.exceptions.ClientError as error:
                if not failures.is_absent(error):
                    raise
            else:
                return False
        with failures.translated(f"s3:CreateBucket {self.name}"):
            home = {"CreateBucketConfiguration": {"LocationConstraint": self._access.region}}
            try:
                self._client.create_bucket(Bucket=self.name, **({} if self._access.region == "us-east-1" else home))
            except self._client.exceptions.BucketAlreadyOwnedByYou:
                return False  # another run was first
        return True

    def _find(self, key: str) -> Held | None:
        with failures.translated(f"s3:HeadObject {self.name}/{key}"):
            try:
                said = self._client.head_object(**self._place, Key=key, ChecksumMode="ENABLED")
            except self._client.exceptions.ClientError as error:
                if not failures.is_absent(error):
                    raise
                return None
        # Without a checksum it is not what Ferry put there.
        known = said.get("ChecksumSHA256")
        return Held(f"sha256:{base64.b64decode(known).hex()}", said["ContentLength"]) if known else None

    def _list(self, prefix: str) -> tuple[frozenset[str], bool]:
        """The first thousand keys, and whether these are all; none where there is no bucket."""
        with failures.translated(f"s3:ListBucket {self.name}"):
            try:
                said = self._client.list_objects_v2(**self._place, Prefix=prefix)
            except self._client.exceptions.NoSuchBucket:
                return frozenset(), True
        return frozenset(one["Key"] for one in said.get("Contents", [])), not said.get("IsTruncated")

    def _put(self, key: str, blob: Blob, kind: str) -> None:
        """S3 itself compares what arrives with the checksum."""
        if blob.path is None:
            raise ValueError(f"{blob.digest} is not on this machine")
        with failures.translated(f"s3:PutObject {self.name}/{key}"), blob.path.open("rb") as body:
            self._client.put_object(
                **self._place, Key=key, Body=body, ChecksumSHA256=checksum(blob.digest), ContentType=kind
            )

    def _get(self, key: str, store: Store) -> Blob | None:
        """Botocore itself compares what arrives with the checksum."""
        from botocore.exceptions import FlexibleChecksumError  # noqa: PLC0415 - slow, and most calls need none

        with failures.translated(f"s3:GetObject {self.name}/{key}"):
            try:
                said = self._client.get_object(**self._place, Key=key, ChecksumMode="ENABLED")
            except self._client.exceptions.ClientError as error:
                if not failures.is_absent(error):
                    raise
                return None
            if "ChecksumSHA256" not in said:
                return None  # it is not what Ferry put there
            try:
                with store.writing() as writer:
                    for chunk in said["Body"].iter_chunks(CHUNK):
                        writer.write(chunk)
            except FlexibleChecksumError as error:
                raise AwsError(
                    "a package arrived damaged",
                    where=f"s3://{self.name}/{key}",
                    why=str(error),
                    next="run the same command again; if it stays so, delete the object",
                ) from error
        return store.written(writer)

    def _read(self, key: str) -> str | None:
        with failures.translated(f"s3:GetObject {self.name}/{key}"):
            try:
                data: bytes = self._client.get_object(**self._place, Key=key)["Body"].read()
            except self._client.exceptions.ClientError as error:
                if not failures.is_absent(error):
                    raise
                return None
        # What is damaged is for whoever reads the text to say.
        return data.decode(errors="replace")

    def _write(self, key: str, text: str, once: bool) -> bool:  # noqa: FBT001 - run_sync passes no names
        condition = {"IfNoneMatch": "*"} if once else {}
        with failures.translated(f"s3:PutObject {self.name}/{key}"):
            try:
                self._client.put_object(
                    **self._place, Key=key, Body=text.encode(), ContentType="application/json", **condition
                )
            except self._client.exceptions.ClientError as error:
                if once and _status(error) in TAKEN:
                    return False
                raise
        return True

    def _look(self, key: str) -> Seen | None:
        with failures.translated(f"s3:GetObject {self.name}/{key}"):
            try:
                said = self._client.get_object(**self._place, Key=key)
                data: bytes = said["Body"].read()
            except self._client.exceptions.ClientError as error:
                self._refuse_no_bucket(error)
                if not failures.is_absent(error):
                    raise
                return None
        now = parsedate_to_datetime(said["ResponseMetadata"]["HTTPHeaders"]["date"])
        age = max(0.0, (now - said["LastModified"]).total_seconds())
        return Seen(text=data.decode(errors="replace"), etag=said["ETag"], age=age)

    def _swap(self, key: str, text: str, seen: Seen | None) -> Seen | None:
        condition = {"IfMatch": seen.etag} if seen else {"IfNoneMatch": "*"}
        with failures.translated(f"s3:PutObject {self.name}/{key}"):
            try:
                said = self._client.put_object(
                    **self._place, Key=key, Body=text.encode(), ContentType="application/json", **condition
                )
            except self._client.exceptions.ClientError as error:
                self._refuse_no_bucket(error)
                if _status(error) not in TAKEN and not (seen and failures.is_absent(error)):
                    raise
            else:
                return Seen(text=text, etag=said["ETag"], age=0.0)
        # A write whose answer is lost is tried again by botocore, and then meets itself.
        now = self._look(key)
        return now if now and now.text == text else None

    def _refuse_no_bucket(self, error: ClientError) -> None:
        if error.response.get("Error", {}).get("Code") == "NoSuchBucket":
            raise AwsError(
                f"the state bucket is missing: {self.name}",
                where=f"s3://{self.name}",
                why="what is written down of an environment lies in it, beside Terraform's state",
                next="let an admin apply infrastructure/bootstrap once: see docs/how-to/set-up-an-account.md",
            ) from error


def _status(error: ClientError) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
