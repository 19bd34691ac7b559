"""adopt: whatever a plan would create is looked for in AWS, and what is there is imported by the same plan.

plan → ask about each resource it would create → import blocks for those that exist → plan again, until there is
nothing new to ask: what belongs to an adopted thing often has its name only once that is in the plan. Not to plan once
more for those, the name is guessed from what the configuration refers to. The plan that follows shows the real one:
what was found by any other is not imported.

Nothing here changes AWS or the state. A secret that waits for its end cannot be imported, so `restored` is for those
who are about to apply, once no guard has anything against the rest of the plan.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import anyio

from ferry.errors import AwsError, TerraformFailed
from ferry.guards import adoption
from ferry.guards.values import WHOLE_PLAN
from ferry.model import Finding, Severity
from ferry.outside.aws import probes
from ferry.outside.aws.probes import State
from ferry.tfplan import Action

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from ferry.guards.context import Context
    from ferry.outside.aws.probes import Found
    from ferry.tfplan import Change, Plan
    from ferry.verbs.hands import Probe, Restore

AT_ONCE = 10
PATIENCE = 120.0
"""Seconds for what is being made, changed or deleted to be done with it."""

type Again = Callable[[Mapping[str, str]], Awaitable[Plan]]
"""Plans with these imports: address to id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Existing:
    """What was asked, by address; None for what does not exist."""

    answers: Mapping[str, Found | None] = field(default_factory=dict)
    imports: Mapping[str, str] = field(default_factory=dict)
    leaving: Mapping[str, str] = field(default_factory=dict)
    """What has to be restored before it can be imported: address to id."""
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """What was found of a resource if these are its attributes."""

    values: Mapping[str, str]
    found: Found | None


async def adopted(
    planned: Plan, probe: Probe, again: Again, context: Context, known: Existing | None = None
) -> tuple[Plan, Existing]:
    """The plan that imports all there is to import, and what was found."""
    existing = known or Existing()
    told: Mapping[str, str] = existing.imports
    guesses: Mapping[str, Guess] = {}
    while True:
        existing = judged(planned, existing, borne_out(planned, guesses), context)
        guesses = {}
        # With something wrong in it, a plan may call other things by wrong names too.
        if told.keys() <= existing.imports.keys():
            existing = judged(planned, existing, await ask(planned, existing, probe, context), context)
            guesses = await guessed(planned, existing, probe, context)
        imports = {**existing.imports, **_likely(planned, guesses, context)}
        if imports == told:
            return planned, existing
        try:
            told, planned = imports, await again(imports)
        except TerraformFailed:
            if imports == existing.imports:
                raise
            # It may be that only a wrong guess cannot be planned with.
            told, planned, guesses = existing.imports, await again(existing.imports), {}


async def restored(existing: Existing, restore: Restore) -> Existing:
    """What was on its way out is as it was again, and is imported like the rest."""
    for id in existing.leaving.values():
        await restore(id)
    settled = tuple(found for found in existing.findings if found.verdict != "will-be-restored")
    return Existing(answers=existing.answers, imports={**existing.imports, **existing.leaving}, findings=settled)


async def ask(planned: Plan, existing: Existing, probe: Probe, context: Context) -> dict[str, Found | None]:
    """What exists of that which nobody asked about yet.

    Wholes first: what does not exist has no parts, and those of what is not taken are none of our business.
    """
    candidates = [change for change in adoption.candidates(planned) if change.address not in existing.answers]
    asked = [change for change in candidates if probes.named(change)]
    parts = [change for change in asked if probes.parent(change)[0]]
    wholes = [change for change in asked if not probes.parent(change)[0]]
    answers = await _all(wholes, planned, probe)
    apart = _apart(planned, {**existing.answers, **answers}, context)
    orphans = [change for change in parts if probes.parent(change) not in apart]
    return {**answers, **dict.fromkeys(part.address for part in parts), **await _all(orphans, planned, probe)}


async def guessed(planned: Plan, existing: Existing, probe: Probe, context: Context) -> dict[str, Guess]:
    """What exists of that which nobody could ask about, by what it refers to.

    Only what the next plan adopts is taken for a name: then that plan shows the real one, and nobody guesses twice.
    """
    apart, asked, suggested = _apart(planned, existing.answers, context), [], {}
    for change in adoption.candidates(planned):
        values = _suggested(change, planned, existing)
        filled = replace(change, after={**change.after, **values})
        if values and probes.parent(filled) not in apart:
            asked.append(filled)
            suggested[change.address] = values
    try:
        answers = await _all(asked, planned, probe)
    except AwsError:
        # Who asks for the wrong thing may be refused. For the right one it is said when its name is known.
        return {}
    return {address: Guess(values=suggested[address], found=found) for address, found in answers.items()}


def _suggested(change: Change, planned: Plan, existing: Existing) -> dict[str, str]:
    """Everything that it needs and does not know; empty if any of that stays unknown."""
    values = {name: _suggestion(change, name, planned, existing) for name in probes.missing(change)}
    return values if all(values.values()) else {}


