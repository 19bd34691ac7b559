"""What lies between what a stage runs and the candidate: the default branch's own commits, by first parent."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ferry.gate.facts import Unknown
from ferry.outside.github.digging import dig, listed, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ferry.gate.facts import Fact
    from ferry.outside.github.client import GitHub

MOST_STEPS = 200
"""More than that between two deployments is for a person to look at."""
MOST_DEPLOYMENTS = 10
NOTHING: dict[str, Any] = {"items": [], "total": 0}


@dataclass(frozen=True, slots=True)
class Ends:
    """One pull request's part of the range: from the commit before its first, to its last, and all between."""

    before: str
    after: str
    commits: tuple[str, ...]


async def tip(github: GitHub, candidate: str, pull: int) -> tuple[Any, Any]:
    """Where the default branch ends, and the candidate's parents, which matter for an open pull request alone."""
    if not pull:
        return candidate, NOTHING
    commit = await github.get(f"/commits/{candidate}")
    parents = dig(commit, "parents")
    if not isinstance(parents, list):
        return unknown("the candidate's parents are not known"), unknown("the candidate was not read")
    shas = [dig(parent, "sha") for parent in parents]
    return shas[0] if shas else unknown("the candidate has no parents"), listed(shas)


async def reachable(github: GitHub, default: str, at: Any) -> Any:
    """From the default branch. Asking for a commit by its id finds those of forks too."""
    if not isinstance(at, str):
        return unknown("which commit it is")
    status = dig(await github.get(f"/compare/{quote(default, safe='')}...{at}", per_page=1), "status")
    return status in ("identical", "behind") if isinstance(status, str) else status


async def between(github: GitHub, deployed: str, at: Any) -> tuple[Any, Fact[list[Any]]]:
    """Where the tip stands, seen from what is deployed, and the commits of the default branch in between."""
    if not deployed:
        return "first", []
    if not isinstance(at, str):
        return unknown("which commit it is"), Unknown("which commit the range ends with")
    found = await github.pages(f"/compare/{deployed}...{at}", "commits")
    if isinstance(found, Unknown):
        return unknown(found), found
    total = dig(found.first, "total_commits")
    if len(found.items) != total:
        return dig(found.first, "status"), Unknown(f"{len(found.items)} of {total} commits could be read")
    return dig(found.first, "status"), _walk(found.items, deployed, at)


def _walk(commits: Sequence[Any], deployed: str, at: str) -> Fact[list[Any]]:
    known = {dig(commit, "sha"): commit for commit in commits if isinstance(dig(commit, "sha"), str)}
    path: list[Any] = []
    while at != deployed:
        if at not in known or len(path) >= MOST_STEPS:
            return Unknown("the default branch's own commits do not lead to what the stage runs, or are too many")
        commit = known.pop(at)
        parents = dig(commit, "parents")
        parent = dig(parents[0], "sha") if isinstance(parents, list) and parents else None
        if not isinstance(parent, str):
            return Unknown(f"the parent of {at[:12]} is not known")
        path.append({"commit": at, "parent": parent})
        at = parent
    return path


async def steps(github: GitHub, path: Fact[list[Any]], default: str, repository: Any) -> Any:
    """Each commit with the merged pull requests that brought it."""
    if isinstance(path, Unknown):
        return unknown(path)
    return listed([{**step, "pulls": await _brought(github, step["commit"], default, repository)} for step in path])


async def _brought(github: GitHub, sha: str, default: str, repository: Any) -> Any:
    """Pull requests of forks, and to other branches, may hold the same commit."""
    found = await github.pages(f"/commits/{sha}/pulls")
    if isinstance(found, Unknown):
        return unknown(found)
    ours = [
        dig(pull, "number")
        for pull in found.items
        if isinstance(dig(pull, "merged_at"), str)
        and dig(pull, "base", "ref") == default
        and dig(pull, "base", "repo", "id") == repository
    ]
    return listed(ours)


def ends(steps: Any) -> dict[int, Fact[Ends]]:
    """Each pull request's part; unknown where others came in between."""
    parts: dict[int, list[Any]] = {}
    for step in steps.get("items", []):
        numbers = step["pulls"].get("items", [])
        for number in numbers:
            if isinstance(number, int):
                parts.setdefault(number, []).append(step)
    return {number: _part(own) for number, own in parts.items()}


def _part(own: list[Any]) -> Fact[Ends]:
    for later, earlier in pairwise(own):
        if later["parent"] != earlier["commit"]:
            return Unknown("its commits do not follow each other")
    return Ends(own[-1]["parent"], own[0]["commit"], tuple(step["commit"] for step in own))


async def recorded(github: GitHub, environment: str) -> Any:
    """The commit of the newest deployment that GitHub holds for a success."""
    found = await github.get("/deployments", environment=environment, per_page=MOST_DEPLOYMENTS)
    if isinstance(found, Unknown):
        return unknown(found)
    if not isinstance(found, list):
        return unknown("GitHub's answer holds no deployments")
    for deployment in found:
        statuses = await github.get(f"/deployments/{dig(deployment, 'id')}/statuses", per_page=1)
        if isinstance(statuses, Unknown) or not isinstance(statuses, list):
            return unknown("how a deployment ended is not known")
        if statuses and dig(statuses[0], "state") == "success":
            return listed([dig(deployment, "sha")])
    return NOTHING if len(found) < MOST_DEPLOYMENTS else unknown("none of the newest deployments ended well")
