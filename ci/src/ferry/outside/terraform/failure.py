"""Why terraform failed, in Ferry's words: one table from (type, code, message) to kind, cause and next step. Pure.

AWS codes alone say little: `ResourceConflictException` is "exists already" and "is being updated", and both are said of
a function. So a rule looks at the code, the message and the type of resource together, and the first that fits decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from ferry.errors import CredentialsError, FerryError, TerraformFailed
from ferry.outside.aws.failures import UNKNOWN_CALLER
from ferry.outside.terraform import events, lock
from ferry.outside.terraform.saved import differences

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ferry.outside.terraform.events import Diagnostic
    from ferry.outside.terraform.lock import Holder
    from ferry.outside.terraform.saved import Saved


class Kind(StrEnum):
    LOCKED = "locked"
    STALE = "stale"
    STATE_LOST = "state-not-saved"
    STOPPED = "stopped"
    PROVIDER = "provider"
    EXISTS = "exists-already"
    CREDENTIALS = "credentials"
    KEY_LOCKOUT = "key-lockout"
    PRINCIPAL = "dead-principal"
    IMAGE = "image"
    DENIED = "denied"
    THROTTLED = "throttled"
    LIMIT = "limit"
    BUSY = "busy"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    AWS_DOWN = "aws-down"
    REFUSED = "refused"
    CONFIGURATION = "configuration"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One error. `said` is terraform's own text, `action` what was denied, `holder` who has the lock."""

    kind: Kind
    address: str
    type: str
    code: str
    cause: str
    next: str
    said: str
    place: str = ""
    action: str = ""
    holder: Holder | None = None


class Stopped(Exception):
    """What a TerraformFailed comes from: every error that terraform told, classified, the first one first."""

    def __init__(self, failures: Sequence[Failure]) -> None:
        super().__init__("; ".join(failure.cause for failure in failures))
        self.failures = tuple(failures)


def of(error: BaseException) -> tuple[Failure, ...]:
    """The classified errors behind an error of Ferry's; none where it does not come from terraform's events."""
    return error.__cause__.failures if isinstance(error.__cause__, Stopped) else ()


def is_stale(error: BaseException) -> bool:
    """The plan was saved from a state that is another one now: plan again, and compare."""
    return any(failure.kind is Kind.STALE for failure in of(error))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """It fits when everything that it names does. Causes and steps may speak of the failure's fields."""

    kind: Kind
    cause: str
    next: str
    codes: frozenset[str] = frozenset()
    says: str = ""
    types: str = ""


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


AGAIN = "mend what it names, then run the same command again: what is already there is adopted"
SAME = "run the same command again"
NO_REGISTRY = (
    "name a folder of providers in FERRY_PROVIDER_MIRROR; where the registry can be reached, "
    "`terraform providers mirror FOLDER` makes one"
)
EXISTS = "{address} exists already in AWS, and terraform's state does not know it"
TAKE = "run the same command again: its plan finds what exists and adopts it"

