"""IAM and KMS: roles and users under their paths, policies, keys behind aliases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from awsbox.authority import state
from awsbox.authority.request import Check, Request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from awsbox.authority.request import Where

MAKES = frozenset({"CreateRole", "CreateUser"})


def entity_arn(kind: str, name: str) -> Where:
    """A role or user under its path: the one that it has, or the one that it is to get."""

    def where(request: Request) -> Sequence[str]:
        said, made = str(request.get(name) or ""), request.operation in MAKES
        if not said and kind == "user":
            return (_caller(request),)
        if not made and (found := state.entity(kind, said)):
            return (str(found["Arn"]),)
        path = str(request.get("Path") or "/") if made else "/"
        return (request.arn(f"{kind}{path}{said or '*'}", region=""),)

    return where


def _caller(request: Request) -> str:
    """Calls about a user who is not named are about the caller."""
    return request.caller if ":user/" in request.caller else request.arn("user/*", region="")


def listing(kind: str) -> Where:
    return lambda request: (request.arn(f"{kind}{request.get('PathPrefix') or '/'}", region=""),)


def policy_arn(request: Request) -> Sequence[str]:
    return (request.arn(f"policy{request.get('Path') or '/'}{request.get('PolicyName') or '*'}", region=""),)


def provider_arn(request: Request) -> Sequence[str]:
    host = str(request.get("Url") or "*").partition("://")[2].rstrip("/")
    return (request.arn(f"oidc-provider/{host or '*'}", region=""),)


def key_owner_arn(request: Request) -> Sequence[str]:
    name = state.user_of_key(str(request.get("AccessKeyId") or ""))
    return entity_arn("user", "UserName")(replace(request, arguments={"UserName": name or "*"}))


def iam_keys(request: Request) -> dict[str, Any]:
    """The boundary is the one that a call sets, or else the one that the role or user has."""
    kind, name = ("role", request.get("RoleName")) if request.get("RoleName") else ("user", request.get("UserName"))
    has = {} if request.operation in MAKES or not name else state.entity(kind, str(name)) or {}
    boundary = has.get("PermissionsBoundary")
    boundary = boundary.get("PermissionsBoundaryArn") if isinstance(boundary, dict) else boundary
    policy = request.get("PolicyArn") if request.operation.startswith(("Attach", "Detach")) else None
    return {"iam:PermissionsBoundary": request.get("PermissionsBoundary") or boundary or None, "iam:PolicyARN": policy}


def key_arns(request: Request) -> Sequence[str]:
    return (state.key_arn(request, str(request.get("KeyId") or "*")),)


def alias_arns(request: Request) -> Sequence[str]:
    """An alias is changed by those who may change it and the keys that it leaves or comes to."""
    alias = str(request.get("AliasName"))
    targets = {state.key_arn(request, str(request.get("TargetKeyId") or alias)), state.key_arn(request, alias)}
    return [request.arn(alias), *sorted(targets if request.operation == "UpdateAlias" else targets - _new(request))]


def _new(request: Request) -> set[str]:
    """An alias that is yet to be made has no key before."""
    return {state.key_arn(request, str(request.get("AliasName")))} if request.operation == "CreateAlias" else set()


def re_encrypting(request: Request) -> Sequence[Check]:
    return [Check("kms:ReEncryptTo", state.key_arn(request, str(request.get("DestinationKeyId") or "*")))]


def kms_keys(request: Request) -> dict[str, Any]:
    context: Mapping[str, Any] = request.get("EncryptionContext", "SourceEncryptionContext") or {}
    said = str(request.get("KeyId") or "")
    bypass = request.arguments.get("BypassPolicyLockoutSafetyCheck")
    return {
        "kms:RequestAlias": said.partition("alias/")[1] + said.partition("alias/")[2] or None,
        "kms:BypassPolicyLockoutSafetyCheck": str(bool(bypass)).lower(),
        "kms:EncryptionContextKeys": list(context) or None,
        "kms:GranteePrincipal": request.get("GranteePrincipal"),
        "kms:GrantOperations": request.listed("Operations") or None,
        "kms:KeySpec": request.get("KeySpec"),
        "kms:KeyUsage": request.get("KeyUsage"),
        "kms:ScheduleKeyDeletionPendingWindowInDays": request.get("PendingWindowInDays"),
        **{f"kms:EncryptionContext:{name}": value for name, value in context.items()},
    }
