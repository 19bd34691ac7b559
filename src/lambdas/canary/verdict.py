"""Checks, and what follows from them."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from canary.question import Question

SCHEMA = 1
EXIT = {"healthy": 0, "unhealthy": 1, "undecided": 2}
MARKS = {True: "ok  ", False: "FAIL", None: "?   "}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    name: str
    target: str
    ok: bool | None
    what: str
    why: str = ""
    seconds: float = 0.0

    def line(self) -> str:
        text = f"{self.what}: {self.why}" if self.why else self.what
        return f"{MARKS[self.ok]} {self.name:<12} {text}  [{self.target}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    checks: tuple[Check, ...]
    measured: dict[str, float] = field(default_factory=dict)
    expectations: dict[str, str | float] = field(default_factory=dict)

    @property
    def word(self) -> Literal["healthy", "unhealthy", "undecided"]:
        judged = {check.ok for check in self.checks}
        if False in judged:
            return "unhealthy"
        return "undecided" if None in judged or not judged else "healthy"

    def said(self) -> dict[str, object]:
        """As the package's docstring describes it."""
        return {
            "schema": SCHEMA,
            "verdict": self.word,
            "checks": [asdict(check) | {"seconds": round(check.seconds, 3)} for check in self.checks],
            "measured": self.measured,
            "expectations": self.expectations,
        }

    def lines(self) -> list[str]:
        counts = ", ".join(f"{name} {number:g}" for name, number in self.measured.items())
        return [check.line() for check in self.checks] + ([f"     measured: {counts}"] if counts else []) + [self.word]


def undecided(name: str, target: str, what: str, why: str = "") -> Check:
    return Check(name=name, target=target, ok=None, what=what, why=why)


def verdict(question: Question, checks: list[Check], measured: dict[str, float]) -> Verdict:
    """A server that repeats the key that it was given does not get it printed."""
    if key := question.key:
        checks = [
            Check(**asdict(check) | {"what": check.what.replace(key, "***"), "why": check.why.replace(key, "***")})
            for check in checks
        ]
    return Verdict(checks=tuple(checks), measured=measured, expectations=question.expectations())


def clip(text: str, most: int = 120) -> str:
    """What a server sent, as part of one line."""
    plain = re.sub(r"\s+", " ", text).strip()
    plain = "".join(letter if letter.isprintable() else "�" for letter in plain)
    return plain if len(plain) <= most else f"{plain[:most]}…"


def in_words(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
