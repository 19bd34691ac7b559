"""Others who change the same environment: another deployment, somebody with plain Terraform, a person who agrees."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.landing.harbour import KEY, LOCK

if TYPE_CHECKING:
    from collections.abc import Callable

    from awsbox.faults import Switchboard
    from tests.landing.harbour import Ended, Harbour

GROUP = "aws_cloudwatch_log_group.app"
BUCKET = "aws_s3_bucket.files"


@pytest.mark.req("P-02")
def test_of_two_at_once_the_second_says_whom_it_waits_for_and_goes_on_after(
    standing: Harbour, faults: Switchboard
) -> None:
    standing.change("terraform/preprod.tfvars", "30", "60")
    held = faults.add("slow:logs:PutRetentionPolicy")
    with standing.deploying() as one:
        one.until(held)
        with standing.deploying() as two:
            two.says(f"waiting for {standing.run['who']}: deploy since")
            assert two.process.poll() is None
            assert standing.run["phase"] == "applying"
            faults.clear()
            ended = [one.ended(), two.ended()]
    assert [it.code for it in ended] == [0, 0], [it.err for it in ended]
    assert [it.answer["deployment"] is None for it in ended] == [False, True]
    standing.settled()
    assert standing.outcomes == ["succeeded", "succeeded"]


def test_the_lock_of_somebody_else_is_named_and_left_alone(standing: Harbour) -> None:
    standing.change("terraform/preprod.tfvars", "30", "60")
    lock = {
        "ID": "6f1d1b2e-0000-4000-8000-5e0a1c0ffee0",
        "Operation": "OperationTypeApply",
        "Info": "",
        "Who": "somebody@elsewhere",
        "Version": "1.11.4",
        "Created": f"{datetime.now(UTC) - timedelta(minutes=90):%Y-%m-%dT%H:%M:%S.123456789Z}",
        "Path": f"small-preprod-state/{KEY}",
    }
    standing.write(LOCK, lock)
    ended = standing.deploy()
    assert ended.code == 30
    assert "somebody@elsewhere" in ended.error["what"]
    assert "1 h 30 min" in ended.error["what"]
    assert f"terraform force-unlock -force {lock['ID']}" in ended.error["next"]
    assert standing.lock == lock
    assert standing.outcomes == ["succeeded", "failed"]
    assert standing.run["outcome"] == "failed: TerraformFailed"


def overtaken(standing: Harbour, faults: Switchboard, change: Callable[[Any], None]) -> Ended:
    """A deployment that plans from one state, and applies to another."""
    standing.change("terraform/preprod.tfvars", "30", "60")
    with standing.deploying() as run:
        # Terraform has read the state by then, and asks AWS.
        run.until(faults.add("slow:sqs:GetQueueAttributes"))
        state = standing.state
        change(state)
        standing.write(KEY, state | {"serial": state["serial"] + 1})
        faults.clear()
        return run.ended()


def test_a_plan_that_somebody_overtook_is_made_again_and_goes_on_where_it_does_the_same(
    standing: Harbour, faults: Switchboard
) -> None:
    ended = overtaken(standing, faults, lambda state: state["outputs"].update(theirs={"value": "1", "type": "string"}))
    assert ended.code == 0, ended.err
    assert "planning again, to compare" in ended.err
    standing.settled()
    assert standing.outcomes == ["succeeded", "succeeded"]
    assert standing.records[-1]["plan_hash"] == standing.run["plan_hash"]


def test_a_plan_that_does_something_else_now_is_not_applied(standing: Harbour, faults: Switchboard) -> None:
    def keep_less(state: Any) -> None:
        (bucket,) = [it for it in state["resources"] if it["type"] == "aws_s3_bucket"]
        bucket["instances"][0]["attributes"]["force_destroy"] = True

    ended = overtaken(standing, faults, keep_less)
    assert (ended.code, ended.error["class"]) == (3, "Blocked")
    assert f"{BUCKET}: nothing became update" in ended.error["why"]
    groups = standing.account.root.client("logs").describe_log_groups()["logGroups"]
    assert [it["retentionInDays"] for it in groups] == [30]
    assert standing.lock is None
    assert standing.outcomes == ["succeeded", "failed"]


def test_a_person_agrees_to_one_plan_and_to_no_other(standing: Harbour) -> None:
    standing.change("ferry.toml", "automatic", "person")
    standing.change("terraform/preprod.tfvars", "30", "60")
    asked = standing.deploy()
    assert (asked.code, asked.error["class"]) == (4, "NotAgreed")
    standing.change("terraform/preprod.tfvars", "60", "90")
    command = shlex.split(asked.error["next"].partition("to agree to it: ")[2])
    assert command[:-1] == ["ferry", "deploy", "--env", "preprod", "--agree"]
    other = standing.ferry(*command[1:])
    assert other.code == 4
    assert standing.outcomes == ["succeeded"]
    standing.change("terraform/preprod.tfvars", "90", "60")
    ended = standing.ferry(*command[1:])
    assert ended.code == 0, ended.err
    standing.settled()
    (said,) = [it for it in standing.records[-1]["findings"] if it["guard"] == "approval"]
    assert command[-1] in said["what"]