# What the resource types of a serverless stack say when the thing is there: code and message, never one alone.
EXISTING = (
    ("aws_ecr_repository", "RepositoryAlreadyExistsException", ""),
    ("aws_kms_alias", "AlreadyExistsException", ""),
    ("aws_iam_.*", "EntityAlreadyExists EntityAlreadyExistsException", ""),
    ("aws_dynamodb_table", "ResourceInUseException TableAlreadyExistsException", "already exists"),
    ("aws_s3_bucket", "BucketAlreadyExists BucketAlreadyOwnedByYou", ""),
    ("aws_cloudwatch_log_group", "ResourceAlreadyExistsException", ""),
    ("aws_secretsmanager_secret", "ResourceExistsException", ""),
    ("aws_sqs_queue", "QueueAlreadyExists QueueNameExists", ""),
    ("aws_sns_topic", "InvalidParameter InvalidParameterException", "already exists with different"),
    ("aws_lambda_.*", "ResourceConflictException", "already exist"),
    ("aws_budgets_budget", "DuplicateRecordException", ""),
)
RULES: tuple[Rule, ...] = (
    Rule(
        kind=Kind.LOCKED,
        says="Error acquiring the state lock",
        cause="the state is locked: {holder}",
        next="wait until that run is over; if it is over for certain: terraform force-unlock -force {lock}, "
        "in an initialised root (see docs/how-to/recover-a-failed-apply.md)",
    ),
    Rule(
        kind=Kind.STALE,
        says="Saved plan is stale|Saved plan does not match the given state",
        cause="the state was changed by somebody else after this plan was made",
        next="plan again: ferry deploy does so and compares",
    ),
    Rule(
        kind=Kind.STATE_LOST,
        says="Failed to (?:save|persist) state|errored.tfstate",
        cause="what was done could not be written into the state",
        next="see docs/how-to/recover-a-failed-apply.md before anything else is applied",
    ),
    Rule(
        kind=Kind.STOPPED,
        says="execution halted|operation (?:was )?cancell?ed|interrupted",
        cause="terraform was told to stop, and did so after what it had begun",
        next=f"{SAME}: it goes on from what is in the state",
    ),
    Rule(
        kind=Kind.PROVIDER,
        says="could not connect to|failed to request discovery document|proxyconnect",
        cause="the registry of providers cannot be reached",
        next=NO_REGISTRY,
    ),
    Rule(
        kind=Kind.PROVIDER,
        says="dependency lock file|checksums? (?:previously|recorded)|does not match any of the checksums",
        cause="the providers are not those that .terraform.lock.hcl names",
        next="make the lock file fit, and commit it: terraform providers lock",
    ),
    Rule(
        kind=Kind.PROVIDER,
        says="provider packages|[Ff]ailed to install provider|[Pp]lugin|[Ii]ncompatible provider version",
        cause="a provider could not be had, or does not run here",
        next=NO_REGISTRY,
    ),
    Rule(
        kind=Kind.CREDENTIALS,
        codes=_codes("ExpiredToken ExpiredTokenException RequestExpired"),
        cause="the AWS credentials have expired",
        next="get new ones, then run the same command again: it goes on from what is in the state",
    ),
    Rule(
        kind=Kind.CREDENTIALS,
        codes=frozenset(UNKNOWN_CALLER),
        cause="AWS does not know these credentials",
        next="check who you are: aws sts get-caller-identity",
    ),
    Rule(
        kind=Kind.CREDENTIALS,
        says="No valid credential sources|failed to refresh cached credentials|no EC2 IMDS role",
        cause="there are no AWS credentials that terraform finds",
        next="check who you are: aws sts get-caller-identity",
    ),
    *(
        Rule(kind=Kind.EXISTS, types=types, codes=_codes(codes), says=says, cause=EXISTS, next=TAKE)
        for types, codes, says in EXISTING
    ),
    Rule(
        kind=Kind.EXISTS,
        types="aws_secretsmanager_secret",
        codes=_codes("InvalidRequestException"),
        says="scheduled for deletion",
        cause="{address} exists already, and waits for its deletion",
        next="run the same command again: ferry deploy restores it and adopts it",
    ),
    Rule(
        kind=Kind.KEY_LOCKOUT,
        types="aws_kms_.*",
        codes=_codes("MalformedPolicyDocumentException"),
        says="will not allow you to update the key policy",
        cause="the key policy of {address} would lock its own author out",
        next="name the deployer in the policy, with kms:PutKeyPolicy: ferry guard shows which statement is missing",
    ),
    Rule(
        kind=Kind.PRINCIPAL,
        codes=_codes("MalformedPolicyDocumentException MalformedPolicyDocument MalformedPolicy"),
        says="[Ii]nvalid principal",
        cause="the policy of {address} names somebody who does not exist",
        next="correct the principals in its policy; one that was made a moment ago is known after some seconds",
    ),
    Rule(
        kind=Kind.IMAGE,
        types="aws_lambda_.*",
        says="[Ss]ource image|image manifest|image is not supported|media type|deleted image",
        cause="Lambda does not get, or does not take, the image of {address}",
        next="ferry publish puts the release's images where Lambda looks for them; then run the same command again",
    ),
    Rule(
        kind=Kind.DENIED,
        codes=_codes(
            "AccessDenied AccessDeniedException AuthorizationError AuthorizationErrorException UnauthorizedOperation "
            "NotAuthorized NotAuthorizedException KMSAccessDeniedException UnauthorizedException"
        ),
        cause="the deployer may not {action}",
        next="allow the deployer {action}{resource}, then run the same command again",
    ),
    Rule(
        kind=Kind.LIMIT,
        codes=_codes(
            "LimitExceededException LimitExceeded ServiceQuotaExceededException QuotaExceededException TooManyBuckets "
            "CodeStorageExceededException KeyUnavailableException MaxLimitExceeded CreationLimitExceededException"
        ),
        cause="the account has as many of these as it may have",
        next="remove what is not needed, or ask AWS for more: aws service-quotas request-service-quota-increase",
    ),
    Rule(
        kind=Kind.THROTTLED,
        codes=_codes(
            "Throttling ThrottlingException ThrottledException TooManyRequestsException RequestLimitExceeded SlowDown "
            "ProvisionedThroughputExceededException RequestThrottled RequestThrottledException BandwidthLimitExceeded"
        ),
        cause="AWS was called too often, also after waiting",
        next=f"{SAME} in a minute: it goes on from what is in the state",
    ),
    Rule(
        kind=Kind.BUSY,
        codes=_codes(
            "ResourceConflictException ResourceInUseException ConcurrentModification ConcurrentModificationException "
            "OperationAborted ConflictException QueueDeletedRecently AWS.SimpleQueueService.QueueDeletedRecently "
            "DeleteConflict DeleteConflictException ResourceNotReadyException KMSInvalidStateException"
        ),
        cause="{address} is being changed, or something still uses it",
        next=f"{SAME} when that is over",
    ),
    Rule(
        kind=Kind.TIMEOUT,
        says="timeout while waiting|context deadline exceeded|timed out waiting|unexpected state",
        cause="{address} did not get ready in terraform's time",
        next=f"see what AWS says of it, then {SAME}: it is in the state, or is adopted",
    ),
    Rule(
        kind=Kind.UNREACHABLE,
        says="(?:dial|read|write) tcp|connection (?:refused|reset)|no such host|i/o timeout|TLS|unexpected EOF",
        cause="AWS cannot be reached from here",
        next=f"check the network and the endpoint, then {SAME}",
    ),
    Rule(
        kind=Kind.AWS_DOWN,
        says=r"StatusCode: 5\d\d",
        cause="AWS itself has trouble",
        next=f"see health.aws.amazon.com, then {SAME}",
    ),
)

