"""Where a person has to agree: whether the stage really asks one, and whether it was a second one who did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferry.gate.facts import NOBODY, Unknown, holds, whole
from ferry.gate.reasons import Reason, Tier, unless

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ferry.gate.facts import Agreement, Fact, Facts, Listed, Ref, Said, Stage

APPROVED = "approved"


def rules(stage: Stage | Unknown, facts: Facts) -> Iterator[Reason]:
    """A job that names an environment without rules just runs: asking for a person there asks nobody."""
    if isinstance(stage, Unknown) or isinstance(stage.rules, Unknown):
        unknown = stage if isinstance(stage, Unknown) else stage.rules
        why = unknown.why if isinstance(unknown, Unknown) else ""
        yield _refused(stage, "rules", f"not known: {why}")
        return
    rules = stage.rules

    def refused(why: str) -> Reason:
        return _refused(stage, "rules", why)

    yield from unless(rules.reviewers, lambda number: number > 0, refused, lambda _: "nobody has to review")
    yield from unless(
        rules.prevents_self_review, bool, refused, lambda _: "who starts a run may review it: prevent self-review"
    )
    yield from unless(
        rules.admins_bypass, lambda bypass: not bypass, refused, lambda _: "administrators may pass the reviewers by"
    )
    yield from _branches(rules.branches, facts, refused=stage)


def _branches(branches: Fact[Listed[Ref]], facts: Facts, *, refused: Stage) -> Iterator[Reason]:
    allowed = whole(branches)
    if isinstance(allowed, Unknown):
        yield _refused(refused, "rules", f"which branches may use it is not known: {allowed.why}")
    elif isinstance(facts.default_branch, Unknown) or allowed != (facts.default_branch,):
        yield _refused(refused, "rules", "other branches than the default one may use it")


def agreement(facts: Facts) -> Iterator[Reason]:
    """For a run that a person let in: that it was for this, and that they had no hand in it."""
    given = facts.agreement
    if isinstance(given, Unknown):
        yield _refused(facts.stage, "agreement", f"not known: {given.why}")
        return
    yield from _fresh(given, facts)
    said, makers = whole(given.said), _makers(facts)
    if isinstance(said, Unknown) or isinstance(makers, Unknown):
        why = said.why if isinstance(said, Unknown) else makers.why if isinstance(makers, Unknown) else ""
        yield _refused(facts.stage, "agreement", f"not known: {why}")
        return
    here = [one for one in said if _is_here(one, facts.stage)]
    if any(one.state != APPROVED for one in here):
        yield _refused(facts.stage, "agreement", "somebody did not agree")
    if not any(_is_second(one, makers) for one in here):
        yield _refused(facts.stage, "agreement", _alone(here))


def _fresh(given: Agreement, facts: Facts) -> Iterator[Reason]:
    """The run that was agreed to began at the tip."""
    tip = facts.span if isinstance(facts.span, Unknown) else facts.span.tip
    if isinstance(given.commit, Unknown) or isinstance(tip, Unknown) or given.commit != tip:
        yield _refused(facts.stage, "agreement", "it is for another commit than the one that would go in")


def _is_here(one: Said, stage: Stage | Unknown) -> bool:
    """Where that is not known, an objection counts, and a yes does not."""
    if isinstance(stage, Unknown) or isinstance(stage.name, Unknown) or isinstance(one.environments, Unknown):
        return one.state != APPROVED
    return stage.name in one.environments


def _is_second(one: Said, makers: set[int]) -> bool:
    known = one.state == APPROVED and one.kind == "User"
    return known and holds(one.person, lambda person: person != NOBODY and person not in makers)


def _alone(here: Sequence[Said]) -> str:
    return "only who made or merged the change agreed" if here else "nobody agreed"


def _makers(facts: Facts) -> set[int] | Unknown:
    """Who opened, wrote or merged any of it."""
    pulls = whole(facts.pulls)
    if isinstance(pulls, Unknown):
        return pulls
    makers: set[int] = set()
    for pull in pulls:
        commits = whole(pull.commits)
        if isinstance(commits, Unknown):
            return commits
        for maker in (pull.opener, pull.merger, *(commit.author for commit in commits)):
            if isinstance(maker, Unknown):
                return maker
            makers.add(maker)
    return makers


def _refused(stage: Stage | Unknown, fact: str, why: str) -> Reason:
    name = stage.name if not isinstance(stage, Unknown) and isinstance(stage.name, str) else "the stage"
    return Reason(tier=Tier.X, about=name, fact=fact, why=why)
