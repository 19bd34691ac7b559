from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferry.guards import iam
from ferry.guards.iam import Level, Request, Statement, Truth
from tests.guards.key_policies import ACCOUNT, DEPLOYER, OTHER, ROOT, SESSION, SOMEBODY, USER, aws, when, without

FEDERATED = f"arn:aws-cn:sts::{ACCOUNT}:federated-user/bob"
NO, UNKNOWN, YES = Truth.NO, Truth.UNKNOWN, Truth.YES
CALL = Request(
    action="kms:PutKeyPolicy",
    resource=f"arn:aws:kms:*:{ACCOUNT}:key/*",
    values={"aws:principalarn": (DEPLOYER,), "one": ("a",), "many": ("a", "b"), "number": ("5",)},
    absent=("none", "gone/*"),
)


def statement(**said: Any) -> Statement:
    whole = {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*", **said}
    return Statement("statement 1", str(whole["Effect"]), whole)


def me(arn: str) -> iam.Caller:
    found = iam.caller(arn)
    assert found is not None
    return found


# Truth.


@pytest.mark.parametrize(
    ("parts", "every", "some"),
    [((), YES, NO), ((YES, UNKNOWN), UNKNOWN, YES), ((NO, UNKNOWN), NO, UNKNOWN), ((YES, NO), NO, YES)],
)
def test_three_valued_logic(parts: tuple[Truth, ...], every: Truth, some: Truth) -> None:
    assert (iam.every(parts), iam.some(parts)) == (every, some)
    assert iam.every(~part for part in parts) is ~iam.some(parts)


# Patterns.

globs = st.text(alphabet="ab*?:", max_size=8)
plain = st.text(alphabet="ab:", max_size=8)


@given(globs, plain)
def test_a_pattern_fits_as_a_regular_expression_would(pattern: str, text: str) -> None:
    signs = {"*": ".*", "?": "."}
    expression = "".join(signs.get(sign, re.escape(sign)) for sign in pattern)
    assert iam.fits(pattern, text) is bool(re.fullmatch(expression, text))


@given(st.text(alphabet="ab*:", max_size=6), globs, st.lists(plain, min_size=6, max_size=6))
def test_what_is_said_of_a_value_half_known_is_true_of_each_that_it_may_be(
    value: str, pattern: str, fillings: list[str]
) -> None:
    parts = value.split("*")
    whole = "".join(part + filling for part, filling in zip(parts, [*fillings[: len(parts) - 1], ""], strict=True))
    truth = iam.like(value, pattern)
    assert truth is UNKNOWN or (truth is YES) is iam.fits(pattern, whole)


@pytest.mark.parametrize(
    ("value", "pattern", "truth"),
    [
        ("key/*", "*", YES),
        ("key/*", "key/*", YES),
        ("key/*", "key/mrk-*", UNKNOWN),
        ("key/*", "key/?", UNKNOWN),
        ("key/*", "alias/*", NO),
        ("role/*me", "role/team/me", UNKNOWN),
        ("role/*me", "role/team/you", NO),
        ("Key", "key", NO),
    ],
)
def test_like(value: str, pattern: str, truth: Truth) -> None:
    assert iam.like(value, pattern) is truth


# Conditions.


@pytest.mark.parametrize(
    ("operator", "key", "said", "truth"),
    [
        ("StringEquals", "one", ["b", "a"], YES),
        ("StringEquals", "ONE", "a", YES),
        ("StringEquals", "one", "A", NO),
        ("StringEquals", "one", "*", NO),
        ("StringNotEquals", "one", ["b", "a"], NO),
        ("StringEqualsIgnoreCase", "one", "A", YES),
        ("StringNotEqualsIgnoreCase", "one", "A", NO),
        ("StringLike", "one", "?", YES),
        ("StringNotLike", "one", "b*", YES),
        ("Bool", "one", "A", YES),
        ("ArnLike", "aws:PrincipalArn", f"arn:aws:iam::{ACCOUNT}:role/*", YES),
        ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*role/delivery/preprod", UNKNOWN),
        ("ArnNotEquals", "aws:PrincipalArn", f"arn:aws:iam::{OTHER}:*", YES),
        ("StringEquals", "none", "a", NO),
        ("StringNotEquals", "none", "a", YES),
        ("StringEqualsIfExists", "none", "a", YES),
        ("StringEqualsIfExists", "one", "b", NO),
        ("NumericEquals", "gone/a", "5", NO),
        ("NumericEquals", "number", 5, UNKNOWN),
        ("DateLessThanIfExists", "none", "2030-01-01", YES),
        ("NotIpAddress", "none", "192.0.2.0/24", YES),
        ("ForAllValues:StringEquals", "none", "a", YES),
        ("ForAnyValue:StringNotEquals", "none", "a", NO),
        ("ForAllValues:StringEquals", "many", ["a", "b"], YES),
        ("ForAllValues:StringEquals", "many", "a", NO),
        ("ForAnyValue:StringEquals", "many", "a", YES),
        ("ForAnyValue:StringNotEquals", "many", "a", YES),
        ("StringEquals", "many", "a", UNKNOWN),
        ("Null", "none", True, YES),
        ("Null", "none", "false", NO),
        ("Null", "one", ["false"], YES),
        ("Null", "one", "maybe", UNKNOWN),
        ("Null", "other", "true", UNKNOWN),
        ("StringEquals", "other", "a", UNKNOWN),
        ("StringEqualsIfExists", "other", "a", UNKNOWN),
        ("StringEquals", "one", [], UNKNOWN),
        ("StringEquals", "one", None, UNKNOWN),
        ("StringEquals", "one", "${aws:username}", UNKNOWN),
        ("stringequals", "one", "a", UNKNOWN),
        ("ForSome:StringEquals", "one", "a", UNKNOWN),
    ],
)
def test_condition(operator: str, key: str, said: Any, truth: Truth) -> None:
    assert iam.holds({operator: {key: said}}, CALL) is truth


@pytest.mark.parametrize("broken", [None, "x", [], {"StringEquals": "one"}])
def test_a_condition_that_cannot_be_read_is_unknown(broken: Any) -> None:
    assert iam.holds(broken, CALL) is UNKNOWN


def test_all_conditions_must_hold() -> None:
    assert iam.holds({}, CALL) is YES
    assert iam.holds({"StringEquals": {"one": "a", "none": "a"}, "Null": {"other": "true"}}, CALL) is NO


# Statements.


@pytest.mark.parametrize(
    ("said", "truth"),
    [
        ({}, YES),
        ({"Action": "KMS:put*"}, YES),
        ({"Action": ["s3:*", "kms:Get*"]}, NO),
        ({"Action": []}, UNKNOWN),
        ({"Action": [1]}, UNKNOWN),
        ({"NotAction": "s3:*"}, UNKNOWN),
        ({"Resource": f"arn:aws:kms:*:{ACCOUNT}:key/*"}, YES),
        ({"Resource": f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/*"}, UNKNOWN),
        ({"Resource": "arn:aws:s3:::a"}, NO),
        ({"Resource": "arn:aws:kms:${aws:RequestedRegion}:*"}, UNKNOWN),
        ({"Actions": "kms:*"}, UNKNOWN),
        ({"Actions": "kms:*", "Action": "s3:*"}, NO),
        (when(StringEquals={"one": "b"}), NO),
    ],
)
def test_statement_applies(said: Any, truth: Truth) -> None:
    assert iam.applies(statement(**said), CALL) is truth


@pytest.mark.parametrize("missing", ["Action", "Resource"])
def test_a_statement_with_a_part_missing_applies_to_nothing(missing: str) -> None:
    short = without(dict(statement().said), missing)
    assert Statement("x", "Allow", short).lacks() == (missing,)
    assert iam.applies(Statement("x", "Allow", short), CALL) is NO
    turned = Statement("x", "Allow", {**short, f"Not{missing}": "s3:nothing"})
    assert (turned.lacks(), iam.applies(turned, CALL)) == ((), YES)


@pytest.mark.parametrize(
    "document",
    [
        *("{bad", "[" * 100_000, "1", "9" * 5000, None, 1, [], {}, {"Statement": []}, {"Statement": ["x"]}),
        *({"Statement": [{}]}, {"Statement": {"Effect": "allow"}}, {"Version": "1", "Statement": {"Effect": "Allow"}}),
        *({"Statement": {"Effect": []}}, {"Version": [], "Statement": {"Effect": "Allow"}}),
    ],
    ids=lambda document: repr(document)[:40],
)
def test_what_is_no_policy(document: Any) -> None:
    assert iam.policy(document) is None


def test_a_statement_is_found_by_its_number_and_its_sid() -> None:
    read = iam.policy({"Statement": [{"Effect": "Deny"}, {"Effect": "Allow", "Sid": "Admins"}]})
    assert read is not None
    assert [one.label for one in read.denies()] == ["statement 1"]
    assert [one.label for one in read.allows()] == ["statement 2 (Admins)"]


# Callers.


@pytest.mark.parametrize(
    ("arn", "kind", "name", "session", "entity"),
    [
        (USER, "user", "alice", "", USER),
        (DEPLOYER, "role", "preprod", "", DEPLOYER),
        (SESSION, "role", "preprod", "run-17", f"arn:aws:iam::{ACCOUNT}:role/*preprod"),
        (ROOT, "root", "", "", ROOT),
        (
            f"arn:aws-cn:sts::{ACCOUNT}:federated-user/bob",
            "federated",
            "bob",
            "",
            f"arn:aws-cn:sts::{ACCOUNT}:federated-user/bob",
        ),
    ],
)
def test_caller(arn: str, kind: str, name: str, session: str, entity: str) -> None:
    found = me(arn)
    assert (found.kind, found.name, found.session, found.entity, found.account) == (
        kind,
        name,
        session,
        entity,
        ACCOUNT,
    )


@pytest.mark.parametrize("arn", ["", "me", ACCOUNT, f"{ROOT}x", "arn:aws:iam::1:role/a", f"{ROOT[:-4]}role/*"])
def test_no_caller(arn: str) -> None:
    assert iam.caller(arn) is None


@pytest.mark.parametrize(
    ("principal", "caller", "levels"),
    [
        ("*", USER, (YES, YES, NO)),
        (aws(USER), USER, (YES, YES, YES)),
        (aws(ROOT), USER, (YES, NO, NO)),
        (aws(ACCOUNT), USER, (YES, NO, NO)),
        (aws(OTHER), USER, (NO, NO, NO)),
        (aws(ROOT), ROOT, (YES, YES, YES)),
        (aws(ROOT.replace("aws", "aws-cn", 1)), USER, (NO, NO, NO)),
        (aws(DEPLOYER), DEPLOYER, (YES, YES, NO)),
        (aws(DEPLOYER), SESSION, (YES, YES, NO)),
        (aws(SESSION), SESSION, (YES, YES, YES)),
        (aws(SESSION), DEPLOYER, (UNKNOWN, UNKNOWN, UNKNOWN)),
        (aws(SESSION), SOMEBODY, (NO, NO, NO)),
        (aws(SOMEBODY, ROOT), SESSION, (YES, NO, NO)),
        ({"Service": "lambda.amazonaws.com"}, USER, (NO, NO, NO)),
        ({"CanonicalUser": "79a5"}, USER, (UNKNOWN, NO, NO)),
        (USER, USER, (NO, NO, NO)),
        ([], USER, (NO, NO, NO)),
    ],
)
def test_how_closely_a_principal_names_a_caller(principal: Any, caller: str, levels: tuple[Truth, ...]) -> None:
    assert tuple(iam.concerns(statement(Principal=principal), me(caller), level) for level in Level) == levels


@pytest.mark.parametrize(
    ("listed", "caller", "bounded", "denied"),
    [
        (aws(USER, ROOT), USER, NO, NO),
        (aws(USER, ACCOUNT), USER, NO, NO),
        (aws(USER, ROOT), USER, UNKNOWN, UNKNOWN),
        (aws(USER, ROOT), USER, YES, YES),
        (aws(USER), USER, NO, UNKNOWN),
        (aws(ROOT), USER, NO, YES),
        (aws(SOMEBODY), USER, NO, YES),
        ("*", USER, NO, NO),
        ("*", USER, YES, YES),
        (aws(DEPLOYER, ROOT), DEPLOYER, NO, UNKNOWN),
        (aws(DEPLOYER, SESSION, ROOT), SESSION, NO, UNKNOWN),
    ],
)
def test_whom_a_deny_spares(listed: Any, caller: str, bounded: Truth, denied: Truth) -> None:
    said = Statement("x", "Deny", {"Effect": "Deny", "NotPrincipal": listed, "Action": "*", "Resource": "*"})
    assert iam.concerns(said, replace(me(caller), bounded=bounded)) is denied


def test_a_session_of_a_known_role_is_spared_when_all_three_are_listed() -> None:
    said = Statement("x", "Deny", {"Effect": "Deny", "NotPrincipal": aws(DEPLOYER, SESSION, ROOT)})
    assert iam.concerns(said, replace(me(SESSION), entity=DEPLOYER, bounded=NO)) is NO


def test_principal_and_its_opposite_together_are_unknown() -> None:
    assert iam.concerns(statement(NotPrincipal=aws(USER)), me(USER)) is UNKNOWN


@pytest.mark.parametrize("principal", [None, "", [], {}, {"AWS": []}])
def test_nameless(principal: Any) -> None:
    assert iam.nameless(statement(Principal=principal))
    assert not iam.nameless(statement())


@pytest.mark.parametrize(
    ("principal", "names"),
    [
        ("*", []),
        (aws("*", ACCOUNT, ROOT, USER, DEPLOYER, SESSION), []),
        (aws(f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/s3.amazonaws.com/AWSServiceRoleForS3"), []),
        (aws("AROAJQABLZS4A3QDU576Q", "AIDAJQABLZS4A3QDU576Q"), ["AROAJQABLZS4A3QDU576Q", "AIDAJQABLZS4A3QDU576Q"]),
        (aws(f"arn:aws:iam::{ACCOUNT}:role/"), [f"arn:aws:iam::{ACCOUNT}:role/"]),
        ({"Service": ["logs.eu-central-1.amazonaws.com", "logs"]}, ["logs"]),
        ({"Federated": ["accounts.google.com", "google"]}, ["google"]),
        ({"CanonicalUser": "79a5"}, []),
        ({"aws": USER}, [USER]),
        ({"AWS": [1]}, ["1"]),
    ],
)
def test_dead(principal: Any, names: list[str]) -> None:
    assert [name for name, why in iam.dead(statement(Principal=principal)) if why] == names


def test_a_long_path_is_read_in_no_time() -> None:
    assert iam.caller(f"arn:aws:iam::{ACCOUNT}:role/" + "a/" * 5000 + "*") is None
    assert not iam.fits("*a" * 200 + "b", "a" * 2000)
