"""Who made a pull request, who moved it, and what it touches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferry.gate import locks, updates
from ferry.gate.facts import DEPENDABOT, NOBODY, WEB_FLOW, WEB_FLOW_KEYS, Unknown, holds, whole
from ferry.gate.reasons import Reason, Tier, same, unless

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ferry.gate.facts import Changed, Commit, Facts, Move, Pull

NAME = "dependabot"
PIPELINE = (
    ".github/", "ci/", "infrastructure/bootstrap/",
    "codeowners", "docs/codeowners", "dagger.json", "ferry.lock", "ferry.toml", "makefile",
)  # fmt: skip
"""What decides how changes reach prod, the gate itself included: folders end with a slash, all in small letters."""
ACTIONS = ("action.yml", "action.yaml")
"""What workflows are made of, wherever it lies."""
DELETED = "branch_deletion"
ADDS = frozenset({"push", "pr_merge"})
"""Moves that leave what was there; a forced one does not."""


def reasons(pull: Pull, facts: Facts) -> Iterator[Reason]:
    about = named(pull)
    yield from _home(pull, facts, about)
    yield from _files(pull, about)
    commits = _commits(pull, about)
    if isinstance(commits, Reason):
        yield commits
    elif is_dependabots(pull):
        yield from _dependabots(pull, commits, about)
    else:
        yield from _peoples(pull, commits, about)


def named(pull: Pull) -> str:
    return "a pull request" if isinstance(pull.number, Unknown) else f"#{pull.number}"


def is_dependabots(pull: Pull) -> bool:
    return pull.opener == DEPENDABOT and pull.opener_kind == "Bot"


def _home(pull: Pull, facts: Facts, about: str) -> Iterator[Reason]:
    def unsure(fact: str) -> Iterator[Reason]:
        yield Reason(tier=Tier.T3, about=about, fact="base", why=fact)

    for fact, said in (
        (same(pull.base, facts.default_branch), "it does not go to the default branch"),
        (same(pull.base_repository, facts.repository), "it is a pull request of another repository"),
        (same(pull.head, pull.head_after), "its head moved while it was read: judge it again"),
    ):
        if isinstance(fact, Unknown):
            yield from unsure(f"not known: {fact.why}")
        elif not fact:
            yield from unsure(said)


def _files(pull: Pull, about: str) -> Iterator[Reason]:
    """What it says it changes, and what really came: neither may be the pipeline itself."""
    files, landed = whole(pull.files), whole(pull.landed)
    for fact, listed in (("files", files), ("landed files", landed)):
        if isinstance(listed, Unknown):
            yield _unsure(about, fact, f"not known: {listed.why}")
            continue
        for changed in listed:
            yield from _touches_pipeline(changed, about, fact)
    if not isinstance(files, Unknown) and not isinstance(landed, Unknown):
        more = sorted(_paths(landed) - _paths(files))
        yield from (_unsure(about, "landed files", f"{path} came with it, and is not in it") for path in more)


def _touches_pipeline(changed: Changed, about: str, fact: str) -> Iterator[Reason]:
    for path in (changed.path, changed.previous):
        if isinstance(path, Unknown):
            yield _unsure(about, fact, f"not known: {path.why}")
        elif is_pipeline(path):
            yield _unsure(about, fact, f"{path} is part of the pipeline")
    if isinstance(changed.status, Unknown):
        yield _unsure(about, fact, f"not known: {changed.status.why}")


def is_pipeline(path: str) -> bool:
    small = path.casefold()
    return small.endswith(ACTIONS) or any(
        small.startswith(own) if own.endswith("/") else small == own for own in PIPELINE
    )


def _paths(files: Sequence[Changed]) -> set[str]:
    return {path for it in files for path in (it.path, it.previous) if isinstance(path, str) and path}


def _commits(pull: Pull, about: str) -> tuple[Commit, ...] | Reason:
    commits = whole(pull.commits)
    if isinstance(commits, Unknown):
        return _unsure(about, "commits", f"not known: {commits.why}")
    if not commits or isinstance(pull.head, Unknown) or commits[-1].sha != pull.head:
        return _unsure(about, "commits", "they do not end where its head is: judge it again")
    return commits


# People's.


def _peoples(pull: Pull, commits: Sequence[Commit], about: str) -> Iterator[Reason]:
    for fact in (pull.opener, pull.opener_kind, pull.opener_login, pull.branch):
        yield from unless(fact, lambda _: True, lambda why: _unsure(about, "opener", why), lambda _: "")
    if holds(pull.opener, lambda it: it == NOBODY) or holds(pull.opener_kind, lambda kind: kind != "User"):
        yield _unsure(about, "opener", "neither a person nor Dependabot")
    if (
        pull.opener == DEPENDABOT
        or holds(pull.opener_login, _sounds)
        or holds(pull.branch, lambda it: it.casefold().startswith(f"{NAME}/"))
    ):
        yield _unsure(about, "opener", "it looks like one of Dependabot's, and Dependabot did not open it")
    for commit in commits:
        if why := _poses(commit):
            yield _unsure(about, "commits", f"{_short(commit)} {why}")
    yield Reason(tier=Tier.T2, about=about, fact="opener", why="a person's change")


def _poses(commit: Commit) -> str:
    """What makes a person's commit look like Dependabot's."""
    known = (commit.sha, commit.author, commit.author_kind, commit.author_name, commit.author_email)
    unknown = next((fact for fact in known if isinstance(fact, Unknown)), None)
    if unknown:
        return f"is by nobody known: {unknown.why}"
    claims = commit.author == DEPENDABOT or holds(commit.author_name, _sounds) or holds(commit.author_email, _sounds)
    return "says that it is Dependabot's" if claims else ""


def _sounds(name: str) -> bool:
    return NAME in name.casefold()


# Dependabot's.


def _dependabots(pull: Pull, commits: Sequence[Commit], about: str) -> Iterator[Reason]:
    others = [commit for commit in commits if not is_genuine(commit)]
    yield from _own_branch(pull, about)
    yield from _moves(pull, others, about)
    for commit in others:
        yield _other(commit, about)
    touched = _touched(pull)
    sized = list(updates.sizes(pull, about, touched))
    if others:
        # What people added to it may go beyond any update; how large the update is counts all the same.
        yield from sized
        return
    exceeding = [
        _unsure(about, "files", f"{path} is no lock file, nor made one from")
        for path in touched
        if not locks.kind(path)
    ]
    found = [*sized, *updates.claimed(pull, about), *exceeding]
    open_hole = updates.security(pull)
    if open_hole or any(reason.tier > Tier.T1 for reason in found):
        yield from found
        yield Reason(tier=Tier.T1, about=about, fact="security", why=open_hole or "it closes known holes")
    else:
        yield Reason(tier=Tier.T0, about=about, fact="security", why="all that it updates closes known holes")


def is_genuine(commit: Commit) -> bool:
    """Made by Dependabot on GitHub's side: its id, GitHub's signature with a key that we know, and no merge."""
    return (
        isinstance(commit.sha, str)
        and commit.author == DEPENDABOT
        and commit.committer == WEB_FLOW
        and commit.verified is True
        and commit.reason == "valid"
        and holds(commit.key, lambda key: key in WEB_FLOW_KEYS)
        and commit.parents == 1
    )


def _other(commit: Commit, about: str) -> Reason:
    """A commit that is not Dependabot's, in a pull request that is."""
    if why := _poses(commit):
        return _unsure(about, "commits", f"{_short(commit)} {why}, and GitHub's signature does not say so")
    if commit.author == NOBODY or commit.author_kind != "User":
        return _unsure(about, "commits", f"{_short(commit)} is neither a person's nor Dependabot's")
    return Reason(tier=Tier.T2, about=about, fact="commits", why=f"{_short(commit)} is a person's")


