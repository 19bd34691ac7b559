"""plan: what an apply would do, after everything that exists already was found and is adopted.

plan → ask AWS about each resource it would create → import blocks for those that exist → plan again → guards.
Nothing here changes AWS or the state: adoption happens in the apply of the saved plan. The exception is asked for:
who is about to apply has what is on its way out restored, once nothing else stands against the plan.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ferry.errors import Blocked, RecordError
from ferry.model import Finding, Severity
from ferry.outside.terraform import words
from ferry.report.events import Changes, Row
from ferry.tfplan import Action
from ferry.verbs import adopt, facts, guard, records

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ferry.config import Config
    from ferry.guards.context import Context
    from ferry.model import Environment
    from ferry.outside.terraform.saved import Saved
    from ferry.report import Report
    from ferry.report.stream import Step
    from ferry.tfplan import Plan
    from ferry.verbs.adopt import Again, Existing
    from ferry.verbs.hands import Hands
    from ferry.verbs.publish import References


@dataclass(frozen=True, slots=True)
class Judged:
    """A plan, and what its file is bound to: nothing else is applied in its name."""

    plan: Plan
    saved: Saved
    findings: tuple[Finding, ...]


async def plan(
    config: Config,
    environment: Environment,
    references: References,
    hands: Hands,
    report: Report,
    *,
    restores: bool = False,
) -> Judged:
    """What terraform saved, once no guard has anything against it."""
    now = datetime.fromtimestamp(report.clock(), UTC)
    bare = guard.context(config, environment, references=references.told())
    context, told = await _deployed_before(bare, environment, hands)

    async def said(planned: Plan, existing: Existing) -> tuple[Finding, ...]:
        known, lost = await facts.known(planned, context, hands, now=now)
        also = (*told, *existing.findings, *adopt.unasked(planned), *lost)
        return guard.judged(planned, known, config, today=now.date(), also=also)

    with report.step(f"plan {environment.name}", f"Plan {environment.name}") as step:
        await prepared(environment, references, hands, step)
        again = _planning_again(environment, hands, step)
        step.say("terraform plan")
        planned = await hands.terraform.plan(environment.variables)
        planned, existing = await adopt.adopted(planned, hands.probe, again, context)
        if restores and existing.leaving and not guard.blocking(await said(planned, existing)):
            step.say(f"restoring what is on its way out: {', '.join(sorted(existing.leaving))}")
            existing = await adopt.restored(existing, hands.restore)
            planned = await again(existing.imports)
            planned, existing = await adopt.adopted(planned, hands.probe, again, context, existing)
        counts = counted(planned)
        step.done("nothing to do" if planned.empty else str(counts))
        saved, findings = await hands.terraform.saved(), await said(planned, existing)
    report.changed(counts, rows(planned))
    judge(findings, report)
    return Judged(planned, saved, findings)


async def _deployed_before(
    context: Context, environment: Environment, hands: Hands
) -> tuple[Context, tuple[Finding, ...]]:
    """By what the environment runs, as it is written down. What cannot be trusted there answers nothing."""
    try:
        pin = await records.current(hands.ledger, environment)
    except RecordError as error:
        return context, (_untrusted(environment, error),)
    return replace(context, deployed_before=pin is not None), ()


def _untrusted(environment: Environment, error: RecordError) -> Finding:
    return Finding(
        guard="records",
        severity=Severity.WARN,
        verdict="not-trusted",
        address=environment.name,
        what=f"nobody knows what runs there: {error.what}, {error.where}",
        why=error.why,
        next=error.next,
    )


async def prepared(environment: Environment, references: References, hands: Hands, step: Step) -> None:
    terraform, state = hands.terraform, environment.state
    step.say("terraform init")
    told = words.inputs(environment.name, environment.deployer, references.images, references.packages)
    await terraform.write(words.INPUTS_FILE, told)
    if hands.depot.stand_in:
        await terraform.write(words.OVERRIDE_FILE, words.override())
    await terraform.init(
        words.backend(
            bucket=state.bucket,
            key=state.key,
            region=state.region,
            kms_key=state.kms_key,
            stand_in=hands.depot.stand_in,
        )
    )


def _planning_again(environment: Environment, hands: Hands, step: Step) -> Again:
    async def again(imports: Mapping[str, str]) -> Plan:
        step.say(f"{len(imports)} of these exist already: planning again, with them adopted")
        await hands.terraform.write(words.IMPORTS_FILE, words.imports(imports))
        return await hands.terraform.plan(environment.variables)

    return again


def judge(findings: tuple[Finding, ...], report: Report) -> None:
    """Report every finding, then stop if one of them blocks."""
    for finding in findings:
        report.found(finding)
    blocking = guard.blocking(findings)
    if blocking:
        raise Blocked(
            f"this plan may not be applied: {len(blocking)} finding(s) block it",
            # Two guards may stop one resource.
            where=", ".join(dict.fromkeys(finding.address for finding in blocking)),
            why="\n".join(finding.what for finding in blocking),
            next=blocking[0].next,
        )


def rows(planned: Plan) -> list[Row]:
    """Every resource that something happens to."""
    changes = planned.changes.values()
    adopted = [Row("adopt", change.address, change.imports) for change in changes if change.imports]
    return adopted + [Row(change.action, change.address) for change in changes if change.action is not Action.NO_OP]


def counted(planned: Plan) -> Changes:
    """The plan's size, as the report shows it."""
    kinds = planned.count()
    return Changes(
        create=kinds[Action.CREATE],
        update=kinds[Action.UPDATE],
        replace=kinds[Action.REPLACE],
        destroy=kinds[Action.DESTROY],
        adopt=kinds["adopt"],
        no_op=kinds[Action.NO_OP],
    )
