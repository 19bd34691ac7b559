"""What can happen in a run, as facts. Readers decide how it looks; times are seconds since the epoch."""

from dataclasses import dataclass
from enum import StrEnum

from ferry.model import Artifact, Finding
from ferry.report.failure import Facts


class Ended(StrEnum):
    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """`step` is unique in its run; `parent` is the step it runs inside, or empty."""

    step: str
    title: str
    at: float
    parent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    step: str
    text: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    step: str
    seconds: float
    outcome: Ended
    summary: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    finding: Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    artifact: Artifact


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """How many resources a plan touches."""

    create: int = 0
    update: int = 0
    replace: int = 0
    destroy: int = 0
    adopt: int = 0
    no_op: int = 0

    def __str__(self) -> str:
        return f"+{self.create} ~{self.update} ±{self.replace} -{self.destroy} ↓{self.adopt}"


@dataclass(frozen=True, slots=True)
class Row:
    """One resource in a plan; `action` is a field name of `Changes`."""

    action: str
    address: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A plan in short; `diff` is the text Terraform shows for it. The last of a run that changes anything counts."""

    counts: Changes
    rows: tuple[Row, ...] = ()
    diff: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    error: Facts
    at: float


type Event = Started | Progress | Finished | Found | Made | Changed | Failed
