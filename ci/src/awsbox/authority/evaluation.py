"""The emulator's own policy evaluation, asked about one check, and what it lacks of AWS's put in while a box runs.

Policy variables are the largest of these: `${aws:username}` and the like become what they stand for before a
statement is compared. A statement with a variable that the call has no value for matches nothing, as in AWS. Neither
does one that names no action or no resource; and a session's `aws:PrincipalArn` is its role's ARN, path and all.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from awsbox.authority import documents, state
from awsbox.authority import keys as condition_keys
from awsbox.seams import replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from awsbox.authority.request import Check

VARIABLE = re.compile(r"\$\{([^}]*)\}")
DEFAULT = re.compile(r"\s*([^,\s]+)\s*,\s*'(.*)'\s*")
# "${*}", "${?}" and "${$}" are these signs themselves. The emulator's patterns know no way to say so for the first two.
# The default policy of a topic lets in whoever says that its owner is behind it. EventBridge and Budgets do not.
SAYS_OWNER = frozenset({"cloudwatch.amazonaws.com", "s3.amazonaws.com"})
LITERAL = {"$": "$"}


class Unresolved(Exception):
    """The call has no value for a variable."""


@dataclass(frozen=True)
class Ruling:
    """What the policies say of one check, and who asked."""

    allowed: bool
    explicit: bool = False
    """An explicit Deny, rather than no Allow."""
    where: str = "identity-based policy"
    """Which kind of policy denies it, or does not allow it."""
    sid: str = ""


@dataclass(frozen=True)
class Principal:
    """Whose policies are asked. `limits` are the boundary and the session's policies; `narrowed` names them."""

    arn: str
    kind: str
    account: str
    policies: Sequence[Any] | None
    """None: the root user, who may do everything."""
    limits: Sequence[Any] = ()
    keys: Mapping[str, Any] | None = None
    narrowed: Sequence[str] = ()


def _evaluator() -> Any:
    from ministack.core import iam_evaluator  # noqa: PLC0415 - it reads its settings when it is imported

    return iam_evaluator


def of_key(access_key: str, account: str) -> Any:
    """The principal behind an access key, or the emulator's error when there is none."""
    evaluator = _evaluator()
    found = evaluator.resolve_principal(access_key, account)
    if isinstance(found, evaluator.AuthError):
        return found
    session = state.service("sts")._sessions.get(access_key) or {}  # noqa: SLF001
    own = 1 if session.get("SessionPolicies") is not None else 0
    narrowed = ["permissions boundary"] * (len(found.limits) - own) + ["session policy"] * own
    return Principal(found.arn, found.type, found.account, found.policies, found.limits, found.keys, narrowed)


def of_role(arn: str, account: str, session: str = "box") -> Principal:
    """A role as a service wears it."""
    evaluator, name = _evaluator(), arn.rpartition("/")[2]
    limits = evaluator._permissions_boundary(state.service("iam")._roles, name, account)  # noqa: SLF001
    policies = evaluator._gather_role_policies(name, account)  # noqa: SLF001
    assumed = f"arn:aws:sts::{account}:assumed-role/{name}/{session}"
    return Principal(assumed, "AssumedRole", account, policies, limits, {}, ["permissions boundary"])


def rule(principal: Principal, check: Check, region: str) -> Ruling:
    """Identity policies, boundary, session policies and the resource's own policy, combined as AWS does."""
    if principal.policies is None:
        return Ruling(allowed=True)
    evaluator, context = _evaluator(), _context(principal, check, region, {})
    identity = evaluator.evaluate(context, principal.policies, *principal.limits)
    result = identity
    if found := _resource_policy(check):
        required = _service(check) == "kms"
        result = evaluator.combine_resource_policy(
            identity, context, *found, required=required, limits=principal.limits
        )
    if result.decision == "Allow":
        return Ruling(allowed=True, sid=result.matched_sid)
    explicit = result.decision == "Deny"
    if result.resource_policy_arn or (identity.decision == "Allow" and not explicit):
        return Ruling(allowed=False, explicit=explicit, where="resource-based policy", sid=result.matched_sid)
    return Ruling(allowed=False, explicit=explicit, where=_narrowest(principal, context, explicit=explicit))


def _narrowest(principal: Principal, context: Any, *, explicit: bool) -> str:
    """The kind of policy that decided: a limit, where the identity's own would have said otherwise."""
    evaluator = _evaluator()
    wanted = "Deny" if explicit else "Allow"
    if explicit == (evaluator.evaluate(context, principal.policies).decision == wanted):
        return Ruling.where
    for name, limit in zip(principal.narrowed, principal.limits, strict=False):
        if explicit == (evaluator.evaluate(context, limit).decision == wanted):
            return name
    return Ruling.where


def rule_for_anyone(check: Check, account: str, region: str) -> Ruling:
    """Nobody signed: the resource's own policy must let everybody."""
    return rule_for_service("", check, account, region)