CALL = re.compile(r"operation error (?P<service>[^:]+): (?P<operation>\w+)")
CODE = re.compile(r"(?:^|[,\s:])(?:api error )?(?P<code>[A-Z][A-Za-z]+(?:\.[A-Za-z]+)*)(?=: |:?\s*$)", re.MULTILINE)
STATUS = re.compile(r"https response error StatusCode: \d+, (?:(?:RequestID|HostID): [^,]*, )*(?P<rest>.*)", re.DOTALL)
WANTED = re.compile(r"not authorized to perform: (?P<action>[\w-]+:\w+)(?: on resource: (?P<resource>\S+))?")
PREFIXES = {"CloudWatch Logs": "logs", "Secrets Manager": "secretsmanager", "EventBridge": "events"}
KNOWN_CODES = frozenset[str]().union(*(rule.codes for rule in RULES))


def classify(said: Diagnostic) -> Failure:
    type = events.type_of(said.address)
    code = code_of(said.text)
    place = f"{said.file}:{said.line}" if said.file else ""
    holder = lock.printed(said.text)
    action, resource = _wanted(said.text)
    rule = next((rule for rule in RULES if _fits(rule, type, code, said.text)), _otherwise(said, code))
    words = {
        "address": said.address or "the resource",
        "action": action or "do that",
        "resource": f" on {resource}" if resource not in ("", "*") else "",
        "holder": holder.told(said.at) if holder else "nobody says by whom",
        "lock": holder.id if holder else "ID",
    }
    return Failure(
        kind=rule.kind,
        address=said.address,
        type=type,
        code=code,
        cause=rule.cause.format_map(words),
        next=rule.next.format_map(words),
        said=said.text,
        place=place,
        action=action if rule.kind is Kind.DENIED else "",
        holder=holder,
    )


