"""S3's conditions of a write: what an object has to be, or that there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.awsbox.people import allow

if TYPE_CHECKING:
    from tests.awsbox.people import Account

BUCKET = "conditions"


@pytest.fixture(scope="module")
def s3(account: Account) -> Any:
    client = account.root.client("s3")
    client.create_bucket(Bucket=BUCKET)
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return client


def put(s3: Any, key: str, text: str, **condition: str) -> str:
    """The new ETag, or AWS's code."""
    try:
        return str(s3.put_object(Bucket=BUCKET, Key=key, Body=text.encode(), **condition)["ETag"])
    except ClientError as error:
        return f"{error.response['ResponseMetadata']['HTTPStatusCode']} {error.response['Error']['Code']}"


def text(s3: Any, key: str) -> str:
    return str(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode())


def test_a_write_that_names_what_it_replaces_replaces_nothing_else(s3: Any) -> None:
    first = put(s3, "a", "one")
    second = put(s3, "a", "two", IfMatch=first)
    assert second.startswith('"')
    assert put(s3, "a", "three", IfMatch=first) == "412 PreconditionFailed"
    assert text(s3, "a") == "two"
    assert put(s3, "a", "four", IfMatch="*").startswith('"')


def test_what_is_not_there_matches_nothing(s3: Any) -> None:
    assert put(s3, "b", "one", IfMatch='"0123456789abcdef0123456789abcdef"') == "404 NoSuchKey"
    etag = put(s3, "b", "one")
    s3.delete_object(Bucket=BUCKET, Key="b")
    assert put(s3, "b", "two", IfMatch=etag) == "404 NoSuchKey"


def test_a_first_write_is_the_first(s3: Any) -> None:
    assert put(s3, "c", "one", IfNoneMatch="*").startswith('"')
    assert put(s3, "c", "two", IfNoneMatch="*") == "412 PreconditionFailed"
    s3.delete_object(Bucket=BUCKET, Key="c")
    assert put(s3, "c", "three", IfNoneMatch="*").startswith('"')


def test_who_may_not_write_is_not_told_what_is_there(s3: Any, account: Account) -> None:
    etag = put(s3, "d", "one")
    reader = account.user(allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/*")).client("s3")
    assert put(reader, "d", "two", IfMatch=etag) == "403 AccessDenied"
    assert put(reader, "d", "two", IfMatch='"another"') == "403 AccessDenied"
