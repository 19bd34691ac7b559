"""parity: in what an environment differs from the one that its releases come from, asked of Terraform alone.

Both are planned as if nothing existed, with the same made-up release and with providers that make up everything that an
account would know. So nobody's credentials are needed, and nothing that exists is looked at: what counts is what the
code and the variables of the two environments say.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import TYPE_CHECKING

import anyio

from ferry.config import ImageArtifact
from ferry.errors import Blocked, CredentialsError, TerraformFailed
from ferry.guards import parity as guard
from ferry.guards.parity import Side
from ferry.model import Artifact, Kind, Release
from ferry.outside.terraform import blocks, made_up, words
from ferry.outside.terraform.made_up import World
from ferry.shape import plain
from ferry.verbs.publish import references
from ferry.verbs.together import together

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ferry.config import Config
    from ferry.model import Environment, Finding
    from ferry.outside.terraform.offline import Offline
    from ferry.report import Report
    from ferry.tfplan import Plan

AT_ONCE = 2
UNUSED = "unused"
LOOKED_UP = re.compile(r"(?:^|\.)data\.\w+\.[\w-]+(?:\[[^\]]*\])?$")
NOTHING_TO_COMPARE = "nothing is compared: in ferry.toml, no environment is promoted from another (promote_from)"


def pairs(config: Config) -> tuple[tuple[Environment, Environment], ...]:
    """Each environment with the one that its releases are tried out in, which is first."""
    after = [environment for environment in config.environments.values() if environment.promote_from]
    return tuple((config.environments[str(environment.promote_from)], environment) for environment in after)


async def parity(config: Config, offline: Offline, report: Report) -> tuple[Finding, ...]:
    compared = pairs(config)
    if not compared:
        return ()
    plans = await planned(config, {it.name: it for pair in compared for it in pair}, offline, report)
    findings = judged(config, plans)
    for finding in findings:
        report.found(finding)
    return findings


def judged(config: Config, plans: Mapping[str, Plan]) -> tuple[Finding, ...]:
    """Findings of each pair; a line of the allow-list is unused when no pair needs it."""
    compared, allow = pairs(config), config.parity.allow
    said = [guard.differences(_side(ours, plans), _side(theirs, plans), allow) for ours, theirs in compared]
    unused = Counter(one for found in said for one in found if one.verdict == UNUSED)
    everywhere = [one for one, times in unused.items() if times == len(compared)]
    return (*(one for found in said for one in differing(found) if not _only_looked_up(one)), *everywhere)


def differing(findings: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.verdict != UNUSED]


def _only_looked_up(finding: Finding) -> bool:
    """That only one side asks for something is told by what it does with the answer."""
    return finding.verdict == "missing" and LOOKED_UP.search(finding.address) is not None


def told(config: Config, findings: Sequence[Finding]) -> str:
    """The result in a line."""
    compared = pairs(config)
    if not compared:
        return NOTHING_TO_COMPARE
    between = ", ".join(f"{ours.name} and {theirs.name}" for ours, theirs in compared)
    count = len(differing(findings))
    if not count:
        return f"{between}: no difference but those allowed"
    return f"{between}: {count} difference{'s' if count > 1 else ''} that nobody allowed"


async def planned(
    config: Config, environments: Mapping[str, Environment], offline: Offline, report: Report
) -> dict[str, Plan]:
    """Each environment's plan, two at a time: a provider takes half a gigabyte."""
    plans: dict[str, Plan] = {}
    places = anyio.CapacityLimiter(AT_ONCE)

    async def plan(environment: Environment) -> None:
        async with places:
            text = await _planned(config, environment, offline)
        plans[environment.name] = made_up.plan(text)

    with report.step("parity", "Plan without an account") as step:
        step.say("terraform init")
        await _prepared(environments, offline)
        step.say(f"terraform test: {', '.join(environments)}")
        await together(plan, environments.values())
        step.done(", ".join(f"{name}: {len(plans[name].changes)}" for name in environments))
    return plans


async def _prepared(environments: Mapping[str, Environment], offline: Offline) -> None:
    await offline.write(made_up.LOCAL_FILE, made_up.local())
    await offline.init()
    modules = await offline.modules()
    schemas = made_up.schemas(await offline.schemas())
    for module in {module.folder: module for module in modules}.values():
        await offline.write(f"{module.folder}/{made_up.COPIES_FILE}", made_up.copies(blocks.objects(module)))
    for environment in environments.values():
        world = World(account=environment.account, region=environment.region, caller=environment.deployer)
        await offline.write(made_up.file(environment.name), made_up.test_text(modules, schemas, world))


async def _planned(config: Config, environment: Environment, offline: Offline) -> str:
    """The order of variables is that of a deployment: what the environment's file says counts."""
    known = references(config, environment, release(config))
    inputs = words.inputs(environment.name, environment.deployer, known.images, known.packages)
    file = f"{made_up.FOLDER}/{environment.name}.tfvars.json"
    await offline.write(file, inputs)
    try:
        return await offline.planned(environment.name, (file, environment.variables))
    except (CredentialsError, TerraformFailed) as error:
        raise TerraformFailed(
            f"parity cannot be judged: {environment.name} cannot be planned with what is made up in an account's place",
            where=error.where,
            why=error.why,
            next="mend what it names; what a made-up value cannot be, docs/reference/guards/parity.md says",
        ) from error


def release(config: Config) -> Release:
    """The same of everything for both: what is built says nothing of where it goes."""
    artifacts = [
        Artifact(
            name=it.name,
            kind=Kind.IMAGE if isinstance(it, ImageArtifact) else Kind.ZIP,
            key=hashlib.sha256(it.name.encode()).hexdigest(),
            digest=f"sha256:{hashlib.sha256(it.name.encode()).hexdigest()}",
            size=0,
        )
        for it in config.artifacts.values()
    ]
    return Release(commit="0" * 40, dirty=False, artifacts=tuple(artifacts))


def _side(environment: Environment, plans: Mapping[str, Plan]) -> Side:
    return Side(
        plan=plans[environment.name],
        environment=environment.name,
        account=environment.account,
        region=environment.region,
    )


def passed(config: Config, findings: Sequence[Finding]) -> str:
    """The result of a check, which has no other way to say no than to fail."""
    found = differing(findings)
    if found:
        raise Blocked(
            told(config, findings),
            where="[parity] allow in ferry.toml",
            why="\n".join(f"{finding.address}: {finding.what}" for finding in found),
            next=found[0].next,
        )
    return told(config, findings)


def to_json(config: Config, findings: Sequence[Finding]) -> dict[str, object]:
    return {
        "compared": [[ours.name, theirs.name] for ours, theirs in pairs(config)],
        "findings": [plain(finding) for finding in findings],
    }
