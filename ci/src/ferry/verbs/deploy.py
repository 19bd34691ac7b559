"""deploy: publish, plan, and apply exactly the plan that was saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferry.errors import BuildFailed
from ferry.verbs.plan import plan
from ferry.verbs.publish import publish, references, verify

if TYPE_CHECKING:
    from ferry.config import Config
    from ferry.model import Environment, Release
    from ferry.report import Report
    from ferry.verbs.build import Built
    from ferry.verbs.hands import Hands


async def deploy(config: Config, environment: Environment, built: Built, hands: Hands, report: Report) -> None:
    """Publishing comes first: a repository that it has to make is there when the plan looks for what exists."""
    refuse_stand_ins(built.release, hands)
    await publish(config, environment, built.images, hands, report)
    await plan(environment, references(config, environment, built.release), hands, report)
    await apply(config, environment, built.release, hands, report)


async def apply(config: Config, environment: Environment, release: Release, hands: Hands, report: Report) -> None:
    with report.step(f"apply {environment.name}", f"Apply to {environment.name}") as step:
        refuse_stand_ins(release, hands)
        await verify(config, environment, release, hands)
        step.say("every image of the release is in the registry")
        await hands.terraform.apply(step.say)
        step.done("applied exactly the saved plan")


def refuse_stand_ins(release: Release, hands: Hands) -> None:
    """What was made for trying out stays where AWS is a stand-in too."""
    missing = sorted({stand_in for artifact in release.artifacts for stand_in in artifact.stand_ins})
    if missing and not hands.stand_in:
        raise BuildFailed(
            "this release is for trying out, not for an AWS account",
            where=release.id,
            why=f"something stands in for: {', '.join(missing)}",
            next="build where these images can be fetched, with a Ferry that assembles them",
        )
