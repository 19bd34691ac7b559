"""prove: the canary judges an image or an environment; what it finds wrong ends the run."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ferry.errors import ProofFailed, RecordError
from ferry.model import Finding, Severity
from ferry.outside.blobs import Store
from ferry.outside.canary import program
from ferry.verbs import places
from ferry.verbs.lenders import lenders

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ferry.config import Canary, Config
    from ferry.model import Environment, Release
    from ferry.outside.canary import Verdict
    from ferry.outside.canary.program import Program
    from ferry.report import Report
    from ferry.verbs.build import Built, BuiltImage
    from ferry.verbs.hands import Fetch, Hands, Run, Target


NOT_PUBLISHED = "mend it and build again; nothing was published"
DEPLOYED = "look at the function's logs; what was deployed stays as it is until the next deploy or rollback"


async def prove(
    judge: Callable[[], Awaitable[Verdict]], report: Report, *, what: str, next: str = NOT_PUBLISHED
) -> str:
    """The canary's word. `what` is an image that is not published yet, or an environment."""
    with report.step(f"prove {what}", f"Ask {what} whether it works") as step:
        verdict = await judge()
        for check in verdict.checks:
            step.say(f"{check.name}: {check.what}")
        if not verdict.healthy:
            failed = [check for check in verdict.checks if check.ok is not True]
            raise ProofFailed(
                f"the canary says that {what} is {verdict.word}: {', '.join(check.name for check in failed)}",
                where=", ".join(dict.fromkeys(check.target for check in failed)),
                why="\n".join(f"{check.name}: {check.what}: {check.why}".removesuffix(": ") for check in failed),
                next=next,
            )
        step.done(f"{verdict.word}: {len(verdict.checks)} checks")
    return verdict.word


async def prove_images(built: Built, target: Target, run: Run) -> None:
    """Each image that nobody has published yet runs here, and the release's own canary judges it."""
    known = target.config.canary
    if known is None or not built.images:
        return
    with tempfile.TemporaryDirectory(prefix="ferry-") as work:
        store = Store(Path(work))
        package = await _canary(known, built, target, store)
        with program.unpacked(package, known.command) as canary:
            for name, image in built.images.items():
                cache = places.cache(target.config, target.environment, name)
                async with lenders(image, (target.depot.registry, cache) if cache else None) as others:
                    fetch = partial(others.path, store=store)
                    await try_out(name, image, canary, run=run, fetch=fetch, report=target.report)


async def try_out(name: str, image: BuiltImage, canary: Program, *, run: Run, fetch: Fetch, report: Report) -> None:
    """Start one image, and let the canary judge it."""
    async with run(image, fetch) as url:
        if url is None:
            report.found(_not_tried(name))
        else:
            await prove(partial(canary.judge, url), report, what=name)


async def _canary(known: Canary, built: Built, target: Target, store: Store) -> Path:
    """Its zip: just built, or published with an earlier release."""
    artifact = next((it for it in built.release.artifacts if it.name == known.artifact), None)
    if artifact is None:
        raise RecordError(
            "this release has no canary",
            where=f"artifacts.{known.artifact}",
            why="ferry.toml names it as what judges the images, and the release was built without it",
            next="build the release again: ferry build",
        )
    place = places.package(target.config, target.environment, artifact.name, artifact.key)
    made = built.packages.get(artifact.name)
    blob = made.blob if made else await target.depot.bucket.get(place, store)
    if blob is None or blob.path is None or blob.digest != artifact.digest:
        raise ProofFailed(
            "the canary's package is not what was published",
            where=f"s3://{target.depot.bucket.name}/{place}",
            why=f"it was {artifact.digest}, and is {blob.digest if blob else 'gone'}",
            next="run the same command again",
        )
    return blob.path


def _not_tried(name: str) -> Finding:
    return Finding(
        guard="canary",
        severity=Severity.WARN,
        verdict="not tried",
        address=name,
        what=f"{name} cannot run here, so nothing judged it before it is published",
    )


async def prove_environment(
    config: Config, environment: Environment, release: Release, hands: Hands, report: Report
) -> str:
    """By the canary that was deployed with the rest, and is told what it must find. Its word; empty without one."""
    canary = config.canary
    if canary is None:
        unjudged = "nothing judged whether the deployment works"
        report.found(
            Finding(
                guard="canary",
                severity=Severity.WARN,
                verdict="missing",
                address=environment.name,
                what=unjudged,
                next="write a [canary] table into ferry.toml",
            )
        )
        return ""
    functions = (await hands.terraform.outputs()).get("functions")
    if not isinstance(functions, dict) or canary.artifact not in functions:
        raise ProofFailed(
            "the output `functions` does not name the canary",
            where=config.infrastructure.root,
            why=f"it is {functions!r}",
            next='add: output "functions" { value = { ARTIFACT = aws_lambda_function.NAME.function_name } }',
        )
    digests = {artifact.name: artifact.digest for artifact in release.artifacts}
    expected = {name: digests[artifact] for name, artifact in canary.expects.items()}
    event = {"environment": environment.name, **expected}
    return await prove(
        partial(hands.ask, functions[canary.artifact], event), report, what=environment.name, next=DEPLOYED
    )
