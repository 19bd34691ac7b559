"""A deployment on a day without trouble: into an empty account, once more, and with a change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.landing.conftest import First
    from tests.landing.harbour import Harbour


@pytest.mark.req("P-01", "P-05", "B-01", "B-06")
def test_the_first_deployment_converges_in_an_empty_account(first: First, harbour: Harbour) -> None:
    assert first.ended.code == 0, first.ended.err
    assert "made the repository; Terraform adopts it" in first.ended.err
    harbour.settled()
    (record,) = harbour.records
    assert first.ended.answer["deployment"] == record["id"]
    assert first.ended.answer["release"] == harbour.run["release"]
    assert "previous" not in record
    assert record["changes"] == {"adopt": 1, "create": 11, "update": 1}
    assert record["plan_hash"] == harbour.run["plan_hash"]


def test_where_nothing_is_to_do_nothing_is_done_and_nothing_is_written_down(standing: Harbour) -> None:
    state, held = standing.state, standing.held
    ended = standing.deployed()
    assert ended.answer["deployment"] is None
    assert (standing.state, standing.held, standing.outcomes) == (state, held, ["succeeded"])
    standing.settled()


def test_a_plan_says_by_its_exit_code_whether_there_are_changes_and_makes_none(standing: Harbour) -> None:
    run, state = standing.run, standing.state
    planned = standing.ferry("plan")
    assert (planned.code, planned.answer["changes"]) == (0, [])
    standing.change("terraform/preprod.tfvars", "30", "60")
    planned = standing.ferry("plan")
    assert planned.code == 2
    (change,) = planned.answer["changes"]
    assert change == {"address": "aws_cloudwatch_log_group.app", "action": "update", "imports": ""}
    assert (standing.run, standing.state, standing.lock) == (run, state, None)
