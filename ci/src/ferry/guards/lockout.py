"""Would a key's policy lock out who deploys? And would it keep who must administer the key, and the way back?

AWS refuses a key policy that does not let its author call PutKeyPolicy again, and so an apply ends half-way. Where
the check is bypassed, AWS takes the policy, and the key is lost. Both are seen here, before anything is applied.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from ferry.guards import iam
from ferry.guards.iam import Level, Truth, every
from ferry.guards.keys import CHANGE, KEYS, Decision, Key, Person, decide, key_of, part_of_arn, people_of, request_of
from ferry.model import Finding, Severity
from ferry.tfplan import Action, Change, Plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ferry.guards.context import Context

MAX_BYTES = 32 * 1024
TENDING = ("kms:DescribeKey", "kms:GetKeyPolicy", "kms:ScheduleKeyDeletion")
"""What terraform reads a key by, and deletes it by."""


class Verdict(StrEnum):
    """The first six are said once for each key and each who must be able to change it; the others of a key."""

    DIRECT = "direct"
    VIA_IAM = "via-iam"
    LOCKOUT = "lockout"
    INEFFECTIVE = "ineffective-statement"
    DEAD = "dead-principal"
    UNKNOWN = "unknown"
    BYPASSED = "bypassed"
    FEW_RIGHTS = "few-rights"
    NEIGHBOUR = "neighbour"
    NEW_PRINCIPAL = "new-principal"
    NO_FALLBACK = "no-fallback"
    TOO_LARGE = "too-large"


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is said of a key. `labels` are the statements that it speaks of."""

    severity: Severity
    verdict: Verdict
    what: str
    why: str
    next: str = ""
    labels: tuple[str, ...] = ()


def findings(plan: Plan, context: Context) -> tuple[Finding, ...]:
    touched = [change for change in plan.touched() if change.type in KEYS and change.action is not Action.DESTROY]
    people, strangers = people_of(context)
    keys = [key_of(change, context, [person.caller for person in people]) for change in touched]
    found = [finding for key in keys for finding in _of_key(key, plan, people, context)]
    return tuple(found + [_stranger(arn, keys[0]) for arn in strangers if keys])


def _of_key(key: Key, plan: Plan, people: list[Person], context: Context) -> Iterator[Finding]:
    """What each of the people can do, and what is wrong with the policy whoever they are."""
    refused = _refused(key, plan, people)
    rulings = [(person, refused or _ruling(key, person)) for person in people]
    yield from (_finding(key, ruling) for _, ruling in rulings)
    if refused and not people:
        yield _finding(key, refused)
    harmless = bool(rulings) and all(ruling.severity is Severity.INFO for _, ruling in rulings)
    yield from (_finding(key, ruling) for ruling in _size(key))
    yield from (_finding(key, ruling) for ruling in _bypass(key, harmless=harmless))
    if key.policy is None or refused:
        return
    yield from (_finding(key, ruling) for ruling in _neighbours(key.policy, context))
    yield from (_finding(key, ruling) for ruling in _fallback(key))
    yield from (_finding(key, ruling) for ruling in _new_principals(key.policy, plan, key.account))
    for person, ruling in rulings:
        if ruling.severity is not Severity.BLOCK:
            yield from (_finding(key, few) for few in _few_rights(key, person))
    said = {label for _, ruling in rulings for label in ruling.labels}
    yield from (_finding(key, ruling) for ruling in _void(key.policy, said))


def _finding(key: Key, ruling: Ruling) -> Finding:
    return Finding(
        guard="lockout",
        severity=ruling.severity,
        verdict=ruling.verdict,
        address=key.change.address,
        what=ruling.what,
        why=ruling.why,
        next=ruling.next,
    )


def _stranger(arn: str, key: Key) -> Finding:
    """Said once, at the first key: nothing can be said of somebody who is not known."""
    what = f"{arn} is not the ARN of a user, a role or a session" if arn else "nobody was named who deploys"
    severity = Severity.BLOCK if arn else Severity.WARN
    why = "whether the policies of keys lock out the one who deploys was not looked at"
    step = "name the deployer: ferry guard PLAN.json --as arn:aws:iam::ACCOUNT:role/NAME"
    return _finding(key, Ruling(severity, Verdict.UNKNOWN, what, why, step))


