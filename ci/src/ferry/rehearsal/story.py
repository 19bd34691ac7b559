"""The story that `make rehearse` tells: an orphan is in the way, and one release gets to preprod all the same."""

from __future__ import annotations

import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread

import awsbox
from ferry.errors import BoxError, ProofFailed
from ferry.model import Finding, Severity
from ferry.outside.aws import Access, Credentials, failures, probes
from ferry.outside.builder.assemble import Image, assemble
from ferry.outside.builder.host import HostBuilder
from ferry.outside.registry import ecr
from ferry.outside.terraform.host import HostTerraform
from ferry.verbs.build import build
from ferry.verbs.deploy import deploy
from ferry.verbs.hands import Hands
from ferry.verbs.plan import plan
from ferry.verbs.prove import prove
from ferry.verbs.publish import references, repository

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ferry.config import Config
    from ferry.model import Environment
    from ferry.report import Report
    from ferry.verbs.build import Built

STAND_INS = {
    "AWS": "a box in this process; its root user deploys, so permissions are not checked",
    "Lambda": "this machine's Python runs the image's command from its unpacked layers",
    "image": "the base image and the web adapter are left out: the layers are the ones that Ferry adds",
}
"""What a rehearsal does not do for real; its report says each of them."""

LEFTOVER_TAG = "left-by-a-killed-run"
NO_COMMIT = "0" * 40
"""A rehearsal builds what lies in the folder, whatever git says of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where the story plays: one environment of a running box."""

    config: Config
    environment: Environment
    access: Access
    hands: Hands
    report: Report


async def rehearse(config: Config, environment: str, source: Path, report: Report) -> None:
    """From source to a stream that was watched, and a second plan that finds nothing to do."""
    target = config.environment(environment)
    with tempfile.TemporaryDirectory(prefix="ferry-") as work:
        async with _stage(config, target, source, Path(work), report) as stage:
            builder = HostBuilder(source, Path(work) / "build")
            built = await build(config, builder, report, commit=NO_COMMIT, dirty=True)
            leftovers = [await _leave_an_orphan(stage, name) for name in built.images]
            await deploy(config, target, built, stage.hands, report)
            await _check_orphans(stage, leftovers)
            await _prove(stage, built)
            await _nothing_left(stage, built)


@asynccontextmanager
async def _stage(config: Config, target: Environment, source: Path, work: Path, report: Report) -> AsyncIterator[Stage]:
    async with _box(target, report) as access, await ecr.open_registry(access, target.account) as registry:
        hands = Hands(
            registry=registry,
            ensure_repository=partial(ecr.ensure_repository, access),
            terraform=HostTerraform(source / config.infrastructure.root, work / "terraform", access),
            probe=partial(probes.existing, access),
            stand_in=True,
        )
        yield Stage(config=config, environment=target, access=access, hands=hands, report=report)


@asynccontextmanager
async def _box(target: Environment, report: Report) -> AsyncIterator[Access]:
    """AWS in a box, with the one thing that no deploy makes: the bucket that the state is kept in."""
    try:
        async with awsbox.Box.started(target.account) as box:
            credentials = Credentials(key=box.key, secret=box.secret)
            access = Access(region=target.region, endpoint=box.endpoint, credentials=credentials)
            with report.step("box", "Start AWS in a box") as step:
                await to_thread.run_sync(_make_state_bucket, access, target.state.bucket)
                step.done(box.endpoint)
            for name, what in STAND_INS.items():
                report.found(_stand_in(name, what))
            yield access
    except awsbox.BoxFailed as error:
        raise BoxError("AWS in a box failed", where="awsbox", why=str(error), next="make rehearse") from error


def _stand_in(name: str, what: str) -> Finding:
    return Finding(guard="rehearsal", severity=Severity.INFO, verdict="stand-in", address=name, what=what)


def _make_state_bucket(access: Access, bucket: str) -> None:
    client = access.client("s3")
    with failures.translated(f"s3:CreateBucket {bucket}"):
        client.create_bucket(Bucket=bucket)
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


async def _leave_an_orphan(stage: Stage, name: str) -> tuple[str, Image]:
    """What a run leaves that is killed in its apply: a repository that no state knows, with an image in it."""
    target = repository(stage.config, stage.environment, name)
    with stage.report.step("orphan", f"Leave {target} behind, as a killed run does") as step:
        await stage.hands.ensure_repository(target)
        leftover = assemble((), base=None, command=("true",), environment={}, workdir="/", port=8080)
        await stage.hands.registry.push(target, leftover, (LEFTOVER_TAG,))
        step.done("it is in AWS, holds an image, and is not in Terraform's state")
    return target, leftover


async def _check_orphans(stage: Stage, leftovers: list[tuple[str, Image]]) -> None:
    """Adopted means kept: what lay in the repository is still there."""
    with stage.report.step("kept", "Look for what the orphan held") as step:
        for target, leftover in leftovers:
            found = await stage.hands.registry.digest(target, LEFTOVER_TAG)
            if found != leftover.digest:
                raise ProofFailed("adoption lost an image", where=target, why=f"{LEFTOVER_TAG} is now {found}")
        step.done("its image is still there")


async def _prove(stage: Stage, built: Built) -> None:
    """Run what each function was given, pulled from the registry by its digest."""
    outputs = await stage.hands.terraform.outputs()
    functions = outputs.get("functions")
    if not isinstance(functions, dict) or not set(built.images) <= set(functions):
        raise ProofFailed(
            "the output `functions` does not say what runs",
            where=stage.config.infrastructure.root,
            why=f"outputs: {', '.join(outputs) or 'none'}",
            next='add: output "functions" { value = { ARTIFACT = aws_lambda_function.NAME.function_name } }',
        )
    for name, reference in references(stage.config, stage.environment, built.release).items():
        runs = await to_thread.run_sync(_image_of, stage.access, functions[name])
        if runs != reference:
            why = f"published {reference}, runs {runs}"
            raise ProofFailed("the function runs another image", where=functions[name], why=why)
        target = repository(stage.config, stage.environment, name)
        image = await stage.hands.registry.pull(target, runs.partition("@")[2])
        layers = [layer.data for layer in image.layers]
        async with awsbox.running(image.config.data, layers, {"ENVIRONMENT": stage.environment.name}) as url:
            await prove(url, stage.report, what=stage.environment.name)


def _image_of(access: Access, function: str) -> str:
    with failures.translated(f"lambda:GetFunction {function}"):
        return str(access.client("lambda").get_function(FunctionName=function)["Code"]["ImageUri"])


async def _nothing_left(stage: Stage, built: Built) -> None:
    images = references(stage.config, stage.environment, built.release)
    again = await plan(stage.environment, images, stage.hands, stage.report)
    if not again.empty:
        why = ", ".join(f"{change.action} {change.address}" for change in again.touched())
        raise ProofFailed("the plan after the apply is not empty", where=stage.environment.name, why=why)
