"""What lies between what a stage runs and the candidate, and whether the candidate was checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferry.gate.facts import ACTIONS, Standing, Unknown, holds, whole
from ferry.gate.reasons import Reason, Tier, same, unless

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ferry.gate.facts import Checks, Facts, Pull, Required, Run, Span, Stage, Step

RANGE = "the range"


def reasons(facts: Facts) -> Iterator[Reason]:
    if isinstance(facts.span, Unknown):
        yield _refused("commits", f"not known: {facts.span.why}")
        return
    yield from _reachable(facts.span)
    yield from _candidate(facts.span, facts)
    yield from _standing(facts.span, facts.stage)
    yield from _recorded(facts.span)
    yield from _steps(facts.span, facts)
    yield from _checks(facts.checks, facts)


def _reachable(span: Span) -> Iterator[Reason]:
    yield from unless(
        span.reachable,
        bool,
        lambda why: _refused("candidate", why),
        lambda _: "it is not on the default branch: other repositories' commits can be asked for by their id too",
    )


def _candidate(span: Span, facts: Facts) -> Iterator[Reason]:
    """The tip itself, or GitHub's own merge of the tip with one open pull request."""
    if isinstance(span.trial, Unknown):
        yield _refused("candidate", f"not known: {span.trial.why}")
    elif span.trial == 0:
        yield from unless(
            same(span.candidate, span.tip), bool, lambda why: _refused("candidate", why), lambda _: "it is not the tip"
        )
    else:
        pull = _pull(facts, span.trial)
        merged = whole(span.parents)
        if pull is None or merged != (span.tip, pull.head) or isinstance(span.candidate, Unknown):
            yield _refused("candidate", f"it is not the merge of the default branch with the head of #{span.trial}")
        if pull is not None and pull.merged is not False:
            yield _refused("candidate", f"#{span.trial} is not open: judge what was merged")


def _standing(span: Span, stage: Stage | Unknown) -> Iterator[Reason]:
    """Back is another command, and where two histories part nobody knows what would be undone."""
    first = not isinstance(stage, Unknown) and stage.first is True
    lost = _unsure if first else _refused
    standing = span.standing
    if isinstance(standing, Unknown):
        yield lost("standing", f"not known: {standing.why}")
    elif standing is Standing.FIRST and span.deployed == "":
        yield _unsure("standing", "nothing is deployed there: there is nothing to compare with")
    elif standing in (Standing.BEHIND, Standing.DIVERGED, Standing.FIRST):
        yield lost("standing", f"the candidate is {_words(standing)} what the stage runs")
    elif isinstance(span.deployed, Unknown):
        yield _unsure("standing", f"what the stage runs is not known: {span.deployed.why}")


def _words(standing: Standing) -> str:
    return {Standing.BEHIND: "older than", Standing.DIVERGED: "no descendant of"}.get(standing, "said to be before")


def _recorded(span: Span) -> Iterator[Reason]:
    recorded = whole(span.recorded)
    if isinstance(recorded, Unknown):
        yield _unsure("deployments", f"not known: {recorded.why}")
    elif recorded and recorded[0] != span.deployed:
        yield _unsure("deployments", "GitHub says that the stage runs something else")


def _steps(span: Span, facts: Facts) -> Iterator[Reason]:
    """By first parent, from the tip down to what the stage runs: each one step of one merged pull request."""
    if span.standing is Standing.FIRST:
        return
    steps = whole(span.steps)
    if isinstance(steps, Unknown):
        yield _unsure("commits", f"not known: {steps.why}")
        return
    at = span.tip
    for step in steps:
        if isinstance(at, Unknown) or step.commit != at:
            yield _unsure("commits", "one commit does not follow the other")
        yield from _step(step, facts)
        at = step.parent
    if isinstance(at, Unknown) or isinstance(span.deployed, Unknown) or at != span.deployed:
        yield _unsure("commits", "they do not lead to what the stage runs")


def _step(step: Step, facts: Facts) -> Iterator[Reason]:
    pulls = whole(step.pulls)
    name = step.commit[:12] if isinstance(step.commit, str) else "a commit"
    if isinstance(pulls, Unknown):
        yield _unsure("commits", f"which pull request brought {name} is not known: {pulls.why}")
    elif len(pulls) != 1:
        yield _unsure("commits", f"{name} was pushed directly" if not pulls else f"{name} is of several pull requests")
    elif (pull := _pull(facts, pulls[0])) is None:
        yield _unsure("commits", f"#{pulls[0]} was not read, or read twice")
    elif pull.merged is not True:
        yield _unsure("commits", f"#{pulls[0]} is not known to be merged")


def _pull(facts: Facts, number: int) -> Pull | None:
    pulls = whole(facts.pulls)
    found = [] if isinstance(pulls, Unknown) else [pull for pull in pulls if pull.number == number]
    return found[0] if len(found) == 1 else None


# Checks.


def _checks(checks: Checks | Unknown, facts: Facts) -> Iterator[Reason]:
    if isinstance(checks, Unknown):
        yield _unchecked(f"not known: {checks.why}")
        return
    yield from unless(same(checks.commit, _checked(facts)), bool, _unchecked, lambda _: "they are of another commit")
    required, runs = whole(checks.required), whole(checks.runs)
    if isinstance(required, Unknown) or isinstance(runs, Unknown):
        why = required.why if isinstance(required, Unknown) else runs.why if isinstance(runs, Unknown) else ""
        yield _unchecked(f"not known: {why}")
    elif not required:
        yield _unchecked("the rules of the default branch require none: nothing says that this was tested")
    else:
        yield from (_unchecked(why) for check in required if (why := _missing(check, runs)))


def _checked(facts: Facts) -> str | Unknown:
    """A merge that is only tried out has no checks of its own."""
    if isinstance(facts.span, Unknown) or isinstance(facts.span.trial, Unknown):
        return Unknown("which commit it is about")
    if facts.span.trial == 0:
        return facts.span.candidate
    pull = _pull(facts, facts.span.trial)
    return pull.head if pull else Unknown("the head of the pull request")


def _missing(check: Required, runs: Sequence[Run]) -> str:
    if isinstance(check.name, Unknown) or isinstance(check.app, Unknown):
        return "a required check is not known"
    app = check.app or ACTIONS
    if any(isinstance(fact, Unknown) for run in runs for fact in (run.name, run.app)):
        return f"whether {check.name} ran is not known"
    own = [run for run in runs if run.name == check.name and run.app == app]
    if own and all(holds(run.conclusion, lambda said: said == "success") for run in own):
        return ""
    return f"{check.name} did not succeed" if own else f"{check.name} did not run"


def _unchecked(why: str) -> Reason:
    return Reason(tier=Tier.X, about="the candidate", fact="checks", why=why)


def _unsure(fact: str, why: str) -> Reason:
    return Reason(tier=Tier.T3, about=RANGE, fact=fact, why=why)


def _refused(fact: str, why: str) -> Reason:
    return Reason(tier=Tier.X, about=RANGE, fact=fact, why=why)
