"""A run as GitHub markdown: the step summary and the pull request comment are the same text, at most of another length.

The verdict comes first, then what is dangerous; the rest is folded. What does not fit is left out by level, saying so.
Whatever comes from outside stands in a code span, a fence, or behind entities: it cannot end a table or start markup.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from ferry.model import Severity
from ferry.report import failure, words
from ferry.report.events import Ended
from ferry.report.files import AtEnd
from ferry.report.story import Verdict, tell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from ferry.model import Finding
    from ferry.report.events import Event
    from ferry.report.story import Story
    from ferry.report.stream import Reader

COMMENT: Final = 65_536
SUMMARY: Final = 1_048_576

_SIGNS: Final = {Verdict.PASSED: "✅", Verdict.FAILED: "❌", Verdict.BLOCKED: "⛔"}
_SPECIAL = re.compile(r"[\\`*{}\[\]<>&|#~!$@]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


@dataclass(frozen=True, slots=True)
class _Level:
    """How much is told: rows in each table, characters of each text, and whether diff and logs are there."""

    rows: int
    text: int
    logs: bool = False


_LEVELS: Final = (_Level(1000, 60_000, logs=True), _Level(200, 4000), _Level(20, 1000), _Level(0, 300))


def reader(path: Path, *, title: str = "") -> Reader:
    """For $GITHUB_STEP_SUMMARY, which the whole job step shares: what is there stays, and counts towards the limit."""

    def fitting(events: Iterable[Event]) -> str:
        return render(events, title=title, limit=SUMMARY - _length(path))

    return AtEnd(fitting, partial(_append, path))


def render(events: Iterable[Event], *, title: str = "", limit: int = COMMENT) -> str:
    """The fullest text of at most `limit` bytes; characters are never more than bytes, so it holds for both limits."""
    story = tell(events)
    for level in _LEVELS:
        text = "\n\n".join(_page(story, title, level)) + "\n"
        if len(text.encode()) <= limit:
            return text
    return f"## {_verdict(story)}\n".encode()[: max(0, limit)].decode(errors="ignore")


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _page(story: Story, title: str, level: _Level) -> Iterator[str]:
    yield f"## {_verdict(story)}" + (f" · {_prose(title)}" if title else "")
    yield " · ".join(_counts(story))
    if story.blocking:
        yield _findings(story.blocking, level)
    for error in story.errors:
        yield _fence(failure.text(error)[: level.text])
    rest = [finding for finding in story.findings if finding.severity is not Severity.BLOCK]
    if rest:
        yield _folded(words.count(len(rest), "other finding"), _findings(rest, level))
    if story.changed and story.changed.rows:
        yield _folded("What changes", *_changes(story, level))
    if story.steps:
        yield _folded("Steps", _steps(story, level))
    if story.artifacts:
        yield _folded("Artifacts", _artifacts(story, level))
    if level.logs and (log := _log(story)):
        yield _folded("Log", _fence(log))


def _verdict(story: Story) -> str:
    return f"{_SIGNS[story.verdict]} {_prose(story.headline)}"


def _counts(story: Story) -> Iterator[str]:
    if story.changed:
        yield f"`{story.changed.counts}`"
    for severity in Severity:
        if number := sum(finding.severity is severity for finding in story.findings):
            yield f"{number:,} {severity}"
    done = sum(step.outcome is Ended.OK for step in story.steps.values())
    yield f"{done} of {words.count(len(story.steps), 'step')} done"
    yield words.duration(story.seconds)


def _findings(findings: Sequence[Finding], level: _Level) -> str:
    rows = (
        (finding.severity, _code(finding.address), _prose(finding.what), _prose(finding.why), _code(finding.next))
        for finding in findings[: level.rows]
    )
    return _table(("", "address", "what", "why", "next"), rows, len(findings))


def _changes(story: Story, level: _Level) -> Iterator[str]:
    changed = story.changed
    if changed is None:
        return
    rows = ((_prose(row.action), _code(row.address), _prose(row.note)) for row in changed.rows[: level.rows])
    yield _table(("action", "address", "note"), rows, len(changed.rows))
    if level.logs and changed.diff:
        yield _fence(changed.diff, "diff")


def _steps(story: Story, level: _Level) -> str:
    rows = (
        (step.mark, "&emsp;" * step.depth + _prose(step.title), step.lasted, _prose(step.summary))
        for step in list(story.steps.values())[: level.rows]
    )
    return _table(("", "step", "time", ""), rows, len(story.steps))


def _artifacts(story: Story, level: _Level) -> str:
    rows = (
        (artifact.kind, _code(artifact.name), _code(artifact.digest), words.size(artifact.size))
        for artifact in story.artifacts[: level.rows]
    )
    return _table(("", "name", "digest", "size"), rows, len(story.artifacts))


def _log(story: Story) -> str:
    return "\n".join(
        f"{step.name}: {line}" for step in story.steps.values() for text in step.lines for line in text.splitlines()
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]], total: int) -> str:
    body = [_row(row) for row in rows]
    lines = [_row(head), _row(("---",) * len(head)), *body] if body else []
    if more := total - len(body):
        lines += ["", f"{more:,} more in the run record."]
    return "\n".join(lines)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _folded(summary: str, *parts: str) -> str:
    return "\n\n".join([f"<details><summary>{summary}</summary>", *parts, "</details>"])


def _fence(text: str, language: str = "text") -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}"


def _prose(text: str) -> str:
    return _SPECIAL.sub(_entity, words.line(text))


def _entity(found: re.Match[str]) -> str:
    """A mention or a reference is looked for in the finished page, so an entity alone does not stop it."""
    return f"&#{ord(found[0])};" + ("\u200b" if found[0] in "@#" else "")


def _code(text: str) -> str:
    told = words.line(text)
    if not told:
        return ""
    return f"<code>{_SPECIAL.sub(_entity, told)}</code>" if re.search(r"[`|\\]", told) else f"`{told}`"
