"""A run told by hand: a clock that ticks when told to, a real pseudo-terminal, and every way to read a report."""

from __future__ import annotations

import io
import json
import os
import pty
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import pytest

from ferry.errors import TerraformFailed
from ferry.model import Artifact, Finding, Kind, Severity
from ferry.report import Mask, Report, failure, html, markdown, record, terminal
from ferry.report.events import Changes, Failed, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ferry.report import Reader


@dataclass
class Clock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@dataclass
class Pty:
    """A pseudo-terminal: `stream` is the end a program writes to, `text` is what came out of the other one."""

    stream: io.TextIOWrapper
    _master: int
    _heard: bytearray = field(default_factory=bytearray)
    _thread: threading.Thread | None = None

    @classmethod
    def open(cls) -> Pty:
        master, slave = pty.openpty()
        opened = cls(os.fdopen(slave, "w", encoding="utf-8"), master)
        opened._thread = threading.Thread(target=opened._listen)
        opened._thread.start()
        return opened

    def _listen(self) -> None:
        while True:
            try:
                heard = os.read(self._master, 65536)
            except OSError:  # this is how the end of a pseudo-terminal shows on Linux
                return
            self._heard += heard

    @property
    def text(self) -> str:
        """Everything; nobody can write any more."""
        if self._thread:
            self.stream.close()
            self._thread.join()
            os.close(self._master)
            self._thread = None
        return self._heard.decode()


@pytest.fixture
def tty() -> Iterator[Pty]:
    opened = Pty.open()
    yield opened
    assert opened.text is not None


def deploy(report: Report, clock: Clock) -> None:
    """A run that ends well, with two steps inside another and something of everything."""
    with report.step("build", "Build the artifacts") as build:
        with report.step("image", "Build the image") as image:
            image.say("dependencies: found in the registry")
            clock.tick(61)
            image.done("1 layer built, 5 reused")
        report.made(IMAGE)
        with report.step("zips", "Build the zips") as zips:
            zips.skip("nothing changed")
        build.done("1 artifact")
    with report.step("plan", "Plan preprod") as plan:
        clock.tick(2.5)
        report.changed(Changes(create=1, destroy=1, adopt=1), ROWS, diff='- resource "aws_sns_topic" "old" {}')
        report.found(finding(Severity.INFO, "aws_ecr_repository.sse", what="exists in AWS and not in state"))
        plan.done("3 changes")


IMAGE = Artifact(name="sse-streaming", kind=Kind.IMAGE, key="ab" * 32, digest="sha256:" + "4e" * 32, size=71_400_000)
ROWS = (
    Row("create", "aws_budgets_budget.monthly"),
    Row("adopt", "aws_ecr_repository.sse", "preprod-sse"),
    Row("destroy", "aws_sns_topic.old"),
)


def finding(severity: Severity, address: str, *, what: str, why: str = "", next: str = "") -> Finding:
    return Finding(guard="adoption", severity=severity, verdict="adopt", address=address, what=what, why=why, next=next)


class Tell(Protocol):
    def __call__(self, reader: str, story: Callable[[Report], None], *, mask: Mask | None = None) -> str: ...


@pytest.fixture
def tell(tmp_path: Path, clock: Clock) -> Tell:
    """What a reader shows of a story. Every reader there is has a name here."""

    def told(reader: str, story: Callable[[Report], None], *, mask: Mask | None = None) -> str:
        return _WAYS[reader](story, mask or Mask(), tmp_path / "out", clock)

    return told


def _lines(story: Callable[[Report], None], mask: Mask, clock: Clock, make: Callable[[io.StringIO], Reader]) -> str:
    stream = io.StringIO()
    _run(story, make(stream), mask, clock)
    return stream.getvalue()


def _on_tty(story: Callable[[Report], None], mask: Mask, _: Path, clock: Clock) -> str:
    opened = Pty.open()
    try:
        _run(story, terminal.reader(opened.stream, {"TERM": "xterm"}, clock=clock), mask, clock)
    finally:
        told = opened.text
    return told


def _in_file(
    story: Callable[[Report], None], mask: Mask, path: Path, clock: Clock, make: Callable[[Path], Reader]
) -> str:
    path.unlink(missing_ok=True)
    _run(story, make(path), mask, clock)
    return path.read_text(encoding="utf-8")


def _as_facts(story: Callable[[Report], None], mask: Mask, _: Path, clock: Clock) -> str:
    """The errors alone, as an entry point prints them: text, annotations and JSON."""
    report = Report(mask=mask, clock=clock, debug=True)
    story(report)
    told = [event.error for event in report.events if isinstance(event, Failed)]
    return "\n".join(
        line
        for facts in told
        for line in (failure.text(facts), *failure.github(facts), json.dumps(failure.to_json(facts)))
    )


def _run(story: Callable[[Report], None], reader: Reader, mask: Mask, clock: Clock) -> None:
    with suppress(TerraformFailed), Report([reader], mask=mask, clock=clock) as report:
        story(report)


_WAYS: dict[str, Callable[[Callable[[Report], None], Mask, Path, Clock], str]] = {
    "tty": _on_tty,
    "plain": lambda story, mask, _, clock: _lines(story, mask, clock, terminal.Plain),
    "github": lambda story, mask, _, clock: _lines(story, mask, clock, terminal.GitHub),
    "markdown": lambda story, mask, path, clock: _in_file(story, mask, path, clock, markdown.reader),
    "html": lambda story, mask, path, clock: _in_file(story, mask, path, clock, html.reader),
    "record": lambda story, mask, path, clock: _in_file(story, mask, path, clock, record.reader),
    "error": _as_facts,
}
