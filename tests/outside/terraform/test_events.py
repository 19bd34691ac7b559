"""The readers, over streams that terraform 1.11.4 wrote against a box (streams/)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferry.outside.terraform import events
from ferry.outside.terraform.events import Adopting, Diagnostic, Doing, Stage
from ferry.outside.terraform.listener import Listener

STREAMS = Path(__file__).parent / "streams"


def lines(name: str) -> list[str]:
    return (STREAMS / name).read_text().splitlines()


def heard(name: str, log: str = "") -> tuple[Listener, list[str]]:
    said: list[str] = []
    listener = Listener(said.append)
    for line in lines(log) if log else ():
        listener.log(line)
    for line in lines(name):
        listener.line(line)
    return listener, said


def test_an_apply_is_told_resource_by_resource() -> None:
    listener, said = heard("exists.jsonl")
    assert said[:8] == [
        "aws_ecr_repository.app: creating",
        "aws_sqs_queue.dlq: creating",
        "aws_iam_role.r: creating",
        "aws_ecr_repository.app: creating failed after 0 s",
        "aws_iam_role.r: created in 0 s",
        "aws_sqs_queue.dlq: creating, 10 s",
        "aws_sqs_queue.dlq: creating, 20 s",
        "aws_sqs_queue.dlq: created in 25 s",
    ]
    assert listener.seconds == {"aws_iam_role.r": 0, "aws_sqs_queue.dlq": 25, "aws_sns_topic.t": 0}


def test_the_log_tells_why_before_anything_else_is_over_and_nothing_is_told_twice() -> None:
    _, said = heard("kms.jsonl", log="kms.log")
    assert "Lambda does not get, or does not take, the image of aws_lambda_function.f" in said[0]
    assert len([line for line in said if "image of" in line]) == 1
    _, late = heard("kms.jsonl")
    assert "image of" in late[-1], "without the log it comes last, two minutes later"


def test_a_warning_is_no_error() -> None:
    listener, said = heard("init.jsonl")
    assert (listener.errors, said) == ([], [])


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Successfully configured the backend",
        "[1]",
        "null",
        "{}",
        '{"type": "apply_start"}',
        '{"type": "apply_start", "hook": []}',
        '{"type": "from_the_future", "x": 1}',
        '{"type": "diagnostic", "diagnostic": {"severity": "error"}}',
        '{"type": "planned_change", "change": {"resource": {"addr": "a.b"}, "action": "create"}}',
        "[" * 100_000,
    ],
)
def test_what_is_not_known_is_nothing(line: str) -> None:
    assert events.read(line) is None


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda it: st.lists(it) | st.dictionaries(
    st.sampled_from(["type", "hook", "change", "diagnostic", "resource", "addr", "range", "importing"]) | st.text(), it
), max_leaves=8), st.sampled_from(["diagnostic", "apply_start", "planned_change"]))  # fmt: skip
def test_no_line_ends_the_run(body: object, kind: str) -> None:
    said = {"hook": body, "change": body, "diagnostic": body, "type": kind}
    events.read(json.dumps(said))
    events.read(json.dumps(body))
    events.logged(str(body))


def test_an_adoption_is_seen_in_the_plan_that_is_carried_out() -> None:
    resource = {"addr": "aws_sqs_queue.a", "resource_type": "aws_sqs_queue"}
    change = {"resource": resource, "action": "import", "importing": {"id": "an-id"}}
    event = events.read(json.dumps({"type": "planned_change", "change": change}))
    assert event == Adopting(address="aws_sqs_queue.a", id="an-id")


@pytest.mark.parametrize(
    ("action", "stage", "text"),
    [
        ("create", Stage.STARTED, "a.b: creating"),
        ("update", Stage.GOES_ON, "a.b: changing, 20 s"),
        ("delete", Stage.DONE, "a.b: destroyed in 20 s"),
        ("replace", Stage.DONE, "a.b: replace done in 20 s"),
        ("read", Stage.FAILED, "a.b: reading failed after 20 s"),
    ],
)
def test_progress_is_in_plain_words(action: str, stage: Stage, text: str) -> None:
    assert events.told(Doing(address="a.b", type="a", action=action, stage=stage, seconds=20.4)) == text


@pytest.mark.parametrize(
    ("vertex", "address"),
    [
        ("aws_sqs_queue.q", "aws_sqs_queue.q"),
        ('module.a[\\"x y\\"].aws_sqs_queue.q[0]', 'module.a["x y"].aws_sqs_queue.q[0]'),
        ("aws_sqs_queue.q (destroy)", "aws_sqs_queue.q"),
        ("aws_sqs_queue.q (deposed 1a2b)", "aws_sqs_queue.q"),
    ],
)
def test_the_log_names_resources(vertex: str, address: str) -> None:
    line = f'2026-11-21T19:40:10.037Z [ERROR] vertex "{vertex}" error: it: is "so"'
    assert events.logged(line) == Diagnostic(summary='it: is "so"', address=address)


@pytest.mark.parametrize(
    "line",
    [
        "",
        'Error: vertex "a.b" error: x',
        '[ERROR] vertex "root" error: x',
        '[ERROR] vertex "provider[\\"registry.terraform.io/hashicorp/aws\\"]" error: x',
        "2026-11-21T19:40:10.037Z [ERROR] provider: x",
    ],
)
def test_what_else_the_log_says_is_nothing(line: str) -> None:
    assert events.logged(line) is None


@pytest.mark.parametrize(
    ("address", "type"),
    [
        ("aws_sqs_queue.q", "aws_sqs_queue"),
        ('module.a["b.c"].aws_sqs_queue.q["d.e"]', "aws_sqs_queue"),
        ("data.aws_iam_role.r", "aws_iam_role"),
        ("module.a.data.aws_iam_role.r[0]", "aws_iam_role"),
        ("", ""),
    ],
)
def test_an_address_has_its_type(address: str, type: str) -> None:
    assert events.type_of(address) == type
