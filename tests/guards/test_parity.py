from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ferry.guards import parity
from ferry.guards.parity import Side
from ferry.tfplan import Action, Change
from tests.guards.making import OTHER, OWN, change, plan, said


def compared(ours: list[Change], theirs: list[Change], *allowed: str) -> list[tuple[str, str, str]]:
    return said(
        parity.differences(
            Side(plan=plan(*ours), environment="preprod", account=OWN, region="eu-west-1"),
            Side(plan=plan(*theirs), environment="prod", account=OTHER, region="us-east-1"),
            allowed,
        )
    )


def pair(ours: dict[str, Any], theirs: dict[str, Any], *allowed: str) -> list[tuple[str, str, str]]:
    return compared([change("aws_x_y", after=ours)], [change("aws_x_y", after=theirs)], *allowed)


SAME: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "names": ({"name": "preprod-items"}, {"name": "prod-items"}),
    "accounts": ({"source_account": OWN}, {"source_account": OTHER}),
    "ARNs": (
        {"topic_arn": f"arn:aws:sns:eu-west-1:{OWN}:preprod-x"},
        {"topic_arn": f"arn:aws:sns:us-east-1:{OTHER}:prod-x"},
    ),
    "variables": ({"environment": [{"variables": {"T": "preprod"}}]}, {"environment": [{"variables": {"T": "prod"}}]}),
    "keys": ({"tags": {"preprod": 1}}, {"tags": {"prod": 1}}),
    "policies": (
        {"policy": json.dumps({"Statement": [{"Resource": "preprod-x", "Effect": "Allow"}]})},
        {"policy": json.dumps({"Statement": [{"Effect": "Allow", "Resource": "prod-x"}]}, indent=2)},
    ),
    "sets": ({"actions": ["a", "preprod-b", "c"]}, {"actions": ["prod-b", "c", "a"]}),
    "nothing": ({"list": [], "text": "", "same": None}, {"list": None, "same": {}}),
    "what AWS gives": (
        {"arn": "x", "unique_id": "AROA1", "last_modified": "2026-01-01"},
        {"arn": "y", "unique_id": "AROA2", "last_modified": "2026-02-02"},
    ),
    "what Terraform draws": (
        {"target_id": "terraform-20261121191650333200000004"},
        {"target_id": "terraform-2026112119164957170000000a"},
    ),
}
OTHERWISE: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a number": ({"days": 14}, {"days": 90}, "days is 14 in preprod, 90 in prod"),
    "a schedule": ({"every": "rate(2 hours)"}, {"every": "rate(1 hour)"}, "every is 'rate(2 hours)' in preprod, 'rate"),
    "one that is not there": ({}, {"on": True}, "on is nothing in preprod, true in prod"),
    "deep inside": ({"a": [{"b": {"c": 1}}]}, {"a": [{"b": {"c": 2}}]}, "a.0.b.c is 1 in preprod, 2 in prod"),
    "in a policy": ({"policy": '{"Action": "a"}'}, {"policy": '{"Action": "b"}'}, "policy.Action is"),
    "one more": ({"list": ["a"]}, {"list": ["a", "b"]}, "list is a list in preprod, a list in prod"),
    "the other's name": ({"name": "prod-x"}, {"name": "prod-x"}, "name is 'prod-x' in preprod, '{env}-x' in prod"),
    "a name that only looks alike": ({"name": "preproduction"}, {"name": "production"}, "name is 'preproduction'"),
}


