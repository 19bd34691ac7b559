"""Eventual consistency: what IAM has just made is not known everywhere yet."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from awsbox.calls import Answer, refusal
from awsbox.faults.naming import named
from awsbox.rules import stores

if TYPE_CHECKING:
    from awsbox.calls import Call, Next
    from awsbox.faults.switchboard import Switched


@dataclass
class Birth:
    """When something was made, and how often it was asked for since."""

    at: float
    asked: int = 0


BIRTHS = {
    ("iam", "CreateAccessKey"): "AccessKeyId",
    ("iam", "CreatePolicy"): "Arn",
    ("iam", "CreateRole"): "Arn",
    ("iam", "CreateUser"): "Arn",
}
NO_ROLE = (400, "InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda.")
NO_PRINCIPAL = (
    400,
    "MalformedPolicyDocumentException",
    "Policy contains a statement with one or more invalid principals.",
)
NO_TRUSTED = (400, "MalformedPolicyDocument", 'Invalid principal in policy: "AWS":"{}"')
NO_POLICY = (404, "NoSuchEntity", "Policy {} does not exist or is not attachable.")
NO_KEY = (403, "InvalidClientTokenId", "The security token included in the request is invalid.")
UNREADY: dict[tuple[str, str], tuple[int, str, str]] = {
    ("iam", "AttachRolePolicy"): NO_POLICY,
    ("iam", "AttachUserPolicy"): NO_POLICY,
    ("iam", "CreateRole"): NO_TRUSTED,
    ("iam", "UpdateAssumeRolePolicy"): NO_TRUSTED,
    ("kms", "CreateKey"): NO_PRINCIPAL,
    ("kms", "PutKeyPolicy"): NO_PRINCIPAL,
    ("lambda", "CreateFunction"): NO_ROLE,
    ("lambda", "UpdateFunctionConfiguration"): NO_ROLE,
    ("sts", "AssumeRole"): (403, "AccessDenied", "Not authorized to perform: sts:AssumeRole on resource: {}"),
}


async def unready(switched: Switched, way: Next, call: Call) -> Answer:
    asked = named(call)
    if _young(switched, stores.core("router").extract_access_key_id(dict(call.headers))):
        return refusal(call, *NO_KEY)
    for scope in set(asked.scopes) & set(UNREADY):
        if id := _young(switched, asked.text):
            status, code, message = UNREADY[scope]
            return refusal(call, status, code, message.format(id))
    answer = await way(call)
    for scope in set(asked.scopes) & set(BIRTHS):
        if answer.status < 300 and isinstance(answer.body, bytes):
            name = BIRTHS[scope]
            made = answer.body.decode().partition(f"<{name}>")[2].partition(f"</{name}>")[0]
            switched.born[made] = Birth(time.monotonic())
    return answer


def _young(switched: Switched, text: str) -> str | None:
    """What of the things that the text names is still unknown to the rest of AWS."""
    for id, birth in switched.born.items():
        if re.search(rf"{re.escape(id)}(?![\w+=,.@/-])", text) and _unknown(switched, birth):
            birth.asked += 1
            switched.take()
            return id
    return None


def _unknown(switched: Switched, birth: Birth) -> bool:
    fault = switched.fault
    young = birth.asked < fault.calls or time.monotonic() - birth.at < (fault.seconds or 0)
    return young and not switched.over.is_set()
