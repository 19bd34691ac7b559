"""News arrives, and is seen on the dashboard and on an open stream: all functions deployed, each under its own role."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.awsbox import terraform

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.req("R-08", "R-12"),
    pytest.mark.skipif(bool(terraform.absent()), reason=terraform.absent()),
]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = os.pathsep.join((str(ROOT / ".tools/uv/bin"), os.environ["PATH"]))
    done = subprocess.run(
        [sys.executable, "-m", "tests.system.flow", ROOT],
        cwd=ROOT,
        env={**os.environ, "PATH": path, "TMPDIR": str(tmp_path_factory.mktemp("flow"))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def events(seen: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [event for event in seen["record"]["events"] if event["event"] == kind]


@pytest.mark.req("P-01", "P-02", "P-03", "P-09", "B-06")
def test_one_release_gets_to_preprod_past_what_was_there(seen: dict[str, Any]) -> None:
    assert {step["outcome"] for step in events(seen, "finished")} == {"ok"}
    findings = [event["finding"] for event in events(seen, "found")]
    adopted = {finding["address"]: finding["verdict"] for finding in findings if finding["guard"] == "adoption"}
    assert adopted == {
        "aws_ecr_repository.cache": "changed-in-place",
        "aws_ecr_repository.sse_streaming": "changed-in-place",
        "aws_s3_bucket.packages": "changed-in-place",
        # AWS gives both to every bucket that is made.
        "aws_s3_bucket_public_access_block.packages": "adopted-clean",
        "aws_s3_bucket_server_side_encryption_configuration.packages": "adopted-clean",
        'aws_secretsmanager_secret.this["api"]': "changed-in-place",
        'aws_secretsmanager_secret.this["newsapi"]': "changed-in-place",
    }
    first, last = (event["counts"] for event in events(seen, "changed"))
    assert (first["adopt"], first["replace"], first["destroy"]) == (7, 0, 0)
    assert {count for kind, count in last.items() if kind != "no_op"} == {0}


def test_there_was_nothing_before_the_news(seen: dict[str, Any]) -> None:
    assert seen["empty"] == {"items": [], "cursor": None}


def test_each_article_is_an_event_once_and_in_order(seen: dict[str, Any]) -> None:
    positions = [event["position"] for event in seen["events"]]
    assert len(positions) == 16  # five of each topic, and the late one
    assert positions == sorted(set(positions))


def test_the_dashboard_lists_what_the_stream_brought(seen: dict[str, Any]) -> None:
    assert len(seen["items"]) == 15
    assert seen["items"] == sorted(seen["events"][:15], key=lambda event: event["position"], reverse=True)


def test_the_summaries_count_them(seen: dict[str, Any]) -> None:
    assert (seen["summary"], seen["counted"]) == (15, 16)


def test_the_mood_is_the_models(seen: dict[str, Any]) -> None:
    late = seen["events"][-1]
    assert (late["title"], late["topic"], late["label"]) == ("A late and wonderful success", "energy", "positive")
    assert {event["model"] for event in seen["events"]} == {"mock-1"}
    assert {event["label"] for event in seen["events"]} == {"positive", "neutral", "negative"}


def test_strangers_get_nothing(seen: dict[str, Any]) -> None:
    assert seen["strangers"] == [401, 401]


def test_a_message_that_will_never_be_right_is_put_aside_with_its_reason(seen: dict[str, Any]) -> None:
    assert seen["refused"]["body"] == "{"
    assert seen["refused"]["reason"].startswith("the message is not JSON")


def test_a_run_that_fails_is_tried_again_and_then_put_aside(seen: dict[str, Any]) -> None:
    context = seen["failed"]["requestContext"]
    assert context["functionArn"].endswith(":function:preprod-ingestion:live")
    assert (context["condition"], context["approximateInvokeCount"]) == ("RetriesExhausted", 2)
    assert seen["failed"]["responsePayload"]["errorMessage"].startswith("none of 3 topics was done")


def test_the_stream_says_what_runs(seen: dict[str, Any]) -> None:
    assert (seen["health"]["status"], seen["health"]["environment"]) == ("ok", "preprod")
    assert seen["health"]["digest"].startswith("sha256:")


def test_the_page_comes_without_a_key(seen: dict[str, Any]) -> None:
    assert seen["page"].startswith("<!doctype html>")


@pytest.mark.req("P-07", "R-10")
def test_nobody_was_refused_anything_that_the_system_needs(seen: dict[str, Any]) -> None:
    """The deployer, and each function's role, under nothing but their own policies."""
    assert seen["denied"] == []
