"""deploy: publish, plan, apply exactly the plan that was saved, and let the canary judge it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferry.verbs.hands import Target
from ferry.verbs.plan import plan
from ferry.verbs.prove import prove_environment
from ferry.verbs.publish import publish, references, refuse_stand_ins, verify

if TYPE_CHECKING:
    from ferry.config import Config
    from ferry.model import Environment, Release
    from ferry.outside.terraform.saved import Saved
    from ferry.report import Report
    from ferry.verbs.build import Built
    from ferry.verbs.hands import Hands


async def deploy(config: Config, environment: Environment, built: Built, hands: Hands, report: Report) -> None:
    """Publishing comes first: a repository that it has to make is there when the plan looks for what exists."""
    target = Target(config=config, environment=environment, depot=hands.depot, report=report)
    await publish(built, target, hands.run)
    known = references(config, environment, built.release)
    judged = await plan(config, environment, known, hands, report, restores=True)
    await apply(target, built.release, judged.saved, hands)
    await prove_environment(config, environment, built.release, hands, report)


async def apply(target: Target, release: Release, saved: Saved, hands: Hands) -> None:
    """Exactly the plan that was judged: `saved` is what it was then."""
    environment = target.environment
    with target.report.step(f"apply {environment.name}", f"Apply to {environment.name}") as step:
        refuse_stand_ins(release, target.depot)
        await verify(target.config, environment, release, target.depot)
        step.say("every artifact of the release is where Lambda looks for it")
        seconds = await hands.terraform.apply(saved, step.say)
        slow = sorted(seconds.items(), key=lambda it: -it[1])[:1]
        step.done("applied exactly the saved plan" + "".join(f"; {name} took {took:.0f} s" for name, took in slow))
