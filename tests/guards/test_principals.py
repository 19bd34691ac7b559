from __future__ import annotations

import json
from typing import Any

import pytest

from ferry.guards import principals
from ferry.guards.context import Context
from ferry.tfplan import Action, Change
from tests.guards.making import OWN, change, plan, policy, said, verdicts


def judged(*changes: Change) -> list[str]:
    return verdicts(principals.findings(plan(*changes), Context()))


def allow(principal: Any = "*", **more: Any) -> str:
    return policy({"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": "*", **more})


RESOURCES = {
    "aws_s3_bucket_policy": "policy",
    "aws_sns_topic_policy": "policy",
    "aws_sqs_queue": "policy",
    "aws_sqs_queue_policy": "policy",
    "aws_kms_key": "policy",
    "aws_ecr_repository_policy": "policy",
    "aws_secretsmanager_secret_policy": "policy",
    "aws_iam_role": "assume_role_policy",
    "aws_opensearch_domain": "access_policies",
}


@pytest.mark.parametrize(("type", "attribute"), RESOURCES.items())
def test_nobody_lets_in_everybody(type: str, attribute: str) -> None:
    assert judged(change(type, after={attribute: allow()})) == ["block open-to-all"]


EVERYBODY: dict[str, Any] = {
    "a star": "*",
    "AWS star": {"AWS": "*"},
    "among others": {"AWS": [f"arn:aws:iam::{OWN}:root", "*"]},
    "any federation": {"Federated": "*"},
}
SOMEBODY: dict[str, Any] = {
    "an account": {"AWS": OWN},
    "a root": {"AWS": f"arn:aws:iam::{OWN}:root"},
    "a service": {"Service": "lambda.amazonaws.com"},
    "nobody": {},
}


@pytest.mark.parametrize("principal", EVERYBODY.values(), ids=EVERYBODY)
def test_everybody_is_written_in_several_ways(principal: Any) -> None:
    assert judged(change("aws_s3_bucket_policy", after={"policy": allow(principal)})) == ["block open-to-all"]


@pytest.mark.parametrize("principal", SOMEBODY.values(), ids=SOMEBODY)
def test_somebody_may(principal: Any) -> None:
    assert judged(change("aws_s3_bucket_policy", after={"policy": allow(principal)})) == []


def test_all_but_one_is_everybody() -> None:
    all_but = policy({"Effect": "Allow", "NotPrincipal": {"AWS": OWN}, "Action": "s3:*"})
    assert judged(change("aws_s3_bucket_policy", after={"policy": all_but})) == ["block open-to-all"]


def test_a_deny_to_everybody_is_a_good_rule() -> None:
    only_tls = allow(Effect="Deny", Condition={"Bool": {"aws:SecureTransport": "false"}})
    assert judged(change("aws_s3_bucket_policy", after={"policy": only_tls})) == []


TOPIC = f"arn:aws:sns:eu-west-1:{OWN}:arrivals"
NARROW: list[dict[str, Any]] = [
    {"ArnEquals": {"aws:SourceArn": TOPIC}},
    {"ArnLike": {"AWS:SOURCEARN": f"arn:aws:events:*:{OWN}:rule/*"}},
    {"StringLike": {"aws:SourceArn": "arn:aws:s3:::ships-manifests"}},
    {"StringEquals": {"aws:SourceAccount": OWN}},
    {"StringEquals": {"aws:SourceAccount": [OWN, "999999999999"]}},
    {"StringEquals": {"aws:PrincipalOrgID": "o-abc1234567"}},
    {"StringEquals": {"kms:CallerAccount": OWN, "kms:ViaService": "s3.eu-west-1.amazonaws.com"}},
    {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
    {"ForAnyValue:StringEquals": {"aws:PrincipalOrgPaths": "o-a/r-b/ou-c/"}},
    {"Bool": {"aws:SecureTransport": "true"}, "StringEquals": {"aws:SourceVpce": "vpce-1"}},
]
WIDE: list[Any] = [
    {},
    None,
    "odd",
    {"Bool": {"aws:SecureTransport": "true"}},
    {"StringLike": {"aws:SourceArn": "*"}},
    {"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:*:*"}},
    {"ArnLike": {"aws:SourceArn": "arn:aws:sns:eu-west-1:*:arrivals"}},
    {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}},
    {"StringEquals": {"aws:SourceAccount": []}},
    {"StringLike": {"aws:SourceAccount": [OWN, "*"]}},
    {"StringLike": {"aws:PrincipalOrgID": "o-*"}},
    {"StringNotEquals": {"aws:SourceAccount": OWN}},
    {"StringEqualsIfExists": {"aws:SourceAccount": OWN}},
    {"ForAllValues:StringEquals": {"aws:SourceAccount": OWN}},
    {"IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "0.0.0.0/0"]}},
    {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}},
    {"StringEquals": {"sts:ExternalId": "shared"}},
    {"StringEquals": {"a:KeyOfTomorrow": OWN}},
    {"Null": {"aws:SourceArn": "false"}},
    {"StringEquals": "odd"},
]


