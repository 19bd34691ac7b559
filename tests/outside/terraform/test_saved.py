"""What a plan's file says by itself. That it says what terraform would: test_host, with terraform itself."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from ferry.outside.terraform import saved
from ferry.tfplan import Action

if TYPE_CHECKING:
    from pathlib import Path

QUEUE = {"attributes": {"id": "q", "tags": {"type": "work"}}}


def planned(folder: Path, version: int = 4, mode: str = "managed", **instance: Any) -> Path:
    resource = {"mode": mode, "type": "aws_sqs_queue", "name": "work", "instances": [QUEUE | instance]}
    with zipfile.ZipFile(folder / "plan", "w") as plan:
        plan.writestr(saved.NOW, json.dumps({"version": version, "resources": [resource]}))
    return folder / "plan"


def test_what_stands_is_in_the_file(tmp_path: Path) -> None:
    plan = saved.standing(planned(tmp_path))
    assert plan is not None
    (change,) = plan.changes.values()
    assert (change.address, change.type, change.action) == ("aws_sqs_queue.work", "aws_sqs_queue", Action.NO_OP)
    assert change.before == change.after == QUEUE["attributes"]
    assert plan.empty
    assert not plan.applyable


def test_what_is_only_read_is_no_part_of_a_plan(tmp_path: Path) -> None:
    plan = saved.standing(planned(tmp_path, mode="data"))
    assert plan is not None
    assert not plan.changes


@pytest.mark.parametrize(
    "odd",
    [
        {"version": 5},
        {"deposed": "0a1b"},
        {"status": "tainted"},
        {"attributes": None},
        {"attributes": {"id": "q", "spec": [{"type": "string", "value": "typed by nobody"}]}},
    ],
    ids=lambda odd: next(iter(odd)),
)
def test_what_is_not_as_it_is_known_is_left_to_terraform(tmp_path: Path, odd: dict[str, Any]) -> None:
    assert saved.standing(planned(tmp_path, **odd)) is None


def test_a_file_that_is_no_plan_is_left_to_terraform(tmp_path: Path) -> None:
    assert saved.standing(tmp_path / "plan") is None
    (tmp_path / "plan").write_text("{}")
    assert saved.standing(tmp_path / "plan") is None
