"""The story that `make rehearse` tells: an orphan is in the way, and one release gets to preprod all the same."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ferry import lockfile
from ferry.errors import ProofFailed
from ferry.outside.blobs import Store
from ferry.outside.builder.assemble import Image, assemble
from ferry.outside.builder.host import HostBuilder
from ferry.outside.git import NO_COMMIT
from ferry.outside.registry.external import Externals
from ferry.rehearsal import stage as stages
from ferry.rehearsal.stage import Play
from ferry.verbs import places
from ferry.verbs.build import Workshop, build
from ferry.verbs.deploy import deploy
from ferry.verbs.plan import plan
from ferry.verbs.publish import references

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ferry.config import Config
    from ferry.rehearsal.stage import Stage
    from ferry.report import Report
    from ferry.verbs.build import Built

LEFTOVER_TAG = "left-by-a-killed-run"


async def rehearse(
    config: Config,
    environment: str,
    source: Path,
    report: Report,
    then: Callable[[Stage], Awaitable[None]] | None = None,
) -> None:
    """From source to an environment that the canary finds healthy, and a second plan that finds nothing to do.

    `then` plays on, before the curtain falls.
    """
    target = config.environment(environment)
    with tempfile.TemporaryDirectory(prefix="ferry-") as work:
        play = Play(config=config, environment=target, source=source, work=Path(work), report=report)
        async with stages.opened(play) as stage:
            # What lies in the folder, whatever git says of it.
            built = await build(config, _workshop(play), report, commit=NO_COMMIT, dirty=True)
            leftovers = [await _leave_an_orphan(stage, name) for name in built.images]
            await deploy(config, target, built, stage.hands, report)
            await _check_orphans(stage, leftovers)
            await _nothing_left(stage, built)
            if then:
                await then(stage)


def _workshop(play: Play) -> Workshop:
    """Images of others are left out, so that a rehearsal needs no registry but the box's."""
    lock = lockfile.load(play.source)
    return Workshop(
        builder=HostBuilder(play.source, play.work / "build", lock.python),
        externals=Externals(lock.images, offline=True),
        store=Store(play.work / "store"),
        lock=lock,
    )


async def _leave_an_orphan(stage: Stage, name: str) -> tuple[str, Image]:
    """What a run leaves that is killed in its apply: a repository that no state knows, with an image in it."""
    target = places.repository(stage.play.config, stage.play.environment, name)
    with stage.play.report.step("orphan", f"Leave {target} behind, as a killed run does") as step:
        await stage.hands.depot.ensure_repository(target)
        leftover = assemble((), base=None, command=("true",), environment={}, workdir="/", port=8080)
        await stage.hands.depot.registry.push(target, leftover, (LEFTOVER_TAG,))
        step.done("it is in AWS, holds an image, and is not in Terraform's state")
    return target, leftover


async def _check_orphans(stage: Stage, leftovers: list[tuple[str, Image]]) -> None:
    """Adopted means kept: what lay in the repository is still there."""
    with stage.play.report.step("kept", "Look for what the orphan held") as step:
        for target, leftover in leftovers:
            found = await stage.hands.depot.registry.digest(target, LEFTOVER_TAG)
            if found != leftover.digest:
                raise ProofFailed("adoption lost an image", where=target, why=f"{LEFTOVER_TAG} is now {found}")
        step.done("its image is still there")


async def _nothing_left(stage: Stage, built: Built) -> None:
    known = references(stage.play.config, stage.play.environment, built.release)
    again = await plan(stage.play.config, stage.play.environment, known, stage.hands, stage.play.report)
    if not again.plan.empty:
        why = ", ".join(f"{change.action} {change.address}" for change in again.plan.touched())
        raise ProofFailed("the plan after the apply is not empty", where=stage.play.environment.name, why=why)
