"""The decision: facts in, a tier and what it asks of one stage out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ferry.gate import guarding, pulls, ranges
from ferry.gate.facts import Phase, Unknown, whole
from ferry.gate.reasons import Reason, Tier
from ferry.model import Approval

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ferry.gate.facts import Facts, Stage


class Verdict(StrEnum):
    """What comes of it in this stage."""

    AUTOMATIC = "automatic"
    PERSON = "person"
    AGREED = "agreed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`reasons` begin with the strictest."""

    tier: Tier
    verdict: Verdict
    reasons: tuple[Reason, ...]


def decide(facts: Facts) -> Decision:
    found = [*ranges.reasons(facts), *_of_pulls(facts)]
    tier = max((reason.tier for reason in found), default=Tier.T0)
    asked = tier is not Tier.X and _asks(facts.stage, tier)
    if asked:
        found += guarding.rules(facts.stage, facts)
    if asked and facts.phase is not Phase.BEFORE:
        found += guarding.agreement(facts)
    if not found:
        found = [Reason(tier=Tier.T0, about=ranges.RANGE, fact="commits", why="nothing changes")]
    ordered = tuple(sorted(found, key=lambda reason: -reason.tier))
    return Decision(tier=ordered[0].tier, verdict=_verdict(ordered[0].tier, facts, asked=asked), reasons=ordered)


def people_needed(decision: Decision, environment_is_first_stage: bool) -> bool:  # noqa: FBT001 - the one thing it depends on
    """Whether a person has to agree before this goes in. What is refused needs more than a person."""
    return _people(decision.tier, first=environment_is_first_stage)


def _people(tier: Tier, *, first: bool) -> bool:
    return tier >= Tier.T3 or (tier >= Tier.T1 and not first)


def _asks(stage: Stage | Unknown, tier: Tier) -> bool:
    """ferry.toml may leave it to the gate, ask a person for everything, or for nothing."""
    if isinstance(stage, Unknown) or isinstance(stage.approval, Unknown):
        return True
    if stage.approval is Approval.BY_CHANGE:
        return _people(tier, first=stage.first is True)
    return stage.approval is Approval.PERSON


def _of_pulls(facts: Facts) -> Iterator[Reason]:
    listed = whole(facts.pulls)
    if isinstance(listed, Unknown):
        yield Reason(tier=Tier.T3, about=ranges.RANGE, fact="pull requests", why=f"not known: {listed.why}")
        return
    for pull in listed:
        yield from pulls.reasons(pull, facts)


def _verdict(tier: Tier, facts: Facts, *, asked: bool) -> Verdict:
    if tier is Tier.X:
        return Verdict.REFUSED
    if not asked:
        return Verdict.AUTOMATIC
    return Verdict.PERSON if facts.phase is Phase.BEFORE else Verdict.AGREED
