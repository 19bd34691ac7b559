"""What calls of every service need beside their own action: tagging on create, passing a role, a key behind encryption.

These functions, and those of the services beside this file, are the cells of the tables: each reads one call and
answers checks, or ARNs, or condition keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from awsbox.authority.request import Also, Check, Request, Where, tag_keys, tags_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

USE = ("kms:GenerateDataKey", "kms:Decrypt")
READ = ("kms:Decrypt",)
ON_BEHALF = {"aws:ViaAWSService": "true", "kms:GrantIsForAWSResource": "true"}


def tagging(action: str, *, where: Where | None = None) -> Also:
    """Tags at creation need the right to tag as well."""

    def also(request: Request) -> Iterator[Check]:
        if tags_of(request):
            for arn in (where or _own(request))(request):
                yield Check(action, arn, tag_keys(request))

    return also


def _own(request: Request) -> Where:
    from awsbox.authority.tables import BY_PREFIX  # noqa: PLC0415 - the tables are made of these functions

    return BY_PREFIX[request.prefix].operations[request.operation]


def passing(service: str, *names: str) -> Also:
    """`iam:PassRole` for the roles in these arguments, to the service that will wear them."""
    return lambda request: [passed(role, service) for name in names for role in request.listed(name)]


def passed(role: Any, service: str) -> Check:
    return Check("iam:PassRole", str(role), {"iam:PassedToService": service})


def through(request: Request, service: str, key: str | None, actions: Iterable[str], **context: str) -> list[Check]:
    """Using a customer's key through a service: the caller needs it, under `kms:ViaService` and the context."""
    if not key:
        return []
    keys: dict[str, Any] = {"kms:ViaService": f"{service}.{request.region}.amazonaws.com", **ON_BEHALF}
    keys |= dict.fromkeys(("aws:CalledViaFirst", "aws:CalledViaLast"), f"{service}.amazonaws.com")
    keys |= {"aws:CalledVia": [f"{service}.amazonaws.com"]}
    keys |= {f"kms:EncryptionContext:{name.replace('_', ':')}": value for name, value in context.items()}
    keys |= {"kms:EncryptionContextKeys": [name.replace("_", ":") for name in context] or None}
    return [Check(action, key, keys) for action in actions]
