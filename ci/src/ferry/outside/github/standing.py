"""Where the candidate arrives: what the environment asks for, what the checks said, and who agreed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ferry.gate.facts import Unknown
from ferry.outside.github.digging import dig, listed, unknown

if TYPE_CHECKING:
    from ferry.outside.github.client import GitHub

REVIEWERS = "required_reviewers"
CHECKS = "required_status_checks"


async def rules(github: GitHub, environment: str) -> dict[str, Any]:
    place = f"/environments/{quote(environment, safe='')}"
    data = await github.get(place)
    asked = dig(data, "protection_rules")
    if not isinstance(asked, list):
        return asked if isinstance(asked, dict) else unknown("GitHub's answer holds no rules")
    own = [rule for rule in asked if dig(rule, "type") == REVIEWERS]
    return {
        "reviewers": sum(_number(dig(rule, "reviewers")) for rule in own),
        "prevents_self_review": bool(own) and all(dig(rule, "prevent_self_review") is True for rule in own),
        "admins_bypass": dig(data, "can_admins_bypass"),
        "branches": await _branches(github, place, data),
    }


def _number(reviewers: Any) -> int:
    return len(reviewers) if isinstance(reviewers, list) else 0


async def _branches(github: GitHub, place: str, environment: Any) -> Any:
    """Which may use it; nothing for all. Where only protected ones may, those that there are."""
    policy = dig(environment, "deployment_branch_policy")
    if dig(policy, "custom_branch_policies") is True:
        found = await github.pages(f"{place}/deployment-branch-policies", "branch_policies")
        if isinstance(found, Unknown):
            return unknown(found)
        total = dig(found.first, "total_count")
        return listed([_branch(one) for one in found.items], total)
    if dig(policy, "protected_branches") is True:
        found = await github.pages("/branches", protected="true")
        return unknown(found) if isinstance(found, Unknown) else listed([dig(it, "name") for it in found.items])
    return listed([])


def _branch(policy: Any) -> Any:
    return dig(policy, "name") if dig(policy, "type") in ("branch", {}) else unknown("tags may use it too")


async def checks(github: GitHub, default: str, commit: Any) -> dict[str, Any]:
    if not isinstance(commit, str):
        return unknown("which commit was checked")
    found = await github.pages(f"/commits/{commit}/check-runs", "check_runs")
    runs: Any = unknown(found) if isinstance(found, Unknown) else None
    if not isinstance(found, Unknown):
        runs = listed([_run(one) for one in found.items], dig(found.first, "total_count"))
    return {"commit": commit, "required": await _required(github, default), "runs": runs}


def _run(one: Any) -> dict[str, Any]:
    """One that is not over has no conclusion: that is known too."""
    waiting = dig(one, "status") in ("queued", "in_progress", "waiting", "requested", "pending")
    conclusion = "" if waiting else dig(one, "conclusion")
    return {"name": dig(one, "name"), "app": dig(one, "app", "id"), "conclusion": conclusion}


async def _required(github: GitHub, default: str) -> Any:
    """By rulesets, and by the older protection of a branch."""
    branch = quote(default, safe="")
    found = await github.pages(f"/rules/branches/{branch}")
    old = await github.get(f"/branches/{branch}")
    if isinstance(found, Unknown) or isinstance(old, Unknown):
        return unknown(found if isinstance(found, Unknown) else old)
    required = []
    for rule in found.items:
        if dig(rule, "type") == CHECKS:
            named = dig(rule, "parameters", CHECKS)
            if not isinstance(named, list):
                return unknown("a rule asks for checks, and does not say which")
            required += [_check(one, "integration_id") for one in named]
    if dig(old, "protected") is not False and dig(old, "protection", "enabled") is not False:
        classic = dig(old, "protection", CHECKS, "checks")
        if not isinstance(classic, list):
            return unknown("whether the branch's protection asks for checks is not known")
        required += [_check(one, "app_id") for one in classic]
    return listed(required)


def _check(one: Any, app: str) -> dict[str, Any]:
    """Where the rules do not care whose check it is, GitHub says null, -1 or nothing."""
    by = one.get(app) if isinstance(one, dict) else None
    return {"name": dig(one, "context"), "app": 0 if by in (None, -1) else by}


async def agreement(github: GitHub, run: int) -> dict[str, Any]:
    found = await github.pages(f"/actions/runs/{run}/approvals")
    said: Any = unknown(found) if isinstance(found, Unknown) else listed([_said(one) for one in found.items])
    return {"commit": dig(await github.get(f"/actions/runs/{run}"), "head_sha"), "said": said}


def _said(one: Any) -> dict[str, Any]:
    where = dig(one, "environments")
    names = [dig(environment, "name") for environment in where] if isinstance(where, list) else where
    return {
        "person": dig(one, "user", "id"),
        "kind": dig(one, "user", "type"),
        "state": dig(one, "state"),
        "environments": names,
    }
