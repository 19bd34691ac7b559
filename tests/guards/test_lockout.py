from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferry.guards import lockout
from ferry.guards.context import Context, Identity, Neighbour
from ferry.guards.keys import KEYS
from ferry.model import Finding, Severity
from ferry.tfplan import Action, Change, Plan
from tests.guards.key_policies import (
    ACCOUNT,
    ADMINISTRATION,
    CASES,
    DELEGATES,
    DEPLOYER,
    NAMED,
    OTHER,
    RIGHTS,
    ROOT,
    SESSION,
    SOMEBODY,
    USER,
    Case,
    allow,
    aws,
    deny,
    when,
    without,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

ADDRESS = "aws_kms_key.data"
SIX = {"direct", "via-iam", "lockout", "ineffective-statement", "dead-principal", "unknown"}
CONTEXT = Context(account=ACCOUNT, deployer=DEPLOYER)


def policy(*statements: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def key(text: Any, **more: Any) -> Change:
    after = {
        "policy": text,
        "region": "eu-central-1",
        "tags": {"env": "preprod"},
        "tags_all": {"env": "preprod"},
        **more.pop("after", {}),
    }
    return Change(**{"address": ADDRESS, "type": "aws_kms_key", "action": Action.CREATE, "after": after, **more})


def plan(*changes: Change) -> Plan:
    return Plan(changes={change.address: change for change in changes})


def said(text: Any, context: Context = CONTEXT, **more: Any) -> tuple[Finding, ...]:
    return lockout.findings(plan(key(text, **more)), context)


def verdicts(found: Sequence[Finding]) -> list[tuple[str, str]]:
    return [(finding.verdict, str(finding.severity)) for finding in found]


def of_people(found: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.verdict in SIX]


# The table.


def test_the_table_is_long_and_names_each_once() -> None:
    names = [case.name for case in CASES]
    assert len(names) >= 60
    assert len(names) == len(set(names))
    assert {case.verdict for case in CASES} == SIX


@pytest.mark.req("P-05")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_verdict(case: Case) -> None:
    identity = None if case.identity is None else Identity(policies=case.identity, boundary=case.boundary)
    context = Context(account=ACCOUNT, deployer=case.deployer, identity=identity)
    found = of_people(said(case.policy, context))
    assert verdicts(found[:1]) == [case.expected], (case.why, found)
    assert all((finding.guard, finding.address) == ("lockout", ADDRESS) for finding in found)
    assert all(finding.what and finding.why for finding in found)
    assert all(finding.next for finding in found if finding.severity is Severity.BLOCK)


# What the finding says.


@pytest.mark.req("P-05")
def test_a_root_only_policy_is_stopped_with_the_fix() -> None:
    found = of_people(said(policy({**DELEGATES, "Sid": "Root"}), replace(CONTEXT, identity=Identity(policies=()))))
    assert verdicts(found) == [("lockout", "block")]
    assert "statement 1 (Root)" in found[0].why
    assert "leaves it to IAM" in found[0].why
    assert (
        found[0].next
        == f'allow kms:PutKeyPolicy on "*" to {DEPLOYER} by name and without a condition, and deny it nowhere'
    )


@pytest.mark.parametrize(
    ("statements", "identity", "why"),
    [
        ([allow(aws(SOMEBODY))], (), "no statement allows kms:PutKeyPolicy to it"),
        ([allow(aws(DEPLOYER), "kms:Encrypt")], (), "names it for other actions than kms:PutKeyPolicy"),
        (
            [{**NAMED, "Resource": "arn:aws:s3:::a"}],
            (),
            'names it for another resource: in a key\'s policy, the key is "*"',
        ),
        ([{**NAMED, **when(Null={"kms:ViaService": "false"})}], (), "does not hold for this call: kms:ViaService"),
        ([NAMED, deny(aws(DEPLOYER))], (), "statement 2 denies it"),
        ([NAMED], ({"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}},), "of its own, or its boundary"),
    ],
)
def test_a_lockout_says_why(statements: list[Any], identity: tuple[Any, ...], why: str) -> None:
    (found,) = of_people(said(policy(*statements), replace(CONTEXT, identity=Identity(policies=identity))))
    assert found.verdict == "lockout"
    assert why in found.why


def test_a_lockout_by_the_boundary_says_so() -> None:
    nothing = {"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
    context = replace(CONTEXT, identity=Identity(policies=RIGHTS, boundary=nothing))
    assert "boundary does not include kms:PutKeyPolicy" in of_people(said(policy(DELEGATES), context))[0].why


def test_an_unknown_names_the_condition() -> None:
    statement = {
        **NAMED,
        "Sid": "Ours",
        **when(StringEquals={"aws:PrincipalOrgID": "o-1", "aws:PrincipalAccount": ACCOUNT}),
    }
    assert "statement 1 (Ours) depends on a condition that only the call decides: aws:PrincipalOrgID" in (
        of_people(said(policy(statement)))[0].why
    )


def test_an_ineffective_statement_is_named_with_what_it_lacks() -> None:
    (found,) = of_people(said(policy(without({**NAMED, "Sid": "Admins"}, "Action", "Resource"))))
    assert found.what == f"statement 1 (Admins) names {DEPLOYER}, and has no effect: it lacks Action and Resource"
    assert found.next == "add Action and Resource to statement 1 (Admins)"


def test_an_ineffective_statement_about_others_is_said_of_the_key() -> None:
    found = said(
        policy(DELEGATES, NAMED, without(allow(aws(SOMEBODY)), "Action"), without(deny(aws(SOMEBODY)), "Resource"))
    )
    assert verdicts(found) == [("direct", "info"), ("ineffective-statement", "warn"), ("ineffective-statement", "warn")]
    assert ["allows nothing" in found[1].why, "denies nothing" in found[2].why] == [True, True]


# Whom it is about.


@pytest.mark.req("P-04")
def test_each_administrator_has_a_finding_and_must_be_named() -> None:
    context = replace(CONTEXT, administrators=(DEPLOYER, SESSION, USER, SOMEBODY))
    found = of_people(said(policy(DELEGATES, allow(aws(DEPLOYER, USER), ADMINISTRATION)), context))
    assert verdicts(found) == [("direct", "info"), ("direct", "info"), ("via-iam", "warn")]
    assert [finding.what.split()[0] for finding in found] == [DEPLOYER, USER, SOMEBODY]


@pytest.mark.req("P-04")
def test_an_administrator_who_gets_in_through_iam_only_is_warned_of() -> None:
    context = replace(CONTEXT, administrators=(DEPLOYER,), identity=Identity(policies=RIGHTS))
    assert verdicts(of_people(said(policy(DELEGATES), context))) == [("via-iam", "warn")]


def test_an_administrator_of_another_account_is_locked_out() -> None:
    them = f"arn:aws:iam::{OTHER}:role/preprod"
    found = of_people(said(policy(NAMED, allow(aws(them))), replace(CONTEXT, administrators=(them,))))
    assert verdicts(found) == [("direct", "info"), ("lockout", "block")]
    assert f"of account {ACCOUNT}" in found[1].why


def test_the_deployers_rights_are_no_one_elses() -> None:
    context = replace(CONTEXT, administrators=(SOMEBODY,), identity=Identity(policies=RIGHTS))
    assert verdicts(of_people(said(policy(DELEGATES), context))) == [("via-iam", "info"), ("via-iam", "warn")]


def test_a_session_takes_its_roles_path_from_the_administrators() -> None:
    statement = allow(aws("*"), **when(ArnEquals={"aws:PrincipalArn": DEPLOYER}))
    context = replace(CONTEXT, deployer=SESSION)
    assert verdicts(of_people(said(policy(statement), context))) == [("unknown", "block")]
    assert verdicts(of_people(said(policy(statement), replace(context, administrators=(DEPLOYER,))))) == [
        ("direct", "info")
    ]


def test_nobody_named_is_said_once_and_what_is_wrong_anyway_is_said_too() -> None:
    good, bad = key(policy(DELEGATES)), key(policy(allow(aws("nobody"))), address="aws_kms_key.bad")
    found = lockout.findings(plan(good, bad), Context())
    assert verdicts(found) == [("dead-principal", "block"), ("unknown", "warn")]


def test_a_deployer_who_is_none_is_blocked() -> None:
    assert verdicts(said(policy(DELEGATES), Context(deployer="me"))) == [("unknown", "block")]


# Which keys.


def test_only_keys_that_something_happens_to() -> None:
    text = policy(allow(aws(SOMEBODY)))
    still = [key(text, action=Action.NO_OP), key(text, action=Action.DESTROY), key(text, type="aws_sns_topic")]
    assert [lockout.findings(plan(change), CONTEXT) for change in still] == [(), (), ()]
    moved = [
        key(text, action=Action.NO_OP, imports="id"),
        key(text, action=Action.UPDATE),
        key(text, action=Action.REPLACE),
    ]
    for change in [*moved, *(key(text, type=type) for type in KEYS)]:
        assert verdicts(of_people(lockout.findings(plan(change), CONTEXT))) == [("lockout", "block")]
    assert lockout.findings(plan(), Context()) == ()


def test_no_policy_is_awss_own() -> None:
    assert verdicts(said(None, replace(CONTEXT, identity=Identity(policies=RIGHTS)))) == [
        ("via-iam", "info"),
        ("few-rights", "warn"),
    ]
    assert verdicts(said("", Context(deployer=DEPLOYER))) == [("via-iam", "warn")]


def test_a_policy_that_only_the_apply_knows_is_no_pass() -> None:
    (found,) = said(None, unknown={"policy": True})
    assert verdicts([found]) == [("unknown", "warn")]
    assert "unknown until apply" in found.what


def test_a_policy_that_nobody_will_look_at_is_stopped() -> None:
    bypass = {"bypass_policy_lockout_safety_check": True}
    assert verdicts(said(None, unknown={"policy": True}, after=bypass)) == [("unknown", "block"), ("bypassed", "block")]


def test_a_keys_own_arn_says_its_account_and_region() -> None:
    arn = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1234"
    same = {**NAMED, "Resource": arn, **when(StringEquals={"aws:RequestedRegion": "eu-west-1"})}
    changed: dict[str, Any] = {"action": Action.UPDATE, "before": {"arn": arn}, "after": {"arn": arn}}
    assert verdicts(of_people(said(policy(same), **changed))) == [("direct", "info")]
    theirs: dict[str, Any] = {"after": {"arn": arn.replace(ACCOUNT, OTHER)}, "action": Action.UPDATE}
    assert verdicts(of_people(said(policy(NAMED), **theirs))) == [("lockout", "block")]


def test_a_region_that_is_not_known_is_not_guessed() -> None:
    statement = {**NAMED, "Resource": f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/*"}
    assert verdicts(of_people(said(policy(statement)))) == [("direct", "info")]
    nowhere = {"region": None}
    assert verdicts(of_people(said(policy(statement), after=nowhere))) == [("unknown", "block")]
    here = replace(CONTEXT, region="eu-central-1")
    assert verdicts(of_people(said(policy(statement), here, after=nowhere))) == [("direct", "info")]


@pytest.mark.parametrize("id", ["1234", f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1234"])
def test_a_policy_of_its_own_says_which_key_it_is_for(id: str) -> None:
    statement = {**NAMED, "Resource": f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1234"}
    apart: dict[str, Any] = {"type": "aws_kms_key_policy", "after": {"key_id": id}}
    assert verdicts(of_people(said(policy(statement), **apart))) == [("direct", "info")]
    assert verdicts(of_people(said(policy(statement), type="aws_kms_key_policy"))) == [("unknown", "block")]


def test_tags_that_are_not_known_are_not_taken_as_absent() -> None:
    statement = {**NAMED, **when(StringEquals={"aws:ResourceTag/env": "preprod"})}
    for unknown in ({"tags_all": True}, {"tags_all": {"env": True}}):
        assert verdicts(of_people(said(policy(statement), unknown=unknown))) == [("unknown", "block")]
    assert verdicts(of_people(said(policy(statement), type="aws_kms_key_policy"))) == [("unknown", "block")]


# What else is wrong with a key.


def test_the_bypass_is_its_own_finding() -> None:
    bypass = {"bypass_policy_lockout_safety_check": True}
    assert verdicts(said(policy(DELEGATES, NAMED), after=bypass)) == [("direct", "info"), ("bypassed", "warn")]
    assert verdicts(said(policy(DELEGATES, NAMED), unknown=bypass)) == [("direct", "info"), ("bypassed", "warn")]
    assert ("bypassed", "block") in verdicts(said(policy(DELEGATES), after=bypass))
    assert ("bypassed", "block") in verdicts(said(policy(DELEGATES), Context(), after=bypass))


@pytest.mark.req("P-04")
@pytest.mark.parametrize(
    ("statements", "kept"),
    [
        ([NAMED, DELEGATES], True),
        ([NAMED, allow(aws(ACCOUNT), "kms:Put*")], True),
        ([NAMED], False),
        ([NAMED, allow(aws(ROOT), "kms:Describe*")], False),
        ([NAMED, {**DELEGATES, **when(Bool={"aws:MultiFactorAuthPresent": "true"})}], False),
        ([NAMED, DELEGATES, deny("*", "kms:Put*", **when(ArnNotEquals={"aws:PrincipalArn": DEPLOYER}))], False),
    ],
)
def test_the_account_stays_as_a_way_back(statements: list[Any], *, kept: bool) -> None:
    assert (("no-fallback", "warn") in verdicts(said(policy(*statements)))) is not kept


@pytest.mark.parametrize(
    ("named", "blocked"),
    [
        (f"arn:aws:iam::{OTHER}:role/prod", True),
        (f"arn:aws:sts::{OTHER}:assumed-role/prod/run", True),
        (f"arn:aws:iam::{OTHER}:root", True),
        (OTHER, True),
        (f"arn:aws:iam::{OTHER}:role/other", False),
        ("*", False),
    ],
)
def test_no_other_environments_deployer_is_named(named: str, *, blocked: bool) -> None:
    prod = Neighbour(name="prod", account=OTHER, deployer=f"arn:aws:iam::{OTHER}:role/prod")
    nobody = Neighbour(name="dev", account="", deployer="")
    found = said(
        policy(DELEGATES, NAMED, allow(aws(named), "kms:Decrypt")), replace(CONTEXT, neighbours=(nobody, prod))
    )
    assert (("neighbour", "block") in verdicts(found)) is blocked


def test_a_neighbour_of_the_same_account_is_not_the_account() -> None:
    prod = Neighbour(name="prod", account=ACCOUNT, deployer=SOMEBODY)
    context = replace(CONTEXT, neighbours=(prod,))
    assert verdicts(said(policy(DELEGATES, NAMED), context)) == [("direct", "info")]
    assert ("neighbour", "block") in verdicts(said(policy(DELEGATES, NAMED, allow(aws(SOMEBODY))), context))


def test_few_rights_are_named() -> None:
    found = said(policy(allow(aws(ROOT, DEPLOYER), ["kms:PutKeyPolicy", "kms:GetKeyPolicy"])))
    assert verdicts(found) == [("direct", "info"), ("few-rights", "warn")]
    assert "lacks kms:DescribeKey, kms:ScheduleKeyDeletion" in found[1].what
    # What nobody has read may give the rest.
    assert verdicts(said(policy(DELEGATES, allow(aws(DEPLOYER), "kms:PutKeyPolicy")))) == [("direct", "info")]


def test_32_kib_are_the_most() -> None:
    def padded(size: int) -> str:
        text = policy(DELEGATES, NAMED)
        return text + " " * (size - len(text))

    assert verdicts(said(padded(32 * 1024))) == [("direct", "info")]
    assert verdicts(said(padded(32 * 1024 + 1))) == [("direct", "info"), ("too-large", "block")]


@pytest.mark.parametrize("kind", ["role", "user"])
def test_who_is_made_by_the_same_plan_is_told_of_and_who_is_destroyed_is_dead(kind: str) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:{kind}/team/app"
    text = policy(DELEGATES, NAMED, allow(aws(arn), "kms:Decrypt"))
    who = Change(
        address="aws_iam.app", type=f"aws_iam_{kind}", action=Action.CREATE, after={"name": "app", "path": "/team/"}
    )
    made = lockout.findings(plan(key(text), who), CONTEXT)
    assert verdicts(made) == [("direct", "info"), ("new-principal", "info")]
    assert "aws_iam.app" in made[1].next
    gone = replace(who, action=Action.DESTROY, after={}, before={"arn": arn})
    assert verdicts(lockout.findings(plan(key(text), gone), CONTEXT)) == [("dead-principal", "block")]
    assert verdicts(lockout.findings(plan(key(text), replace(gone, forgets=True)), CONTEXT)) == [("direct", "info")]


# Any JSON.

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
words = st.sampled_from(
    [
        "*",
        "Allow",
        "Deny",
        "AWS",
        "Service",
        ROOT,
        DEPLOYER,
        SESSION,
        "kms:*",
        "Null",
        "true",
        "StringLike",
        "aws:PrincipalArn",
        "${a}",
    ]
)
anything = st.recursive(
    scalars | words,
    lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(words | st.text(max_size=6), deeper, max_size=3),
)
shaped = st.fixed_dictionaries(
    {},
    optional={
        "Sid": anything,
        "Effect": st.sampled_from(["Allow", "Deny"]) | anything,
        **dict.fromkeys(
            ("Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"), anything
        ),
    },
)
documents = st.fixed_dictionaries({"Statement": st.lists(shaped, max_size=3) | shaped}) | anything


@given(
    said_of_key=documents,
    own=documents,
    boundary=st.none() | documents,
    deployer=st.sampled_from([DEPLOYER, SESSION, USER, ROOT, "", "x"]),
    as_text=st.booleans(),
)
def test_no_json_makes_it_raise(said_of_key: Any, own: Any, boundary: Any, deployer: str, *, as_text: bool) -> None:
    identity = Identity(policies=(own,), boundary=boundary)
    context = Context(account=ACCOUNT, deployer=deployer, administrators=(USER,), identity=identity)
    found = said(json.dumps(said_of_key) if as_text else said_of_key, context)
    assert len({finding.what for finding in of_people(found)}) >= 1


@given(st.dictionaries(st.sampled_from(["policy", "arn", "region", "tags_all", "tags", "name", "path"]), anything))
def test_no_plan_makes_it_raise(values: dict[str, Any]) -> None:
    role = Change(address="aws_iam_role.a", type="aws_iam_role", action=Action.CREATE, after=values)
    for action in Action:
        change = Change(address=ADDRESS, type="aws_kms_key", action=action, after=values, before=values, unknown=values)
        lockout.findings(plan(change, replace(change, address="b", unknown={}), role), CONTEXT)