def rule_for_service(service: str, check: Check, account: str, region: str) -> Ruling:
    """A service of AWS acts by itself: only the resource's own policy can let it."""
    evaluator = _evaluator()
    found = _resource_policy(check)
    if not found:
        return Ruling(allowed=False, where="resource-based policy")
    # No ARN and no account of its own: a grant to an account is none to a service.
    keys: dict[str, Any] = {}
    if service:
        keys = {"aws:SourceAccount": account, "aws:PrincipalIsAWSService": "true", "aws:PrincipalServiceName": service}
    if service in SAYS_OWNER:
        keys["aws:SourceOwner"] = account
    context = _context(Principal("*", "Service", "", ()), check, region, keys)
    result = evaluator.evaluate_resource_policy(found[0], context, service=service or None)
    allowed = result.decision == "Allow"
    return Ruling(allowed, result.decision == "Deny", "resource-based policy", result.matched_sid)


def _resource_policy(check: Check) -> tuple[Any, str] | None:
    """The policy of the resource itself, and whose it is."""
    service = _service(check)
    if service == "iam" and check.action == "sts:AssumeRole":
        # A trust policy that names the caller is enough within an account.
        found = state.role_named(check.resource)
        return (found["AssumeRolePolicyDocument"], check.resource.split(":")[4]) if found else None
    policy: tuple[Any, str] | None = _evaluator()._resource_policy(service, check.resource)  # noqa: SLF001
    return policy


def _service(check: Check) -> str:
    return check.resource.split(":", 3)[2] if check.resource.startswith("arn:") else ""


def _context(principal: Principal, check: Check, region: str, keys: Mapping[str, Any]) -> Any:
    prefix = check.action.partition(":")[0]
    said = {"aws:ViaAWSService": "false", "aws:PrincipalIsAWSService": "false", **keys, **check.keys}
    for name, value in state.tags(check.resource).items():
        said |= {f"aws:ResourceTag/{name}": value, f"{prefix}:ResourceTag/{name}": value}
    if ":key/" in check.resource and prefix == "kms":
        said |= {"kms:ResourceAliases": state.aliases(check.resource) or None}
        said.setdefault("kms:CallerAccount", principal.account)
    context = {name.lower(): value for name, value in said.items() if value is not None}
    # Without these the evaluator would look for the tags of a request that this check is not about.
    context.setdefault("aws:tagkeys", None)
    return _evaluator().EvalContext(
        principal_arn=principal.arn,
        principal_type=principal.kind,
        principal_account=principal.account,
        action=check.action,
        resource_arn=check.resource,
        region=region,
        secure_transport=True,
        service_context=context,
        principal_keys=dict(principal.keys or {}),
    )


@contextmanager
def mended() -> Iterator[None]:
    """What the emulator lacks of AWS's evaluation, for as long as the block lasts: it looks these up at each call."""
    evaluator = _evaluator()
    plain, of_resource, value = (
        evaluator._first_match,  # noqa: SLF001 - the seams of the emulator
        evaluator.evaluate_resource_policy,
        evaluator._resolve_condition_key,  # noqa: SLF001
    )

    def first_match(context: Any, statements: Sequence[Any], effect: str) -> Any:
        return plain(context, [found for said in statements if (found := _filled(said, context)) is not None], effect)

    def evaluate_resource_policy(policy: Any, context: Any, service: str | None = None, **how: bool) -> Any:
        return of_resource(documents.read(policy, context, service or ""), context, service, **how)

    def resolve(key: str, context: Any) -> Any:
        if key.lower() == "aws:principalarn" and context.principal_type == "AssumedRole":
            return (documents.entity(context.principal_arn) or {}).get("Arn") or context.principal_arn
        return value(key, context)

    with replaced(
        evaluator,
        _first_match=first_match,
        evaluate_resource_policy=evaluate_resource_policy,
        _resolve_condition_key=resolve,
    ):
        yield


def _filled(statement: Any, context: Any) -> Any:
    """The statement with its variables filled in; None when it cannot be met."""
    if not (statement.actions or statement.not_actions) or not (statement.resources or statement.not_resources):
        return None
    if statement.conditions and condition_keys.unknown_in(statement.conditions):
        # Unknown is never "pass": it allows nothing, and denies whatever it is about.
        if statement.effect == "Allow":
            return None
        statement = replace(statement, conditions={})
    parts = (statement.resources, statement.not_resources, statement.conditions)
    if "${" not in repr(parts):
        return statement
    try:
        return replace(
            statement,
            resources=[_fill(text, context) for text in statement.resources],
            not_resources=[_fill(text, context) for text in statement.not_resources],
            conditions=_in_values(statement.conditions, lambda text: _fill(text, context)),
        )
    except Unresolved:
        return None


def _in_values(said: Any, change: Callable[[str], str]) -> Any:
    if isinstance(said, dict):
        return {name: _in_values(value, change) for name, value in said.items()}
    if isinstance(said, list):
        return [_in_values(value, change) for value in said]
    return change(said) if isinstance(said, str) else said


def _fill(text: str, context: Any) -> str:
    def value(variable: re.Match[str]) -> str:
        if variable[1] in LITERAL:
            return LITERAL[variable[1]]
        default = DEFAULT.fullmatch(variable[1])
        name = default[1] if default else variable[1].strip()
        found = _evaluator()._resolve_condition_key(name, context)  # noqa: SLF001
        # A key with several values cannot stand in one place.
        if found is None or isinstance(found, list):
            if default:
                return default[2]
            raise Unresolved
        return str(found)

    return VARIABLE.sub(value, text)
