from __future__ import annotations

from dataclasses import replace
from typing import Any

from ferry.tfplan import Action, Change, Plan
from ferry.verbs.substance import differences, fingerprint, substance

QUEUE = Change(address="aws_sqs_queue.dead", type="aws_sqs_queue", action=Action.CREATE, after={"name": "dead"})
APP = Change(
    address="aws_lambda_function.app",
    type="aws_lambda_function",
    action=Action.UPDATE,
    before={"memory_size": 128, "last_modified": "monday", "version": "1"},
    after={"memory_size": 256, "last_modified": "monday", "version": "1"},
)
STILL = Change(address="aws_iam_role.app", type="aws_iam_role", action=Action.NO_OP, after={"name": "app"})


def of(*changes: Change) -> dict[str, str]:
    return dict(substance(Plan(changes={change.address: change for change in changes})))


def with_after(change: Change, **after: Any) -> Change:
    return replace(change, after={**change.after, **after})


def test_the_order_of_changes_and_what_stays_as_it_is_are_not_of_substance() -> None:
    assert fingerprint(of(QUEUE, APP)) == fingerprint(of(APP, STILL, QUEUE))


def test_what_lambda_writes_down_by_itself_is_not_of_substance() -> None:
    later = replace(APP, before={**APP.before, "last_modified": "tuesday", "version": "2"})
    assert differences(of(APP), of(later)) == ()


def test_every_value_is_of_substance() -> None:
    assert differences(of(QUEUE), of(with_after(QUEUE, name="other"))) == (
        "aws_sqs_queue.dead: create, with other values",
    )
    undone = replace(APP, before={**APP.before, "memory_size": 512})
    assert differences(of(APP), of(undone)) == ("aws_lambda_function.app: update, with other values",)


def test_what_comes_goes_or_turns_into_something_else_is_said() -> None:
    adopted = replace(QUEUE, action=Action.NO_OP, imports="https://queue")
    changed = replace(QUEUE, action=Action.UPDATE, imports="https://queue")
    assert differences(of(QUEUE), of(APP)) == (
        "aws_lambda_function.app: nothing became update",
        "aws_sqs_queue.dead: create became nothing",
    )
    assert differences(of(QUEUE), of(adopted)) == ("aws_sqs_queue.dead: create became adopt",)
    assert differences(of(adopted), of(changed)) == ("aws_sqs_queue.dead: adopt became adopt-and-update",)


def test_no_value_of_the_plan_is_in_it() -> None:
    assert "hunter2" not in str(of(with_after(QUEUE, password="hunter2")))
