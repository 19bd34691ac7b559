"""IAM's policy language, as far as one call and one caller are concerned: does a statement apply? Pure.

Every answer is yes, no or unknown, and what cannot be read is unknown: it neither allows nor spares anybody.
A value of the call may hold `*` where only part of it is known, such as the ARN of a key that is yet to be made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

VERSIONS = frozenset({"2012-10-17", "2008-10-17"})
ELEMENTS = frozenset(
    "Sid Effect Principal NotPrincipal Action NotAction Resource NotResource Condition".split()  # noqa: SIM905 - reads well
)


class Truth(IntEnum):
    """Kleene's logic: `every` is the least of its parts, `some` the greatest."""

    NO = 0
    UNKNOWN = 1
    YES = 2

    def __invert__(self) -> Truth:
        return Truth(2 - self)


def every(parts: Iterable[Truth]) -> Truth:
    return min(parts, default=Truth.YES)


def some(parts: Iterable[Truth]) -> Truth:
    return max(parts, default=Truth.NO)


def sure(said: object) -> Truth:
    return Truth.YES if said else Truth.NO


# Policies.


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as it is written. `label` is what a person finds it by."""

    label: str
    effect: str
    said: Mapping[str, object] = field(repr=False)

    def lacks(self) -> tuple[str, ...]:
        """What a statement needs and this one has not: with any of it missing, it says nothing."""
        return tuple(name for name in ("Action", "Resource") if not {name, f"Not{name}"} & set(self.said))


@dataclass(frozen=True, slots=True)
class Policy:
    statements: tuple[Statement, ...]

    def allows(self) -> Iterator[Statement]:
        return (one for one in self.statements if one.effect == "Allow")

    def denies(self) -> Iterator[Statement]:
        return (one for one in self.statements if one.effect == "Deny")


def policy(document: object) -> Policy | None:
    """A policy, from JSON or from what JSON was read into; None for what AWS would not take as one."""
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except (ValueError, RecursionError):
            return None
    if not isinstance(document, Mapping) or not _known_version(document):
        return None
    found = document.get("Statement")
    listed = found if isinstance(found, list | tuple) else [found]
    statements = [_statement(number, said) for number, said in enumerate(listed, 1)]
    whole = tuple(one for one in statements if one is not None)
    return Policy(whole) if whole and len(whole) == len(statements) else None


def _known_version(document: Mapping[str, object]) -> bool:
    said = document.get("Version", "2008-10-17")
    return isinstance(said, str) and said in VERSIONS


def _statement(number: int, said: object) -> Statement | None:
    if not isinstance(said, Mapping) or said.get("Effect") not in ("Allow", "Deny"):
        return None
    sid = said.get("Sid")
    label = f"statement {number}" + (f" ({sid})" if isinstance(sid, str) and sid else "")
    return Statement(label, str(said["Effect"]), said)


# Patterns.


def fits(pattern: str, text: str) -> bool:
    """`*` stands for any signs, `?` for one."""
    at = here = 0
    star = retry = -1
    while here < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, retry, at = at, here, at + 1
        elif at < len(pattern) and pattern[at] in ("?", text[here]):
            at, here = at + 1, here + 1
        elif star >= 0:
            retry += 1
            at, here = star + 1, retry
        else:
            return False
    return not pattern[at:].strip("*")


def like(value: str, pattern: str) -> Truth:
    """Does the pattern fit the value, whatever stands for the `*` in it?"""
    if "*" not in value:
        return sure(fits(pattern, value))
    # Signs that no pattern names can only be what a wildcard stands for; so many of them, only what a `*` does.
    fillings = ("", "\0" * (len(pattern) + 1))
    if all(fits(pattern, value.replace("*", filling)) for filling in fillings):
        return Truth.YES
    return Truth.UNKNOWN if _meet(value, pattern) else Truth.NO


def _meet(one: str, other: str) -> bool:
    """Is there a text that both patterns fit?"""
    row = [not other[:length].strip("*") for length in range(len(other) + 1)]
    for mark in one:
        above, row = row, [row[0] and mark == "*"]
        for column, sign in enumerate(other):
            if "*" in (mark, sign):
                row.append(above[column + 1] or row[column])
            else:
                row.append(above[column] and sign in (mark, "?"))
    return row[-1]


# Calls.


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call. `values` holds its condition keys, in small letters; `absent` are patterns of keys that it has not.

    A key in neither is unknown.
    """

    action: str
    resource: str
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    absent: tuple[str, ...] = ()

    def value(self, key: str) -> tuple[str, ...] | None:
        """Empty: the call does not have the key. None: unknown."""
        name = key.lower()
        if name in self.values:
            return self.values[name]
        return () if any(fits(pattern, name) for pattern in self.absent) else None