def _suggestion(change: Change, name: str, planned: Plan, existing: Existing) -> str:
    reference = planned.reference(change, name)
    referred = planned.referred(change, reference) if reference else None
    if reference is None or referred is None:
        return ""
    found = existing.answers.get(referred.address)
    if found is None or referred.action is not Action.CREATE or referred.address not in existing.imports:
        return ""
    wants_arn = name == "endpoint" or name.endswith("arn")
    return found.arn if reference.attribute == "arn" or (wants_arn and not reference.attribute) else found.id


def borne_out(planned: Plan, guesses: Mapping[str, Guess]) -> dict[str, Found | None]:
    """The answers to what turns out to have been the question.

    What would be replaced was perhaps not meant, whatever it is called: that is asked again by all that is known then.
    """
    return {
        address: guess.found
        for address, guess in guesses.items()
        if (change := planned.changes.get(address)) is not None
        and change.action not in {Action.REPLACE, Action.DESTROY}
        and all(change.after.get(name) == value for name, value in guess.values.items())
    }


def _likely(planned: Plan, guesses: Mapping[str, Guess], context: Context) -> dict[str, str]:
    return {
        address: guess.found.id
        for address, guess in guesses.items()
        if guess.found is not None and _taken(planned.changes[address], guess.found, context)
    }


def _apart(planned: Plan, answers: Mapping[str, Found | None], context: Context) -> set[tuple[str, str]]:
    """What does not exist or is not taken, by type and name."""
    asked = (change for change in adoption.candidates(planned) if change.address in answers)
    return {probes.name(change) for change in asked if not _taken(change, answers[change.address], context)}


async def _all(changes: Iterable[Change], planned: Plan, probe: Probe) -> dict[str, Found | None]:
    answers: dict[str, Found | None] = {}
    limiter = anyio.CapacityLimiter(AT_ONCE)
    failures: list[AwsError] = []

    async def one(change: Change) -> None:
        async with limiter:
            try:
                answers[change.address] = await settled(change, planned, probe)
            except AwsError as error:
                failures.append(error)
                group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for change in changes:
            group.start_soon(one, change)
    if failures:
        raise failures[0]
    return answers


async def settled(change: Change, planned: Plan, probe: Probe, patience: float = PATIENCE) -> Found | None:
    """What is found once nothing happens to it any more. None of it may be imported, or made again, before that."""
    found = await probe(change, planned)
    with anyio.move_on_after(patience):
        while found is not None and found.state is State.BUSY:
            await anyio.sleep(0.5)
            found = await probe(change, planned)
    return found


def judged(planned: Plan, existing: Existing, answers: Mapping[str, Found | None], context: Context) -> Existing:
    """Who is taken, and what is said of the others."""
    imports, leaving, findings = dict(existing.imports), dict(existing.leaving), list(existing.findings)
    for address, found in sorted(answers.items()):
        if found is None:
            continue
        change = planned.changes[address]
        problem = _problem(change, found, context)
        if found.state is State.LEAVING and (problem is None or problem.severity is not Severity.BLOCK):
            leaving[address] = found.id
        elif problem is None:
            imports[address] = found.id
        findings += [problem] if problem else []
    return Existing(answers={**existing.answers, **answers}, imports=imports, leaving=leaving, findings=tuple(findings))


def _taken(change: Change, found: Found | None, context: Context) -> bool:
    return found is not None and _problem(change, found, context) is None


def _problem(change: Change, found: Found, context: Context) -> Finding | None:
    return adoption.not_ours(change, found.tags, context) or _unready(change, found)


def _unready(change: Change, found: Found) -> Finding | None:
    if found.state is State.READY:
        return None
    if found.state is State.LEAVING:
        return Finding(
            guard="adoption",
            severity=Severity.WARN,
            verdict="will-be-restored",
            address=change.address,
            what=f"{found.id} exists, and is {found.note}: the deployment restores it and takes it into state",
            why="its name cannot be used again before that, and what it holds would be lost",
            next="ferry deploy restores it; to have it gone for good, let the recovery window end first",
        )
    busy = found.state is State.BUSY
    return Finding(
        guard="adoption",
        severity=Severity.BLOCK if busy or found.blocks else Severity.WARN,
        verdict="busy" if busy else found.verdict,
        address=change.address,
        what=f"{found.id} is {found.note}, and has been for {PATIENCE:.0f} seconds" if busy else found.note,
        why="it can be neither taken over nor made again before that ends"
        if busy
        else "it cannot be taken over as it is",
        next="run the same command again when it is done" if busy else found.next,
    )


def unasked(planned: Plan) -> tuple[Finding, ...]:
    """What would be created, of types that nobody here can look for: said once, because it is not known."""
    types = sorted({change.type for change in adoption.candidates(planned)} - probes.READERS.keys())
    if not types:
        return ()
    return (
        Finding(
            guard="adoption",
            severity=Severity.INFO,
            verdict="not-asked",
            address=WHOLE_PLAN,
            what=f"whether these exist already was not looked for: {', '.join(types)}",
            why="ferry has no reader for them: an apply may meet one that exists, or overwrite it",
        ),
    )
