"""A run's events told in order: what the finished reports (markdown, HTML) are drawn from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from ferry.errors import Blocked
from ferry.model import Severity
from ferry.report import words
from ferry.report.events import Changed, Ended, Failed, Finished, Found, Made, Progress, Started

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ferry.model import Artifact, Finding
    from ferry.report.events import Event, Row
    from ferry.report.failure import Facts

_GRAVEST_FIRST: Final = (Severity.BLOCK, Severity.WARN, Severity.INFO)
_GRAVEST_CHANGE_FIRST: Final = ("destroy", "replace", "adopt", "update", "create")
MARKS: Final = {Ended.OK: "✓", Ended.FAILED: "✗", Ended.SKIPPED: "–"}  # noqa: RUF001  a dash is what is meant


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    BLOCKED = "blocked"


@dataclass(slots=True)
class Told:
    """One step. `seconds` and `outcome` stay None when the run died inside it."""

    name: str
    title: str
    parent: str
    depth: int
    started: float
    seconds: float | None = None
    outcome: Ended | None = None
    summary: str = ""
    lines: list[str] = field(default_factory=list)

    @property
    def mark(self) -> str:
        return MARKS[self.outcome] if self.outcome else "…"

    @property
    def lasted(self) -> str:
        return "not finished" if self.seconds is None else words.duration(self.seconds)


@dataclass(slots=True)
class Story:
    steps: dict[str, Told] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)
    changed: Changed | None = None
    errors: list[Facts] = field(default_factory=list)
    began: float = 0.0
    ended: float = 0.0

    @property
    def seconds(self) -> float:
        return max(0.0, self.ended - self.began)

    @property
    def verdict(self) -> Verdict:
        """Closed by default: a step that did not finish, or failed with nothing around it, is a failure."""
        if any(error.name != Blocked.__name__ for error in self.errors):
            return Verdict.FAILED
        if self.errors or self.blocking:
            return Verdict.BLOCKED
        return Verdict.FAILED if self._broken else Verdict.PASSED

    @property
    def headline(self) -> str:
        if self.errors:
            return f"{self.verdict.capitalize()}: {words.line(self.errors[-1].what)}"
        if self.verdict is Verdict.BLOCKED:
            return f"Blocked: {words.count(len(self.blocking), 'finding')} must not be applied"
        if self.verdict is Verdict.FAILED:
            return "Failed: " + words.line(
                ", ".join(f"{step.title} ({step.summary or step.lasted})" for step in self._broken)
            )
        return f"Passed in {words.duration(self.seconds)}"

    @property
    def blocking(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.severity is Severity.BLOCK]

    @property
    def _broken(self) -> list[Told]:
        return [
            step
            for step in self.steps.values()
            if step.outcome is None or (step.outcome is Ended.FAILED and not step.parent)
        ]


def tell(events: Iterable[Event]) -> Story:
    story = Story()
    for event in events:
        _add(story, event)
    story.findings.sort(key=lambda finding: _GRAVEST_FIRST.index(finding.severity))
    return story


def _add(story: Story, event: Event) -> None:
    if isinstance(event, Started | Progress | Finished | Failed):
        story.began = story.began or event.at
        story.ended = max(story.ended, event.at)
    match event:
        case Started() | Progress() | Finished():
            _add_to_steps(story.steps, event)
        case Found():
            story.findings.append(event.finding)
        case Made():
            story.artifacts.append(event.artifact)
        # The plan after an apply finds nothing: it proves the one before, and does not take its place.
        case Changed() if event.rows or story.changed is None:
            story.changed = replace(event, rows=tuple(sorted(event.rows, key=danger)))
        case Changed():
            pass
        case Failed():
            story.errors.append(event.error)


def danger(row: Row) -> int:
    """By which rows are sorted, the gravest first."""
    return (
        _GRAVEST_CHANGE_FIRST.index(row.action) if row.action in _GRAVEST_CHANGE_FIRST else len(_GRAVEST_CHANGE_FIRST)
    )


def _add_to_steps(steps: dict[str, Told], event: Started | Progress | Finished) -> None:
    if isinstance(event, Started):
        depth = steps[event.parent].depth + 1 if event.parent in steps else 0
        steps[event.step] = Told(event.step, event.title, event.parent, depth, event.at)
    elif event.step in steps:
        step = steps[event.step]
        if isinstance(event, Progress):
            step.lines.append(event.text)
        else:
            step.seconds, step.outcome, step.summary = event.seconds, event.outcome, event.summary
