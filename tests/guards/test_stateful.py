from __future__ import annotations

from typing import Any

import pytest

from ferry.config import STATEFUL
from ferry.guards import stateful
from ferry.guards.context import Context
from ferry.tfplan import Action
from tests.guards.making import change, plan, said, verdicts

CONTEXT = Context(stateful=STATEFUL)
GONE = {
    "destroyed": (Action.DESTROY, {}, "block destroys"),
    "replaced": (Action.REPLACE, {}, "block replaces"),
    "forgotten": (Action.DESTROY, {"forgets": True}, "block forgets"),
    "replaced and forgotten": (Action.REPLACE, {"forgets": True}, "block forgets"),
}


@pytest.mark.req("P-03")
@pytest.mark.parametrize(("action", "rest", "verdict"), GONE.values(), ids=GONE)
@pytest.mark.parametrize("type", STATEFUL)
def test_what_holds_data_is_not_let_go(type: str, action: Action, rest: dict[str, Any], verdict: str) -> None:
    assert verdicts(stateful.findings(plan(change(type, "it", action, **rest)), CONTEXT)) == [verdict]


@pytest.mark.parametrize("action", [Action.DESTROY, Action.REPLACE])
@pytest.mark.parametrize("type", ["aws_kms_alias", "aws_lambda_function", "aws_ecr_lifecycle_policy", "aws_iam_role"])
def test_what_holds_nothing_may_go(type: str, action: Action) -> None:
    assert stateful.findings(plan(change(type, "it", action)), CONTEXT) == ()


@pytest.mark.parametrize("action", [Action.NO_OP, Action.CREATE, Action.UPDATE])
def test_what_stays_is_nobodys_business(action: Action) -> None:
    assert stateful.findings(plan(change("aws_s3_bucket", "it", action)), CONTEXT) == ()


def test_a_team_says_which_types_hold_its_data() -> None:
    both = plan(change("aws_s3_bucket", "it", Action.DESTROY), change("aws_glue_table", "it", Action.DESTROY))
    found = stateful.findings(both, Context(stateful=("aws_glue_table",)))
    assert [one.address for one in found] == ["aws_glue_table.it"]


def test_without_a_ferry_toml_all_its_default_types_count_and_more() -> None:
    assert set(STATEFUL) < stateful.HOLDS_DATA
    assert verdicts(stateful.findings(plan(change("aws_efs_file_system", "it", Action.DESTROY)), Context())) == [
        "block destroys"
    ]


def test_what_an_interrupted_replacement_left_holds_data_too() -> None:
    left = change("aws_dynamodb_table", "it (deposed ab12cd34)", Action.DESTROY)
    assert verdicts(stateful.findings(plan(left), CONTEXT)) == ["block destroys"]


def test_a_replacement_says_why_and_what_to_do_about_a_tables_key() -> None:
    (found,) = stateful.findings(
        plan(change("aws_dynamodb_table", "it", Action.REPLACE, replace_paths=("hash_key",))), CONTEXT
    )
    assert "hash_key" in found.why
    assert "copy the items" in found.why


TABLE, BUCKET, KEY, SECRET = "aws_dynamodb_table", "aws_s3_bucket", "aws_kms_key", "aws_secretsmanager_secret"
LOGS, QUEUE, BASE, VERSIONS = "aws_cloudwatch_log_group", "aws_sqs_queue", "aws_db_instance", "aws_s3_bucket_versioning"
POINT = "point_in_time_recovery"
STATUS = "versioning_configuration"
WEAKENED: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]] = [
    (KEY, {"deletion_window_in_days": 30}, {"deletion_window_in_days": 7}, ["block shortens-window"]),
    (KEY, {"deletion_window_in_days": 7}, {"deletion_window_in_days": 30}, []),
    (KEY, {}, {"deletion_window_in_days": 7}, ["block shortens-window"]),
    (KEY, {}, {"deletion_window_in_days": 30}, []),
    (KEY, {"is_enabled": True}, {"is_enabled": False}, ["block disables-key"]),
    (SECRET, {"recovery_window_in_days": 30}, {"recovery_window_in_days": 0}, ["block shortens-window"]),
    (SECRET, {"recovery_window_in_days": 30}, {"recovery_window_in_days": 7}, ["block shortens-window"]),
    (SECRET, {"recovery_window_in_days": 0}, {"recovery_window_in_days": 7}, []),
    (LOGS, {"retention_in_days": 90}, {"retention_in_days": 14}, ["block cuts-retention"]),
    (LOGS, {"retention_in_days": 0}, {"retention_in_days": 14}, ["block cuts-retention"]),
    (LOGS, {}, {"retention_in_days": 14}, ["block cuts-retention"]),
    (LOGS, {"retention_in_days": 14}, {"retention_in_days": 90}, []),
    (LOGS, {"retention_in_days": 14}, {"retention_in_days": 0}, []),
    (QUEUE, {"message_retention_seconds": 1209600}, {"message_retention_seconds": 60}, ["block cuts-retention"]),
    (QUEUE, {"message_retention_seconds": 345600}, {"message_retention_seconds": 1209600}, []),
    (BASE, {"backup_retention_period": 7}, {"backup_retention_period": 0}, ["block cuts-retention"]),
    (BASE, {"deletion_protection": True}, {"deletion_protection": False}, ["block unprotects"]),
    (BASE, {"skip_final_snapshot": False}, {"skip_final_snapshot": True}, ["block disarms"]),
    (TABLE, {"deletion_protection_enabled": True}, {"deletion_protection_enabled": False}, ["block unprotects"]),
    (TABLE, {"deletion_protection_enabled": False}, {"deletion_protection_enabled": True}, []),
    (TABLE, {POINT: [{"enabled": True}]}, {POINT: [{"enabled": False}]}, ["block stops-backups"]),
    (TABLE, {POINT: [{"enabled": True}]}, {POINT: []}, ["block stops-backups"]),
    (TABLE, {POINT: [{"enabled": False}]}, {POINT: [{"enabled": True}]}, []),
    (
        TABLE,
        {"ttl": [{"attribute_name": "expires", "enabled": True}]},
        {"ttl": [{"attribute_name": "day", "enabled": True}]},
        ["block expires-items"],
    ),
    (
        TABLE,
        {"ttl": []},
        {"ttl": [{"attribute_name": "day", "enabled": True}]},
        ["block expires-items", "block expires-items"],
    ),
    (
        TABLE,
        {"ttl": [{"attribute_name": "day", "enabled": True}]},
        {"ttl": [{"attribute_name": "", "enabled": False}]},
        [],
    ),
    (BUCKET, {"force_destroy": False}, {"force_destroy": True}, ["block disarms"]),
    (BUCKET, {"force_destroy": True}, {"force_destroy": False}, []),
    (BUCKET, {"versioning": [{"enabled": True}]}, {"versioning": [{"enabled": False}]}, ["block stops-backups"]),
    (VERSIONS, {STATUS: [{"status": "Enabled"}]}, {STATUS: [{"status": "Suspended"}]}, ["block stops-backups"]),
    ("aws_ecr_repository", {"force_delete": False}, {"force_delete": True}, ["block disarms"]),
    ("aws_iam_user", {"force_destroy": False}, {"force_destroy": True}, []),
]


