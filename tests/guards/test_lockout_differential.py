"""The guard against the box: two programs that were written apart, asked about the same key, caller and policies.

What the guard passes the box must accept, now and when the policy is put again; what the guard calls a lockout the
box must refuse, at one of the two. Of what the guard does not know, nothing is asked.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from ferry.guards import lockout
from ferry.guards.context import Context, Identity
from ferry.tfplan import Action, Change, Plan
from tests.awsbox.people import REGION, Caller, policy
from tests.guards.key_policies import when

if TYPE_CHECKING:
    from tests.awsbox.people import Account

type Said = dict[str, Any]

EXAMPLES = 250
NUMBERS = count(1)
TAGS = {"env": "preprod"}
OTHER = "444455556666"
PASSES = {"direct", "via-iam"}

MAKES = {"Effect": "Allow", "Action": ["kms:CreateKey", "kms:TagResource"], "Resource": "*"}
RIGHTS: tuple[Said, ...] = (
    {"Effect": "Allow", "Action": "kms:PutKeyPolicy", "Resource": "*"},
    {"Effect": "Allow", "Action": "kms:*", "Resource": f"arn:aws:kms:{REGION}:*:key/*"},
    {"Effect": "Allow", "Action": "kms:*", "Resource": "arn:aws:kms:eu-west-1:*:key/*"},
    {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"},
    {"Effect": "Allow", "Action": "kms:*", "Resource": "*", **when(StringEquals={"aws:ResourceTag/env": "preprod"})},
    {"Effect": "Allow", "Action": "kms:*", "Resource": "*", **when(StringEquals={"aws:ResourceTag/env": "prod"})},
    {"Effect": "Deny", "Action": "kms:Put*", "Resource": "*"},
    {"Effect": "Deny", "Action": "kms:Put*", "NotResource": "*"},
    {"Effect": "Deny", "Action": "kms:*Policy", "Resource": "*", **when(StringLike={"aws:ResourceTag/env": "prod*"})},
)
ACTIONS = (
    "kms:*",
    "*",
    "KMS:putkeypolicy",
    "kms:Put*",
    "kms:PutKeyPolic?",
    "kms:Encrypt",
    "s3:*",
    ["kms:Get*", "kms:Put*"],
)
RESOURCES = (f"arn:aws:kms:{REGION}:*:key/*", "arn:aws:kms:eu-west-1:*:key/*", f"arn:aws:kms:{REGION}:*:alias/*")
OPERATORS = st.sampled_from(
    (
        *("StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase"),
        *("ArnLike", "ArnNotEquals"),
    )
)


@dataclass(frozen=True)
class Person:
    """A caller in the box, and what the guard is told of it."""

    caller: Caller
    arn: str
    session: str
    identity: Identity


@dataclass(frozen=True)
class Sketch:
    """What is drawn before anybody exists: `{me}`, `{session}`, `{other}` and `{account}` are filled in after."""

    statements: list[Said]
    rights: list[Said]
    boundary: list[Said] | None
    role: bool
    bypass: bool


def often[T](usual: T, *others: T) -> st.SearchStrategy[T]:
    """The usual one mostly: what is odd everywhere is refused for too many reasons."""
    return st.sampled_from([False, False, False, True]).flatmap(
        lambda odd: st.sampled_from(others) if odd else st.just(usual)
    )


VALUES = {
    "kms:CallerAccount": ["{account}", OTHER],
    "aws:PrincipalAccount": ["{account}", OTHER, "*"],
    "aws:PrincipalArn": ["{me}", "{other}", "arn:aws:iam::{account}:*", "*"],
    "kms:ViaService": [f"s3.{REGION}.amazonaws.com", "*"],
    "aws:SourceAccount": ["{account}"],
    "aws:ResourceTag/env": ["preprod", "prod", "PREPROD"],
    "aws:ResourceTag/none": ["preprod"],
    "aws:RequestedRegion": [REGION, "eu-west-1"],
    "aws:PrincipalOrgID": ["o-1"],
}
NAMES = (
    "{me}",
    "{me}",
    "arn:aws:iam::{account}:root",
    "arn:aws:iam::{account}:root",
    "{session}",
    "{other}",
    "{account}",
    OTHER,
    "*",
)


def conditions() -> st.SearchStrategy[Said]:
    block = st.sampled_from(sorted(VALUES)).flatmap(
        lambda key: st.fixed_dictionaries({key: st.sampled_from([*VALUES[key], VALUES[key]])})
    )
    operator = st.builds("{}{}{}".format, often("", "ForAllValues:", "ForAnyValue:"), OPERATORS, often("", "IfExists"))
    compared = st.dictionaries(operator, block, min_size=1, max_size=2)
    switches = st.sampled_from(["aws:SecureTransport", "kms:BypassPolicyLockoutSafetyCheck", "aws:ViaAWSService"])
    switched = st.builds(lambda key, said: {"Bool": {key: said}}, switches, st.sampled_from(["true", "false", True]))
    there = st.sampled_from([*VALUES, "aws:TagKeys", "aws:username", "kms:GrantIsForAWSResource"])
    asked = st.builds(lambda key, said: {"Null": {key: said}}, there, st.sampled_from(["true", "false", False]))
    return compared | switched | asked


def statements() -> st.SearchStrategy[Said]:
    names = st.sampled_from(NAMES)
    principal = (
        names.map(lambda name: {"AWS": name})
        | st.lists(names, min_size=2, max_size=3).map(lambda listed: {"AWS": listed})
        | st.sampled_from(["*", {"Service": "lambda.amazonaws.com"}, {"AWS": "{me}", "Service": "s3.amazonaws.com"}])
    )
    plain = st.fixed_dictionaries(
        {
            "Effect": often("Allow", "Deny"),
            "Principal": principal,
            "Action": often("kms:*", *ACTIONS),
            "Resource": often("*", *RESOURCES),
        },
    )
    conditional = st.builds(lambda said, condition: {**said, "Condition": condition}, plain, conditions())
    spared = st.lists(st.sampled_from(NAMES[:-2]), min_size=1, max_size=4)
    odd = st.sampled_from(["NotPrincipal", "NotAction", "NotResource", "no Action", "no Resource", "0 Action"])
    return plain | plain | conditional | st.builds(_changed, plain | conditional, odd, spared)


def _changed(said: Said, how: str, spared: list[str]) -> Said:
    """Turned around, or without an element, or with an empty one."""
    element = how.removeprefix("Not").removeprefix("no ").removeprefix("0 ")
    rest = {name: value for name, value in said.items() if name != element}
    if how.startswith("0 "):
        return {**rest, element: []}
    if how == "NotPrincipal":
        return {**rest, "Effect": "Deny", how: {"AWS": spared}}
    return {**rest, how: said[element]} if how.startswith("Not") else rest


sketches = st.builds(
    Sketch,
    statements=st.lists(statements(), min_size=1, max_size=3),
    rights=st.lists(often(*RIGHTS), min_size=1, max_size=2) | st.just([]),
    boundary=often(None, [], [RIGHTS[0]], [RIGHTS[3]], [RIGHTS[0], RIGHTS[6]]),
    role=st.booleans(),
    bypass=st.sampled_from([False, False, False, True]),
)


# In the box.


def person(account: Account, sketch: Sketch) -> Person:
    iam, name = account.root.client("iam"), f"differ-{next(NUMBERS)}"
    rights = [MAKES, *sketch.rights]
    bound = None if sketch.boundary is None else policy(MAKES, {**MAKES, "Action": "sts:*"}, *sketch.boundary)
    boundary = iam.create_policy(PolicyName=name, PolicyDocument=bound)["Policy"]["Arn"] if bound else ""
    identity = Identity(policies=(json.loads(policy(*rights)),), boundary=json.loads(bound) if bound else None)
    if not sketch.role:
        caller = account.user(*rights, name=name, boundary=boundary)
        return Person(caller, caller.arn, caller.arn, identity)
    trust = policy({"Effect": "Allow", "Principal": {"AWS": account.box.account}, "Action": "sts:AssumeRole"})
    bounded = {"PermissionsBoundary": boundary} if boundary else {}
    role = iam.create_role(RoleName=name, Path="/team/", AssumeRolePolicyDocument=trust, **bounded)["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=policy(*rights))
    sts = account.user({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role}).client("sts")
    made = sts.assume_role(RoleArn=role, RoleSessionName="run")
    keys = made["Credentials"]
    session = made["AssumedRoleUser"]["Arn"]
    caller = Caller(account.box.endpoint, keys["AccessKeyId"], keys["SecretAccessKey"], session, keys["SessionToken"])
    return Person(caller, role, session, identity)


def filled(statements: list[Said], me: Person, other: str, account: str) -> str:
    text = policy(*statements)
    for sign, value in {"{me}": me.arn, "{session}": me.session, "{other}": other, "{account}": account}.items():
        text = text.replace(sign, value)
    return text


def accepted(me: Person, text: str, *, bypass: bool) -> str:
    """Empty when the box takes the policy, and takes it again; or what it answers."""
    kms = me.caller.client("kms")
    tags = [{"TagKey": name, "TagValue": value} for name, value in TAGS.items()]
    try:
        key = kms.create_key(Policy=text, Tags=tags, BypassPolicyLockoutSafetyCheck=bypass)["KeyMetadata"]["KeyId"]
        kms.put_key_policy(KeyId=key, Policy=text, BypassPolicyLockoutSafetyCheck=bypass)
    except ClientError as error:
        return f"{error.operation_name}: {error}"
    return ""


def judged(me: Person, text: str, account: str, *, bypass: bool) -> tuple[str, str]:
    after = {"policy": text, "tags_all": TAGS, "bypass_policy_lockout_safety_check": bypass}
    key = Change(address="aws_kms_key.a", type="aws_kms_key", action=Action.CREATE, after=after)
    # A role's ARN, for its path; and the session that asks.
    context = Context(
        account=account, region=REGION, deployer=me.session, identity=me.identity, administrators=(me.arn,)
    )
    found = lockout.findings(Plan(changes={key.address: key}), context)[0]
    return found.verdict, found.why


@dataclass(frozen=True, repr=False)
class World:
    """What every example happens in; hypothesis would print all of a box with the example that fails."""

    account: Account
    other: str

    def differ(self, sketch: Sketch) -> str:
        """What the two say of a sketch, when one of them must be wrong."""
        own = self.account.box.account
        me = person(self.account, sketch)
        text = filled(sketch.statements, me, self.other, own)
        verdict, why = judged(me, text, own, bypass=sketch.bypass)
        answer = accepted(me, text, bypass=sketch.bypass)
        event(f"{verdict}: {'refused' if answer else 'accepted'}")
        wrong = bool(answer) if verdict in PASSES else verdict == "lockout" and not answer
        return f"guard: {verdict}: {why}\nbox: {answer or 'accepted'}\n{me.identity}\n{text}" if wrong else ""


@pytest.fixture(scope="session")
def world(account: Account) -> World:
    return World(account, account.user(name="differ-somebody").arn)


@pytest.mark.slow
@pytest.mark.req("P-05")
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(sketch=sketches)
def test_the_guard_and_the_box_agree(world: World, sketch: Sketch) -> None:
    assert world.differ(sketch) == ""
