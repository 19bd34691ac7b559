"""IAM reads the policies that it is handed: their size, their principals, and that a trust policy is one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from awsbox.calls import Answer, refusal
from awsbox.rules import principals, stores

if TYPE_CHECKING:
    from collections.abc import Mapping

    from awsbox.behind import Rules
    from awsbox.calls import Call, Layer, Next

MALFORMED = "MalformedPolicyDocument"
MANAGED = 6144
TRUST = 2048
INLINE = {"User": 2048, "Role": 10240, "Group": 5120}


def size(document: str) -> int:
    """As IAM counts it: white space is free."""
    return len("".join(document.split()))


async def managed(call: Call, way: Next) -> Answer:
    if size(call.arguments.get("PolicyDocument", "")) > MANAGED:
        return _too_large(call, f"Cannot exceed quota for PolicySize: {MANAGED}")
    return await way(call)


def inline(kind: str) -> Layer:
    """All inline policies of one user, role or group count together."""

    async def rule(call: Call, way: Next) -> Answer:
        name, policy = call.arguments.get(f"{kind}Name", ""), call.arguments.get("PolicyName", "")
        kept = {**_inline(kind, name), policy: call.arguments.get("PolicyDocument", "")}
        if sum(size(document) for document in kept.values()) > INLINE[kind]:
            return _too_large(call, f"Maximum policy size of {INLINE[kind]} bytes exceeded for {kind.lower()} {name}")
        return await way(call)

    return rule


def _inline(kind: str, name: str) -> Mapping[str, str]:
    if kind == "Role":
        found: Mapping[str, str] = (stores.own("iam", "roles").get(name) or {}).get("InlinePolicies", {})
        return found
    return stores.own("iam", f"{kind.lower()}_inline_policies").get(name) or {}


async def trust(call: Call, way: Next) -> Answer:
    text = call.arguments.get("AssumeRolePolicyDocument") or call.arguments.get("PolicyDocument", "")
    if size(text) > TRUST:
        return _too_large(call, f"Cannot exceed quota for ACLSizePerRole: {TRUST}")
    why = _distrusted(text)
    return await way(call) if why is None else refusal(call, 400, MALFORMED, why)


def _distrusted(text: str) -> str | None:
    try:
        document: Any = json.loads(text)
    except ValueError:
        document = None
    found = principals.statements(document)
    if not found:
        return "Syntax errors in policy." if document else "This policy contains invalid Json"
    for statement in found:
        if "Resource" in statement or "NotResource" in statement:
            return "Has prohibited field Resource"
        for field in ("Principal", "Action"):
            if not {field, f"Not{field}"} & set(statement):
                return f"Missing required field {field}"
    for kind, name in principals.unknown(document):
        return f'Invalid principal in policy: "{kind}":"{name}"'
    return None


def _too_large(call: Call, why: str) -> Answer:
    return refusal(call, 409, "LimitExceeded", why)


RULES: Rules = {
    ("iam", "CreatePolicy"): managed,
    ("iam", "CreatePolicyVersion"): managed,
    ("iam", "CreateRole"): trust,
    ("iam", "UpdateAssumeRolePolicy"): trust,
} | {("iam", f"Put{kind}Policy"): inline(kind) for kind in INLINE}