def applies(statement: Statement, request: Request) -> Truth:
    """Whoever asks: are this action, this resource and these conditions what the statement is about?"""
    if statement.lacks():
        return Truth.NO
    said = statement.said
    parts = (
        _one_of(said, "Action", lambda pattern: like(request.action.lower(), pattern.lower())),
        _one_of(said, "Resource", lambda pattern: _unfilled(pattern) or like(request.resource, pattern)),
        holds(said["Condition"], request) if "Condition" in said else Truth.YES,
        Truth.YES if set(said) <= ELEMENTS else Truth.UNKNOWN,
    )
    return every(parts)


def allowed(policy: Policy | None, request: Request) -> Truth:
    """By a policy of the caller's own; by one that cannot be read, perhaps."""
    return Truth.UNKNOWN if policy is None else some(applies(one, request) for one in policy.allows())


def denied(policy: Policy | None, request: Request) -> Truth:
    return Truth.UNKNOWN if policy is None else some(applies(one, request) for one in policy.denies())


def _one_of(said: Mapping[str, object], element: str, test: Callable[[str], Truth]) -> Truth:
    if element in said and f"Not{element}" in said:
        return Truth.UNKNOWN
    if element in said:
        listed = strings(said[element])
        return some(map(test, listed)) if listed else Truth.UNKNOWN
    listed = strings(said[f"Not{element}"])
    return ~some(map(test, listed)) if listed else Truth.UNKNOWN


def strings(said: object) -> tuple[str, ...]:
    """One or many; none where something else stands there."""
    listed = said if isinstance(said, list | tuple) else [said]
    whole = tuple(one for one in listed if isinstance(one, str))
    return whole if len(whole) == len(listed) else ()


def _unfilled(pattern: str) -> Truth | None:
    """A policy variable: what it stands for is known when the call is made."""
    return Truth.UNKNOWN if "${" in pattern else None


# Conditions.

type Comparison = Callable[[str, str], Truth]
"""A value of the call against one that the policy wants."""


def _equals(value: str, wanted: str) -> Truth:
    if "*" not in value:
        return sure(value == wanted)
    return Truth.UNKNOWN if fits(value, wanted) else Truth.NO


def _equals_in_any_case(value: str, wanted: str) -> Truth:
    return _equals(value.lower(), wanted.lower())


def _arn_like(value: str, wanted: str) -> Truth:
    """The six parts of an ARN are compared each alone: no `*` reaches over a colon."""
    parts = tuple(zip(value.split(":", 5), wanted.split(":", 5), strict=False))
    return every(like(*part) for part in parts) if len(parts) == 6 else Truth.UNKNOWN


def _not_compared(_value: str, _wanted: str) -> Truth:
    return Truth.UNKNOWN


# Numbers, dates and addresses are known by name only: it matters whether the call has the key at all.
_ORDERED = ("Equals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
_NAMED_ONLY = ("IpAddress", "BinaryEquals", *(f"{kind}{test}" for kind in ("Numeric", "Date") for test in _ORDERED))
COMPARISONS: Mapping[str, Comparison] = {
    "StringEquals": _equals,
    "StringEqualsIgnoreCase": _equals_in_any_case,
    "StringLike": like,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "Bool": _equals_in_any_case,
    **dict.fromkeys(_NAMED_ONLY, _not_compared),
}
OPPOSITES = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
}


def holds(condition: object, request: Request) -> Truth:
    """All of a statement's conditions."""
    return every(truth for _, truth in tests(condition, request))


def tests(condition: object, request: Request) -> Iterator[tuple[str, Truth]]:
    """Each condition by what it asks about, and whether it holds."""
    if not isinstance(condition, Mapping):
        yield "a condition that cannot be read", Truth.UNKNOWN
        return
    for operator, block in condition.items():
        if isinstance(block, Mapping):
            yield from ((str(key), _test(str(operator), request.value(str(key)), said)) for key, said in block.items())
        else:
            yield str(operator), Truth.UNKNOWN