@pytest.mark.parametrize(("type", "before", "after", "expected"), WEAKENED)
def test_protection_is_not_taken_away(
    type: str, before: dict[str, Any], after: dict[str, Any], expected: list[str]
) -> None:
    updated = change(type, "it", Action.UPDATE, before=before, after=after)
    assert verdicts(stateful.findings(plan(updated), CONTEXT)) == expected


@pytest.mark.parametrize("action", [Action.DESTROY, Action.REPLACE])
def test_without_its_versioning_a_bucket_keeps_nothing(action: Action) -> None:
    assert verdicts(stateful.findings(plan(change(VERSIONS, "it", action)), CONTEXT)) == ["block stops-backups"]


@pytest.mark.parametrize(
    ("type", "after", "expected"),
    [
        (BUCKET, {"force_destroy": True}, ["warn made-disarmed"]),
        (BASE, {"skip_final_snapshot": True}, ["warn made-disarmed"]),
        (SECRET, {"recovery_window_in_days": 0}, ["warn made-disarmed"]),
        (KEY, {"deletion_window_in_days": 7}, []),
        (LOGS, {"retention_in_days": 1}, []),
        (BUCKET, {"force_destroy": False}, []),
    ],
)
def test_what_is_made_disarmed_is_told(type: str, after: dict[str, Any], expected: list[str]) -> None:
    """Nothing is lost by it now, so it does not block."""
    assert verdicts(stateful.findings(plan(change(type, after=after)), CONTEXT)) == expected


@pytest.mark.req("P-03")
@pytest.mark.parametrize(
    ("type", "after", "expected"),
    [
        # Lambda makes log groups without an end, and each is adopted one day.
        (LOGS, {"retention_in_days": 14}, "warn cuts-retention"),
        # Terraform alone knows these two: an import reads neither.
        (KEY, {"deletion_window_in_days": 7}, "warn shortens-window"),
        (BUCKET, {"force_destroy": True}, "warn disarms"),
    ],
)
def test_an_adoption_is_told_and_not_stopped(type: str, after: dict[str, Any], expected: str) -> None:
    adopted = change(type, "it", Action.UPDATE, before={"retention_in_days": 0}, after=after, imports="it")
    assert verdicts(stateful.findings(plan(adopted), CONTEXT)) == [expected]


def test_an_adoption_may_not_unprotect_what_it_takes_over() -> None:
    before, after = {"deletion_protection_enabled": True}, {"deletion_protection_enabled": False}
    adopted = change(TABLE, "it", Action.UPDATE, before=before, after=after, imports="it")
    assert verdicts(stateful.findings(plan(adopted), CONTEXT)) == ["block unprotects"]


@pytest.mark.parametrize(
    ("type", "before", "unknown"),
    [
        (KEY, {"deletion_window_in_days": 30}, {"deletion_window_in_days": True}),
        (TABLE, {POINT: [{"enabled": True}]}, {POINT: True}),
        (BUCKET, {"force_destroy": False}, {"force_destroy": True}),
    ],
)
def test_what_only_the_apply_will_know_is_told(type: str, before: dict[str, Any], unknown: dict[str, Any]) -> None:
    updated = change(type, "it", Action.UPDATE, before=before, after={}, unknown=unknown)
    assert "warn not-known" in verdicts(stateful.findings(plan(updated), CONTEXT))


def test_each_resource_has_its_own_finding() -> None:
    two = plan(change(TABLE, "a", Action.DESTROY), change(BUCKET, "b", Action.REPLACE), change(TABLE, "c"))
    assert said(stateful.findings(two, CONTEXT)) == [
        ("block", "destroys", f"{TABLE}.a"),
        ("block", "replaces", f"{BUCKET}.b"),
    ]
