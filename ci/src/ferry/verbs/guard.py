"""guard: the guards alone, over the JSON of anyone's plan."""

from __future__ import annotations

import json
import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from ferry import config as reading
from ferry import guards, tfplan
from ferry.errors import RecordError, UsageError
from ferry.guards.allowance import settled
from ferry.guards.context import Context, Identity, Neighbour
from ferry.model import Severity
from ferry.verbs import places

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from ferry.config import Config
    from ferry.guards.context import Document
    from ferry.model import Environment, Finding
    from ferry.tfplan import Plan


ACCOUNT = re.compile(r"arn:aws(-[a-z]+)*:(iam|sts)::(?P<account>[0-9]{12}):\S+")


def context(
    config: Config,
    environment: Environment,
    *,
    deployer: str = "",
    identity: Identity | None = None,
    references: Mapping[str, str] = MappingProxyType({}),
) -> Context:
    """What ferry.toml knows of the environment that a plan is for."""
    others = (other for other in config.environments.values() if other.name != environment.name)
    return Context(
        environment=environment.name,
        account=environment.account,
        region=environment.region,
        deployer=deployer or environment.deployer,
        administrators=(environment.deployer,),
        identity=identity,
        neighbours=tuple(Neighbour(name=it.name, account=it.account, deployer=it.deployer) for it in others),
        stateful=config.infrastructure.stateful,
        state=f"s3://{environment.state.bucket}/{environment.state.key}",
        kept_images=config.retention.images,
        caches=tuple(_caches(config, environment)),
        references=references,
    )


def _caches(config: Config, environment: Environment) -> Iterator[str]:
    for artifact in config.artifacts.values():
        if isinstance(artifact, reading.ImageArtifact) and (named := places.cache(config, environment, artifact.name)):
            yield named


def told(file: Path, environment: str, deployer: str, policies: Sequence[Path]) -> tuple[Context, Config | None]:
    """What is known of the plan's environment: from ferry.toml where there is one, and from the command line."""
    identity = Identity(policies=documents(policies)) if policies else None
    if file.is_file():
        config = reading.load(file)
        if environment:
            return context(config, config.environment(environment), deployer=deployer, identity=identity), config
    found = ACCOUNT.fullmatch(deployer)
    if deployer and not found:
        raise UsageError("this is not the ARN of a user or role", where=f"--as {deployer}", next="ferry guard --help")
    account = found["account"] if found else ""
    return Context(environment=environment, account=account, deployer=deployer, identity=identity), None


def text(plan: Path) -> str:
    try:
        return plan.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(
            "the plan cannot be read",
            where=str(plan),
            why=getattr(error, "strerror", None) or str(error),
            next="terraform show -json PLANFILE > plan.json",
        ) from None


def judged(
    plan: Plan, context: Context, config: Config | None, *, today: date, also: Sequence[Finding] = ()
) -> tuple[Finding, ...]:
    """What all guards say, and who else looked, after what ferry.toml lets pass."""
    found = (*also, *guards.judged(plan, context))
    return settled(found, config.allow if config else (), environment=context.environment, today=today)


def guard(text: str, said: Context, config: Config | None, *, today: date) -> tuple[Finding, ...]:
    """What is found in the JSON of a plan."""
    return judged(tfplan.read(text), said, config, today=today)


def blocking(findings: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity is Severity.BLOCK]


def documents(paths: Sequence[Path]) -> tuple[Document, ...]:
    """Policies in files: each a policy, or what `aws iam` prints with one in it."""
    return tuple(_document(path) for path in paths)


def _document(path: Path) -> Document:
    why = "it has no list of statements"
    try:
        said = json.loads(path.read_text())
        for wrapper in ("PolicyVersion", "PolicyDocument", "Document"):
            said = said.get(wrapper, said)
        if isinstance(said.get("Statement"), (list, dict)):
            return dict(said)
    except OSError as error:
        why = error.strerror or str(error)
    except (ValueError, AttributeError, RecursionError) as error:
        why = f"{type(error).__name__}: {error}"
    raise UsageError(
        "this is not an IAM policy",
        where=str(path),
        why=why,
        next="aws iam get-role-policy or get-policy-version prints one",
    )