def _test(operator: str, values: tuple[str, ...] | None, said: object) -> Truth:
    wanted = _wanted(said)
    if values is None or not wanted or any("${" in one for one in wanted):
        return Truth.UNKNOWN
    if operator == "Null":
        asked = {one.lower() for one in wanted}
        return sure(bool(values) is (asked == {"false"})) if asked in ({"true"}, {"false"}) else Truth.UNKNOWN
    quantifier, _, rest = operator.rpartition(":")
    name = rest.removesuffix("IfExists")
    negated = name in OPPOSITES
    compare = COMPARISONS.get(OPPOSITES.get(name, name))
    if compare is None or quantifier not in ("", "ForAllValues", "ForAnyValue"):
        return Truth.UNKNOWN
    if not values:
        return sure(rest != name or quantifier == "ForAllValues" or (negated and not quantifier))
    each = [some(compare(value, one) for one in wanted) for value in values]
    answers = [~one for one in each] if negated else each
    if quantifier == "ForAnyValue":
        return some(answers)
    # Many values without a quantifier: AWS does not say what that means.
    return every(answers) if quantifier or len(answers) == 1 else Truth.UNKNOWN


def _wanted(said: object) -> tuple[str, ...]:
    """Booleans and numbers are written either way; anything else is none."""
    listed = said if isinstance(said, list | tuple) else [said]
    plain = [str(one).lower() if isinstance(one, bool) else one for one in listed]
    return strings([str(one) if isinstance(one, int | float) else one for one in plain])


# Callers, and the principals that a policy names.

_ARN = r"arn:(?P<partition>aws[a-z-]*):"
_NAME = r"(?P<name>[A-Za-z0-9_+=,.@-]+)"
ENTITY = re.compile(_ARN + r"iam::(?P<account>[0-9]{12}):(?P<kind>user|role)/(?P<path>(?:[!-)+-.0->@-~]+/)*)" + _NAME)
SESSION = re.compile(_ARN + r"sts::(?P<account>[0-9]{12}):assumed-role/" + _NAME + r"/(?P<session>[A-Za-z0-9_+=,.@-]+)")
FEDERATED = re.compile(_ARN + r"sts::(?P<account>[0-9]{12}):federated-user/" + _NAME)
ROOT = re.compile(_ARN + r"iam::(?P<account>[0-9]{12}):root")
ACCOUNT = re.compile(r"[0-9]{12}")
UNIQUE_ID = re.compile(r"A[A-Z]{2}A[A-Z0-9]{8,}")
PROVIDER = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:(oidc|saml)-provider/.+")
HOST = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")


class Level(IntEnum):
    """How closely a statement names the caller."""

    ACCOUNT = 1
    """Its account: then IAM's policies decide."""
    NAMED = 2
    """Its role, or everybody: enough, within a permissions boundary."""
    ITSELF = 3
    """Just this user or session: enough, and no boundary narrows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """`entity` is the ARN of the user or role behind the call, with `*` for a path that nobody knows.

    `bounded`: whether a permissions boundary is attached to it.
    """

    arn: str
    partition: str
    account: str
    kind: str
    entity: str
    name: str
    session: str = ""
    bounded: Truth = Truth.UNKNOWN


def caller(arn: str) -> Caller | None:
    """Who an ARN stands for: as IAM writes it, or as STS does for a session."""
    found = ENTITY.fullmatch(arn) or SESSION.fullmatch(arn) or FEDERATED.fullmatch(arn) or ROOT.fullmatch(arn)
    if found is None:
        return None
    said = found.groupdict(default="")
    kind, entity = said.get("kind", ""), arn
    if "session" in said:
        kind, entity = "role", f"arn:{said['partition']}:iam::{said['account']}:role/*{said['name']}"
    return Caller(
        arn=arn,
        partition=said["partition"],
        account=said["account"],
        kind=kind or ("federated" if "name" in said else "root"),
        entity=entity,
        name=said.get("name", ""),
        session=said.get("session", ""),
    )


def same(one: Caller, other: Caller) -> bool:
    """The same user or role, in whichever session. Names are an account's own, whatever the path."""
    return (one.partition, one.account, one.kind, one.name) == (other.partition, other.account, other.kind, other.name)


def concerns(statement: Statement, caller: Caller, level: Level = Level.ACCOUNT) -> Truth:
    """Is the statement about this caller, named at least as closely as `level`?"""
    said = statement.said
    if "Principal" in said and "NotPrincipal" in said:
        return Truth.UNKNOWN
    if "Principal" in said:
        return _names(said["Principal"], caller, level)
    if "NotPrincipal" not in said:
        return Truth.NO
    # AWS does not support it with Allow: whatever that does, nobody may rely on it.
    return Truth.UNKNOWN if statement.effect == "Allow" else ~_spared(said["NotPrincipal"], caller)


