"""An environment of the world, planned and applied as ferry does: its plan verb, by the environment's deployer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from ferry import wiring
from ferry.config import load
from ferry.model import Environment, State
from ferry.outside.aws import Access, Credentials, probes, rights
from ferry.outside.aws.bucket import S3Bucket
from ferry.outside.canary import function
from ferry.outside.registry import ecr
from ferry.outside.terraform import words
from ferry.outside.terraform.host import HostTerraform
from ferry.rehearsal import trial
from ferry.report import Report
from ferry.report.events import Found
from ferry.verbs.bound import nobody
from ferry.verbs.hands import Depot, Hands
from ferry.verbs.plan import plan
from ferry.verbs.publish import References
from tests.awsbox.people import REGION
from tests.infrastructure.world import INFRASTRUCTURE, PROJECT
from tests.outside.registry.small_registry import SmallRegistry

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ferry.model import Finding
    from ferry.tfplan import Plan
    from tests.infrastructure.world import World

CONFIG = load(INFRASTRUCTURE.parent / "ferry.toml")
NAME = "preprod"
STATE = f"{PROJECT}-{NAME}-state"


@dataclass
class Desk:
    """`findings` are those of the last plan."""

    environment: Environment
    access: Access
    terraform: HostTerraform
    references: References
    findings: list[Finding] = field(default_factory=list)

    @classmethod
    def of(cls, world: World, folder: Path) -> Desk:
        one, account = world.environments[NAME], world.account.box.account
        credentials = Credentials(key=one.deployer.key, secret=one.deployer.secret)
        access = Access(region=REGION, endpoint=one.deployer.endpoint, credentials=credentials)
        environment = Environment(
            name=NAME,
            account=account,
            region=REGION,
            deployer=one.deployer.arn,
            state=State(bucket=STATE, region=REGION),
            variables="said.tfvars.json",
        )
        terraform = HostTerraform(INFRASTRUCTURE / "terraform", folder / NAME, access)
        # What the world's own Terraform was told, and ferry does not say.
        rest = {name: one.variables[name] for name in ("deployers", "tags")}
        own = (INFRASTRUCTURE / f"terraform/environments/{NAME}.tfvars").read_text()
        (folder / NAME / "own.auto.tfvars").write_text(own)
        (folder / NAME / environment.variables).write_text(json.dumps(rest))
        return cls(environment, access, terraform, References(one.variables["images"], one.variables["packages"]))

    async def plan(self, *, restores: bool = False) -> Plan:
        """As `ferry plan` does; with `restores`, as `ferry deploy`."""
        await self.terraform.write(words.IMPORTS_FILE, words.imports({}))
        report = Report()
        try:
            return (
                await plan(CONFIG, self.environment, self.references, self._hands(), report, restores=restores)
            ).plan
        finally:
            self.findings = [event.finding for event in report.events if isinstance(event, Found)]

    async def apply(self) -> None:
        await self.terraform.apply(await self.terraform.saved(), lambda _: None)

    async def forget(self, addresses: Iterable[str]) -> None:
        await self.terraform._run("state", "rm", *addresses)

    def _hands(self) -> Hands:
        return Hands(
            depot=Depot(
                registry=SmallRegistry().client(),
                bucket=S3Bucket(self.access, self.environment.account, self.environment.packages),
                ensure_repository=partial(ecr.ensure_repository, self.access),
                described=partial(ecr.described, self.access),
                scanned=partial(ecr.findings, self.access),
                stand_in=True,
            ),
            ledger=wiring.ledger(self.access, self.environment),
            run=trial.run,
            terraform=self.terraform,
            probe=partial(probes.existing, self.access),
            restore=partial(probes.restore, self.access),
            stored=partial(ecr.stored, self.access),
            rights=partial(rights.rights, self.access),
            ask=partial(function.judge, self.access),
            agree=nobody,
        )