@pytest.mark.parametrize("condition", NARROW, ids=json.dumps)
def test_a_condition_that_says_who_calls_narrows_it(condition: Any) -> None:
    assert judged(change("aws_sqs_queue", after={"policy": allow(Condition=condition)})) == []


@pytest.mark.parametrize("condition", WIDE, ids=json.dumps)
def test_a_condition_that_lets_in_strangers_does_not(condition: Any) -> None:
    assert judged(change("aws_sqs_queue", after={"policy": allow(Condition=condition)})) == ["block open-to-all"]


def test_one_open_statement_among_sound_ones_is_found_by_its_name() -> None:
    both = policy(
        {"Effect": "Allow", "Principal": {"AWS": OWN}, "Action": "sqs:*"},
        {"Sid": "Guests", "Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage"},
    )
    (found,) = principals.findings(plan(change("aws_sqs_queue", after={"policy": both})), Context())
    assert "Guests" in found.what
    assert "sqs:SendMessage" in found.what


@pytest.mark.parametrize(
    ("type", "after", "expected"),
    [
        ("aws_vpc_endpoint", {"policy": allow()}, []),
        ("aws_api_gateway_rest_api", {"policy": allow()}, ["warn open-to-all"]),
        ("aws_s3_bucket_acl", {"acl": "public-read-write"}, ["block open-to-all"]),
        ("aws_s3_bucket_acl", {"acl": "private"}, []),
        ("aws_lambda_layer_version_permission", {"principal": "*"}, ["block open-to-all"]),
        ("aws_lambda_layer_version_permission", {"principal": "*", "organization_id": "o-a"}, []),
        ("aws_iam_role", {"inline_policy": [{"policy": policy({"Effect": "Allow"})}]}, []),
    ],
)
def test_some_types_say_it_otherwise(type: str, after: dict[str, Any], expected: list[str]) -> None:
    assert judged(change(type, after=after)) == expected