def _names(principal: object, caller: Caller, level: Level) -> Truth:
    found = (_closeness(kind, name, caller) for kind, name in principals(principal))
    return some(truth for closeness, truth in found if closeness >= level)


def _spared(principal: object, caller: Caller) -> Truth:
    """By a NotPrincipal, which must list the caller, its account and, of a role, the session.

    Whoever has a permissions boundary is never spared.
    """
    named = _names(principal, caller, Level.NAMED)
    if named is Truth.NO or caller.bounded is Truth.YES:
        return Truth.NO
    listed = {name for _, name in principals(principal)}
    account = {caller.account, f"arn:{caller.partition}:iam::{caller.account}:root"} & listed
    role = caller.kind != "role" or (caller.session and caller.entity in listed)
    whole = "*" in listed or (account and role and caller.arn in listed)
    return every((named, ~caller.bounded if whole else Truth.UNKNOWN))


def _closeness(kind: str, name: str, caller: Caller) -> tuple[Level | int, Truth]:
    if kind == "AWS":
        return _aws_closeness(name, caller)
    return (Level.ACCOUNT, Truth.UNKNOWN) if kind == "CanonicalUser" else (0, Truth.NO)


def _aws_closeness(name: str, caller: Caller) -> tuple[Level, Truth]:
    if name == "*":
        return Level.NAMED, Truth.YES
    if ROOT.fullmatch(name) or ACCOUNT.fullmatch(name):
        own = name in (caller.account, f"arn:{caller.partition}:iam::{caller.account}:root")
        return Level.ITSELF if caller.kind == "root" else Level.ACCOUNT, sure(own)
    if name == caller.arn and (caller.kind != "role" or caller.session):
        return Level.ITSELF, Truth.YES
    if caller.kind == "role" and (found := SESSION.fullmatch(name)):
        ours = (found["account"], found["name"]) == (caller.account, caller.name)
        return Level.ITSELF, Truth.UNKNOWN if ours and not caller.session else Truth.NO
    found = ENTITY.fullmatch(name)
    # A path that nobody knows must be the one written: AWS refuses a role that does not exist.
    ours = found is not None and found["name"] == caller.name and like(caller.entity, name) is not Truth.NO
    return Level.NAMED, sure(ours)


def principals(principal: object) -> Iterator[tuple[str, str]]:
    """The kind of each, and its name: ("AWS", "arn:…"). What cannot be read has no kind."""
    if principal == "*":
        yield "AWS", "*"
    elif isinstance(principal, Mapping):
        for kind, said in principal.items():
            listed = said if isinstance(said, list | tuple) else [said]
            yield from ((str(kind), name) if isinstance(name, str) else ("", repr(name)) for name in listed)
    elif principal:
        yield "", str(principal)


def nameless(statement: Statement) -> bool:
    """AWS refuses a policy in which one statement names no principal."""
    said = statement.said
    return not any(True for element in ("Principal", "NotPrincipal") for _ in principals(said.get(element)))


def dead(statement: Statement) -> Iterator[tuple[str, str]]:
    """The principals that cannot exist, and why. Those that could may still not."""
    for element in ("Principal", "NotPrincipal"):
        for kind, name in principals(statement.said.get(element)):
            if why := _why_dead(kind, name):
                yield name, why


def _why_dead(kind: str, name: str) -> str:
    match kind:
        case "AWS" if UNIQUE_ID.fullmatch(name):
            return "AWS writes such an id where the ARN of a user or role stood that has been deleted since"
        case "AWS":
            forms = (ENTITY, SESSION, FEDERATED, ROOT, ACCOUNT)
            living = name == "*" or any(form.fullmatch(name) for form in forms)
            return "" if living else 'it is no account, user, role or session; and only "*" alone may be a wildcard'
        case "Service":
            return "" if HOST.fullmatch(name) else "a service is named like lambda.amazonaws.com"
        case "Federated":
            return "" if HOST.fullmatch(name) or PROVIDER.fullmatch(name) else "it is no identity provider"
        case "CanonicalUser":
            return ""
        case _:
            return "a principal is written as AWS, Service or Federated, and its name"
