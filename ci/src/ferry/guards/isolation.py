"""Another environment's names, accounts and deployers, anywhere in what a plan writes.

What counts is what AWS or a program would act on: names, ARNs, URLs, policies, variables. In text for people (a
description, a title, a sentence) the word `prod` may stand; an ARN or a name such as `prod-items` may not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ferry.guards.values import WHOLE_PLAN, dotted, leaves, listed, word
from ferry.model import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ferry.guards.context import Context, Neighbour
    from ferry.guards.values import Path
    from ferry.tfplan import Change, Plan

FOR_PEOPLE = re.compile(r"(.*_)?(comment|description|markdown|sid|title|label)", re.IGNORECASE)
"""Attributes that nothing acts on."""
DEVICE = re.compile(r"/dev/(?:null|zero|u?random|std\w+|sh\w|xvd\w+|sd\w+|nvme\w+)\b")
"""An environment called dev has no part in these."""
USER = re.compile(r"://[^/@\s]*@")
"""Who logs in to a URL, and with what password."""
PIECE = re.compile(r"[^\s\"'`=;,()<>]+")
"""In a text of several words (a script, a sentence), what may be a name."""


@dataclass(frozen=True, slots=True)
class Marks:
    """How the environments are recognised: one pattern for all names, so that pre-prod is not taken for prod."""

    names: re.Pattern[str]
    others: dict[str, Neighbour]
    places: tuple[tuple[re.Pattern[str], Neighbour], ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """Where another environment shows, and by which word. Never the whole value: that may hold a secret."""

    other: Neighbour
    path: Path
    found: str


def findings(plan: Plan, context: Context) -> tuple[Finding, ...]:
    if not context.neighbours:
        return () if context.environment else (_nobody(),)
    marks = _marks(context)
    return tuple(finding for change in plan.touched() for finding in _judged(change, marks, context))


def _nobody() -> Finding:
    return Finding(
        guard="isolation",
        severity=Severity.INFO,
        verdict="not-judged",
        address=WHOLE_PLAN,
        what="nobody has said which environments there are",
        next="name this one with --env, beside a ferry.toml that lists the others",
    )


def _marks(context: Context) -> Marks:
    """The longest name comes first: where pre-prod stands, prod does not."""
    others = {other.name.lower(): other for other in context.neighbours if other.name != context.environment}
    names = sorted({*others, context.environment.lower()} - {""}, key=len, reverse=True)
    places = [(re.compile(pattern), other) for other in context.neighbours for pattern in _places(other, context)]
    return Marks(re.compile("|".join(map(word, names)) or "(?!)", re.IGNORECASE), others, tuple(places))


def _places(other: Neighbour, context: Context) -> Iterator[str]:
    if other.account and other.account != context.account:
        yield rf"(?<![0-9]){other.account}(?![0-9])"
    if other.deployer and other.deployer != context.deployer:
        yield rf"{re.escape(other.deployer)}(?![A-Za-z0-9_+=,.@-])"
        # Of a role's session, AWS says another ARN.
        session = re.sub(r":iam::([0-9]+):role/(?:.*/)?", r":sts::\1:assumed-role/", other.deployer)
        yield rf"{re.escape(session)}(?![A-Za-z0-9_+=,.@-])"


def _judged(change: Change, marks: Marks, context: Context) -> Iterator[Finding]:
    traces = list(_traces(change, marks))
    for other in {trace.other.name: trace.other for trace in traces}.values():
        paths = {dotted(trace.path): trace.found for trace in traces if trace.other is other}
        seen = listed(f"{path} ({found})" for path, found in paths.items())
        yield Finding(
            guard="isolation",
            severity=Severity.BLOCK,
            verdict="names-neighbour",
            address=change.address,
            what=f"{seen} {'is' if len(paths) == 1 else 'are'} of {other.name}",
            why=f"what {context.environment or 'this environment'} does would reach {other.name}, or open it",
            next=f"take names from the environment's own variables, and see that these are not {other.name}'s",
        )


def _traces(change: Change, marks: Marks) -> Iterator[Trace]:
    for path, value in leaves(change.after):
        if isinstance(value, str):
            # A list's own number is not what an attribute is called.
            called = next((key for key in reversed(path) if not key.isdigit()), "")
            for piece in _pieces(value, for_people=FOR_PEOPLE.fullmatch(called) is not None):
                yield from (Trace(other, path, found) for other, found in _found(piece, marks))


def _pieces(value: str, *, for_people: bool) -> Iterator[str]:
    """The parts of a text that may be acted on."""
    said = USER.sub("://", DEVICE.sub("", value))
    if not for_people and not re.search(r"\s", said):
        yield said
        return
    for piece in PIECE.findall(said):
        if re.search(r"arn:|://", piece) or (not for_people and re.search(r"\w[-/_:.]+\w", piece)):
            yield piece


def _found(piece: str, marks: Marks) -> Iterator[tuple[Neighbour, str]]:
    for match in marks.names.finditer(piece):
        if other := marks.others.get(match[0].lower()):
            yield other, _around(piece, match)
    for pattern, other in marks.places:
        if place := pattern.search(piece):
            yield other, place[0]


def _around(piece: str, match: re.Match[str]) -> str:
    """The name that the word is a part of."""
    before = re.search(r"[A-Za-z0-9_-]{0,40}$", piece[: match.start()])
    after = re.match(r"[A-Za-z0-9_-]{0,40}", piece[match.end() :])
    return f"{before[0] if before else ''}{match[0]}{after[0] if after else ''}"
