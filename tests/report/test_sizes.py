"""Runs of any size: within GitHub's limits, and quickly."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from ferry.model import Severity
from ferry.report import Report, html, markdown, record, words
from ferry.report.events import Found, Progress, Started

from .conftest import finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ferry.report.events import Event

MANY = 100_000


@pytest.fixture(scope="module")
def events() -> Sequence[Event]:
    found = Found(finding=finding(Severity.BLOCK, "aws_sns_topic.topic", what="has a | and a ` in it", why="x" * 200))
    said = Progress(step="plan", text="aws_sns_topic.topic: Refreshing state... [id=preprod-topic]", at=2)
    return (Started(step="plan", title="Plan", at=1), *[found] * MANY, *[said] * MANY)


@pytest.mark.parametrize("limit", [markdown.COMMENT, markdown.SUMMARY])
def test_a_hundred_thousand_findings_fit(events: Sequence[Event], limit: int) -> None:
    start = time.perf_counter()
    text = markdown.render(events, limit=limit)
    assert len(text.encode()) <= limit
    assert "100,000 findings must not be applied" in text
    assert "more in the run record." in text
    assert time.perf_counter() - start < 3


def test_the_page_stays_small(events: Sequence[Event]) -> None:
    text = html.render(events)
    assert len(text) < 1_000_000
    assert "99,500 more in the run record." in text
    assert "99,500 earlier messages are in the run record." in text


def test_the_record_holds_every_one(events: Sequence[Event]) -> None:
    assert record.render(events[:20_000]).count("\n") == 20_000 + 2


def test_a_report_of_many_lines_is_quick() -> None:
    start = time.perf_counter()
    report = Report()
    with report.step("plan", "Plan") as step:
        for number in range(10_000):
            step.say(f"aws_sns_topic.topic[{number}]: Refreshing state... [id=preprod-topic-{number}]")
    assert len(report.events) == 10_002
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (61.4, "1 min 01 s"),
        (3599.6, "1 h 00 min"),
        (7260, "2 h 01 min"),
    ],
)
def test_durations_read_well(seconds: float, told: str) -> None:
    assert words.duration(seconds) == told


@pytest.mark.parametrize(
    ("octets", "told"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (71_400_000, "71.4 MB"), (10**13, "10000.0 GB")]
)
def test_sizes_read_well(octets: int, told: str) -> None:
    assert words.size(octets) == told
