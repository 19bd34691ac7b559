from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ferry.guards import adoption
from ferry.guards.context import Context
from ferry.model import Severity
from ferry.tfplan import Action, Change, Plan

CONTEXT = Context(environment="preprod")
OURS = {"project": "news", "environment": "preprod"}
BUCKET = Change(
    address="aws_s3_bucket.page",
    type="aws_s3_bucket",
    action=Action.CREATE,
    after={"bucket": "page", "tags_all": OURS},
)
THERE = {"bucket": "page", "tags_all": OURS}
ADOPTED = replace(BUCKET, action=Action.NO_OP, imports="page", before=THERE)
ALARM = replace(ADOPTED, address="aws_cloudwatch_metric_alarm.errors", type="aws_cloudwatch_metric_alarm")
INLINE = Change(
    address="aws_iam_role_policy.own",
    type="aws_iam_role_policy",
    action=Action.UPDATE,
    imports="app:own",
    before={"policy": "theirs"},
    after={"policy": "ours"},
)


def plan(*changes: Change) -> Plan:
    return Plan(changes={change.address: change for change in changes})


def verdict(change: Change, context: Context = CONTEXT) -> tuple[Severity, str]:
    (found,) = adoption.findings(plan(change), context)
    assert found.address == change.address
    return found.severity, found.verdict


def updated(type: str = "aws_s3_bucket", **values: tuple[Any, Any]) -> Change:
    """An adoption that changes these: before, after."""
    before = {**THERE, **{name: pair[0] for name, pair in values.items()}}
    after = {**THERE, **{name: pair[1] for name, pair in values.items()}}
    return replace(ADOPTED, type=type, action=Action.UPDATE, before=before, after=after)


def test_what_would_be_created_may_exist_already() -> None:
    others = [replace(BUCKET, address=action, action=action) for action in Action if action is not Action.CREATE]
    assert adoption.candidates(plan(BUCKET, *others)) == [BUCKET]


def test_a_plan_that_adopts_nothing_has_no_findings() -> None:
    assert adoption.findings(plan(BUCKET), Context()) == ()


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (ADOPTED, "adopted-clean"),
        (updated(force_destroy=(None, True)), "adopted-clean"),
        (updated(acl=(None, "")), "adopted-clean"),
        (updated(acl=([], None)), "adopted-clean"),
        (updated(timeouts=(None, {"create": "1m"})), "adopted-clean"),
        (updated("aws_lambda_function", publish=(None, True), version=("1", "2")), "adopted-clean"),
        (
            updated(
                "aws_secretsmanager_secret",
                recovery_window_in_days=(None, 30),
                force_overwrite_replica_secret=(None, False),
            ),
            "adopted-clean",
        ),
        (updated("aws_sns_topic_subscription", confirmation_timeout_in_minutes=(None, 1)), "adopted-clean"),
        (updated("aws_dynamodb_table", publish=(None, True)), "changed-in-place"),
        (updated(acl=("private", "public-read")), "changed-in-place"),
        (updated(acl=("private", None)), "changed-in-place"),
    ],
)
def test_clean_is_what_the_api_would_see_nothing_of(change: Change, kind: str) -> None:
    assert verdict(change) == (Severity.INFO, kind)


def test_what_changes_is_named() -> None:
    change = replace(updated(acl=("a", "b"), force_destroy=(None, True), tags=({}, {"a": "b"})), unknown={"arn": True})
    (found,) = adoption.findings(plan(change), CONTEXT)
    assert found.why == "Then it is changed in place: acl, arn (known after the apply)."


@pytest.mark.req("P-03")
@pytest.mark.parametrize("action", [Action.REPLACE, Action.DESTROY])
def test_adoption_that_would_destroy_is_blocked(action: Action) -> None:
    change = replace(ADOPTED, action=action, replace_paths=("bucket", "region"))
    (found,) = adoption.findings(plan(change), CONTEXT)
    assert (found.severity, found.verdict) == (Severity.BLOCK, "would-replace")
    assert "bucket, region" in found.why
    assert found.next


def test_a_replacement_without_a_reason_says_so() -> None:
    (found,) = adoption.findings(plan(replace(ADOPTED, action=Action.REPLACE)), CONTEXT)
    assert "does not say what" in found.why


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (ALARM, (Severity.INFO, "adopted-clean")),
        (replace(ALARM, before={**THERE, "tags_all": {}}), (Severity.WARN, "silent-take-over")),
        (
            replace(ALARM, action=Action.UPDATE, before={**THERE, "threshold": 9}, after={**THERE, "threshold": 1}),
            (Severity.WARN, "silent-take-over"),
        ),
        (INLINE, (Severity.WARN, "silent-take-over")),
        (replace(INLINE, action=Action.NO_OP), (Severity.INFO, "adopted-clean")),
        # Where the plan itself tags nothing, nothing can be expected to say whose it is.
        (replace(ALARM, before={"bucket": "page"}, after={"bucket": "page"}), (Severity.INFO, "adopted-clean")),
    ],
)
def test_a_silent_take_over_is_one_that_changes_something_or_is_of_nobody(
    change: Change, expected: tuple[Severity, str]
) -> None:
    assert verdict(change) == expected


def test_what_no_tag_claims_is_taken_and_said_to_be() -> None:
    (found,) = adoption.findings(plan(replace(ADOPTED, before={"bucket": "page"})), CONTEXT)
    assert (found.severity, found.verdict) == (Severity.INFO, "adopted-clean")
    assert "made by hand" in found.why


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"Environment": "prod"}, "Environment=prod"),
        ({"environment": "prod", "project": "news"}, "environment=prod"),
        ({"env": "production"}, "env=production"),
        ({"project": "weather", "environment": "preprod"}, "project=weather"),
        ({"Project": "weather", "Stage": "prod"}, "Project=weather, Stage=prod"),
    ],
)
def test_what_is_tagged_as_anothers_is_not_taken(tags: dict[str, str], said: str) -> None:
    (found,) = adoption.findings(plan(replace(ADOPTED, before={"bucket": "page", "tags_all": tags})), CONTEXT)
    assert (found.severity, found.verdict) == (Severity.BLOCK, "not-ours")
    assert found.what.endswith(f"tagged {said}")
    assert found.next
    same = adoption.not_ours(BUCKET, tags, CONTEXT)
    assert same == found


@pytest.mark.parametrize(
    "tags", [None, {}, {"owner": "them"}, {"Environment": "Preprod", "PROJECT": "news"}, {"environment": "preprod"}]
)
def test_what_no_tag_says_is_anothers_may_be_taken(tags: dict[str, str] | None) -> None:
    assert adoption.not_ours(BUCKET, tags, CONTEXT) is None


def test_without_tags_in_the_plan_the_environments_name_decides() -> None:
    plain = replace(BUCKET, after={"bucket": "page"})
    assert adoption.not_ours(plain, {"environment": "prod"}, CONTEXT) is not None
    assert adoption.not_ours(plain, {"environment": "prod", "project": "x"}, Context()) is None


def test_each_adopted_resource_has_its_finding() -> None:
    second = replace(ADOPTED, address="aws_s3_bucket.data", imports="data")
    new = replace(BUCKET, address="aws_s3_bucket.new")
    found = adoption.findings(plan(ADOPTED, new, second), CONTEXT)
    assert [one.address for one in found] == ["aws_s3_bucket.page", "aws_s3_bucket.data"]
