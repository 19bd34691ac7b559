"""Does what a plan would create exist already? One question a type, by physical name; the answer is the import id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anyio import to_thread

from ferry.outside.aws import failures

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ferry.outside.aws import Access


async def existing(access: Access, type: str, after: Mapping[str, Any]) -> str | None:
    """The import id of the object that this planned resource would collide with; None when there is none."""
    key, probe = PROBES.get(type, ("", None))
    name = after.get(key)
    # A name that AWS makes up, or that is known only after the apply, collides with nothing.
    return await to_thread.run_sync(probe, access, str(name)) if probe and name else None


def _repository(access: Access, name: str) -> str | None:
    client = access.client("ecr")
    with failures.translated(f"ecr:DescribeRepositories {name}"):
        try:
            client.describe_repositories(repositoryNames=[name])
        except client.exceptions.RepositoryNotFoundException:
            return None
    return name


def _role(access: Access, name: str) -> str | None:
    client = access.client("iam")
    with failures.translated(f"iam:GetRole {name}"):
        try:
            client.get_role(RoleName=name)
        except client.exceptions.NoSuchEntityException:
            return None
    return name


def _function(access: Access, name: str) -> str | None:
    client = access.client("lambda")
    with failures.translated(f"lambda:GetFunction {name}"):
        try:
            client.get_function(FunctionName=name)
        except client.exceptions.ResourceNotFoundException:
            return None
    return name


def _log_group(access: Access, name: str) -> str | None:
    with failures.translated(f"logs:DescribeLogGroups {name}"):
        found = access.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return name if any(group["logGroupName"] == name for group in found) else None


def _bucket(access: Access, name: str) -> str | None:
    client = access.client("s3")
    with failures.translated(f"s3:HeadBucket {name}"):
        try:
            client.head_bucket(Bucket=name)
        except client.exceptions.ClientError as error:
            if not failures.is_absent(error):
                raise
            return None
    return name


def _secret(access: Access, name: str) -> str | None:
    """One that waits for its end holds its name too: that is said by AWS when it is made again."""
    client = access.client("secretsmanager")
    with failures.translated(f"secretsmanager:DescribeSecret {name}"):
        try:
            found = client.describe_secret(SecretId=name)
        except client.exceptions.ResourceNotFoundException:
            return None
    return None if "DeletedDate" in found else str(found["ARN"])


PROBES: dict[str, tuple[str, Callable[[Access, str], str | None]]] = {
    "aws_cloudwatch_log_group": ("name", _log_group),
    "aws_ecr_repository": ("name", _repository),
    "aws_iam_role": ("name", _role),
    "aws_lambda_function": ("function_name", _function),
    "aws_s3_bucket": ("bucket", _bucket),
    "aws_secretsmanager_secret": ("name", _secret),
}
