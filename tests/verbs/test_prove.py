from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ferry.config import Canary
from ferry.errors import ProofFailed
from ferry.model import Severity
from ferry.outside.canary import Check, Verdict
from ferry.report import Report
from ferry.report.events import Ended, Finished, Found
from ferry.verbs.build import build
from ferry.verbs.prove import prove, prove_environment
from tests.verbs.fakes import COMMIT, CONFIG, PREPROD, FakeBuilder, FakeTerraform, World

if TYPE_CHECKING:
    from pathlib import Path

    from ferry.model import Release

pytestmark = [pytest.mark.anyio, pytest.mark.req("R-07")]

FINE = Check(name="health", target="http://x", ok=True, what="answers")
BUFFERED = Check(name="stream", target="http://x", ok=False, what="is buffered", why="all came at once")
UNASKED = Check(name="health", target="http://x", ok=None, what="was not asked")
GOOD = Verdict(word="healthy", checks=(FINE,))
BAD = Verdict(word="unhealthy", checks=(FINE, BUFFERED))
UNSURE = Verdict(word="undecided", checks=(UNASKED,))


async def proven(verdict: Verdict) -> Finished:
    async def judge() -> Verdict:
        return verdict

    report = Report()
    try:
        await prove(judge, report, what="preprod")
    finally:
        report.close()
    (finished,) = [event for event in report.events if isinstance(event, Finished)]
    return finished


async def test_a_healthy_service_is_proven() -> None:
    finished = await proven(GOOD)
    assert (finished.outcome, finished.summary) == (Ended.OK, "healthy: 1 checks")


@pytest.mark.parametrize(("said", "failed"), [(BAD, "unhealthy: stream"), (UNSURE, "undecided: health")])
async def test_whatever_else_the_canary_says_ends_the_run(said: Verdict, failed: str) -> None:
    with pytest.raises(ProofFailed, match=failed) as caught:
        await proven(said)
    assert caught.value.exit_code == 40


async def test_what_is_wrong_is_said_with_its_reason() -> None:
    with pytest.raises(ProofFailed) as caught:
        await proven(BAD)
    assert (caught.value.where, caught.value.why) == ("http://x", "stream: is buffered: all came at once")


@pytest.fixture
async def release(tmp_path: Path) -> Release:
    return (await build(CONFIG, FakeBuilder(tmp_path), Report(), commit=COMMIT, dirty=False)).release


WATCHED = replace(CONFIG, canary=Canary(artifact="jobs", command=("python", "-m", "jobs"), expects={"digest": "app"}))


async def test_the_deployed_canary_is_asked_about_the_release(release: Release) -> None:
    world = World(terraform=FakeTerraform(said={"functions": {"jobs": "preprod-jobs"}}), verdict=GOOD)
    await prove_environment(WATCHED, PREPROD, release, world.hands, world.report)
    assert world.asked == [("preprod-jobs", {"environment": "preprod", "digest": release.artifacts[0].digest})]


@pytest.mark.parametrize("said", [{}, {"functions": {}}, {"functions": "preprod-jobs"}])
async def test_an_infrastructure_that_does_not_name_its_canary_is_told(
    release: Release, said: dict[str, object]
) -> None:
    world = World(terraform=FakeTerraform(said=said))
    with pytest.raises(ProofFailed, match="does not name the canary"):
        await prove_environment(WATCHED, PREPROD, release, world.hands, world.report)


async def test_a_system_without_a_canary_is_warned_about(release: Release) -> None:
    world = World()
    await prove_environment(CONFIG, PREPROD, release, world.hands, world.report)
    (found,) = [event.finding for event in world.report.events if isinstance(event, Found)]
    assert (found.severity, found.what) == (Severity.WARN, "nothing judged whether the deployment works")
