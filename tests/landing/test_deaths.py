"""Runs that are killed, at any instant: the next plain `ferry deploy` converges, and nobody does anything by hand."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from awsbox.faults import Switchboard
    from tests.landing.harbour import Harbour, Run

HELD = "slow:sns:CreateTopic@*-more"
LONG = pytest.mark.thorough


def changed(standing: Harbour) -> None:
    """What is begun first, and what is held up in the middle."""
    first = standing.add("aws_cloudwatch_log_group")
    standing.add("aws_sns_topic", f"depends_on = [{first}]")


@pytest.mark.req("P-01", "P-02", "P-03", "P-06")
def test_a_first_apply_that_dies_with_its_machine_is_carried_on(harbour: Harbour, faults: Switchboard) -> None:
    with harbour.deploying() as run:
        run.until(faults.add("slow:lambda:CreateFunction"))
        key = harbour.account.root.client("kms").list_keys()["Keys"]
        run.die()
    faults.clear()
    assert len(key) == 1
    assert len(harbour.addresses) < len(harbour.made_of)
    assert harbour.lock["Operation"] == "OperationTypeApply"
    assert (harbour.run["phase"], harbour.records, harbour.pin) == ("applying", [], None)
    ended = harbour.deployed()
    assert "taken over from" in ended.err
    assert "released the lock that" in ended.err
    harbour.settled()
    assert harbour.account.root.client("kms").list_keys()["Keys"] == key
    assert harbour.outcomes == ["succeeded"]


@pytest.mark.req("P-02", "P-03")
def test_an_apply_whose_ferry_is_killed_saves_its_state_and_the_next_run_waits_for_that(
    standing: Harbour, faults: Switchboard
) -> None:
    changed(standing)
    with standing.deploying() as run:
        run.until(faults.add(HELD))
        run.kill_alone()
        assert standing.run["phase"] == "applying"
        ended = standing.deployed()
    assert "taken over from" in ended.err
    standing.settled()
    # By terraform itself, which was asked to stop and had its time.
    assert "released the lock" not in ended.err
    assert standing.outcomes == ["succeeded", "succeeded"]


@pytest.mark.parametrize(
    ("instant", "left"),
    [
        pytest.param("kill-after:s3:PutObject@*run.json:1", "begun", id="with its turn just taken", marks=LONG),
        pytest.param("kill-before:ecr:PutImage:1", "begun", id="in the middle of publishing", marks=LONG),
        pytest.param("kill-after:sqs:GetQueueAttributes:1", "begun", id="while it plans", marks=LONG),
        pytest.param("kill-before:s3:PutObject@*deployments*:1", "applied", id="between apply and record"),
        pytest.param("kill-before:s3:PutObject@*current.json:1", "applied", id="between record and pin", marks=LONG),
    ],
)
@pytest.mark.req("P-02", "B-05")
def test_a_run_that_is_killed_at_another_instant_is_followed_by_one_that_converges(
    standing: Harbour, faults: Switchboard, instant: str, left: str
) -> None:
    standing.change("app/__main__.py", "landed", "landed again")
    before = standing.pin
    with standing.deploying() as run:
        killed = faults.add(f"{instant}:{run.process.pid}")
        run.until(killed)
        assert run.ended().code == -signal.SIGKILL
        assert standing.pin == before
    faults.clear()
    assert standing.run["phase"] in {left, "applying"}
    ended = standing.deployed()
    assert "taken over from" in ended.err
    standing.settled()
    assert standing.pin["release"] != before["release"]


@pytest.mark.parametrize("stop", [pytest.param(signal.SIGINT, marks=LONG), signal.SIGTERM])
@pytest.mark.req("P-02", "P-03")
def test_an_apply_that_is_stopped_saves_what_it_did_and_gives_everything_back(
    standing: Harbour, faults: Switchboard, stop: signal.Signals
) -> None:
    changed(standing)
    with standing.deploying() as run:
        run.until(faults.add(HELD))
        run.process.send_signal(stop)
        ended = run.ended()
    faults.clear()
    assert (ended.code, ended.error["class"]) == (130, "Interrupted")
    stopped(standing, run)
    ended = standing.deployed()
    assert "taken over from" not in ended.err
    standing.settled()
    assert standing.outcomes == ["succeeded", "failed", "succeeded"]


def stopped(standing: Harbour, run: Run) -> None:
    assert "aws_cloudwatch_log_group.more" in standing.addresses, run.err.read_text()
    assert standing.lock is None
    assert (standing.run["phase"], standing.run["outcome"]) == ("ended", "stopped")
    assert (standing.records[-1]["outcome"], standing.records[-1]["why"]) == ("failed", "it was stopped")
    assert standing.pin["deployment"] == standing.records[0]["id"]
