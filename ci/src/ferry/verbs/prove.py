"""prove: the canary judges an image or an environment; what it finds wrong ends the run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ferry.errors import ProofFailed
from ferry.model import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ferry.config import Config
    from ferry.model import Environment, Release
    from ferry.outside.canary import Verdict
    from ferry.report import Report
    from ferry.verbs.hands import Hands


NOT_PUBLISHED = "mend it and build again; nothing was published"
DEPLOYED = "look at the function's logs; what was deployed stays as it is until the next deploy or rollback"


async def prove(
    judge: Callable[[], Awaitable[Verdict]], report: Report, *, what: str, next: str = NOT_PUBLISHED
) -> None:
    """`what` is an image that is not published yet, or an environment."""
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


async def prove_environment(
    config: Config, environment: Environment, release: Release, hands: Hands, report: Report
) -> None:
    """By the canary that was deployed with the rest, and is told what it must find."""
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
        return
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
    await prove(partial(hands.ask, functions[canary.artifact], event), report, what=environment.name, next=DEPLOYED)