def _own_branch(pull: Pull, about: str) -> Iterator[Reason]:
    home = same(pull.head_repository, pull.base_repository)
    yield from unless(
        home, bool, lambda why: _unsure(about, "head", why), lambda _: "its branch is in another repository"
    )
    yield from unless(
        pull.branch,
        lambda branch: branch.startswith(f"{NAME}/"),
        lambda why: _unsure(about, "head", why),
        lambda branch: f"{branch} is no branch of Dependabot's",
    )


def _moves(pull: Pull, others: Sequence[Commit], about: str) -> Iterator[Reason]:
    """Who signed a commit does not say who put it there: each move of the branch has to be explained."""
    listed = whole(pull.moves)
    if isinstance(listed, Unknown):
        yield _unsure(about, "moves", f"not known: {listed.why}")
        return
    led = _leading_to(pull.head, listed)
    if not led:
        yield _unsure(about, "moves", "they do not lead from a new branch to its head")
    peoples = {commit.sha for commit in others}
    for move in led:
        if move.actor == DEPENDABOT:
            continue
        if isinstance(move.actor, Unknown):
            yield _unsure(about, "moves", f"not known: {move.actor.why}")
        elif move.kind not in ADDS or move.after not in peoples:
            yield _unsure(about, "moves", "somebody else moved its branch to what looks like Dependabot's")


def _leading_to(head: object, moves: Sequence[Move]) -> list[Move]:
    """From the making of the branch to the head, each time that there was one of its name which led there."""
    led: list[Move] = []
    found: list[Move] = []
    for move in moves:
        if any(isinstance(fact, Unknown) for fact in (move.kind, move.before, move.after)):
            return []
        if _is_new(move):
            led = [move]
        elif led and move.before == led[-1].after and move.kind != DELETED:
            led.append(move)
        else:
            led = []
        found += led if led and move.after == head else []
    return found


def _is_new(move: Move) -> bool:
    return move.kind == "branch_creation" and holds(move.before, lambda sha: not sha.strip("0"))


def _touched(pull: Pull) -> list[str]:
    files, landed = whole(pull.files), whole(pull.landed)
    told = [it for listed in (files, landed) if not isinstance(listed, Unknown) for it in listed]
    return sorted(_paths(told))


def _short(commit: Commit) -> str:
    return f"commit {commit.sha[:12]}" if isinstance(commit.sha, str) else "a commit"


def _unsure(about: str, fact: str, why: str) -> Reason:
    return Reason(tier=Tier.T3, about=about, fact=fact, why=why)
