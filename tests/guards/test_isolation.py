from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ferry.guards import isolation
from ferry.guards.context import Context, Neighbour
from ferry.tfplan import Action
from tests.guards.making import OTHER, OWN, PREPROD, change, plan, policy, said, verdicts

SHARED = replace(PREPROD, neighbours=(replace(PREPROD.neighbours[0], account=OWN),))

FOREIGN = {
    "a name": {"name": "prod-items"},
    "a name in the middle": {"bucket": "ships-prod-manifests"},
    "a name at the end": {"name": "items_prod"},
    "a path": {"path": "/ships/prod/"},
    "a whole word": {"stage_name": "prod"},
    "in capitals": {"name": "PROD-ITEMS"},
    "a tag": {"tags": {"environment": "prod"}},
    "an ARN": {"topic_arn": f"arn:aws:sns:eu-west-1:{OWN}:prod-arrivals"},
    "a variable": {"environment": [{"variables": {"TABLE": "prod-bookings"}}]},
    "a URL": {"environment": [{"variables": {"API": "https://api.prod.example.com/v1"}}]},
    "an image": {"image_uri": f"{OWN}.dkr.ecr.eu-west-1.amazonaws.com/prod-x@sha256:{'0' * 64}"},
    "a policy's resource": {"policy": policy({"Effect": "Allow", "Resource": "arn:aws:s3:::prod-x/*"})},
    "a policy's condition": {
        "policy": policy({"Condition": {"StringEquals": {"hub:sub": "repo:o/r:environment:prod"}}})
    },
    "another account": {"policy": policy({"Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"}})},
    "an account alone": {"source_account": OTHER},
    "a deployer": {"role_arn": f"arn:aws:iam::{OTHER}:role/ci/sailor"},
    "a deployer's session": {"principal": f"arn:aws:sts::{OTHER}:assumed-role/sailor/job"},
    "JSON in JSON": {"body": json.dumps({"inner": json.dumps({"queue": "prod-dlq"})})},
    "a script": {"user_data": "#!/bin/sh\nexport TABLE=prod-bookings\n"},
    "an ARN in a description": {"description": f"reads arn:aws:s3:::prod-x, as {OTHER} says"},
}
OURS = {
    "its own name": {"name": "preprod-items"},
    "a longer word": {"name": "production-items", "also": "prod2-items", "and": "reprod"},
    "a description": {"description": "As prod, but cheaper"},
    "a description of one word": {"description": "prod"},
    "an alarm's description": {"alarm_description": "prod-like load"},
    "a title in JSON": {"dashboard_body": json.dumps({"widgets": [{"properties": {"title": "prod"}}]})},
    "a statement's name": {"policy": policy({"Sid": "LikeProd-prod", "Effect": "Deny"})},
    "a sentence": {"value": "not for prod yet"},
    "a key": {"tags": {"prod": "no"}},
    "digits that hold an account": {"serial": f"1{OTHER}"},
    "nothing": {"name": None, "count": 3, "on": True, "list": []},
}


@pytest.mark.req("R-10")
@pytest.mark.parametrize("after", FOREIGN.values(), ids=FOREIGN)
def test_nothing_of_another_environment_is_written(after: dict[str, Any]) -> None:
    assert verdicts(isolation.findings(plan(change("aws_x_y", after=after)), PREPROD)) == ["block names-neighbour"]


@pytest.mark.parametrize("after", OURS.values(), ids=OURS)
def test_what_only_sounds_like_it_is_no_alarm(after: dict[str, Any]) -> None:
    assert isolation.findings(plan(change("aws_x_y", after=after)), PREPROD) == ()


ARN = {"topic_arn": f"arn:aws:sns:eu-west-1:{OWN}:"}
PREFIXES = [
    ("preprod", "prod", "preprod-x", "prod-x"),
    ("prod", "preprod", "prod-x", "preprod-x"),
    ("pre-prod", "prod", "pre-prod-x", "prod-x"),
    ("prod", "pre-prod", "prod-x", "pre-prod-x"),
    ("prod", "prod-eu", "prod-europe", "prod-eu-x"),
    ("prod-eu", "prod", "prod-eu-x", "prod-us-x"),
    ("blue", "dev", "/dev/sda1", "/dev/table"),
]


@pytest.mark.parametrize(("own", "other", "mine", "theirs"), PREFIXES)
def test_one_name_inside_of_another_is_told_apart(own: str, other: str, mine: str, theirs: str) -> None:
    context = Context(environment=own, neighbours=(Neighbour(name=other, account="", deployer=""),))
    right, wrong = (plan(change("aws_x_y", after={"name": name})) for name in (mine, theirs))
    assert isolation.findings(right, context) == ()
    assert verdicts(isolation.findings(wrong, context)) == ["block names-neighbour"]


def test_two_environments_may_share_an_account() -> None:
    shared = {"policy": policy({"Principal": {"AWS": f"arn:aws:iam::{OWN}:root"}})}
    assert isolation.findings(plan(change("aws_x_y", after=shared)), SHARED) == ()


@pytest.mark.parametrize(
    ("action", "rest", "expected"),
    [
        (Action.CREATE, {}, 1),
        (Action.UPDATE, {}, 1),
        (Action.REPLACE, {}, 1),
        (Action.NO_OP, {"imports": "it"}, 1),
        (Action.NO_OP, {}, 0),
    ],
)
def test_judged_is_what_the_plan_touches(action: Action, rest: dict[str, Any], expected: int) -> None:
    touched = change("aws_x_y", "it", action, after={"name": "prod-x"}, **rest)
    assert len(isolation.findings(plan(touched), PREPROD)) == expected


def test_a_destroy_writes_nothing() -> None:
    gone = change("aws_x_y", "it", Action.DESTROY, before={"name": "prod-x"})
    assert isolation.findings(plan(gone), PREPROD) == ()


def test_a_finding_says_where_and_of_whom_and_no_more_of_a_value_than_the_name() -> None:
    secret = "postgres://app:hunter2-prod@db.prod-x.example.com/?key=planted"
    after = {"environment": [{"variables": {"DB": secret, "TABLE": "prod-y"}}]}
    (found,) = isolation.findings(plan(change("aws_x_y", after=after)), PREPROD)
    assert found.what == ("environment.0.variables.DB (prod-x), environment.0.variables.TABLE (prod-y) are of prod")
    assert "planted" not in repr(found)
    assert "hunter2" not in repr(found)


def test_each_neighbour_has_its_finding() -> None:
    more = replace(PREPROD, neighbours=(*PREPROD.neighbours, Neighbour(name="dev", account="", deployer="")))
    both = plan(change("aws_x_y", after={"a": "prod-x", "b": "dev-x"}))
    assert said(isolation.findings(both, more)) == [("block", "names-neighbour", "aws_x_y.it")] * 2


def test_of_anyones_plan_it_says_once_that_it_cannot_know() -> None:
    found = isolation.findings(plan(change("aws_x_y", after={"name": "prod-x"})), Context())
    assert verdicts(found) == ["info not-judged"]


def test_a_system_with_one_environment_has_nobody_to_be_kept_from() -> None:
    assert isolation.findings(plan(change("aws_x_y", after={"name": "prod-x"})), Context(environment="a")) == ()
