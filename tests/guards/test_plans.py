"""Whole plans of other people's systems, as `terraform show -json` gives them.

harbour-first and harbour-careless are real terraform's: the first of an empty state, the second over a state whose
resources had been applied. The lighthouse's are written by hand, for what is hard to bring about.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ferry import tfplan
from ferry.guards import coverage, images, isolation, principals, retention, stateful, wrongstate
from ferry.guards.context import Context, Neighbour
from ferry.outside.terraform import words
from tests.awsbox import terraform
from tests.awsbox.people import Caller
from tests.guards.making import said

if TYPE_CHECKING:
    from ferry.model import Finding

PLANS = Path(__file__).parent / "plans"
GUARDS = (stateful, wrongstate, images, isolation, principals, coverage, retention)
HARBOUR = Context(
    environment="staging",
    account="222233334444",
    region="eu-west-1",
    neighbours=(Neighbour(name="production", account="555566667777", deployer=""),),
    deployed_before=True,
    kept_images=20,
)
NORTH = Context(
    environment="north",
    account="333344445555",
    region="eu-north-1",
    neighbours=(Neighbour(name="south", account="333344445555", deployer=""),),
    state="s3://lighthouse-state/north",
    deployed_before=True,
)


def judged(name: str, context: Context) -> list[Finding]:
    plan = tfplan.read((PLANS / name).read_text())
    return [found for guard in GUARDS for found in guard.findings(plan, context)]


def test_a_sound_first_plan_is_not_stopped() -> None:
    first = Context(
        environment="staging",
        account="222233334444",
        region="eu-west-1",
        neighbours=HARBOUR.neighbours,
        deployed_before=False,
    )
    assert [(one.guard, one.severity, one.verdict) for one in judged("harbour-first.json", first)] == [
        ("principals", "info", "not-known")
    ]


def test_everything_that_a_review_should_have_found() -> None:
    found = judged("harbour-careless.json", HARBOUR)
    assert said(one for one in found if one.guard == "stateful") == [
        ("block", "cuts-retention", "aws_cloudwatch_log_group.berths"),
        ("block", "replaces", "aws_dynamodb_table.bookings"),
        ("block", "stops-backups", "aws_dynamodb_table.tides"),
        ("block", "expires-items", "aws_dynamodb_table.tides"),
        ("block", "shortens-window", "aws_kms_key.bookings"),
        ("block", "disarms", "aws_s3_bucket.manifests"),
        ("block", "stops-backups", "aws_s3_bucket_versioning.manifests"),
        ("block", "shortens-window", "aws_secretsmanager_secret.radio"),
        ("block", "destroys", "aws_sqs_queue.arrivals[0]"),
    ]
    assert [(one.guard, one.verdict, one.address) for one in found if one.guard != "stateful"] == [
        ("images", "by-tag", "aws_lambda_function.berths[0]"),
        ("images", "other-repository", "aws_lambda_function.berths[0]"),
        ("isolation", "names-neighbour", "aws_lambda_function.berths[0]"),
        ("principals", "open-to-all", "aws_lambda_permission.arrivals[0]"),
        ("principals", "open-to-all", "aws_s3_bucket_policy.manifests"),
        ("coverage", "no-error-alarm", "aws_lambda_function.berths[0]"),
        ("coverage", "no-queue-alarm", "aws_sqs_queue.arrivals_dlq"),
        ("coverage", "no-budget", "*"),
        ("retention", "expires-untagged", "aws_ecr_lifecycle_policy.berths"),
    ]


@pytest.mark.req("P-03")
def test_a_lost_state_is_taken_back() -> None:
    """Told, and not stopped: that is how an environment recovers."""
    found = judged("lighthouse-adopts.json", NORTH)
    assert [(one.guard, one.severity, one.verdict) for one in found] == [
        ("stateful", "warn", "cuts-retention"),
        ("wrongstate", "warn", "lost-state"),
    ]


@pytest.mark.req("R-10")
def test_the_state_of_another_environment_is_stopped() -> None:
    found = judged("lighthouse-wrong-state.json", NORTH)
    assert said(found) == [
        ("block", "replaces", "aws_dynamodb_table.lamp"),
        ("block", "replaces", "aws_sqs_queue.ships"),
        ("block", "forgets", "aws_secretsmanager_secret.horn"),
        ("block", "destroys", "aws_s3_bucket.packages"),
        ("block", "destroys", "aws_kms_key.logs (deposed ab12cd34)"),
        ("block", "foreign-state", "*"),
    ]
    assert "s3://lighthouse-state/north" in found[-1].next


@pytest.mark.parametrize("path", sorted(PLANS.glob("*.json")), ids=lambda path: path.stem)
def test_anyones_plan_is_judged_without_knowing_whose_it_is(path: Path) -> None:
    for guard in GUARDS:
        findings = guard.findings(tfplan.read(path.read_text()), Context())
        assert {one.guard for one in findings} <= {guard.__name__.rpartition(".")[2]}
        assert all(one.address and one.what and one.verdict for one in findings)
        assert all(one.next for one in findings if one.severity == "block")


@pytest.mark.skipif(bool(terraform.absent()), reason=terraform.absent())
@pytest.mark.slow
def test_the_first_plan_is_what_terraform_gives(tmp_path: Path) -> None:
    nobody = Caller("http://127.0.0.1:9", "nobody", "nothing")
    root = terraform.Root.of(PLANS / "harbour", tmp_path, nobody)
    root.run("init", "-no-color")
    root.run("plan", "-no-color", "-out=now.tfplan")
    kept, now = (PLANS / "harbour-first.json").read_text(), root.run(*words.show("now.tfplan"))
    assert _changes(kept) == _changes(now)


def _changes(text: str) -> Any:
    return json.loads(text)["resource_changes"]
