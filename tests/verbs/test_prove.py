from __future__ import annotations

import pytest

from ferry.errors import ProofFailed
from ferry.report import Report
from ferry.report.events import Ended, Finished
from ferry.verbs.prove import prove
from tests.outside.canary.targets import Buffered, Good, Steady, serving

pytestmark = pytest.mark.anyio


async def proven(target: type[Good]) -> Finished:
    report = Report()
    with serving(target) as url:
        try:
            await prove(url, report, what="preprod")
        except ProofFailed:
            report.close()
    (finished,) = [event for event in report.events if isinstance(event, Finished)]
    return finished


async def test_a_service_that_streams_is_proven_with_its_times() -> None:
    finished = await proven(Steady)
    assert finished.outcome is Ended.OK
    assert finished.summary.startswith("first of 5 events after 0.")


@pytest.mark.req("R-07")
async def test_a_service_that_buffers_is_not() -> None:
    finished = await proven(Buffered)
    assert finished.outcome is Ended.FAILED
    assert "buffered" in finished.summary