# One key and one caller.


def _ruling(key: Key, person: Person) -> Ruling:
    if key.policy is None:
        return _not_known(key, person)
    ruling = _access(key, person)
    return _hinges(key, key.policy, person, ruling) or ruling


def _not_known(key: Key, person: Person) -> Ruling:
    """Not stopped: a plan looks the same for a key that is left AWS's own policy, which is how most keys are made.

    AWS looks at the policy before the key is there, and so nothing is lost by a bad one; unless it is told not to.
    """
    return Ruling(
        Severity.BLOCK if key.bypass else Severity.WARN,
        Verdict.UNKNOWN,
        f"whether {_who(person)} could change the key's policy again is unknown until apply",
        "the plan does not hold the policy: part of it is not made yet, or there is none and AWS gives its own",
        f"write a policy that the plan knows: name {person.caller.entity} by its ARN, not by a resource of this plan",
    )


def _who(person: Person) -> str:
    return person.caller.arn


def _access(key: Key, person: Person) -> Ruling:
    decision = decide(key, person, request_of(key, person.caller))
    free = decision.denied is Truth.NO
    if free and decision.direct is Truth.YES:
        return _direct(key, person)
    if free and decision.through is Truth.YES:
        return _via_iam(key, person, proven=True)
    if every((max(decision.direct, decision.through), ~decision.denied)) is Truth.NO:
        return Ruling(
            Severity.BLOCK,
            Verdict.LOCKOUT,
            f"{_who(person)} could not change the key's policy again, and AWS refuses such a policy",
            _why_locked_out(key, person, decision),
            _name_it(person),
        )
    if free and decision.delegated is Truth.YES and person.identity is None:
        return _via_iam(key, person, proven=False)
    return Ruling(
        Severity.BLOCK,
        Verdict.UNKNOWN,
        f"whether {_who(person)} could change the key's policy again cannot be told from the plan",
        _why_unknown(key, person),
        _name_it(person),
    )


def _name_it(person: Person) -> str:
    arn = person.caller.entity.replace("/*", "/")
    return f'allow kms:PutKeyPolicy on "*" to {arn} by name and without a condition, and deny it nowhere'


def _direct(key: Key, person: Person) -> Ruling:
    """Who is known by one session only may have another next time."""
    who = _who(person)
    others = replace(person, caller=replace(person.caller, arn=f"{who}-another-time", session="another"))
    lasting = not person.caller.session or decide(key, others, request_of(key, others.caller)).direct is Truth.YES
    why = f"{_labels(key, person, Level.NAMED)} names it"
    if lasting:
        return Ruling(Severity.INFO, Verdict.DIRECT, f"{who} may change the key's policy again", why)
    what = f"{who} may change the key's policy again, but no other session of its role may"
    return Ruling(Severity.WARN, Verdict.DIRECT, what, why, _name_it(person))


def _via_iam(key: Key, person: Person, *, proven: bool) -> Ruling:
    who, label = _who(person), _labels(key, person, Level.ACCOUNT)
    delegated = f"{label} leaves it to IAM"
    if proven and not person.administers:
        what = f"{who} may change the key's policy again through its own policies"
        return Ruling(Severity.INFO, Verdict.VIA_IAM, what, f"{delegated}, and they allow {CHANGE} on the key")
    if proven:
        what = f"{who} administers the key, and only its own policies let it"
        return Ruling(
            Severity.WARN, Verdict.VIA_IAM, what, f"{delegated}; nothing in the key's policy names it", _name_it(person)
        )
    return Ruling(
        Severity.WARN,
        Verdict.VIA_IAM,
        f"{who} may change the key's policy again only if its own policies say so",
        f"{delegated}, and nobody has read those: they must allow {CHANGE} on the key, and so must its boundary",
        f"{_name_it(person)}; or show its policies: ferry guard --identity-policy FILE",
    )


