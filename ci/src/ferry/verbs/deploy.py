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
    from ferry.report import Report
    from ferry.verbs.build import Built
    from ferry.verbs.hands import Hands


async def deploy(config: Config, environment: Environment, built: Built, hands: Hands, report: Report) -> None:
    """Publishing comes first: a repository that it has to make is there when the plan looks for what exists."""
    target = Target(config=config, environment=environment, depot=hands.depot, report=report)
    await publish(built, target, hands.run)
    await plan(environment, references(config, environment, built.release), hands, report)
    await apply(config, environment, built.release, hands, report)
    await prove_environment(config, environment, built.release, hands, report)


async def apply(config: Config, environment: Environment, release: Release, hands: Hands, report: Report) -> None:
    with report.step(f"apply {environment.name}", f"Apply to {environment.name}") as step:
        refuse_stand_ins(release, hands.depot)
        await verify(config, environment, release, hands.depot)
        step.say("every artifact of the release is where Lambda looks for it")
        await hands.terraform.apply(step.say)
        step.done("applied exactly the saved plan")
