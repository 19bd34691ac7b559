"""Does what a plan would create exist already? One question a type, by physical name; the answer is the import id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anyio import to_thread

from ferry.outside.aws import failures

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ferry.outside.aws import Access

type After = Mapping[str, Any]


async def existing(access: Access, type: str, after: After) -> str | None:
    """The import id of the object that this planned resource would collide with; None when there is none."""
    probe = PROBES.get(type)
    return None if probe is None else await to_thread.run_sync(probe, access, after)


def _repository(access: Access, after: After) -> str | None:
    client = access.client("ecr")
    name = str(after["name"])
    with failures.translated(f"ecr:DescribeRepositories {name}"):
        try:
            client.describe_repositories(repositoryNames=[name])
        except client.exceptions.RepositoryNotFoundException:
            return None
    return name


def _role(access: Access, after: After) -> str | None:
    client = access.client("iam")
    name = str(after["name"])
    with failures.translated(f"iam:GetRole {name}"):
        try:
            client.get_role(RoleName=name)
        except client.exceptions.NoSuchEntityException:
            return None
    return name


def _function(access: Access, after: After) -> str | None:
    client = access.client("lambda")
    name = str(after["function_name"])
    with failures.translated(f"lambda:GetFunction {name}"):
        try:
            client.get_function(FunctionName=name)
        except client.exceptions.ResourceNotFoundException:
            return None
    return name


def _log_group(access: Access, after: After) -> str | None:
    name = str(after["name"])
    with failures.translated(f"logs:DescribeLogGroups {name}"):
        found = access.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return name if any(group["logGroupName"] == name for group in found) else None


PROBES: dict[str, Callable[[Access, After], str | None]] = {
    "aws_cloudwatch_log_group": _log_group,
    "aws_ecr_repository": _repository,
    "aws_iam_role": _role,
    "aws_lambda_function": _function,
}
