"""Could a caller change a key's policy, once the plan is applied? The key, the caller and the answer. Pure.

Asked is for kms:PutKeyPolicy, called directly: the key's policy must allow it to the caller, or allow it to the
caller's account and IAM's policies to the caller. A Deny anywhere wins.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ferry.guards import iam
from ferry.guards.iam import Level, Truth, every, some
from ferry.tfplan import Action, Change

if TYPE_CHECKING:
    from ferry.guards.context import Context, Identity

KEYS = frozenset(
    {
        "aws_kms_key",
        "aws_kms_key_policy",
        "aws_kms_external_key",
        "aws_kms_replica_key",
        "aws_kms_replica_external_key",
    }
)
CHANGE = "kms:PutKeyPolicy"

DEFAULT = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"kms:*","Resource":"*"}]}'
)
"""What AWS gives to a key that is made without a policy."""

# What a PutKeyPolicy that a user or role calls itself never carries.
ABSENT = (
    "aws:calledvia*",
    "aws:principalservicename*",
    "aws:requesttag/*",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    "aws:tagkeys",
    "kms:encryptionalgorithm",
    "kms:encryptioncontext*",
    "kms:grant*",
    "kms:messagetype",
    "kms:requestalias",
    "kms:signingalgorithm",
    "kms:viaservice",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key as the plan leaves it. `text` is None where only the apply knows the policy."""

    change: Change
    text: object
    policy: iam.Policy | None
    account: str
    region: str
    bypass: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who must be able to change the key. `identity` is None where nobody has read their policies."""

    caller: iam.Caller
    identity: Identity | None
    administers: bool


def people_of(context: Context) -> tuple[list[Person], list[str]]:
    """The deployer, then the administrators, each once; and the ARNs among them that are nobody's."""
    named = [arn for arn in (context.deployer, *context.administrators) if arn]
    read = {arn: iam.caller(arn) for arn in named}
    strangers = [arn for arn, who in read.items() if who is None] or ([] if context.deployer else [""])
    callers = [who for who in read.values() if who is not None]
    administrators = [who for arn in context.administrators if (who := read.get(arn)) is not None]
    people: list[Person] = []
    for who in callers:
        if any(iam.same(who, person.caller) for person in people):
            continue
        deploys = who.arn == context.deployer
        identity = context.identity if deploys else None
        people.append(
            Person(
                caller=_whole(who, callers, identity),
                identity=identity,
                administers=any(iam.same(who, other) for other in administrators),
            )
        )
    return people, strangers


def _whole(who: iam.Caller, callers: list[iam.Caller], identity: Identity | None) -> iam.Caller:
    """A session does not say the path of its role; another ARN of the same role does."""
    paths = [other.entity for other in callers if iam.same(who, other) and "*" not in other.entity]
    bounded = Truth.UNKNOWN if identity is None else iam.sure(identity.boundary is not None)
    return replace(who, entity=paths[0] if paths else who.entity, bounded=bounded)


def key_of(change: Change, context: Context, callers: list[iam.Caller]) -> Key:
    account = part_of_arn(change, 4) or context.account or next((who.account for who in callers), "")
    region = part_of_arn(change, 3) or known_text(change, "region") or context.region
    text = None if change.unknown.get("policy") else change.after.get("policy") or DEFAULT % (account or "*")
    bypass = any(said.get("bypass_policy_lockout_safety_check") for said in (change.after, change.unknown))
    policy = None if text is None else iam.policy(text)
    return Key(change=change, text=text, policy=policy, account=account, region=region, bypass=bypass)


def known_text(change: Change, name: str) -> str:
    """A value that stays, or that the plan sets; empty where it is neither text nor known."""
    if change.unknown.get(name):
        return ""
    said = change.after.get(name) or (change.before.get(name) if change.action is not Action.REPLACE else None)
    return said if isinstance(said, str) else ""


def part_of_arn(change: Change, number: int) -> str:
    """One of the six parts of the key's ARN; empty for a key that is not made yet."""
    parts = known_text(change, "arn").split(":")
    return parts[number] if len(parts) == 6 else ""


