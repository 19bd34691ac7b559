"""KMS refuses a key policy that would lock its author out, or that names somebody who does not exist.

Whether the caller could change the policy again is asked of the emulator's own evaluator: the same that decides on
real calls, and no code of Ferry's guards.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import uuid4

from awsbox.calls import Answer, refusal
from awsbox.rules import principals, stores

if TYPE_CHECKING:
    from awsbox.behind import Rules
    from awsbox.calls import Call, Next

MALFORMED = "MalformedPolicyDocumentException"
LOCKED_OUT = "The new key policy will not allow you to update the key policy in the future."
UNKNOWN = "Policy contains a statement with one or more invalid principals."
NOBODY = "Policy contains a statement with no principal."
TOO_LONG = "The policy exceeds the maximum length of {} bytes."
MAX_BYTES = 32 * 1024
# What every PutKeyPolicy says that is called directly and does not bypass the check; it has no tags.
DIRECT = {
    "aws:principalisawsservice": "false",
    "aws:tagkeys": None,
    "aws:viaawsservice": "false",
    "kms:bypasspolicylockoutsafetycheck": "false",
}


async def create(call: Call, way: Next) -> Answer:
    arn = f"arn:aws:kms:{stores.region()}:{stores.account()}:key/{uuid4()}"
    tags = {tag["TagKey"]: tag["TagValue"] for tag in call.arguments.get("Tags", [])}
    return _refused(call, arn, tags) or await way(call)


async def put_policy(call: Call, way: Next) -> Answer:
    record = stores.own("kms", "resolve_key")(call.arguments.get("KeyId", ""))
    if record is None:
        return await way(call)
    tags = {tag["TagKey"]: tag["TagValue"] for tag in record.get("Tags", [])}
    return _refused(call, record["Arn"], tags) or await way(call)


def _refused(call: Call, arn: str, tags: dict[str, str]) -> Answer | None:
    text = call.arguments.get("Policy")
    if text is None:
        return None
    if len(text.encode()) > MAX_BYTES:
        return refusal(call, 400, "LimitExceededException", TOO_LONG.format(MAX_BYTES))
    why, trusted = _wrong(text), call.arguments.get("BypassPolicyLockoutSafetyCheck")
    if why is None and not trusted and not may_change(call, arn, text, tags):
        why = LOCKED_OUT
    return None if why is None else refusal(call, 400, MALFORMED, why)


def _wrong(text: str) -> str | None:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    found = principals.statements(document)
    if not found:
        return ""  # AWS says no more of a policy that it cannot read: aws-sdk-ruby#1784
    if any("Principal" not in statement and "NotPrincipal" not in statement for statement in found):
        return NOBODY
    return UNKNOWN if principals.unknown(document) else None


def may_change(call: Call, arn: str, text: str, tags: dict[str, str]) -> bool:
    """Could the caller call PutKeyPolicy on this key, once it has this policy?"""
    evaluator = stores.core("iam_evaluator")
    caller = evaluator.resolve_principal(stores.key_of(call), stores.account())
    everything = evaluator.parse_policy_document({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
    asked = evaluator.EvalContext(
        principal_arn=caller.arn,
        principal_type=caller.type,
        principal_account=caller.account,
        action="kms:PutKeyPolicy",
        resource_arn=arn,
        region=stores.region(),
        secure_transport=True,
        service_context={f"aws:resourcetag/{name}".lower(): value for name, value in tags.items()}
        | {"kms:calleraccount": caller.account, **DIRECT},
        principal_keys=caller.keys,
    )
    identity = evaluator.evaluate(asked, [everything] if caller.policies is None else caller.policies, *caller.limits)
    owner = stores.account()
    decided = evaluator.combine_resource_policy(identity, asked, text, owner, required=True, limits=caller.limits)
    return bool(decided.decision == "Allow")


RULES: Rules = {("kms", "CreateKey"): create, ("kms", "PutKeyPolicy"): put_policy}
