"""plan: what an apply would do, after everything that exists already was found and is adopted.

plan → ask AWS about each resource it would create → import blocks for those that exist → plan again → guards.
Nothing here changes AWS or the state: adoption happens in the apply of the saved plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferry.errors import Blocked
from ferry.guards import adoption
from ferry.model import Finding, Severity
from ferry.outside.terraform import words
from ferry.report.events import Changes, Row
from ferry.tfplan import Action

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ferry.model import Environment
    from ferry.report import Report
    from ferry.tfplan import Plan
    from ferry.verbs.hands import Hands, Probe
    from ferry.verbs.publish import References


async def plan(
    environment: Environment,
    references: References,
    hands: Hands,
    report: Report,
) -> Plan:
    """The plan that terraform saved."""
    with report.step(f"plan {environment.name}", f"Plan {environment.name}") as step:
        terraform = hands.terraform
        step.say("terraform init")
        told = words.inputs(environment.name, environment.deployer, references.images, references.packages)
        await terraform.write(words.INPUTS_FILE, told)
        if hands.depot.stand_in:
            await terraform.write(words.OVERRIDE_FILE, words.override())
        state = environment.state
        await terraform.init(
            words.backend(bucket=state.bucket, key=state.key, region=state.region, stand_in=hands.depot.stand_in)
        )
        step.say("terraform plan")
        planned = await terraform.plan(environment.variables)
        found = await _existing(planned, hands.probe)
        if found:
            step.say(f"{len(found)} of these exist already: planning again, with them adopted")
            await terraform.write(words.IMPORTS_FILE, words.imports(found))
            planned = await terraform.plan(environment.variables)
        counts = counted(planned)
        step.done("nothing to do" if planned.empty else str(counts))
    report.changed(counts, rows(planned))
    judge(adoption.findings(planned), report)
    return planned


async def _existing(planned: Plan, probe: Probe) -> Mapping[str, str]:
    asked = {found.address: await probe(found.type, found.after) for found in adoption.candidates(planned)}
    return {address: id for address, id in asked.items() if id is not None}


def judge(findings: tuple[Finding, ...], report: Report) -> None:
    """Report every finding, then stop if one of them blocks."""
    for finding in findings:
        report.found(finding)
    blocking = [finding for finding in findings if finding.severity is Severity.BLOCK]
    if blocking:
        raise Blocked(
            f"this plan may not be applied: {len(blocking)} finding(s) block it",
            where=", ".join(finding.address for finding in blocking),
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
