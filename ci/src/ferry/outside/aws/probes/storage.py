"""S3, DynamoDB and Secrets Manager: where the data is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ferry.errors import AwsError
from ferry.outside.aws.probes.questions import Found, Question, State, alone, part, tagged

if TYPE_CHECKING:
    from collections.abc import Callable

NO_BUCKET = ("404", "NoSuchBucket")


def bucket(asked: Question) -> Found | None:
    """The name is shared by all accounts of the world: whoever owns it must be us."""
    name = asked["bucket"]
    try:
        said = asked.ask("s3", "head_bucket", NO_BUCKET, Bucket=name, ExpectedBucketOwner=asked.here.account)
    except AwsError as error:
        if "403" not in error.what:
            raise
        return _forbidden(name)
    if said is None:
        return None
    tags = asked.ask("s3", "get_bucket_tagging", ("NoSuchTagSet",), Bucket=name)
    return Found(id=name, arn=f"arn:{asked.here.partition}:s3:::{name}", tags=tagged(tags["TagSet"] if tags else []))


def _forbidden(name: str) -> Found:
    """A HEAD has no body: somebody else's bucket, and one of ours that we may not look at, sound the same."""
    return Found(
        id=name,
        state=State.STUCK,
        verdict="not-ours",
        note=f"s3:HeadBucket answers 403: the bucket {name} is another account's, or the deployer may not look at it",
        next="give the bucket another name; if it is this account's, give the deployer s3:ListBucket on it",
    )


def of_bucket(operation: str, key: str, *missing: str) -> Callable[[Question], Found | None]:
    """A setting of a bucket: there when AWS says anything of it."""
    return partial(_setting, operation=operation, key=key, missing=missing)


def _setting(asked: Question, operation: str, key: str, missing: tuple[str, ...]) -> Found | None:
    said = asked.ask("s3", operation, (*NO_BUCKET, *missing), Bucket=asked["bucket"])
    return Found(id=asked["bucket"]) if said and said.get(key) else None


def table(asked: Question) -> Found | None:
    said = asked.ask("dynamodb", "describe_table", ("ResourceNotFoundException",), TableName=asked["name"])
    if said is None:
        return None
    about = said["Table"]
    tags = asked.ask_all("dynamodb", "list_tags_of_resource", "Tags", ResourceArn=about["TableArn"])
    busy = about["TableStatus"] in {"CREATING", "UPDATING", "DELETING"}
    return Found(
        id=asked["name"],
        arn=about["TableArn"],
        tags=tagged(tags),
        state=State.BUSY if busy else State.READY,
        note=about["TableStatus"] if busy else "",
    )


def secret(asked: Question) -> Found | None:
    """One that waits for its end holds its name, and cannot be imported: to Terraform it is gone."""
    said = asked.ask("secretsmanager", "describe_secret", ("ResourceNotFoundException",), SecretId=asked["name"])
    if said is None:
        return None
    leaving = "DeletedDate" in said
    return Found(
        id=str(said["ARN"]),
        arn=str(said["ARN"]),
        tags=tagged(said.get("Tags")),
        state=State.LEAVING if leaving else State.READY,
        note="deleted, and kept until its recovery window ends" if leaving else "",
    )


BUCKET = "aws_s3_bucket"
READERS = {
    "aws_dynamodb_table": alone("name", table),
    BUCKET: alone("bucket", bucket),
    "aws_s3_bucket_policy": part(BUCKET, "bucket", of_bucket("get_bucket_policy", "Policy", "NoSuchBucketPolicy")),
    "aws_s3_bucket_public_access_block": part(
        BUCKET,
        "bucket",
        of_bucket("get_public_access_block", "PublicAccessBlockConfiguration", "NoSuchPublicAccessBlockConfiguration"),
    ),
    "aws_s3_bucket_server_side_encryption_configuration": part(
        BUCKET,
        "bucket",
        of_bucket(
            "get_bucket_encryption",
            "ServerSideEncryptionConfiguration",
            "ServerSideEncryptionConfigurationNotFoundError",
        ),
    ),
    # One that never had versions says nothing.
    "aws_s3_bucket_versioning": part(BUCKET, "bucket", of_bucket("get_bucket_versioning", "Status")),
    "aws_secretsmanager_secret": alone("name", secret),
}
