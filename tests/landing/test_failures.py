"""AWS says no in the middle of an apply: it is said at once, with its address, and the next run goes on from there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from awsbox.faults import Switchboard
    from tests.landing.harbour import Harbour

SECONDS = 30


@pytest.mark.req("P-02", "P-03")
def test_an_apply_that_fails_half_way_says_where_at_once_and_is_carried_on(
    standing: Harbour, faults: Switchboard
) -> None:
    group, topic = standing.add("aws_cloudwatch_log_group"), standing.add("aws_sns_topic")
    held, denied = faults.add("slow:logs:CreateLogGroup@*-more"), faults.add("deny:sns:CreateTopic@*-more")
    with standing.deploying() as run:
        run.until(denied)
        since = time.monotonic()
        # Terraform itself says nothing before the other resource is done.
        run.until(held)
        run.says("the deployer may not sns:CreateTopic")
        assert time.monotonic() - since < SECONDS
        assert run.process.poll() is None
        faults.clear(held)
        ended = run.ended()
    faults.clear()
    assert (ended.code, ended.error["where"]) == (30, topic)
    assert "the deployer may not sns:CreateTopic" in ended.error["what"]
    assert group in standing.addresses
    assert topic not in standing.addresses
    assert standing.lock is None
    assert standing.outcomes == ["succeeded", "failed"]
    assert standing.records[-1]["why"] == ended.error["what"]
    assert standing.pin["deployment"] == standing.records[0]["id"]
    standing.deployed()
    standing.settled()
    assert standing.outcomes == ["succeeded", "failed", "succeeded"]


@pytest.mark.req("P-03")
def test_a_state_that_cannot_be_written_is_kept_and_written_again(standing: Harbour, faults: Switchboard) -> None:
    standing.add("aws_sns_topic")
    refused = faults.add("deny:s3:PutObject@terraform.tfstate:1")
    ended = standing.deployed()
    assert refused.hits == 1
    assert "the state could not be written; it is kept in" in ended.err
    assert "the state is written" in ended.err
    assert [it.name for it in (standing.folder / ".ferry").rglob("*.tfstate")] == []
    standing.settled()
    assert standing.outcomes == ["succeeded", "succeeded"]
