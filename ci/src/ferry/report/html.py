"""A run as one page that needs nothing else: no script, no font, no image, no network."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Final

from ferry.report import words
from ferry.report.files import AtEnd, write_whole
from ferry.report.story import tell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ferry.model import Artifact, Finding
    from ferry.report.events import Changed, Event
    from ferry.report.failure import Facts
    from ferry.report.story import Story, Told
    from ferry.report.stream import Reader

_PAGE: Final = Path(__file__).with_name("page.html")
_MOST: Final = 500  # of anything; beyond that nobody reads on, and the record has them all


def reader(path: Path, *, title: str = "Ferry run") -> Reader:
    return AtEnd(partial(render, title=title), partial(write_whole, path))


def render(events: Iterable[Event], *, title: str = "Ferry run") -> str:
    story = tell(events)
    return Template(_PAGE.read_text(encoding="utf-8")).substitute(
        title=escape(title),
        verdict=story.verdict,
        headline=escape(story.headline),
        when=f"{datetime.fromtimestamp(story.began, UTC):%d %B %Y, %H:%M:%S} UTC",
        lasted=words.duration(story.seconds),
        body="\n".join(_body(story)),
    )


def _body(story: Story) -> Iterator[str]:
    yield from map(_error, story.errors)
    if story.findings:
        yield _section("Findings", map(_finding, story.findings[:_MOST]), len(story.findings))
    if story.changed:
        yield _changes(story.changed)
    if story.steps:
        steps = list(story.steps.values())
        yield _section("Timeline", (_step(story, step) for step in steps[:_MOST]), len(steps))
    if story.artifacts:
        yield _section("Artifacts", map(_artifact, story.artifacts[:_MOST]), len(story.artifacts))


def _section(title: str, parts: Iterable[str], total: int) -> str:
    more = f'<p class="more">{total - _MOST:,} more in the run record.</p>' if total > _MOST else ""
    return f"<section><h2>{title} <small>{total:,}</small></h2>\n{'\n'.join(parts)}{more}</section>"


def _error(error: Facts) -> str:
    said = (("where", error.where), ("why", error.why), ("next", error.next), ("trace", error.trace))
    facts = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in said if value)
    return (
        f'<section class="error"><h2>{escape(error.what)}</h2><dl>{facts}</dl>'
        f"<p><small>exit code {error.exit_code} ({escape(error.name)})</small></p></section>"
    )


def _finding(finding: Finding) -> str:
    why = f"<p>{escape(finding.why)}</p>" if finding.why else ""
    next = f"<pre>{escape(finding.next)}</pre>" if finding.next else ""
    return (
        f'<article class="{finding.severity}"><h3><b class="tag">{finding.severity}</b>'
        f" <code>{escape(finding.address)}</code> <small>{escape(finding.guard)}</small></h3>"
        f"<p>{escape(finding.what)}</p>{why}{next}</article>"
    )


def _changes(changed: Changed) -> str:
    counts = changed.counts
    chips = (
        ("create", f"+{counts.create}"),
        ("update", f"~{counts.update}"),
        ("replace", f"±{counts.replace}"),
        ("destroy", f"-{counts.destroy}"),
        ("adopt", f"↓{counts.adopt}"),
    )
    told = "".join(f'<span class="chip {name}"><b>{number}</b> {name}</span>' for name, number in chips)
    rows = (
        f'<tr><td class="{escape(row.action)}">{escape(row.action)}</td>'
        f"<td><code>{escape(row.address)}</code></td><td>{escape(row.note)}</td></tr>"
        for row in changed.rows[:_MOST]
    )
    table = f"<table><tbody>{''.join(rows)}</tbody></table>" if changed.rows else ""
    diff = f"<details><summary>Diff</summary><pre>{escape(changed.diff)}</pre></details>" if changed.diff else ""
    return _section("What changes", [f'<p class="chips">{told}</p>', table, diff], len(changed.rows))


def _step(story: Story, step: Told) -> str:
    whole = story.seconds or 1.0
    left = min(99.5, 100 * (step.started - story.began) / whole)
    seconds = story.ended - step.started if step.seconds is None else step.seconds
    width = max(0.5, min(100 - left, 100 * seconds / whole))
    outcome = step.outcome or "unfinished"
    said = f"<p>{escape(step.summary)}</p>" if step.summary else ""
    return (
        f'<div class="step {outcome}" style="--depth:{step.depth}"><span class="name">'
        f"<b>{step.mark}</b> {escape(step.title)}</span>"
        f'<span class="track"><i style="left:{left:.2f}%;width:{width:.2f}%"></i></span>'
        f'<span class="time">{step.lasted}</span>{said}{_log(step.lines)}</div>'
    )


def _log(lines: list[str]) -> str:
    if not lines:
        return ""
    told = "\n".join(lines[-_MOST:])
    left_out = f"{len(lines) - _MOST:,} earlier messages are in the run record.\n" if len(lines) > _MOST else ""
    return (
        f"<details><summary>{words.count(len(lines), 'message')}</summary><pre>{left_out}{escape(told)}</pre></details>"
    )


def _artifact(artifact: Artifact) -> str:
    stand_ins = f" · stand-ins: {escape(', '.join(artifact.stand_ins))}" if artifact.stand_ins else ""
    return (
        f"<article><h3>{escape(artifact.name)}"
        f" <small>{artifact.kind} · {words.size(artifact.size)}{stand_ins}</small></h3>"
        f"<p><code>{escape(artifact.digest)}</code></p></article>"
    )
