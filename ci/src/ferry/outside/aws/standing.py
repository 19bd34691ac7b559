"""Who calls AWS, and what that identity may do: asked without changing anything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from anyio import to_thread

from ferry.outside.aws import failures

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ferry.outside.aws import Access

SESSION = re.compile(r"arn:(?P<partition>aws[a-z-]*):sts::(?P<account>[0-9]{12}):assumed-role/(?P<role>[^/]+)/.+")
DENIED = frozenset(
    {"403", "AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException"}
    | {"UnauthorizedOperation"}
)
"""How the services say that IAM does not allow a call. S3 answers a HEAD with its status alone."""
AT_ONCE = 50
"""Actions that one simulation is asked about."""


async def caller(access: Access) -> str:
    """The ARN of the user or role; a role that is assumed is that role."""
    return role(await to_thread.run_sync(_caller, access))


def role(arn: str) -> str:
    """The role behind a session. Its path is not in the session's name."""
    found = SESSION.fullmatch(arn)
    return f"arn:{found['partition']}:iam::{found['account']}:role/{found['role']}" if found else arn


def same(caller: str, named: str) -> bool:
    """Whether the caller is the user or role that somebody named, perhaps with a path."""
    theirs, ours = named.split(":"), caller.split(":")
    kind, _, path = theirs[-1].partition("/")
    return ours == theirs or (ours[:-1] == theirs[:-1] and ours[-1] == f"{kind}/{path.rpartition('/')[2]}")


async def bucket(access: Access, account: str, name: str) -> None:
    """Raises unless the bucket is there, is the account's, and may be listed."""
    await to_thread.run_sync(_bucket, access, account, name)


async def versioned(access: Access, account: str, name: str) -> bool:
    return await to_thread.run_sync(_versioned, access, account, name)


async def refused(access: Access, who: str, wanted: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Which of these actions, each on its resource, the policies of a user or role do not allow, as IAM simulates it.

    What a policy makes depend on more than that is not known, and not among them.
    """
    by_resource: dict[str, list[str]] = {}
    for action, resource in wanted:
        by_resource.setdefault(resource, []).append(action)
    found = []
    for resource, actions in by_resource.items():
        for at in range(0, len(actions), AT_ONCE):
            some = actions[at : at + AT_ONCE]
            found += [(it, resource) for it in await to_thread.run_sync(_simulated, access, who, some, resource)]
    return found


async def token(access: Access) -> None:
    """Raises unless the caller may log in to the registry."""
    await to_thread.run_sync(_token, access)


def _token(access: Access) -> None:
    with failures.translated("ecr:GetAuthorizationToken"):
        access.client("ecr").get_authorization_token()


def _caller(access: Access) -> str:
    with failures.translated("sts:GetCallerIdentity"):
        return str(access.client("sts").get_caller_identity()["Arn"])


def _bucket(access: Access, account: str, name: str) -> None:
    with failures.translated(f"s3:ListBucket {name}"):
        access.client("s3").head_bucket(Bucket=name, ExpectedBucketOwner=account)


def _versioned(access: Access, account: str, name: str) -> bool:
    with failures.translated(f"s3:GetBucketVersioning {name}"):
        said = access.client("s3").get_bucket_versioning(Bucket=name, ExpectedBucketOwner=account)
    return bool(said.get("Status") == "Enabled")


def _simulated(access: Access, who: str, actions: Sequence[str], resource: str) -> list[str]:
    with failures.translated("iam:SimulatePrincipalPolicy"):
        said = access.client("iam").simulate_principal_policy(
            PolicySourceArn=who, ActionNames=list(actions), ResourceArns=[resource]
        )
    return [
        str(one["EvalActionName"])
        for one in said["EvaluationResults"]
        if one["EvalDecision"] != "allowed" and not one.get("MissingContextValues")
    ]
