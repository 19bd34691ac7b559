"""The failure that started the project, from its end: a key's policy, a deployer, terraform itself, and the box.

`ferry plan` reads the deployer's own policies, stops what would lock it out, and lets pass what would not.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from ferry import wiring
from ferry.errors import Blocked
from ferry.model import State
from ferry.outside.aws import Access, Credentials
from ferry.outside.terraform.host import HostTerraform
from ferry.outside.terraform.listener import silent
from ferry.report import Report
from ferry.report.events import Found
from ferry.verbs.bound import nobody
from ferry.verbs.plan import plan
from ferry.verbs.publish import References
from tests.awsbox import setup, terraform
from tests.awsbox.people import REGION, allow
from tests.verbs.fakes import CONFIG, PREPROD, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ferry.model import Environment, Finding
    from ferry.verbs.plan import Judged
    from tests.awsbox.people import Account, Caller, Statement

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    pytest.mark.skipif(bool(terraform.absent()), reason=terraform.absent() or "terraform is here"),
]
ADDRESS = "aws_kms_key.hold"
MAIN = """
terraform {{
  backend "s3" {{}}
}}

resource "aws_kms_key" "hold" {{
  policy = jsonencode({{
    Version   = "2012-10-17"
    Statement = {statements}
  }})
}}
"""
# What a deployer of a key needs of IAM, and its own policies. Nothing of it changes a key's policy.
FEW: tuple[Statement, ...] = (
    allow(["kms:CreateKey", "kms:TagResource", "kms:ListAliases", "tag:GetResources"]),
    allow("s3:*"),
)
READS_ITSELF = allow(["iam:Get*", "iam:List*"])


@dataclass
class Desk:
    """One deployer, and what the last plan said of keys."""

    account: Account
    caller: Caller
    environment: Environment
    terraform: HostTerraform
    said: tuple[Finding, ...] = ()

    @property
    def access(self) -> Access:
        credentials = Credentials(key=self.caller.key, secret=self.caller.secret)
        return Access(region=REGION, endpoint=self.caller.endpoint, credentials=credentials)

    async def plan(self, *statements: dict[str, Any]) -> Judged:
        await self.terraform.write("main.tf", MAIN.format(statements=json.dumps(statements)))
        report = Report()
        try:
            async with wiring.hands(
                self.access, self.environment, terraform=self.terraform, run=World().run, agree=nobody, stand_in=True
            ) as hands:
                return await plan(CONFIG, self.environment, References({}, {}), hands, report)
        finally:
            found = [event.finding for event in report.events if isinstance(event, Found)]
            self.said = tuple(one for one in found if one.guard == "lockout")

    async def apply(self, judged: Judged) -> None:
        await self.terraform.apply(judged.saved, silent)

    @property
    def keys(self) -> list[str]:
        return [key["KeyId"] for key in self.account.root.client("kms").list_keys()["Keys"]]

    def actions(self) -> list[Any]:
        """Of the only key's policy, as AWS has it."""
        (id,) = self.keys
        policy = self.account.root.client("kms").get_key_policy(KeyId=id, PolicyName="default")["Policy"]
        return [one["Action"] for one in json.loads(policy)["Statement"]]


@pytest.fixture
def empty(account: Account) -> Iterator[Account]:
    with setup.emptied(account):
        yield account


def desk(account: Account, folder: Path, *rights: Statement) -> Desk:
    caller, root = account.user(*rights, name="ships-keys"), folder / "root"
    root.mkdir()
    root.joinpath("main.tf").write_text(MAIN.format(statements="[]"))
    (root / "preprod.tfvars").write_text("")
    environment = replace(
        PREPROD,
        account=account.box.account,
        region=REGION,
        deployer=caller.arn,
        state=State(bucket=setup.state_bucket(account), key="keys.tfstate", region=REGION),
        variables="preprod.tfvars",
    )
    credentials = Credentials(key=caller.key, secret=caller.secret)
    access = Access(region=REGION, endpoint=caller.endpoint, credentials=credentials)
    return Desk(account, caller, environment, HostTerraform(root, folder / "work", access))


def lets(arn: str, *actions: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": list(actions) or "kms:*", "Resource": "*"}


def root(account: Account) -> dict[str, Any]:
    return lets(f"arn:aws:iam::{account.box.account}:root")


@pytest.mark.req("P-04", "P-05")
async def test_a_root_only_key_is_stopped_repaired_applied_and_changed_again(empty: Account, tmp_path: Path) -> None:
    ships = desk(empty, tmp_path, *FEW, READS_ITSELF)
    me = ships.caller.arn

    with pytest.raises(Blocked, match=r"1 finding\(s\) block") as stopped:
        await ships.plan(root(empty))

    (finding,) = [one for one in ships.said if one.severity == "block"]
    assert (finding.verdict, finding.address) == ("lockout", ADDRESS)
    assert "leaves it to IAM, and none of its own policies allows kms:PutKeyPolicy" in finding.why
    assert finding.next == stopped.value.next
    assert finding.next.startswith(f'allow kms:PutKeyPolicy on "*" to {me} by name')
    assert ships.keys == []

    await ships.apply(await ships.plan(root(empty), lets(me)))

    assert [one.verdict for one in ships.said] == ["direct"]
    assert ships.actions() == ["kms:*", "kms:*"]

    await ships.apply(await ships.plan(root(empty), lets(me), lets(me, "kms:Decrypt")))

    assert ships.actions() == ["kms:*", "kms:*", ["kms:Decrypt"]]

    # And what is there already is not taken away from who deploys.
    with pytest.raises(Blocked):
        await ships.plan(root(empty))
    assert [one.verdict for one in ships.said if one.severity == "block"] == ["lockout"]
    assert len(ships.actions()) == 3


@pytest.mark.req("P-05")
async def test_what_the_deployers_own_policies_allow_needs_no_name_in_the_key(empty: Account, tmp_path: Path) -> None:
    ships = desk(empty, tmp_path, *FEW, READS_ITSELF, allow("kms:*"))

    await ships.apply(await ships.plan(root(empty)))

    (finding,) = [one for one in ships.said if one.verdict == "via-iam"]
    assert "only its own policies let it" in finding.what
    assert ships.actions() == ["kms:*"]


@pytest.mark.req("P-05")
async def test_policies_that_nobody_may_read_are_no_pass(empty: Account, tmp_path: Path) -> None:
    """It says so, and AWS has the last word: before the key is there."""
    ships = desk(empty, tmp_path, *FEW)

    await ships.plan(root(empty))

    (finding,) = [one for one in ships.said if one.verdict == "via-iam"]
    assert (str(finding.severity), "nobody has read those" in finding.why) == ("warn", True)