def _labels(key: Key, person: Person, level: Level) -> str:
    """The statements that allow the change to the caller, named at least so closely."""
    request, policy = request_of(key, person.caller), key.policy or iam.Policy(())
    found = [
        one.label
        for one in policy.allows()
        if every((iam.concerns(one, person.caller, level), iam.applies(one, request))) is Truth.YES
    ]
    return " and ".join(found)


def _why_locked_out(key: Key, person: Person, decision: Decision) -> str:
    caller, policy, request = person.caller, key.policy or iam.Policy(()), request_of(key, person.caller)
    if key.account and caller.account != key.account:
        return f"the key is of account {key.account}, and no other account may change a key's policy"
    if decision.denied is Truth.YES:
        denying = [
            one.label
            for one in policy.denies()
            if every((iam.concerns(one, caller), iam.applies(one, request))) is Truth.YES
        ]
        return f"{' and '.join(denying) or 'a policy of its own, or its boundary,'} denies it"
    if decision.delegated is Truth.YES:
        left = f"{_labels(key, person, Level.ACCOUNT)} allows it to the account"
        if decision.inside is Truth.NO:
            return f"{left}, and its permissions boundary does not include {CHANGE}"
        return f"{left}, which leaves it to IAM, and none of its own policies allows {CHANGE} on the key"
    missed = [f"{one.label} {why}" for one in policy.allows() if (why := _why_missed(one, caller, request))]
    return "; ".join(missed) or f"no statement allows {CHANGE} to it, or to its account"


def _why_missed(statement: iam.Statement, caller: iam.Caller, request: iam.Request) -> str:
    """What keeps a statement that is about the caller from being about this call."""
    if iam.concerns(statement, caller) is Truth.NO or statement.lacks():
        return ""
    for key, truth in iam.tests(statement.said.get("Condition", {}), request):
        if truth is Truth.NO:
            return f"names it under a condition that does not hold for this call: {key}"
    if iam.applies(_with(statement, Resource="*", Condition={}), request) is Truth.YES:
        return 'names it for another resource: in a key\'s policy, the key is "*"'
    return f"names it for other actions than {CHANGE}"


def _with(statement: iam.Statement, **said: object) -> iam.Statement:
    return replace(statement, said={**statement.said, **said})


def _why_unknown(key: Key, person: Person) -> str:
    caller, request = person.caller, request_of(key, person.caller)
    own = [] if person.identity is None else [*person.identity.policies, person.identity.boundary]
    read = [("", key.policy), *(("of its own policies, ", iam.policy(one)) for one in own if one is not None)]
    doubts = []
    for whose, policy in read:
        if policy is None:
            doubts.append(f"{whose}one cannot be read")
            continue
        for one in policy.statements:
            about = iam.concerns(one, caller) if not whose else Truth.YES
            if every((about, iam.applies(one, request))) is Truth.UNKNOWN:
                doubts.append(f"{whose}{one.label} depends on {_doubt(one, request)}")
    return "; ".join(doubts)


def _doubt(statement: iam.Statement, request: iam.Request) -> str:
    keys = [key for key, truth in iam.tests(statement.said.get("Condition", {}), request) if truth is Truth.UNKNOWN]
    return f"a condition that only the call decides: {', '.join(keys)}" if keys else "what cannot be told for sure"


# The policy, whoever asks.


def _refused(key: Key, plan: Plan, people: list[Person]) -> Ruling | None:
    """AWS takes none of a policy of which it refuses a part, and no bypass helps."""
    if key.text is None:
        return None
    if key.policy is None:
        what = "the key's policy cannot be read, and AWS will not read it either"
        why = 'a policy is a JSON object with a "Statement", each of them with an "Effect" of "Allow" or "Deny"'
        return Ruling(
            Severity.BLOCK, Verdict.UNKNOWN, what, why, "write it with jsonencode() or aws_iam_policy_document"
        )
    gone = _gone(plan)
    for one in key.policy.statements:
        found = [*iam.dead(one), *_misnamed(one, people), *((arn, why) for arn, why in _named_in(one, gone))]
        for name, why in found:
            what = f"{one.label} names {name}, which does not exist, and AWS refuses the whole policy"
            return Ruling(
                Severity.BLOCK, Verdict.DEAD, what, why, f"name who is meant by ARN in {one.label}, or drop it"
            )
        if iam.nameless(one):
            what = f"{one.label} names no principal, and AWS refuses the whole policy"
            why = "every statement of a key's policy must say whom it is about"
            return Ruling(
                Severity.BLOCK, Verdict.INEFFECTIVE, what, why, f"add a Principal to {one.label}", (one.label,)
            )
    return None