def _fits(rule: Rule, type: str, code: str, text: str) -> bool:
    return (
        (not rule.codes or code in rule.codes)
        and (not rule.says or re.search(rule.says, text) is not None)
        and (not rule.types or re.fullmatch(rule.types, type) is not None)
    )


def _otherwise(said: Diagnostic, code: str) -> Rule:
    first = said.summary.partition("\n")[0] or "terraform does not say why"
    answered, called = STATUS.search(said.text), CALL.search(said.text)
    if code and answered and called:
        first = f"AWS refused {called['operation']}: {answered['rest'].removeprefix('api error ').strip()}"
    kind = Kind.REFUSED if code else Kind.CONFIGURATION if said.file else Kind.UNKNOWN
    # Other people's words are no template.
    return Rule(kind=kind, cause=first.replace("{", "{{").replace("}", "}}"), next=AGAIN)


def code_of(text: str) -> str:
    """AWS's code: behind the call that failed where the SDK names one, else any that a rule knows."""
    answered = STATUS.search(text)
    if answered and (found := CODE.match(answered["rest"])):
        return found["code"]
    words = re.findall(r"[A-Z][A-Za-z.]+[a-z]", text)
    return next((word for word in words if word in KNOWN_CODES), "")


def _wanted(text: str) -> tuple[str, str]:
    """Which action on which resource was denied. S3 says neither: then it is the call that failed."""
    if found := WANTED.search(text):
        return found["action"], found["resource"] or ""
    if called := CALL.search(text):
        service = called["service"]
        return f"{PREFIXES.get(service, service.lower().replace(' ', ''))}:{called['operation']}", ""
    return "", ""


def error(verb: str, told: Sequence[Diagnostic], order: Sequence[str] = ()) -> FerryError:
    """The error to raise, for what terraform told, in the `order` in which the addresses failed."""
    place = {address: number for number, address in enumerate(order)}
    errors = sorted(told, key=lambda said: place.get(said.address, len(place)))
    return raised(verb, [classify(said) for said in errors])


def raised(verb: str, failures: Sequence[Failure]) -> FerryError:
    head, *rest = failures
    kind = CredentialsError if head.kind is Kind.CREDENTIALS else TerraformFailed
    more = "".join(f"\nalso: {_short(failure)}" for failure in rest)
    failed = kind(
        f"terraform {verb} failed: {head.cause}",
        where=head.address or head.place or f"terraform {verb}",
        why=f"{head.place + ': ' if head.place else ''}{head.said}"[:3000] + more[:1000],
        next=head.next,
    )
    failed.__cause__ = Stopped(failures)
    return failed


def unchanged(saved: Saved, now: Saved) -> None:
    """Refuse a plan that is not the one that was looked at.

    Whether the state is still the one that it was made from, terraform asks under the state's lock, and nobody else
    could: a look of ours would be over before the apply begins. Its answer is of the same kind.
    """
    if changed := differences(saved, now):
        raise raised(
            "apply",
            [
                Failure(
                    kind=Kind.STALE,
                    address="",
                    type="",
                    code="",
                    cause=f"this is not the plan that was looked at: {', '.join(changed)} changed",
                    next="plan again: ferry deploy does so and compares",
                    said=f"planned: {saved}\nfound: {now}",
                    place=now.path,
                )
            ],
        )


def state_kept(failures: Sequence[Failure], kept: Path | None, why: str, next: str) -> FerryError:
    """The state could not be written, and not later either: that is mended before anything else is."""
    head, *rest = sorted(failures, key=lambda failure: failure.kind is not Kind.STATE_LOST)
    cause = f"{head.cause}; it is kept in {kept}" if kept else head.cause
    return raised("apply", [replace(head, kind=Kind.STATE_LOST, cause=cause, next=next, said=why or head.said), *rest])


def _short(failure: Failure) -> str:
    where = failure.address or failure.place
    return f"{where}: {failure.cause}" if where and where not in failure.cause else failure.cause