RIGHTS: list[tuple[dict[str, Any], list[str]]] = [
    ({"Action": "*", "Resource": "*"}, ["block all-powerful"]),
    ({"Action": ["s3:GetObject", "*"], "Resource": ["arn:aws:s3:::x", "*"]}, ["block all-powerful"]),
    ({"Action": "*:*", "Resource": "*"}, ["block all-powerful"]),
    (
        {"Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}},
        ["warn all-actions"],
    ),
    ({"NotAction": "iam:*", "Resource": "*"}, ["warn all-but"]),
    ({"Action": "xray:PutTraceSegments", "Resource": "*"}, []),
    ({"Action": "*", "Resource": "arn:aws:s3:::x"}, []),
    ({"Action": "*", "Resource": "*", "Effect": "Deny"}, []),
]


@pytest.mark.parametrize(("statement", "expected"), RIGHTS)
def test_nobody_may_do_everything(statement: dict[str, Any], expected: list[str]) -> None:
    rights = policy({"Effect": "Allow", **statement})
    assert judged(change("aws_iam_role_policy", after={"policy": rights})) == expected


def test_an_administrators_policy_is_everything_as_well() -> None:
    arn = "arn:aws:iam::aws:policy/AdministratorAccess"
    assert judged(change("aws_iam_role_policy_attachment", after={"policy_arn": arn})) == ["block all-powerful"]
    assert judged(change("aws_iam_role", after={"managed_policy_arns": [arn]})) == ["block all-powerful"]


def permission(unknown: str = "", **after: Any) -> Change:
    said = {"principal": "*", "function_name": "berths", "qualifier": "live", "action": "lambda:InvokeFunction"}
    return change("aws_lambda_permission", after={**said, **after}, unknown={unknown: True} if unknown else {})


def url(**after: Any) -> Change:
    said = {"function_name": "berths", "qualifier": "live", "authorization_type": "NONE"}
    return change("aws_lambda_function_url", after={**said, **after})


DOORS: dict[str, tuple[list[Change], list[str]]] = {
    "everybody": ([permission()], ["block open-to-all"]),
    "a rule": ([permission(source_arn=TOPIC)], []),
    "an account": ([permission(source_account=OWN)], []),
    "an organization": ([permission(principal_org_id="o-a")], []),
    "a source that comes later": ([permission(unknown="source_arn")], []),
    "a service": ([permission(principal="sns.amazonaws.com")], []),
    "a public URL": ([url()], ["warn public-url"]),
    "a URL that asks": ([url(authorization_type="AWS_IAM")], []),
    "a URL and its permission": (
        [url(), permission(action="lambda:InvokeFunctionUrl", function_url_auth_type="NONE")],
        ["warn public-url"],
    ),
    "a URL and both of its permissions": ([url(), permission()], ["warn public-url", "warn public-invoke"]),
    "by the URL alone": ([url(), permission(invoked_via_function_url=True)], ["warn public-url"]),
    "another alias": ([url(), permission(qualifier="next")], ["warn public-url", "block open-to-all"]),
    "another function": ([url(), permission(function_name="tides")], ["warn public-url", "block open-to-all"]),
    "names that come later": (
        [url(function_name=None), permission(function_name=None)],
        ["warn public-url", "block open-to-all"],
    ),
    "more than a URL needs": (
        [url(), permission(action="lambda:UpdateFunctionCode")],
        ["warn public-url", "block open-to-all"],
    ),
    "a permission whose URL is not here": ([permission(function_url_auth_type="NONE")], ["warn public-url"]),
}


@pytest.mark.parametrize(("doors", "expected"), DOORS.values(), ids=DOORS)
def test_a_public_url_is_told_and_anything_else_is_stopped(doors: list[Change], expected: list[str]) -> None:
    assert judged(*doors) == expected


@pytest.mark.parametrize(
    ("action", "rest", "expected"),
    [
        (Action.UPDATE, {}, ["block open-to-all"]),
        (Action.NO_OP, {"imports": "it"}, ["block open-to-all"]),
        # On the plan that made it, it may not have been known.
        (Action.NO_OP, {}, ["block open-to-all"]),
        (Action.DESTROY, {}, []),
    ],
)
def test_what_stands_open_is_stopped_whoever_opened_it(
    action: Action, rest: dict[str, Any], expected: list[str]
) -> None:
    assert judged(change("aws_sqs_queue", "it", action, after={"policy": allow()}, **rest)) == expected


def test_a_warning_is_given_by_the_plan_that_makes_it_and_no_other() -> None:
    there = change("aws_lambda_function_url", "it", Action.NO_OP, after=url().after)
    assert judged(there) == []


def test_policies_that_are_not_known_yet_are_told_together() -> None:
    later = [change("aws_s3_bucket_policy", name, unknown={"policy": True}) for name in "ab"]
    own = change("aws_sns_topic", unknown={"policy": True})
    assert said(principals.findings(plan(*later, own), Context())) == [
        ("warn", "not-known", "*"),
        ("info", "not-known", "aws_sns_topic.it"),
    ]


@pytest.mark.parametrize(
    "odd", ["", "{", "[]", '{"Statement": 3}', '{"Statement": [3, null]}', None, 7, {"Statement": []}]
)
def test_an_odd_policy_breaks_nothing(odd: Any) -> None:
    assert judged(change("aws_sqs_queue", after={"policy": odd})) == []
