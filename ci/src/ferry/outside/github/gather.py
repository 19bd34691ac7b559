"""One question, all facts: everything is read anew, and what cannot be read is unknown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ferry.gate import wire
from ferry.gate.facts import Unknown
from ferry.model import Approval
from ferry.outside.github import span, standing
from ferry.outside.github.alerts import alerts
from ferry.outside.github.digging import dig, listed, unknown
from ferry.outside.github.pulls import pull
from ferry.outside.github.span import Ends

if TYPE_CHECKING:
    from ferry.gate.facts import Fact, Facts
    from ferry.outside.github.client import GitHub


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """May the candidate go where `deployed` (nothing, if empty) runs now?

    `pull` is an open pull request that the candidate is the merge of; `run` is the run of Actions in which a person
    has agreed already.
    """

    deployed: str
    candidate: str
    environment: str
    first: bool
    approval: Approval = Approval.BY_CHANGE
    pull: int = 0
    run: int = 0


async def gather(github: GitHub, question: Question) -> Facts:
    repository = await github.get("")
    default = dig(repository, "default_branch")
    stage = {
        "name": question.environment,
        "first": question.first,
        "approval": question.approval.value,
        "rules": await standing.rules(github, question.environment),
    }
    facts = {
        "repository": dig(repository, "id"),
        "default_branch": default,
        "stage": stage,
        "phase": "after" if question.run else "before",
        "agreement": await standing.agreement(github, question.run)
        if question.run
        else unknown("nobody was asked yet"),
    }
    if not isinstance(default, str):
        return wire.facts(facts)
    return wire.facts({**facts, **await _changes(github, question, default, dig(repository, "id"))})


async def _changes(github: GitHub, question: Question, default: str, repository: Any) -> dict[str, Any]:
    at, parents = await span.tip(github, question.candidate, question.pull)
    where, path = await span.between(github, question.deployed, at)
    steps = await span.steps(github, path, default, repository)
    found = await _pulls(github, question, at, steps)
    heads = [it["head"] for it in found if it["number"] == question.pull]
    checked = heads[0] if question.pull and heads else question.candidate
    return {
        "span": {
            "deployed": question.deployed,
            "candidate": question.candidate,
            "tip": at,
            "trial": question.pull,
            "parents": parents,
            "reachable": await span.reachable(github, default, at),
            "standing": where,
            "recorded": await span.recorded(github, question.environment),
            "steps": steps,
        },
        "checks": await standing.checks(github, default, checked),
        "pulls": listed(found),
    }


async def _pulls(github: GitHub, question: Question, at: Any, steps: Any) -> list[Any]:
    parts: dict[int, Fact[Ends]] = span.ends(steps)
    if question.pull:
        known = isinstance(at, str)
        parts[question.pull] = (
            Ends(at, question.candidate, (question.candidate,)) if known else Unknown("what it was merged with")
        )
    holes: Fact[list[Any]] = await alerts(github) if parts else []
    return [await pull(github, number, part, holes) for number, part in sorted(parts.items())]