def _misnamed(statement: iam.Statement, people: list[Person]) -> Iterator[tuple[str, str]]:
    """A name is an account's own: with another path it is nobody's."""
    for name in _arns(statement):
        found = iam.caller(name)
        for person in people:
            entity = person.caller.entity
            if found and not found.session and "*" not in entity and iam.same(found, person.caller) and name != entity:
                yield name, f"the ARN of that {found.kind} is {entity}: its path is part of it"


def _arns(statement: iam.Statement) -> list[str]:
    said = statement.said
    return [name for part in ("Principal", "NotPrincipal") for _, name in iam.principals(said.get(part))]


def _gone(plan: Plan) -> Mapping[str, str]:
    """Users and roles that this very plan destroys, by their ARN."""
    ends = [change for change in _identities(plan) if change.action is Action.DESTROY and not change.forgets]
    return {str(change.before.get("arn")): f"{change.address} is destroyed by this plan" for change in ends}


def _identities(plan: Plan) -> list[Change]:
    return [change for change in plan.changes.values() if change.type in ("aws_iam_role", "aws_iam_user")]


def _named_in(statement: iam.Statement, known: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, known[name]) for name in _arns(statement) if name in known]


def _new_principals(policy: iam.Policy, plan: Plan, account: str) -> Iterator[Ruling]:
    made = {}
    for change in _identities(plan):
        if change.action in (Action.CREATE, Action.REPLACE) and isinstance(change.after.get("name"), str):
            path = change.after.get("path") or "/"
            kind = change.type.removeprefix("aws_iam_")
            made[f"iam::{account}:{kind}{path}{change.after['name']}"] = change.address
    named = {name.split(":", 2)[-1]: name for one in policy.statements for name in _arns(one)}
    for tail in sorted(named.keys() & made.keys()):
        what = f"{named[tail]} is made by this plan, and named in the key's policy"
        why = "AWS refuses a principal that it does not see yet; terraform tries again for some minutes"
        step = f"let the key depend on {made[tail]}"
        yield Ruling(Severity.INFO, Verdict.NEW_PRINCIPAL, what, why, step)


def _size(key: Key) -> Iterator[Ruling]:
    size = len(key.text.encode(errors="replace")) if isinstance(key.text, str) else 0
    if size > MAX_BYTES:
        what = f"the key's policy has {size} bytes, and AWS takes {MAX_BYTES}"
        yield Ruling(
            Severity.BLOCK,
            Verdict.TOO_LARGE,
            what,
            "AWS answers LimitExceededException",
            "name roles, not each of their users",
        )


def _bypass(key: Key, *, harmless: bool) -> Iterator[Ruling]:
    if key.bypass:
        yield Ruling(
            Severity.WARN if harmless else Severity.BLOCK,
            Verdict.BYPASSED,
            "AWS is told not to check whether the key's policy locks its author out",
            "a mistake in it makes a key that nobody can administer, and only AWS's support can help"
            + ("; this policy makes none" if harmless else ""),
            "remove bypass_policy_lockout_safety_check",
        )


def _neighbours(policy: iam.Policy, context: Context) -> Iterator[Ruling]:
    for neighbour in context.neighbours:
        them = iam.caller(neighbour.deployer)
        if them is None:
            continue
        # Our own account's root is everybody's in it, and must be named.
        level = Level.NAMED if them.account == context.account else Level.ACCOUNT
        for one in policy.allows():
            open_to_all = ("AWS", "*") in set(iam.principals(one.said.get("Principal")))
            if not open_to_all and iam.concerns(one, them, level) is not Truth.NO:
                what = f"{one.label} names {neighbour.deployer}, the deployer of {neighbour.name}"
                why = "a key belongs to one environment, and no other environment's deployer may touch it"
                yield Ruling(Severity.BLOCK, Verdict.NEIGHBOUR, what, why, f"take it out of {one.label}")


