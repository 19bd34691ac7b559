"""What services ask of roles when a call is made: that they may wear them, and that the roles can do their part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from awsbox.authority import evaluation, state
from awsbox.authority.request import Check
from awsbox.calls import Answer, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from awsbox.authority.request import Request
    from awsbox.calls import Call

INVALID = {"lambda": "InvalidParameterValueException", "logs": "InvalidParameterException"}
READS_QUEUE = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
# What a failed event's way takes, by the service that it leads to.
SENDS = {
    "sqs": "sqs:SendMessage",
    "sns": "sns:Publish",
    "lambda": "lambda:InvokeFunction",
    "events": "events:PutEvents",
}

type Rule = Callable[[Request], str | None]
"""Why the service does not take it."""


def refused(call: Call, request: Request) -> Answer | None:
    why = next((why for rule in RULES.get((request.prefix, request.operation), ()) if (why := rule(request))), None)
    return refusal(call, 400, INVALID[request.prefix], why) if why else None


def trusted(role: str, service: str) -> bool:
    """Whether the role lets this service wear it. A role that is not there is for the emulator to say."""
    found = state.role_named(role)
    if not found:
        return True
    statements = state.document(found["AssumeRolePolicyDocument"]).get("Statement", [])
    said = statements if isinstance(statements, list) else [statements]
    return any(service in _services(one) for one in said if isinstance(one, dict) and one.get("Effect") == "Allow")


def _services(statement: Mapping[str, object]) -> list[str]:
    principal = statement.get("Principal")
    named = principal.get("Service", []) if isinstance(principal, dict) else []
    return [named] if isinstance(named, str) else list(named)


def role_may(role: str, action: str, resource: str, account: str, region: str) -> bool:
    return evaluation.rule(evaluation.of_role(role, account), Check(action, resource), region).allowed


def _role_trusts(request: Request) -> str | None:
    role = request.get("Role")
    if not role or trusted(str(role), "lambda.amazonaws.com"):
        return None
    return "The role defined for the function cannot be assumed by Lambda."


def _dead_letters(request: Request) -> str | None:
    return _reaches(request, str(request.get("Role") or ""), (request.get("DeadLetterConfig") or {}).get("TargetArn"))


def _destinations(request: Request) -> str | None:
    said = request.get("DestinationConfig") or {}
    arns = [(said.get(when) or {}).get("Destination") for when in ("OnFailure", "OnSuccess")]
    return next((why for arn in arns if (why := _reaches(request, "", arn))), None)


def _reaches(request: Request, role: str, target: object) -> str | None:
    if not target:
        return None
    role = role or _role_of(request)
    service = str(target).split(":")[2]
    action = SENDS.get(service, "")
    if not role or not action or role_may(role, action, str(target), request.account, request.region):
        return None
    return f"The function's execution role does not have permissions to call {action.partition(':')[2]} on {target}"


def _reads(request: Request) -> str | None:
    source, role = str(request.get("EventSourceArn") or ""), _role_of(request)
    if not role or ":sqs:" not in source:
        return None
    lacks = [action for action in READS_QUEUE if not role_may(role, action, source, request.account, request.region)]
    if not lacks:
        return None
    return f"The provided execution role does not have permissions to call {lacks[0].partition(':')[2]} on SQS"


def _key_lets_logs(request: Request) -> str | None:
    """A group's key must let the service use it, for this group."""
    key = state.customer_key(request.get("kmsKeyId"))
    if not key:
        return None
    group = request.arn(f"log-group:{request.get('logGroupName')}")
    check = Check("kms:Encrypt", key, {"kms:EncryptionContext:aws:logs:arn": group, "aws:SourceArn": group})
    service = f"logs.{request.region}.amazonaws.com"
    if evaluation.rule_for_service(service, check, request.account, request.region).allowed:
        return None
    return f"The specified KMS key does not exist or is not allowed to be used with Arn '{group}'"


def _role_of(request: Request) -> str:
    return str((state.function(str(request.get("FunctionName"))) or {}).get("Role", ""))


RULES: Mapping[tuple[str, str], tuple[Rule, ...]] = {
    ("lambda", "CreateFunction"): (_role_trusts, _dead_letters),
    ("lambda", "UpdateFunctionConfiguration"): (_role_trusts, _dead_letters),
    ("lambda", "PutFunctionEventInvokeConfig"): (_destinations,),
    ("lambda", "UpdateFunctionEventInvokeConfig"): (_destinations,),
    ("lambda", "CreateEventSourceMapping"): (_reads,),
    ("logs", "AssociateKmsKey"): (_key_lets_logs,),
    ("logs", "CreateLogGroup"): (_key_lets_logs,),
}
