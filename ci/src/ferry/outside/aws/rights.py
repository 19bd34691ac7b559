"""What IAM lets a user or role do: every policy that is on it, or no answer at all.

Half of them would be worse than none: what reads them takes a Deny that is not there for one that nobody has written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from ferry.errors import AwsError
from ferry.outside.aws import failures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ferry.outside.aws import Access

WHO = re.compile(
    r"arn:aws[a-z-]*:(?:iam::(?P<account>[0-9]{12}):(?P<kind>user|role)/(?:[^/]+/)*(?P<name>[^/]+)"
    r"|sts::(?P<of>[0-9]{12}):assumed-role/(?P<role>[^/]+)/[^/]+)"
)
"""A user, a role, or a session of one."""
HIDDEN = {"AccessDenied", "AccessDeniedException", "NoSuchEntity"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """The policies of a user or role and of a user's groups, and the boundary over them."""

    policies: tuple[Mapping[str, Any], ...] = field(repr=False)
    boundary: Mapping[str, Any] | None = field(default=None, repr=False)


async def rights(access: Access, arn: str) -> Rights | None:
    """None where any of it may not be read, or is not there, or the ARN is of neither a user nor a role."""
    found = WHO.fullmatch(arn)
    if found is None:
        return None
    kind, name = found["kind"] or "role", found["name"] or found["role"]
    return await to_thread.run_sync(_rights, access, kind, name, found)


def _rights(access: Access, kind: str, name: str, who: re.Match[str]) -> Rights | None:
    asked = _Questions(access.client("iam"))
    try:
        entity = asked.entity(kind, name)
        if not _same(who, str(entity["Arn"])):
            return None
        policies = [document for place in asked.places(kind, name) for document in asked.policies(*place)]
        boundary = entity.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        bound = asked.managed(boundary) if boundary else None
    except AwsError as error:
        if failures.code(error) in HIDDEN:
            return None
        raise
    whole = all(isinstance(one, Mapping) for one in (*policies, *([bound] if boundary else [])))
    return Rights(policies=tuple(policies), boundary=bound) if whole else None


def _same(who: re.Match[str], arn: str) -> bool:
    """IAM is asked by name, and answers for the caller's account: another account may have somebody of that name."""
    return arn == who[0] if who["account"] else arn.split(":")[4] == who["of"]


@dataclass(frozen=True, slots=True)
class _Questions:
    client: Any

    def entity(self, kind: str, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._ask(f"get_{kind}", **_named(kind, name))[kind.capitalize()]
        return found

    def places(self, kind: str, name: str) -> Iterator[tuple[str, str]]:
        """Where policies are attached: the user or role, and each group of a user."""
        yield kind, name
        if kind == "user":
            for group in self._all("list_groups_for_user", "Groups", UserName=name):
                yield "group", group["GroupName"]

    def policies(self, kind: str, name: str) -> Iterator[Any]:
        who = _named(kind, name)
        for policy in self._all(f"list_{kind}_policies", "PolicyNames", **who):
            yield self._ask(f"get_{kind}_policy", PolicyName=policy, **who)["PolicyDocument"]
        for attached in self._all(f"list_attached_{kind}_policies", "AttachedPolicies", **who):
            yield self.managed(attached["PolicyArn"])

    def managed(self, arn: str) -> Any:
        version = self._ask("get_policy", PolicyArn=arn)["Policy"]["DefaultVersionId"]
        return self._ask("get_policy_version", PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]

    def _ask(self, operation: str, **arguments: str) -> Any:
        with failures.translated(self._call(operation, arguments)):
            return getattr(self.client, operation)(**arguments)

    def _all(self, operation: str, key: str, **arguments: str) -> list[Any]:
        with failures.translated(self._call(operation, arguments)):
            pages = self.client.get_paginator(operation).paginate(**arguments)
            return list(pages.build_full_result().get(key, []))

    def _call(self, operation: str, arguments: Mapping[str, str]) -> str:
        return f"iam:{self.client.meta.method_to_api_mapping[operation]} {' '.join(arguments.values())}"


def _named(kind: str, name: str) -> dict[str, str]:
    return {f"{kind.capitalize()}Name": name}
