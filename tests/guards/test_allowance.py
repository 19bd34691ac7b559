from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from ferry.guards.allowance import settled
from ferry.model import Allowance, Finding, Severity

STOPS = Finding(guard="stateful", severity=Severity.BLOCK, verdict="destroys", address="aws_s3_bucket.a", what="goes")
MAY = Allowance(guard="stateful", address="aws_s3_bucket.a", reason="it is empty, see #12", until=date(2026, 12, 31))
TODAY = date(2026, 12, 1)


def judged(*allowances: Allowance, found: Finding = STOPS, today: date = TODAY) -> tuple[Finding, ...]:
    return settled((found,), allowances, environment="preprod", today=today)


def test_what_is_allowed_no_longer_stops_and_says_why() -> None:
    (found,) = judged(MAY)
    assert (found.severity, found.verdict) == (Severity.WARN, "allowed")
    assert found.why == "it is empty, see #12 (allowed until 2026-12-31)"


@pytest.mark.parametrize(("day", "severity"), [(31, Severity.WARN), (1, Severity.WARN)])
def test_it_holds_on_its_last_day(day: int, severity: Severity) -> None:
    assert judged(MAY, today=date(2026, 12, day))[0].severity is severity


def test_after_its_last_day_it_stops_again_and_says_that_it_was_allowed() -> None:
    (found,) = judged(MAY, today=date(2027, 1, 1))
    assert (found.severity, found.why) == (Severity.BLOCK, "it was allowed until 2026-12-31: it is empty, see #12")


@pytest.mark.parametrize(
    "other",
    [
        replace(MAY, guard="isolation"),
        replace(MAY, address="aws_s3_bucket.b"),
        replace(MAY, address="aws_s3_bucket.*"),
        replace(MAY, environment="prod"),
    ],
)
def test_it_is_of_one_guard_at_one_address_in_one_environment(other: Allowance) -> None:
    assert judged(other)[0] == STOPS


def test_one_that_nothing_needs_is_told() -> None:
    warns = replace(STOPS, severity=Severity.WARN)
    same, idle = judged(MAY, found=warns)
    assert same == warns
    assert (idle.verdict, idle.severity, idle.address) == ("idle-allowance", Severity.INFO, "aws_s3_bucket.a")
