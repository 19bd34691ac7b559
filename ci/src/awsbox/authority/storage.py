"""DynamoDB, S3 and Secrets Manager: tables and items, buckets and objects, secrets, and the keys that seal them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from awsbox.authority import state
from awsbox.authority.needs import READ, USE, through
from awsbox.authority.request import Check

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from awsbox.authority.request import Also, Request


ITEM = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "Get": "GetItem"}
ITEM |= {"ConditionCheck": "ConditionCheckItem"}
TABLE_USE = ("kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey", "kms:CreateGrant")


def table_arn(request: Request, said: Any) -> str:
    return str(said) if str(said).startswith("arn:") else request.arn(f"table/{said}")


def tables(request: Request) -> Sequence[str]:
    name = request.get("TableName", "TableArn") or "*"
    arn = table_arn(request, name)
    return (f"{arn}/index/{request.get('IndexName')}",) if request.get("IndexName") else (arn,)


def batch_tables(request: Request) -> Sequence[str]:
    return [table_arn(request, name) for name in request.get("RequestItems") or ("*",)]


def each_item(request: Request) -> Iterator[Check]:
    for item in request.listed("TransactItems"):
        for kind, said in item.items():
            arn = table_arn(request, said.get("TableName", "*"))
            yield Check(f"dynamodb:{ITEM.get(kind, kind)}", arn)
            yield from _table_key(request, arn, READ)


def table_use(request: Request) -> Iterator[Check]:
    where = batch_tables if "RequestItems" in request.arguments else tables
    for arn in where(request):
        yield from _table_key(request, arn.partition("/index/")[0], READ)


def new_table_key(request: Request) -> Sequence[Check]:
    said = (request.get("SSESpecification") or {}).get("KMSMasterKeyId")
    return through(request, "dynamodb", state.customer_key(said), TABLE_USE)


def _table_key(request: Request, arn: str, actions: Iterable[str]) -> list[Check]:
    name = arn.rpartition("/")[2]
    context = {"aws_dynamodb_tableName": name, "aws_dynamodb_subscriberId": request.account}
    return through(request, "dynamodb", state.table_key(arn), actions, **context)


def dynamodb_keys(request: Request) -> dict[str, Any]:
    names = request.get("ExpressionAttributeNames") or {}
    said = str(request.get("ProjectionExpression") or "")
    heads = [part.strip().partition(".")[0].partition("[")[0] for part in said.split(",") if part.strip()]
    attributes = [str(names.get(head, head)) for head in heads] + request.listed("AttributesToGet")
    default = "SPECIFIC_ATTRIBUTES" if attributes else "ALL_ATTRIBUTES"
    return {"dynamodb:Attributes": attributes or None, "dynamodb:Select": request.get("Select") or default}


def bucket_arn(request: Request) -> Sequence[str]:
    return (f"arn:aws:s3:::{request.get('Bucket') or '*'}",)


def object_arn(request: Request) -> Sequence[str]:
    return (f"arn:aws:s3:::{request.get('Bucket')}/{request.get('Key')}",)


def nowhere(_: Request) -> Sequence[str]:
    """A call that is no action of its own: each of its parts is asked for as the call that it stands for."""
    return ()


def each_object(request: Request) -> Iterator[Check]:
    from ministack.core import iam_actions  # noqa: PLC0415 - it reads its settings when it is imported

    for arn, version in iam_actions._s3_batch_delete_targets(request.get("Bucket"), request.body):  # noqa: SLF001
        yield Check("s3:DeleteObjectVersion" if version else "s3:DeleteObject", arn)


def copied(request: Request) -> Iterator[Check]:
    from ministack.core import iam_actions  # noqa: PLC0415

    source = iam_actions._s3_source_object(request.headers)  # noqa: SLF001
    if source:
        arn, version = source
        bucket, _, name = arn.removeprefix("arn:aws:s3:::").partition("/")
        yield Check("s3:GetObjectVersion" if version else "s3:GetObject", arn)
        yield from _object_key(request, state.object_key(bucket, name), READ, arn)


def attributes(request: Request) -> Sequence[Check]:
    return [Check("s3:GetObjectVersion" if request.get("VersionId") else "s3:GetObject", object_arn(request)[0])]


def with_headers(request: Request) -> Iterator[Check]:
    """Headers of a write that ask for more than the write."""
    arn = object_arn(request)[0]
    if request.headers.get("x-amz-tagging"):
        yield Check("s3:PutObjectTagging", arn)
    if request.headers.get("x-amz-acl") or any(name.startswith("x-amz-grant-") for name in request.headers):
        yield Check("s3:PutObjectAcl", arn)


def new_bucket(request: Request) -> Iterator[Check]:
    arn = bucket_arn(request)[0]
    if request.headers.get("x-amz-object-ownership"):
        yield Check("s3:PutBucketOwnershipControls", arn)
    # What a bucket gets anyway needs no right of its own, and terraform's provider always says it.
    if request.headers.get("x-amz-acl", "private") != "private":
        yield Check("s3:PutBucketAcl", arn)


def written(request: Request) -> Sequence[Check]:
    said = request.headers.get("x-amz-server-side-encryption")
    key = state.customer_key(request.headers.get(state.KMS_ID)) or (
        None if said else state.bucket_key(request.get("Bucket"))
    )
    parts = request.operation in {"CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "UploadPartCopy"}
    return _object_key(request, key, USE if parts else USE[:1], object_arn(request)[0])


def read(request: Request) -> Sequence[Check]:
    key = state.object_key(str(request.get("Bucket")), str(request.get("Key")))
    return _object_key(request, key, READ, object_arn(request)[0])


def _object_key(request: Request, key: str | None, actions: Iterable[str], arn: str) -> list[Check]:
    return through(request, "s3", key, actions, aws_s3_arn=arn)


def s3_keys(request: Request) -> dict[str, Any]:
    names = [name for name in request.headers if name.startswith("x-amz-") or name in {"if-match", "if-none-match"}]
    said: dict[str, Any] = {f"s3:{name}": request.headers[name] for name in names}
    tags = dict(parse_qsl(request.headers.get("x-amz-tagging", ""), keep_blank_values=True))
    said |= {f"s3:RequestObjectTag/{tag}": value for tag, value in tags.items()}
    said |= {
        "s3:RequestObjectTagKeys": list(tags) or None,
        "s3:prefix": request.arguments.get("Prefix"),
        "s3:delimiter": request.arguments.get("Delimiter"),
    }
    said |= {"s3:max-keys": request.arguments.get("MaxKeys"), "s3:VersionId": request.arguments.get("VersionId")}
    bucket, name = request.get("Bucket"), request.get("Key")
    if bucket and name:
        there = state.object_tags(bucket, name, str(request.get("VersionId") or ""))
        said |= {f"s3:ExistingObjectTag/{tag}": value for tag, value in there.items()}
    return said


def secret_arn(request: Request) -> Sequence[str]:
    """A secret that is yet to be made has an ending already, as far as policies go: six signs that nobody knows."""
    said = str(request.get("SecretId", "Name") or "*")
    found = None if request.operation == "CreateSecret" else state.secret(said)
    if found:
        return (str(found["ARN"]),)
    return (said if said.startswith("arn:") else request.arn(f"secret:{said}-000000"),)


def secret_use(actions: tuple[str, ...]) -> Also:
    def also(request: Request) -> Sequence[Check]:
        found = state.secret(str(request.get("SecretId"))) if request.get("SecretId") else None
        key = request.get("KmsKeyId") or (found or {}).get("KmsKeyId")
        context = {"SecretARN": str(found["ARN"])} if found else {}
        return through(request, "secretsmanager", state.customer_key(key), actions, **context)

    return also


def secret_keys(request: Request) -> dict[str, Any]:
    force = request.arguments.get("ForceDeleteWithoutRecovery")
    return {
        "secretsmanager:Name": request.get("Name"),
        "secretsmanager:SecretId": request.get("SecretId"),
        "secretsmanager:Description": request.get("Description"),
        "secretsmanager:KmsKeyId": request.get("KmsKeyId"),
        "secretsmanager:VersionId": request.get("VersionId"),
        "secretsmanager:VersionStage": request.get("VersionStage") or _reads_current(request),
        "secretsmanager:ForceDeleteWithoutRecovery": None if force is None else str(bool(force)).lower(),
        "secretsmanager:RecoveryWindowInDays": request.get("RecoveryWindowInDays"),
        "secretsmanager:BlockPublicPolicy": request.get("BlockPublicPolicy"),
    }


def _reads_current(request: Request) -> str | None:
    return "AWSCURRENT" if request.operation == "GetSecretValue" and not request.get("VersionId") else None
