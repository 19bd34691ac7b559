"""drift: what somebody changed in AWS behind Terraform's back, and what a deployment would do about it.

Nothing is locked and nothing is written. Which release is built here does not matter: the last published one is what
the configuration is told of.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from ferry.errors import TerraformFailed
from ferry.guards import drift as judging
from ferry.report import words
from ferry.verbs.plan import prepared
from ferry.verbs.publish import references
from ferry.verbs.shelf import Shelf

if TYPE_CHECKING:
    from ferry.config import Config
    from ferry.guards.drift import Drift, Drifted
    from ferry.model import Environment, Release
    from ferry.report import Report
    from ferry.report.stream import Step
    from ferry.verbs.hands import Hands

NEVER = "nothing was ever deployed here"
MOST = 3
"""Differences of one resource that its line names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """`was` and `now` are values in words, and empty where it may be a secret or is not there."""

    attribute: str
    was: str
    now: str
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One resource, and what `ferry deploy` does about it."""

    address: str
    deleted: bool
    differences: tuple[Difference, ...]
    deploy: str

    @property
    def said(self) -> str:
        if self.deleted:
            return "was deleted"
        more = len(self.differences) - MOST
        told = ", ".join(one.said for one in self.differences[:MOST])
        return told + (f", and {more} more" if more > 0 else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`looked` is how many resources the state holds; none: nothing is deployed. `applying` is who has the lock."""

    environment: str
    looked: int
    rows: tuple[Row, ...] = ()
    applying: str = ""

    def plain(self) -> dict[str, Any]:
        """For programs."""
        said = asdict(self)
        return {**said, "drift": said.pop("rows")}

    @property
    def text(self) -> str:
        if not self.looked:
            return f"{self.environment}: {NEVER}"
        if not self.rows:
            return f"{self.environment}: {words.count(self.looked, 'resource')} as Terraform left them"
        lines = [
            f"{'-' if row.deleted else '~'} {row.address}: {row.said}; ferry deploy {row.deploy}" for row in self.rows
        ]
        lines.append(f"{self.environment}: {len(self.rows)} of {words.count(self.looked, 'resource')} changed")
        return "\n".join(
            [*lines, *([f"! this may be a deployment under way: {self.applying}"] if self.applying else [])]
        )


async def drift(config: Config, environment: Environment, hands: Hands, report: Report) -> Answer:
    """Of the environment as a whole."""
    with report.step(f"drift {environment.name}", f"Look for what changed in {environment.name}") as step:
        last = await Shelf(config, environment, hands.depot).latest()
        if last is None:
            step.skip(NEVER)
            return Answer(environment=environment.name, looked=0)
        await prepared(environment, references(config, environment, _known(last, config)), hands, step)
        step.say("terraform plan -refresh-only")
        found = judging.found(await hands.terraform.drift(environment.variables))
        answer = Answer(environment=environment.name, looked=found.looked)
        if found.resources:
            rows = await _rows(found, environment, hands, step)
            holder = await hands.terraform.lock_holder()
            answer = replace(answer, rows=rows, applying=str(holder) if holder else "")
        step.done(answer.text.splitlines()[-1] if not answer.applying else f"{len(answer.rows)} changed")
    return report.mask.masked(answer)


def _known(release: Release, config: Config) -> Release:
    """What this ferry.toml knows of it: it need not be the one that the release was built with."""
    kinds = {name: artifact.kind for name, artifact in config.artifacts.items()}
    return replace(release, artifacts=tuple(it for it in release.artifacts if kinds.get(it.name) is it.kind))


async def _rows(found: Drift, environment: Environment, hands: Hands, step: Step) -> tuple[Row, ...]:
    """What a deployment does about it is what a plan says, which the refresh alone does not make."""
    step.say("terraform plan, for what a deployment would do about it")
    try:
        planned = await hands.terraform.plan(environment.variables)
    except TerraformFailed as error:
        step.say(f"the configuration that lies here does not plan: {error.what}")
        return tuple(
            _row(one, "does what is not known: the configuration here does not plan") for one in found.resources
        )
    return tuple(_row(one, judging.consequence(one, planned)) for one in found.resources)


def _row(drifted: Drifted, deploy: str) -> Row:
    differences = tuple(
        Difference(
            attribute=one.attribute,
            was="" if one.hidden else one.was,
            now="" if one.hidden else one.now,
            said=str(one),
        )
        for one in drifted.differences
    )
    return Row(address=drifted.address, deleted=drifted.deleted, differences=differences, deploy=deploy)