def _arn_of(key: Key, partition: str) -> str:
    """As far as it is known. The id of a new key holds a sign that no policy names: only a wildcard can be it."""
    id = known_text(key.change, "key_id")
    if id.startswith("arn:"):
        return id
    if not id:
        id = "*\1*" if _new(key.change) else "*"
    return known_text(key.change, "arn") or f"arn:{partition}:kms:{key.region or '*'}:{key.account or '*'}:key/{id}"


def _new(change: Change) -> bool:
    return change.type != "aws_kms_key_policy" and change.action in {Action.CREATE, Action.REPLACE}


def request_of(key: Key, caller: iam.Caller, action: str = CHANGE) -> iam.Request:
    tags, untagged = _tags(key.change)
    said = {
        "aws:principalaccount": caller.account,
        "aws:principalarn": caller.entity,
        "aws:principalisawsservice": "false",
        "aws:principaltype": {"user": "User", "role": "AssumedRole", "root": "Account"}.get(caller.kind, ""),
        "aws:requestedregion": key.region,
        "aws:resourceaccount": key.account,
        "aws:securetransport": "true",
        "aws:username": caller.name if caller.kind == "user" else "",
        "aws:viaawsservice": "false",
        "kms:bypasspolicylockoutsafetycheck": str(key.bypass).lower(),
        "kms:calleraccount": caller.account,
        **tags,
    }
    # A new key has no alias yet; only users have a name.
    without = (
        *(["kms:resourcealiases"] if _new(key.change) else []),
        *([] if caller.kind == "user" else ["aws:username"]),
    )
    return iam.Request(
        action=action,
        resource=_arn_of(key, caller.partition),
        values={name: (value,) for name, value in said.items() if value},
        absent=(*ABSENT, *without, *untagged),
    )


def _tags(change: Change) -> tuple[dict[str, str], tuple[str, ...]]:
    """The key's tags as condition keys; where they are all known, it has no other."""
    said: Any = change.after.get("tags_all") if "tags_all" in change.after else change.after.get("tags")
    known = not _any_true(change.unknown.get("tags_all")) and change.type != "aws_kms_key_policy"
    if not known or not isinstance(said, dict | None):
        return {}, ()
    tags = {f"aws:resourcetag/{name}".lower(): value for name, value in (said or {}).items() if isinstance(value, str)}
    return tags, ("aws:resourcetag/*",)


def _any_true(unknown: object) -> bool:
    return any(map(_any_true, unknown.values())) if isinstance(unknown, dict) else bool(unknown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`delegated`: the key's policy leaves it to IAM. `through`: and IAM's policies allow it."""

    direct: Truth
    delegated: Truth
    through: Truth
    denied: Truth
    inside: Truth
    """Within the permissions boundary."""


def decide(key: Key, person: Person, request: iam.Request) -> Decision:
    caller, policy = person.caller, key.policy or iam.Policy(())

    def allows(level: Level) -> Truth:
        return some(every((iam.concerns(one, caller, level), iam.applies(one, request))) for one in policy.allows())

    # AWS lets nobody from another account change a key's policy, whatever that says.
    home = iam.sure(not key.account or caller.account == key.account)
    own, inside, forbidden = _in_iam(person, request)
    denied = [every((iam.concerns(one, caller), iam.applies(one, request))) for one in policy.denies()]
    delegated = every((home, allows(Level.ACCOUNT)))
    return Decision(
        direct=every((home, some((allows(Level.ITSELF), every((allows(Level.NAMED), inside)))))),
        delegated=delegated,
        through=every((delegated, own, inside)),
        denied=some((*denied, forbidden)),
        inside=inside,
    )


def _in_iam(person: Person, request: iam.Request) -> tuple[Truth, Truth, Truth]:
    """What IAM allows, whether that is within the boundary, and what it denies.

    Policies that nobody has read could allow; that they deny is not taken from nothing. IAM says nothing of root.
    """
    if person.caller.kind == "root" or person.identity is None:
        return Truth.NO if person.caller.kind == "root" else Truth.UNKNOWN, Truth.YES, Truth.NO
    read = [iam.policy(document) for document in person.identity.policies]
    bound = [] if person.identity.boundary is None else [iam.policy(person.identity.boundary)]
    inside = every(iam.allowed(one, request) for one in bound)
    return (
        some(iam.allowed(one, request) for one in read),
        inside,
        some(iam.denied(one, request) for one in [*read, *bound]),
    )