def _fallback(key: Key) -> Iterator[Ruling]:
    if not key.account or any(_lets_root(key, partition) for partition in ("aws", "aws-cn", "aws-us-gov")):
        return
    what = f"the key's policy does not keep account {key.account} itself as a way back"
    why = f"when all who are named are gone, nobody can change the key: no statement surely allows {CHANGE} to the root"
    step = f'add: Allow, Principal {{ AWS = "arn:aws:iam::{key.account}:root" }}, Action "kms:*", Resource "*"'
    yield Ruling(Severity.WARN, Verdict.NO_FALLBACK, what, why, step)


def _lets_root(key: Key, partition: str) -> bool:
    root = iam.caller(f"arn:{partition}:iam::{key.account}:root")
    if root is None or (part_of_arn(key.change, 1) or partition) != partition:
        return False
    person = Person(caller=replace(root, bounded=Truth.NO), identity=None, administers=False)
    decision = decide(key, person, request_of(key, root))
    return decision.direct is Truth.YES and decision.denied is Truth.NO


def _few_rights(key: Key, person: Person) -> Iterator[Ruling]:
    def barred(action: str) -> bool:
        found = decide(key, person, request_of(key, person.caller, action))
        return every((max(found.direct, found.through), ~found.denied)) is Truth.NO

    lacking = [action for action in TENDING if barred(action)]
    if lacking:
        what = f"{_who(person)} may change the key's policy, and lacks {', '.join(lacking)}"
        why = "terraform reads a key and its policy in every plan, and schedules its deletion to destroy it"
        yield Ruling(
            Severity.WARN, Verdict.FEW_RIGHTS, what, why, f"allow {', '.join(lacking)} to it in the key's policy"
        )


def _hinges(key: Key, policy: iam.Policy, person: Person, ruling: Ruling) -> Ruling | None:
    """Is a statement without effect about this caller, and would they get in if it were whole?"""
    request = request_of(key, person.caller)
    whole = {one.label: _completed(one) for one in policy.allows() if one.lacks()}
    void = [
        one
        for one in policy.allows()
        if one.label in whole
        and Truth.NO not in (iam.concerns(one, person.caller), iam.applies(whole[one.label], request))
    ]
    mended = replace(key, policy=iam.Policy(tuple(whole.get(one.label, one) for one in policy.statements)))
    if not void or (ruling.severity is Severity.BLOCK and _access(mended, person).severity is Severity.BLOCK):
        return None
    labels = tuple(one.label for one in void)
    lacking = " and ".join(sorted({name for one in void for name in one.lacks()}))
    return Ruling(
        Severity.BLOCK if ruling.severity is Severity.BLOCK else Severity.WARN,
        Verdict.INEFFECTIVE,
        f"{' and '.join(labels)} names {_who(person)}, and has no effect: it lacks {lacking}",
        f"AWS takes such a statement without a word. Without it: {ruling.what}: {ruling.why}",
        f"add {lacking} to {' and '.join(labels)}",
        labels,
    )


def _completed(statement: iam.Statement) -> iam.Statement:
    return _with(statement, **dict.fromkeys(statement.lacks(), "*"))


def _void(policy: iam.Policy, said: set[str]) -> Iterator[Ruling]:
    """The others that have no effect: somebody relies on them."""
    for one in policy.statements:
        if (lacking := " and ".join(one.lacks())) and one.label not in said:
            what = f"{one.label} has no effect: it lacks {lacking}"
            verb = "denies" if one.effect == "Deny" else "allows"
            why = f"AWS takes such a statement without a word, and it {verb} nothing"
            yield Ruling(Severity.WARN, Verdict.INEFFECTIVE, what, why, f"add {lacking} to {one.label}")
