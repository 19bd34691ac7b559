"""What one run of the canary has at hand, and gathers."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from canary.verdict import Check
from canary.web import Unanswered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from canary.question import Question
    from canary.web import Web

KEY = "x-api-key"
OPEN = "dev"
"""The environment in which everybody may ask for data."""
NO_KEY = "no API key is at hand: set CANARY_API_KEY, or name another variable with --key-env"


@dataclass(slots=True)
class Asking:
    question: Question
    web: Web
    checks: list[Check] = field(default_factory=list)
    measured: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, target: str, wrong: str, *, well: str, bad: str, seconds: float = 0.0) -> bool:
        """`wrong`: the reason, or empty where all is well."""
        what = bad if wrong else well
        self.checks.append(Check(name=name, target=target, ok=not wrong, what=what, why=wrong, seconds=seconds))
        return not wrong

    def undecided(self, name: str, target: str, what: str, why: str) -> None:
        self.checks.append(Check(name=name, target=target, ok=None, what=what, why=why))

    def measure(self, name: str, seconds: float) -> None:
        self.measured[f"{name}_ms"] = round(seconds * 1000, 1)

    @property
    def headers(self) -> dict[str, str]:
        return {KEY: self.question.key} if self.question.key else {}

    @contextmanager
    def answered(self, name: str, target: str, bad: str) -> Iterator[None]:
        """No answer is the check's result."""
        try:
            yield
        except Unanswered as error:
            ok = None if error.ours else False
            what = "could not be asked" if error.ours else bad
            self.checks.append(Check(name=name, target=target, ok=ok, what=what, why=error.why))