@pytest.mark.req("R-11")
@pytest.mark.parametrize(("ours", "theirs"), SAME.values(), ids=SAME)
def test_names_and_accounts_are_no_difference(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert pair(ours, theirs) == []


@pytest.mark.req("R-11")
@pytest.mark.parametrize(("ours", "theirs", "what"), OTHERWISE.values(), ids=OTHERWISE)
def test_anything_else_is(ours: dict[str, Any], theirs: dict[str, Any], what: str) -> None:
    (found,) = parity.differences(
        Side(plan=plan(change("aws_x_y", after=ours)), environment="preprod"),
        Side(plan=plan(change("aws_x_y", after=theirs)), environment="prod"),
    )
    assert (found.severity, found.verdict, found.address) == ("warn", "differs", "aws_x_y.it")
    assert found.what.startswith(what)


@pytest.mark.req("R-11")
def test_a_resource_that_one_side_has_not() -> None:
    assert compared([change("aws_x_y")], []) == [("warn", "missing", "aws_x_y.it")]
    assert compared([], [change("aws_x_y")]) == [("warn", "missing", "aws_x_y.it")]
    assert compared([change("aws_x_y")], [change("aws_x_y", "it", Action.DESTROY)]) == [
        ("warn", "missing", "aws_x_y.it")
    ]


def test_a_resource_may_have_its_environment_in_its_address() -> None:
    ours, theirs = (change("aws_x_y", f'of["{name}"]') for name in ("preprod", "prod"))
    assert compared([ours], [theirs]) == []


def test_what_aws_gave_a_resource_stands_for_it_wherever_it_is_named() -> None:
    def side(id: str, url: str, uses: str) -> list[Change]:
        key = change("aws_kms_key", after={"key_id": id, "arn": f"arn:aws:kms:eu-west-1:{OWN}:key/{id}"})
        door = change("aws_lambda_function_url", after={"function_url": f"https://{url}.example.on.aws/"})
        after = {"key": f"arn:aws:kms:eu-west-1:{OWN}:key/{id}", "at": f"https://{uses}.example.on.aws"}
        return [key, door, change("aws_x_y", after=after)]

    right = side("1f0c-aaaa-bbbb", "qwertyuiop", "qwertyuiop")
    assert compared(right, side("9e8d-cccc-dddd", "asdfghjkl", "asdfghjkl")) == []
    assert compared(right, side("9e8d-cccc-dddd", "asdfghjkl", "zxcvbnm")) == [("warn", "differs", "aws_x_y.it")]


@pytest.mark.parametrize(
    ("after", "unknown"),
    [
        ({}, {"a": True}),
        ({"a": [{}]}, {"a": [{"b": True}]}),
        ({"a": [{"b": None}]}, {"a": [{"b": True}]}),
        ({"a": None}, {"a": True}),
    ],
)
def test_what_only_the_apply_will_know_is_not_compared(after: dict[str, Any], unknown: dict[str, Any]) -> None:
    later, known = change("aws_x_y", after=after, unknown=unknown), change("aws_x_y", after={"a": [{"b": 1}]})
    assert compared([later], [known]) == []
    assert compared([known], [later]) == []


def test_what_is_known_beside_it_is() -> None:
    later = change("aws_x_y", after={"a": [{"c": 1}]}, unknown={"a": [{"b": True}], "z": True})
    assert compared([later], [change("aws_x_y", after={"a": [{"b": 1, "c": 1}], "n": 2, "z": 3})]) == [
        ("warn", "differs", "aws_x_y.it")
    ]


ALLOWED = [
    ("aws_x_y.it:days", True),
    ("aws_x_y.*:days", True),
    ("*:days", True),
    ("*", True),
    ("aws_x_y.it:d*", True),
    ("aws_x_y.it", False),
    ("aws_x_y.it:day", False),
    ("aws_x_z.*:days", False),
]


@pytest.mark.req("R-11")
@pytest.mark.parametrize(("line", "covers"), ALLOWED)
def test_a_difference_may_be_written_down(line: str, *, covers: bool) -> None:
    found = pair({"days": 14}, {"days": 90}, line)
    assert found == ([] if covers else [("warn", "differs", "aws_x_y.it"), ("info", "unused", "*")])


def test_the_brackets_of_an_address_are_themselves() -> None:
    ours, theirs = (change("aws_x_y", 'of["a"]', after={"days": days}) for days in (1, 2))
    assert compared([ours], [theirs], 'aws_x_y.of["a"]:days') == []
    assert compared([ours], [theirs], 'aws_x_y.of["b"]:days') != []
    only = replace(ours, address="module.m[0].aws_x_y.it")
    assert compared([only], [], "module.m[0].aws_x_y.it") == []


def test_a_line_that_covers_nothing_is_told() -> None:
    assert pair({}, {}, "aws_x_y.*:days") == [("info", "unused", "*")]


@pytest.mark.parametrize("place", ["password", "secret_string", "variables", "value"])
def test_texts_that_may_be_secrets_are_not_shown(place: str) -> None:
    ours, theirs = (change("aws_x_y", after={place: {"inside": text}}) for text in ("planted-1", "planted-2"))
    (found,) = parity.differences(
        Side(plan=plan(ours), environment="preprod"), Side(plan=plan(theirs), environment="prod")
    )
    assert "planted" not in repr(found)


def test_a_finding_names_the_line_that_would_allow_it() -> None:
    (found,) = parity.differences(
        Side(plan=plan(change("aws_x_y", after={"days": 1})), environment="preprod"),
        Side(plan=plan(change("aws_x_y", after={"days": 2})), environment="prod"),
    )
    assert "[parity] allow = ['aws_x_y.it:days']" in found.next
