from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ferry.errors import BuildFailed
from ferry.model import Severity
from ferry.report import Mask, Report
from ferry.report.events import Ended, Event, Failed, Finished, Found, Progress, Started

from .conftest import finding

if TYPE_CHECKING:
    from .conftest import Clock, Tell


class Listener:
    def __init__(self) -> None:
        self.heard: list[Event] = []
        self.closed = 0

    def __call__(self, event: Event) -> None:
        self.heard.append(event)

    def close(self) -> None:
        self.closed += 1


class Broken(Listener):
    def __call__(self, _: Event) -> None:
        raise OSError("disk full while writing hunter22")

    def close(self) -> None:
        raise OSError("still full")


def test_a_step_is_told_from_start_to_end(clock: Clock) -> None:
    listener = Listener()
    report = Report([listener], clock=clock)
    with report.step("publish", "Publish the image") as step:
        clock.tick(2)
        step.say("pushed layer 1 of 3")
        clock.tick(3)
        step.done("3 layers, 1 pushed")
    assert listener.heard == [
        Started(step="publish", title="Publish the image", at=1_800_000_000),
        Progress(step="publish", text="pushed layer 1 of 3", at=1_800_000_002),
        Finished(step="publish", seconds=5, outcome=Ended.OK, summary="3 layers, 1 pushed", at=1_800_000_005),
    ]
    assert report.events == tuple(listener.heard)


def test_an_exception_ends_the_step_as_failed_and_goes_on(clock: Clock) -> None:
    report = Report(clock=clock)

    def build() -> None:
        with report.step("build", "Build") as step:
            step.done("this was too early to say")
            raise BuildFailed("pip found no wheel")

    with pytest.raises(BuildFailed):
        build()
    assert report.events[-1] == Finished(
        step="build", seconds=0, outcome=Ended.FAILED, summary="pip found no wheel", at=clock.now
    )


def test_a_step_can_be_skipped(clock: Clock) -> None:
    report = Report(clock=clock)
    with report.step("build", "Build") as step:
        step.skip("published already")
    assert report.events[-1] == Finished(
        step="build", seconds=0, outcome=Ended.SKIPPED, summary="published already", at=clock.now
    )


def test_a_clock_that_goes_back_makes_no_negative_duration(clock: Clock) -> None:
    report = Report(clock=clock)
    with report.step("build", "Build"):
        clock.tick(-10)
    assert isinstance(report.events[-1], Finished)
    assert report.events[-1].seconds == 0


def test_steps_know_what_they_run_inside_even_side_by_side(clock: Clock) -> None:
    report = Report(clock=clock)

    async def build(name: str) -> None:
        with report.step(name, name):
            await asyncio.sleep(0)
            with report.step("push", "push"):
                await asyncio.sleep(0)

    async def both() -> None:
        with report.step("all", "all"):
            async with asyncio.TaskGroup() as group:
                group.create_task(build("a"))
                group.create_task(build("b"))
        with report.step("after", "after"):
            pass

    asyncio.run(both())
    inside = {event.step: event.parent for event in report.events if isinstance(event, Started)}
    assert inside == {"all": "", "a": "all", "b": "all", "push": "a", "push-2": "b", "after": ""}


def test_another_report_is_not_a_parent() -> None:
    outer, inner = Report(), Report()
    with outer.step("outer", "outer"), inner.step("inner", "inner"):
        pass
    assert isinstance(inner.events[0], Started)
    assert inner.events[0].parent == ""


def test_the_block_tells_of_its_error_once_and_closes_the_readers(clock: Clock) -> None:
    listener = Listener()
    report = Report([listener], clock=clock)
    error = BuildFailed("no")

    def run() -> None:
        with report:
            report.failed(error)
            raise error

    with pytest.raises(BuildFailed):
        run()
    assert [type(event) for event in listener.heard] == [Failed]
    assert listener.closed == 1
    report.close()
    assert listener.closed == 1


def test_a_broken_reader_stops_nothing_and_is_named_once(capsys: pytest.CaptureFixture[str]) -> None:
    mask = Mask()
    mask.register("hunter22")
    listener = Listener()
    with Report([Broken(), listener], mask=mask) as report, report.step("build", "Build") as step:
        step.say("on it")
    assert len(listener.heard) == 3
    assert listener.closed == 1
    assert capsys.readouterr().err == (
        "ferry: the report Broken is not complete, the run goes on: OSError: disk full while writing ***\n"
    )


def test_events_are_masked_before_anyone_sees_them() -> None:
    mask = Mask()
    mask.register("hunter22")
    listener = Listener()
    report = Report([listener], mask=mask)
    report.found(finding(Severity.WARN, "aws_secret.hunter22", what="is hunter22", next="echo hunter22"))
    assert listener.heard == [Found(finding=finding(Severity.WARN, "aws_secret.***", what="is ***", next="echo ***"))]
    assert report.failed(BuildFailed("hunter22")).what == "***"


@pytest.mark.parametrize("reader", ["tty", "plain", "github", "markdown", "html", "record"])
def test_a_step_may_speak_after_its_end(tell: Tell, reader: str, capsys: pytest.CaptureFixture[str]) -> None:
    def story(report: Report) -> None:
        with report.step("build", "Build") as step:
            pass
        step.say("too late")

    assert tell(reader, story)
    assert capsys.readouterr().err == ""
