"""The record of every decision: who asked for what, and why it was allowed or not."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEPT = 10_000


@dataclass(frozen=True)
class Decision:
    """`why` ends AWS's sentence: "because no identity-based policy allows the s3:GetObject action"."""

    principal: str
    action: str
    resource: str
    allowed: bool
    why: str
    call: str = ""
    """The call that it was part of, "s3:PutObject", or the delivery."""

    def __str__(self) -> str:
        return f"{'allow' if self.allowed else 'DENY '} {self.principal} {self.action} {self.resource} ({self.why})"


@dataclass
class Audit:
    """The newest decisions. `listeners` hear each one at once."""

    kept: deque[Decision] = field(default_factory=lambda: deque(maxlen=KEPT))
    listeners: list[Callable[[Decision], None]] = field(default_factory=list)

    def add(self, decision: Decision) -> Decision:
        self.kept.append(decision)
        for listener in self.listeners:
            listener(decision)
        return decision

    def __iter__(self) -> Iterator[Decision]:
        return iter(list(self.kept))

    def denied(self) -> list[Decision]:
        return [decision for decision in self if not decision.allowed]
