"""Facts of a whole world, as `ferry gate --json` prints them: one pull request between prod and the candidate.

Each part can be changed before it is read. All that is not said is as good as it can be.
"""

from __future__ import annotations

from typing import Any

from ferry.gate import Decision, decide, wire
from ferry.gate.facts import ACTIONS, DEPENDABOT

type Data = dict[str, Any]

REPOSITORY, PERSON, SECOND, BOT = 1001, 501, 502, 41898282
WEB_FLOW_KEY = "B5690EEEBB952194"
NEW_BRANCH = "0" * 40


def sha(name: str) -> str:
    """A commit id that says what it stands for, in its own way."""
    return name.encode().hex().ljust(40, "f")[:40]


DEPLOYED, TIP, HEAD = sha("deployed"), sha("tip"), sha("head")


def listed(*items: Any) -> Data:
    return {"items": list(items), "total": len(items)}


def commit(of: str = "head", **other: Any) -> Data:
    """Dependabot's own, as GitHub signs it."""
    return {
        "sha": sha(of),
        "parents": 1,
        "author": DEPENDABOT,
        "author_kind": "Bot",
        "author_name": "dependabot[bot]",
        "author_email": f"{DEPENDABOT}+dependabot[bot]@users.noreply.github.com",
        "committer": "web-flow",
        "verified": True,
        "reason": "valid",
        "key": WEB_FLOW_KEY,
        **other,
    }


def persons_commit(of: str = "head", **other: Any) -> Data:
    said = {"author": PERSON, "author_kind": "User", "author_name": "Ada", "author_email": "ada@example.com"}
    unsigned = {"committer": "ada", "verified": False, "reason": "unsigned", "key": ""}
    return commit(of, **{**said, **unsigned, **other})


def move(actor: int = DEPENDABOT, kind: str = "branch_creation", before: str = NEW_BRANCH, after: str = HEAD) -> Data:
    return {"actor": actor, "kind": kind, "before": before, "after": after}


def file(path: str, status: str = "modified", previous: str = "") -> Data:
    return {"path": path, "status": status, "previous": previous}


def bump(name: str = "httpx", old: str = "0.28.0", new: str = "0.28.1", *brought_by: str) -> Data:
    return {"name": name, "old": old, "new": new, "brought_by": list(brought_by)}


def lock(*bumps: Data, path: str = "uv.lock", ecosystem: str = "PIP", odd: tuple[str, ...] = ()) -> Data:
    return {"path": path, "ecosystem": ecosystem, "bumps": listed(*bumps), "odd": listed(*odd)}


def claim(name: str = "httpx", version: str = "0.28.1") -> Data:
    return {"name": name, "version": version}


def alert(package: str = "httpx", vulnerable: str = "< 0.28.1", patched: str = "0.28.1", **other: Any) -> Data:
    said = {"package": package, "ecosystem": "PIP", "manifest": "uv.lock", "state": "OPEN"}
    return {**said, "vulnerable": vulnerable, "patched": patched, **other}


def pull(number: int = 7, **other: Any) -> Data:
    """Dependabot's: a patch of one package, merged by a person."""
    files = other.pop("paths", ("uv.lock", "pyproject.toml"))
    bumps = other.pop("bumps", (bump(),))
    return {
        "number": number,
        "merged": True,
        "opener": DEPENDABOT,
        "opener_kind": "Bot",
        "opener_login": "dependabot[bot]",
        "merger": PERSON,
        "base": "main",
        "base_repository": REPOSITORY,
        "branch": "dependabot/uv/httpx-0.28.1",
        "head_repository": REPOSITORY,
        "head": HEAD,
        "head_after": HEAD,
        "commits": listed(commit()),
        "files": listed(*map(file, files)),
        "landed": listed(*map(file, files)),
        "moves": listed(move()),
        "locks": listed(lock(*bumps), *(lock(path=path, ecosystem="") for path in files if path == "pyproject.toml")),
        "claims": listed(*(claim(it["name"], it["new"]) for it in bumps if not it["brought_by"])),
        "alerts": listed(),
        **other,
    }


def security_pull(number: int = 7, **other: Any) -> Data:
    return pull(number, **{"alerts": listed(alert()), **other})


def persons_pull(number: int = 7, **other: Any) -> Data:
    said = {"opener": PERSON, "opener_kind": "User", "opener_login": "ada", "branch": "faster-stream"}
    unasked = {name: {"unknown": "not asked"} for name in ("moves", "locks", "claims", "alerts")}
    changed = {"commits": listed(persons_commit()), "paths": ("src/stream.py",), "merger": SECOND}
    return pull(number, **{**said, **unasked, **changed, **other})


def step(number: int | None, of: str = "tip", parent: str = "deployed") -> Data:
    return {"commit": sha(of), "parent": sha(parent), "pulls": listed(*([] if number is None else [number]))}


def world(*pulls: Data, first: bool = False, **span: Any) -> Data:
    """All pull requests, one commit on main for each, the newest last."""
    names = ["deployed", *(f"step {number}" for number in range(1, len(pulls))), *(["tip"] if pulls else [])]
    steps = [
        step(it["number"], names[place + 1], names[place]) for place, it in enumerate(pulls) if it["merged"] is True
    ]
    tip = TIP if pulls else DEPLOYED
    return {
        "repository": REPOSITORY,
        "default_branch": "main",
        "stage": {
            "name": "preprod" if first else "prod",
            "first": first,
            "approval": "by-change",
            "rules": {
                "reviewers": 1,
                "prevents_self_review": True,
                "admins_bypass": False,
                "branches": listed("main"),
            },
        },
        "span": {
            "deployed": DEPLOYED,
            "candidate": tip,
            "tip": tip,
            "trial": 0,
            "parents": listed(),
            "reachable": True,
            "standing": "ahead" if pulls else "identical",
            "recorded": listed(DEPLOYED),
            "steps": listed(*reversed(steps)),
            **span,
        },
        "checks": {
            "commit": tip,
            "required": listed({"name": "test", "app": ACTIONS}),
            "runs": listed({"name": "test", "app": ACTIONS, "conclusion": "success"}),
        },
        "pulls": listed(*pulls),
        "phase": "before",
        "agreement": {"unknown": "nobody was asked yet"},
    }


def trial(tried: Data, *merged: Data, first: bool = False) -> Data:
    """An open pull request, tried out as GitHub's merge of it with main."""
    said = world(*merged, first=first)
    candidate, tip = sha("merge"), said["span"]["tip"]
    said["span"] |= {"candidate": candidate, "trial": tried["number"], "parents": listed(tip, tried["head"])}
    said["checks"]["commit"] = tried["head"]
    said["pulls"] = listed(*said["pulls"]["items"], {**tried, "merged": False})
    return said


def agreed(said: Data, person: Any = SECOND, **other: Any) -> Data:
    """After a person let it in."""
    one = {"person": person, "kind": "User", "state": "approved", "environments": [said["stage"]["name"]], **other}
    return {**said, "phase": "after", "agreement": {"commit": said["span"]["tip"], "said": listed(one)}}


def decided(said: Data) -> Decision:
    return decide(wire.facts(said))
