"""deploy: publish, plan, apply exactly what was judged, let the canary judge what came of it, and write it down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio

from ferry.errors import FerryError, TerraformFailed
from ferry.model import Deployment, Outcome
from ferry.outside.terraform import failure
from ferry.verbs import records, turns
from ferry.verbs.bound import Bound, agreed
from ferry.verbs.hands import Target
from ferry.verbs.plan import plan
from ferry.verbs.prove import prove_environment
from ferry.verbs.publish import publish, references, refuse_stand_ins, verify

if TYPE_CHECKING:
    from ferry.config import Config
    from ferry.model import Environment, Pin, Release
    from ferry.report import Report
    from ferry.verbs.build import Built
    from ferry.verbs.hands import Hands
    from ferry.verbs.turns import Turn

FAREWELL = 10.0
"""Seconds for the record of a deployment that was stopped: whoever stops us does not wait for long."""


async def deploy(
    config: Config, environment: Environment, built: Built, hands: Hands, report: Report
) -> Deployment | None:
    """Publishing comes first: a repository that it has to make is there when the plan looks for what exists."""
    target = Target(config=config, environment=environment, depot=hands.depot, report=report)
    async with turns.turn(environment, hands, report, verb="deploy", release=built.release.id) as mine:
        await publish(built, target, hands.run)
        run = Running(target, built.release, hands, mine)
        return await run.carry_out(await run.planned())


async def apply(target: Target, release: Release, bound: Bound, hands: Hands) -> Deployment | None:
    """Exactly the plan that was judged, once those agree who have to. Answers nothing where nothing was to do."""
    bound.refuse_other(target.environment, release)
    async with turns.turn(target.environment, hands, target.report, verb="apply", release=release.id) as mine:
        return await Running(target, release, hands, mine).carry_out(bound)


@dataclass(frozen=True, slots=True)
class Running:
    """One release on its way into its environment."""

    target: Target
    release: Release
    hands: Hands
    turn: Turn

    async def planned(self) -> Bound:
        known = references(self.target.config, self.target.environment, self.release)
        judged = await plan(
            self.target.config, self.target.environment, known, self.hands, self.target.report, restores=True
        )
        return Bound.of(self.target.environment, self.release, judged)

    async def carry_out(self, bound: Bound) -> Deployment | None:
        environment = self.target.environment
        if said := await agreed(environment, bound, self.hands):
            self.target.report.found(said)
            bound = replace(bound, findings=(*bound.findings, said))
        earlier = await records.current(self.hands.ledger, environment)
        if bound.idle and earlier and earlier.release == self.release:
            await self._applied(bound)
            await prove_environment(self.target.config, environment, self.release, self.hands, self.target.report)
            return None
        return await self._written_down(bound, earlier)

    async def _written_down(self, bound: Bound, earlier: Pin | None) -> Deployment:
        begun = self._begun(bound, earlier)
        try:
            if stale := await self._applied(bound):
                now = await self._planned_alike(bound, stale)
                begun = replace(begun, plan_hash=now.hash)
                if stale := await self._applied(now):
                    raise stale
            verdict = await prove_environment(
                self.target.config, self.target.environment, self.release, self.hands, self.target.report
            )
        except FerryError as error:
            await self._write(replace(begun, outcome=Outcome.FAILED, why=error.what))
            raise
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(FAREWELL, shield=True):
                await self._write(replace(begun, outcome=Outcome.FAILED, why="it was stopped"))
            raise
        return await self._write(replace(begun, outcome=Outcome.SUCCEEDED, verdict=verdict))

    def _begun(self, bound: Bound, earlier: Pin | None) -> Deployment:
        return Deployment(
            environment=self.target.environment.name,
            release=self.release,
            plan_hash=bound.hash,
            findings=bound.findings,
            outcome=Outcome.RUNNING,
            started=self._now(),
            finished="",
            who=self.turn.run.who,
            previous=earlier.deployment if earlier else "",
            changes=bound.changes,
            run=self.turn.run.id,
        )

    async def _write(self, ended: Deployment) -> Deployment:
        done = replace(ended, finished=self._now())
        await records.write(self.hands.ledger, self.target.environment, done)
        return done

    async def _planned_alike(self, bound: Bound, stale: TerraformFailed) -> Bound:
        now = await self.planned()
        bound.refuse_changed(now, stale)
        return now

    async def _applied(self, bound: Bound) -> TerraformFailed | None:
        """What terraform says of a plan that is stale: somebody changed the state since, and nothing was applied."""
        name, hands = self.target.environment.name, self.hands
        with self.target.report.step(f"apply {name}", f"Apply to {name}") as step:
            refuse_stand_ins(self.release, self.target.depot)
            await verify(self.target.config, self.target.environment, self.release, self.target.depot)
            step.say("every artifact of the release is where Lambda looks for it")
            if bound.idle:
                step.done("nothing to do")
                return None
            await turns.free(self.turn, hands.terraform, step.say)
            await self.turn.applying(bound.hash)
            try:
                seconds = await hands.terraform.apply(bound.saved, step.say)
            except TerraformFailed as error:
                if not failure.is_stale(error):
                    raise
                step.skip("the state was changed after the plan was made: planning again, to compare")
                return error
            self.turn.applied()
            slow = sorted(seconds.items(), key=lambda it: -it[1])[:1]
            step.done("applied exactly the saved plan" + "".join(f"; {it} took {took:.0f} s" for it, took in slow))
        return None

    def _now(self) -> str:
        return turns.stamp(self.target.report.clock())
