"""What `ferry doctor` says of one thing, and how that reads."""

from __future__ import annotations

import textwrap
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from ferry.errors import FerryError
from ferry.report.events import Ended
from ferry.report.story import MARKS
from ferry.report.words import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class Health(StrEnum):
    OK = "ok"
    TROUBLE = "trouble"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line for each thing that `said` holds; `next` is what mends it, and empty where nothing is to mend."""

    name: str
    health: Health
    said: str
    next: str = ""


_MARKS: Final = {
    Health.OK: MARKS[Ended.OK],
    Health.TROUBLE: MARKS[Ended.FAILED],
    Health.NOT_CHECKED: MARKS[Ended.SKIPPED],
}
WIDEST = 120
NARROW = 60
"""Below so many columns the name stands alone in its line."""
NAMES = 14


def ok(name: str, said: str) -> Check:
    return Check(name=name, health=Health.OK, said=said)


def trouble(name: str, said: str, *, next: str) -> Check:
    return Check(name=name, health=Health.TROUBLE, said=said, next=next)


def unasked(name: str, why: str) -> Check:
    return Check(name=name, health=Health.NOT_CHECKED, said=f"not checked: {why}")


def failed(name: str, error: FerryError) -> Check:
    """What would end a run."""
    parts = [part for part in (error.what, error.where, error.why) if part]
    return trouble(name, "\n".join(dict.fromkeys(parts)), next=error.next)


def tried(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except FerryError as error:
        return failed(name, error)


def troubles(checks: Sequence[Check]) -> int:
    return sum(check.health is Health.TROUBLE for check in checks)


def plain(checks: Sequence[Check]) -> dict[str, Any]:
    """For programs."""
    return {"checks": [asdict(check) for check in checks], "troubles": troubles(checks)}


def text(checks: Sequence[Check], width: int) -> str:
    lines = [line for check in checks for line in _lines(check, width)]
    found = troubles(checks)
    return "\n".join([*lines, count(found, "trouble") if found else "nothing is wrong"])


def _lines(check: Check, width: int) -> Iterable[str]:
    """Mark, name, and what is said beside it, or below it where there is no room."""
    head = f"{_MARKS[check.health]} {check.name}"
    said = [*check.said.splitlines(), *(f"next: {line}" for line in check.next.splitlines()[:1])]
    said += check.next.splitlines()[1:]
    if width < NARROW:
        return [head, *(part for line in said for part in _wrapped(line, "    ", width))]
    indent = " " * (NAMES + 3)
    wrapped = [part for line in said for part in _wrapped(line, indent, width)]
    return [head.ljust(len(indent)) + wrapped[0][len(indent) :], *wrapped[1:]]


def _wrapped(line: str, indent: str, width: int) -> list[str]:
    """No word is broken: commands and ARNs are there to be copied."""
    return textwrap.wrap(
        line,
        width,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    ) or [indent]
