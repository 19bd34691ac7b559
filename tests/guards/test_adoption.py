from __future__ import annotations

from dataclasses import replace

import pytest

from ferry.guards import adoption
from ferry.model import Severity
from ferry.tfplan import Action, Change, Plan

BUCKET = Change(address="aws_s3_bucket.page", type="aws_s3_bucket", action=Action.CREATE, after={"bucket": "page"})
ADOPTED = replace(BUCKET, action=Action.NO_OP, imports="page")


def plan(*changes: Change) -> Plan:
    return Plan(changes={change.address: change for change in changes})


def test_what_would_be_created_may_exist_already() -> None:
    others = [replace(BUCKET, address=action, action=action) for action in Action if action is not Action.CREATE]
    assert adoption.candidates(plan(BUCKET, *others)) == [BUCKET]


def test_a_plan_that_adopts_nothing_has_no_findings() -> None:
    assert adoption.findings(plan(BUCKET)) == ()


@pytest.mark.parametrize(
    ("action", "why"), [(Action.NO_OP, "nothing about it changes"), (Action.UPDATE, "then it is changed in place")]
)
def test_an_adoption_says_what_happens_to_the_object(action: Action, why: str) -> None:
    (found,) = adoption.findings(plan(replace(ADOPTED, action=action)))
    assert (found.severity, found.verdict, found.address, found.why) == (
        Severity.INFO,
        "adopted",
        "aws_s3_bucket.page",
        why,
    )


@pytest.mark.req("P-03")
@pytest.mark.parametrize("action", [Action.REPLACE, Action.DESTROY])
def test_adoption_that_would_destroy_is_blocked(action: Action) -> None:
    (found,) = adoption.findings(plan(replace(ADOPTED, action=action, replace_paths=("bucket", "region"))))
    assert (found.severity, found.verdict) == (Severity.BLOCK, "would-replace")
    assert "bucket, region" in found.why
    assert found.next


def test_a_replacement_without_a_reason_says_so() -> None:
    (found,) = adoption.findings(plan(replace(ADOPTED, action=Action.REPLACE)))
    assert "does not say what" in found.why


def test_each_adopted_resource_has_its_finding() -> None:
    second = replace(ADOPTED, address="aws_s3_bucket.data", imports="data")
    assert [found.address for found in adoption.findings(plan(ADOPTED, BUCKET, second))] == ["aws_s3_bucket.data"]
    assert len(adoption.findings(plan(ADOPTED, second))) == 2
