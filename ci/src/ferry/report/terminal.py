"""What a person sees while it runs: live on a terminal, lines in a log, folded groups on GitHub; all on stderr."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final, TextIO

from ferry.model import Severity
from ferry.report import failure, words
from ferry.report.events import Changed, Failed, Finished, Found, Made, Progress, Started
from ferry.report.story import MARKS, danger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ferry.model import Artifact, Finding
    from ferry.report.events import Event
    from ferry.report.stream import Reader

_SEVERITY_MARKS: Final = {Severity.BLOCK: "✗", Severity.WARN: "!", Severity.INFO: "i"}
_LEVELS: Final = {Severity.BLOCK: "error", Severity.WARN: "warning", Severity.INFO: "notice"}
_MOST_ROWS: Final = 50
_COMMAND = re.compile(r"^(\s*):(?=:)|#(?=#\[)", re.MULTILINE)


def reader(stream: TextIO, env: Mapping[str, str], *, clock: Callable[[], float] = time.time) -> Reader:
    """The reader that fits where the text goes."""
    if env.get("GITHUB_ACTIONS") == "true":
        return GitHub(stream)
    if stream.isatty() and env.get("TERM") != "dumb":
        try:
            from ferry.report.live import Live  # noqa: PLC0415  rich is slow to import, and nothing else needs it
        except ImportError:  # rich comes with the command line, not with the Dagger module
            return Plain(stream)
        return Live(stream, color=not env.get("NO_COLOR"), clock=clock)
    return Plain(stream)


class Plain:
    """One line for each thing that happens; steps inside steps stand further in."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._steps: dict[str, tuple[str, str]] = {}

    def __call__(self, event: Event) -> None:
        self._write(self._lines(event))

    def close(self) -> None:
        self._stream.flush()

    def _write(self, lines: Iterable[str]) -> None:
        self._stream.write("".join(f"{line}\n" for line in lines))
        self._stream.flush()

    def _lines(self, event: Event) -> list[str]:
        match event:
            case Started():
                indent = self._steps[event.parent][0] + "  " if event.parent in self._steps else ""
                self._steps[event.step] = indent, event.title
                return [f"{indent}→ {words.line(event.title)}"]
            case Progress():
                indent, _ = self._steps.get(event.step, ("", ""))  # a task may speak after its step has ended
                return [f"{indent}  {event.step}: {line}" for line in event.text.splitlines()]
            case Finished():
                indent, title = self._steps.pop(event.step)
                return [indent + finished(event, title)]
            case _:
                return lines(event)


class GitHub(Plain):
    """Groups cannot overlap, so steps that run side by side wait for the group that is open."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._roots: dict[str, str] = {}
        self._open = ""
        self._waiting: dict[str, list[Event]] = {}

    def __call__(self, event: Event) -> None:
        root = self._root(event)
        if root and self._open not in {"", root}:
            self._waiting.setdefault(root, []).append(event)
            return
        self._tell(event)
        while self._waiting and not self._open:
            self._tell_next()

    def close(self) -> None:
        while self._open or self._waiting:
            if self._open:
                self._end_group()
            if self._waiting:
                self._tell_next()
        super().close()

    def _tell_next(self) -> None:
        for event in self._waiting.pop(next(iter(self._waiting))):
            self._tell(event)

    def _root(self, event: Event) -> str:
        if isinstance(event, Started):
            self._roots[event.step] = self._roots.get(event.parent, event.step)
        return self._roots[event.step] if isinstance(event, Started | Progress | Finished) else ""

    def _tell(self, event: Event) -> None:
        lines = [_COMMAND.sub(r"\1. ", line) for line in self._lines(event)]
        match event:
            case Started() if self._roots[event.step] == event.step:
                self._open = event.step
                lines = [f"::group::{words.line(event.title)}"]
            case Finished() if event.step == self._open:
                self._end_group()
            case Found():
                lines = [finding_annotation(event.finding)]
            case Failed():
                lines += failure.github(event.error)
            case _:
                pass
        self._write(lines)

    def _end_group(self) -> None:
        self._open = ""
        self._write(["::endgroup::"])


def finished(event: Finished, title: str) -> str:
    said = (words.line(title), words.line(event.summary), words.duration(event.seconds))
    return f"{MARKS[event.outcome]} {' · '.join(part for part in said if part)}"


def lines(event: Found | Made | Changed | Failed) -> list[str]:
    match event:
        case Found():
            return _finding(event.finding)
        case Made():
            return [_artifact(event.artifact)]
        case Changed():
            return _changes(event)
        case Failed():
            return failure.text(event.error).splitlines()


def finding_annotation(finding: Finding) -> str:
    message = "\n".join(part for part in (finding.what, finding.why, finding.next) if part)
    return failure.annotation(_LEVELS[finding.severity], message, title=f"{finding.guard}: {finding.address}")


def _finding(finding: Finding) -> list[str]:
    mark = _SEVERITY_MARKS[finding.severity]
    told = [f"{mark} {finding.guard}: {finding.address}: {words.line(finding.what)}"]
    if finding.why:
        told.append(f"    why: {words.line(finding.why)}")
    if finding.next:
        told.append(f"    next: {words.line(finding.next)}")
    return told


def _artifact(artifact: Artifact) -> str:
    return f"+ {artifact.kind} {artifact.name} · {artifact.digest} · {words.size(artifact.size)}"


def _changes(changed: Changed) -> list[str]:
    told = [f"plan {changed.counts}"]
    rows = sorted(changed.rows, key=danger)[:_MOST_ROWS]
    told += ["    " + words.line(f"{row.action} {row.address} {row.note}") for row in rows]
    if more := len(changed.rows) - _MOST_ROWS:
        told += [f"    and {more:,} more"] if more > 0 else []
    return told
