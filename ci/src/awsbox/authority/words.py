"""How AWS words a refusal. The emulator knows each service's envelope; the sentences and the odd codes are here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from awsbox.calls import Answer

if TYPE_CHECKING:
    from awsbox.authority.audit import Decision
    from awsbox.calls import Call

UNKNOWN = (
    "awsbox does not know {}: it is in none of its tables, so it cannot say whether AWS would allow it. "
    "Nothing was done. What the box knows is listed in awsbox/README.md."
)
# Services that name the key behind their encryption by a code of their own.
KEY_CODES = {"sns": ("KMSAccessDenied", 400), "sqs": ("KMS.AccessDeniedException", 400)}
PACKAGE = (
    "Your access has been denied by S3, please make sure your request credentials have permission to GetObject"
    " for {}. S3 Error Code: AccessDenied. S3 Error Message: {}"
)
# JSON services answer a refusal with 400, these with 403.
FORBIDDEN = frozenset({"sqs", "monitoring"})


def sentence(decision: Decision) -> str:
    who, what, where = decision.principal, decision.action, _resource(decision)
    return f"User: {who} is not authorized to perform: {what} on resource: {where} {decision.why}"


def _resource(decision: Decision) -> str:
    return f'"{decision.resource}"' if decision.action.startswith("s3:") else decision.resource


def denied(call: Call, decision: Decision) -> Answer:
    said = sentence(decision)
    code, status = "", 0
    if decision.action.startswith("kms:") and call.service in KEY_CODES:
        code, status = KEY_CODES[call.service]
    if call.service == "lambda" and decision.action.startswith("s3:"):
        said = PACKAGE.format(decision.resource.removeprefix("arn:aws:s3:::"), said)
    return _enveloped(call, code, said, status)


def unknown(call: Call, what: str) -> Answer:
    return _enveloped(call, "", UNKNOWN.format(what))


def unauthenticated(call: Call, error: Any) -> Answer:
    """The emulator's own: wrong signature, unknown key, expired session."""
    from ministack import app  # noqa: PLC0415 - it reads its settings when it is imported

    status, headers, body = app._credential_failure(call.service, "", str(uuid4()), error, dict(call.headers))  # noqa: SLF001
    return Answer(status, tuple(headers.items()), body)


def unsigned(call: Call) -> Answer:
    from ministack.core.iam_evaluator import AuthError  # noqa: PLC0415 - as above

    return unauthenticated(call, AuthError("MissingAuthenticationToken", "Request is missing Authentication Token"))


def _enveloped(call: Call, code: str, message: str, status: int = 0) -> Answer:
    from ministack.core import iam_actions  # noqa: PLC0415 - as above

    # Without a code of ours the emulator words the refusals of these by itself.
    code = code or ("AccessDeniedException" if call.service in {"logs", "ssm"} else "")
    found, headers, body = iam_actions.access_denied_response(
        call.service, "", "", str(uuid4()), error_code=code, message=message, headers=dict(call.headers)
    )
    as_json = "x-amz-target" in call.headers and call.service not in FORBIDDEN
    return Answer(status or (400 if as_json else found), tuple(headers.items()), body)
