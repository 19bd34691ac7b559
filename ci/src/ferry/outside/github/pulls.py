"""One pull request, with all that its decision rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ferry.gate import locks, wire
from ferry.gate.facts import DEPENDABOT, NOBODY, Unknown
from ferry.outside.github import alerts, trailer
from ferry.outside.github.digging import dig, listed, unknown
from ferry.outside.github.signature import issuer

if TYPE_CHECKING:
    from ferry.gate.facts import Fact
    from ferry.outside.github.client import GitHub
    from ferry.outside.github.span import Ends

MOST_FILES = 3000
"""GitHub tells of no more."""
NOT_YET = "gpgverify_unavailable"
NOT_ASKED = "it is asked of Dependabot's alone"


async def pull(github: GitHub, number: int, part: Fact[Ends], holes: Fact[list[Any]]) -> dict[str, Any]:
    data = await github.get(f"/pulls/{number}")
    dependabots = dig(data, "user", "id") == DEPENDABOT
    commits = await _commits(github, number)
    landed = await _landed(github, part)
    facts = {
        "number": number,
        "merged": dig(data, "merged"),
        "opener": dig(data, "user", "id"),
        "opener_kind": dig(data, "user", "type"),
        "opener_login": dig(data, "user", "login"),
        "merger": dig(data, "merged_by", "id") if dig(data, "merged") is True else NOBODY,
        "base": dig(data, "base", "ref"),
        "base_repository": dig(data, "base", "repo", "id"),
        "branch": dig(data, "head", "ref"),
        "head_repository": dig(data, "head", "repo", "id"),
        "head": dig(data, "head", "sha"),
        "commits": _told_commits(commits, dig(data, "commits")),
        "files": await _files(github, number, dig(data, "changed_files")),
        "landed": landed,
        **{name: unknown(NOT_ASKED) for name in ("moves", "locks", "claims", "alerts")},
    }
    if dependabots:
        facts |= {
            "moves": await _moves(github, dig(data, "head", "ref")),
            "locks": await _locks(github, landed, part),
            "claims": _claims(commits),
            "alerts": alerts.of_pull(holes, number),
        }
    # Last, so that whatever moved in the meantime shows.
    return {**facts, "head_after": dig(await github.get(f"/pulls/{number}"), "head", "sha")}


async def _commits(github: GitHub, number: int) -> Fact[list[Any]]:
    """Once more where GitHub had no time to look at a signature."""
    found = await github.pages(f"/pulls/{number}/commits")
    if not isinstance(found, Unknown) and any(_is_waiting(one) for one in found.items):
        found = await github.pages(f"/pulls/{number}/commits")
    return found if isinstance(found, Unknown) else found.items


def _is_waiting(commit: Any) -> bool:
    return bool(dig(commit, "commit", "verification", "reason") == NOT_YET)


def _told_commits(commits: Fact[list[Any]], total: Any) -> Any:
    return unknown(commits) if isinstance(commits, Unknown) else listed([_commit(one) for one in commits], total)


def _commit(one: Any) -> dict[str, Any]:
    """GitHub says null for an e-mail address that no account has: that is known."""
    parents = dig(one, "parents")
    nobody = isinstance(one, dict) and "author" in one and one["author"] is None
    committed_by_nobody = isinstance(one, dict) and "committer" in one and one["committer"] is None
    return {
        "sha": dig(one, "sha"),
        "parents": len(parents) if isinstance(parents, list) else parents,
        "author": NOBODY if nobody else dig(one, "author", "id"),
        "author_kind": "" if nobody else dig(one, "author", "type"),
        "author_name": dig(one, "commit", "author", "name"),
        "author_email": dig(one, "commit", "author", "email"),
        "committer": "" if committed_by_nobody else dig(one, "committer", "login"),
        "verified": dig(one, "commit", "verification", "verified"),
        "reason": dig(one, "commit", "verification", "reason"),
        "key": issuer(dig(one, "commit", "verification", "signature")),
    }


async def _files(github: GitHub, number: int, total: Any) -> Any:
    found = await github.pages(f"/pulls/{number}/files")
    return unknown(found) if isinstance(found, Unknown) else listed([_file(one) for one in found.items], total)


async def _landed(github: GitHub, part: Fact[Ends]) -> Any:
    if isinstance(part, Unknown):
        return unknown(part)
    files: list[Any] = []
    for sha in part.commits:
        found = await github.pages(f"/commits/{sha}", "files")
        if isinstance(found, Unknown):
            return unknown(found)
        if len(found.items) >= MOST_FILES:
            return unknown(f"{sha[:12]} changes more files than GitHub tells of")
        files += [_file(one) for one in found.items]
    return listed(files)


def _file(one: Any) -> dict[str, Any]:
    renamed = dig(one, "status") == "renamed"
    return {
        "path": dig(one, "filename"),
        "status": dig(one, "status"),
        "previous": dig(one, "previous_filename") if renamed else "",
    }


async def _moves(github: GitHub, branch: Any) -> Any:
    if not isinstance(branch, str):
        return unknown("which branch it is")
    found = await github.pages("/activity", ref=f"refs/heads/{branch}", direction="asc")
    if isinstance(found, Unknown):
        return unknown(found)
    moves = [
        {
            "actor": dig(one, "actor", "id"),
            "kind": dig(one, "activity_type"),
            "before": dig(one, "before"),
            "after": dig(one, "after"),
        }
        for one in found.items
    ]
    return listed(moves)


async def _locks(github: GitHub, landed: Any, part: Fact[Ends]) -> Any:
    """As they are before and after it, on the default branch: what really came, not what its own branch began from."""
    if isinstance(part, Unknown) or "items" not in landed:
        return unknown("what it changed is not known")
    paths = sorted({one["path"] for one in landed["items"] if isinstance(one["path"], str) and locks.kind(one["path"])})
    found = []
    for path in paths:
        before, after = [await github.text(path, at) for at in (part.before, part.after)]
        found.append(wire.plain(locks.change(path, before, after)))
    return listed(found)


def _claims(commits: Fact[list[Any]]) -> Any:
    """Only those of Dependabot's own commits; whether they really are is judged by all else that they say."""
    if isinstance(commits, Unknown):
        return unknown(commits)
    own = [dig(one, "commit", "message") for one in commits if dig(one, "author", "id") == DEPENDABOT]
    return trailer.claims([message if isinstance(message, str) else "" for message in own])
