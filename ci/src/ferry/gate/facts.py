"""What a decision rests on. Every fact is what was seen, or `Unknown`, with the reason why it was not.

A list says how many items there are, beside those that it holds: one with items missing is not known either. Nothing
that anyone with write access can edit is among these facts: no title, body, label or milestone, no actor of an event.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from ferry.model import Approval
from ferry.shape import Text

DEPENDABOT = 49699333
"""The id of the user `dependabot[bot]`. Names can be taken, this number cannot."""
WEB_FLOW = "web-flow"
WEB_FLOW_KEYS = frozenset({"B5690EEEBB952194"})
"""What GitHub signs with, for commits that are made on its side. A new one has to be added here by a person."""
ACTIONS = 15368
"""The id of the app that Actions' checks come from."""
NOBODY = 0
"""The id where GitHub knows that no account stands behind something."""

Sha = Annotated[str, Text(pattern=r"([0-9a-f]{40}([0-9a-f]{24})?)?", says="a full commit id, or nothing")]
Path = Annotated[str, Text(pattern=r"([^\x00-\x1f\x7f]{1,4096})?", says="a path, or nothing")]
Ref = Annotated[str, Text(pattern=r"[^\x00-\x20\x7f~^:?*\[\\]{1,255}", says="the name of a branch")]
Login = Annotated[str, Text(pattern=r"[A-Za-z0-9_-]{1,100}(\[bot\])?", says="a login")]
Word = Annotated[str, Text(pattern=r"[A-Za-z_-]{0,60}", says="a word")]
Line = Annotated[str, Text(pattern=r"[^\x00-\x1f\x7f]{0,1000}", says="a line of text")]
Name = Annotated[str, Text(pattern=r"[^\x00-\x20\x7f]{1,300}", says="the name of a package")]
Version = Annotated[str, Text(pattern=r"[^\x00-\x20\x7f]{0,300}", says="a version, or nothing")]


@dataclass(frozen=True, slots=True)
class Unknown:
    """What is not known, and why."""

    why: str


type Fact[T] = T | Unknown


@dataclass(frozen=True, slots=True)
class Listed[T]:
    """Some of `total` items, in the order in which they were told."""

    items: tuple[T, ...]
    total: int

    @classmethod
    def all(cls, *items: T) -> "Listed[T]":
        return cls(items, len(items))


def whole[T](listed: Fact[Listed[T]]) -> tuple[T, ...] | Unknown:
    if isinstance(listed, Unknown):
        return listed
    if len(listed.items) != listed.total:
        return Unknown(f"{len(listed.items)} of {listed.total} could be read")
    return listed.items


def holds[T](fact: Fact[T], condition: Callable[[T], bool]) -> bool:
    """Known, and so."""
    return not isinstance(fact, Unknown) and condition(fact)


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit of a pull request. `author` is the account behind the author's e-mail: free text, unless signed."""

    sha: Fact[Sha]
    parents: Fact[int]
    author: Fact[int]
    author_kind: Fact[Word]
    author_name: Fact[Line]
    author_email: Fact[Line]
    committer: Fact[Line]
    verified: Fact[bool]
    reason: Fact[Word]
    key: Fact[Line]


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One change of where the pull request's branch points, oldest first. `before` is zeros for a new branch."""

    actor: Fact[int]
    kind: Fact[Word]
    before: Fact[Sha]
    after: Fact[Sha]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """One file. `previous` is what it was called before, where it was renamed."""

    path: Fact[Path]
    status: Fact[Word]
    previous: Fact[Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bump:
    """One package whose version changed. `brought_by` are the packages that need it, directly or not."""

    name: Fact[Name]
    old: Fact[Version]
    new: Fact[Version]
    brought_by: Fact[tuple[Name, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LockChange:
    """What changed in one lock file or manifest. `odd` is all of it that is more than versions."""

    path: Fact[Path]
    ecosystem: Fact[Word]
    bumps: Fact[Listed[Bump]]
    odd: Fact[Listed[Line]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What Dependabot's own commit says that it updates."""

    name: Fact[Name]
    version: Fact[Version]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A known hole that GitHub links to this pull request."""

    package: Fact[Name]
    ecosystem: Fact[Word]
    manifest: Fact[Path]
    state: Fact[Word]
    vulnerable: Fact[Line]
    patched: Fact[Version]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """One pull request. `head_after` is its head once all the rest was read.

    `files` are what it says it changes, `landed` what changed on the default branch; `locks` are read at both ends of
    that change.
    """

    number: Fact[int]
    merged: Fact[bool]
    opener: Fact[int]
    opener_kind: Fact[Word]
    opener_login: Fact[Login]
    merger: Fact[int]
    base: Fact[Ref]
    base_repository: Fact[int]
    branch: Fact[Ref]
    head_repository: Fact[int]
    head: Fact[Sha]
    head_after: Fact[Sha]
    commits: Fact[Listed[Commit]]
    files: Fact[Listed[Changed]]
    landed: Fact[Listed[Changed]]
    moves: Fact[Listed[Move]]
    locks: Fact[Listed[LockChange]]
    claims: Fact[Listed[Claim]]
    alerts: Fact[Listed[Alert]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One commit on the default branch, its first parent, and the merged pull requests that brought it."""

    commit: Fact[Sha]
    parent: Fact[Sha]
    pulls: Fact[Listed[int]]


class Standing(StrEnum):
    """Where the candidate stands, seen from what the stage runs."""

    IDENTICAL = "identical"
    AHEAD = "ahead"
    BEHIND = "behind"
    DIVERGED = "diverged"
    FIRST = "first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From what the stage runs (nothing: an empty `deployed`) to the candidate.

    `tip` is where the default branch ends for this decision: the candidate itself, or what an open pull request was
    merged with to try it out. `trial` is that pull request (0: none), `parents` are the candidate's. `recorded` is what
    GitHub's deployments say that the stage runs, if they say anything. Steps begin at the tip.
    """

    deployed: Fact[Sha]
    candidate: Fact[Sha]
    tip: Fact[Sha]
    trial: Fact[int]
    parents: Fact[Listed[Sha]]
    reachable: Fact[bool]
    standing: Fact[Standing]
    recorded: Fact[Listed[Sha]]
    steps: Fact[Listed[Step]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Required:
    """A check that the branch's rules ask for. `app` is who has to say it; 0 where the rules do not care."""

    name: Fact[Line]
    app: Fact[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one check said."""

    name: Fact[Line]
    app: Fact[int]
    conclusion: Fact[Word]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """What was asked of `commit`, and what came of it."""

    commit: Fact[Sha]
    required: Fact[Listed[Required]]
    runs: Fact[Listed[Run]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What GitHub asks before a job may use the environment."""

    reviewers: Fact[int]
    prevents_self_review: Fact[bool]
    admins_bypass: Fact[bool]
    branches: Fact[Listed[Ref]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The environment. `first`: no other is passed before it."""

    name: Fact[Name]
    first: Fact[bool]
    approval: Fact[Approval]
    rules: Fact[Rules]


class Phase(StrEnum):
    """Whether a person could have agreed already."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one person said of this run in the environment."""

    person: Fact[int]
    kind: Fact[Word]
    state: Fact[Word]
    environments: Fact[tuple[Line, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """`commit` is what the run that was agreed to is about."""

    commit: Fact[Sha]
    said: Fact[Listed[Said]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    repository: Fact[int]
    default_branch: Fact[Ref]
    stage: Fact[Stage]
    span: Fact[Span]
    checks: Fact[Checks]
    pulls: Fact[Listed[Pull]]
    phase: Fact[Phase]
    agreement: Fact[Agreement]
