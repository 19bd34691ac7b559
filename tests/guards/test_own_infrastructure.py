"""The guards over this repository's own root, as terraform plans it for both environments: nothing is stopped."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ferry import config, tfplan
from ferry.guards import coverage, images, isolation, parity, principals, retention, stateful, wrongstate
from ferry.guards.context import Context, Neighbour
from ferry.guards.parity import Side
from ferry.outside.terraform import words
from ferry.tfplan import Action, Change, Plan
from tests.awsbox import terraform

if TYPE_CHECKING:
    from ferry.model import Finding
    from tests.awsbox.people import Account

ROOT = Path(__file__).parents[2]
GUARDS = (stateful, wrongstate, images, isolation, principals, coverage, retention)
NAMES = ("preprod", "prod")
HASH = base64.b64encode(bytes(32)).decode()
MEANT = config.load(ROOT / "ferry.toml").parity.allow

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(terraform.absent()), reason=terraform.absent())]


@pytest.fixture(scope="module")
def plans(account: Account, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Plan]:
    """Of an empty state, kept in a file: nothing is applied."""
    return {name: planned(name, account, tmp_path_factory.mktemp(name)) for name in NAMES}


def planned(environment: str, account: Account, folder: Path) -> Plan:
    root = terraform.Root.of(ROOT / "infrastructure/terraform", folder, account.root)
    said = {**json.loads(words.override()), "terraform": {"backend": {"local": {}}}}
    folder.joinpath(words.OVERRIDE_FILE).write_text(json.dumps(said))
    zips = ("ingestion", "analysis", "dashboard", "canary")
    packages = {name: {"key": f"{name}.zip", "hash": HASH, "digest": f"sha256:{'0' * 64}"} for name in zips}
    deployer = f"arn:aws:iam::{account.box.account}:user/somebody"
    told = words.inputs(environment, deployer, {"sse-streaming": image(environment, account)}, packages)
    folder.joinpath(words.INPUTS_FILE).write_text(told)
    root.init()
    root.run("plan", "-input=false", "-no-color", "-out=now.tfplan", f"-var-file=environments/{environment}.tfvars")
    return tfplan.read(root.run(*words.show("now.tfplan")))


def image(environment: str, account: Account) -> str:
    return f"{account.box.account}.dkr.ecr.us-east-1.amazonaws.com/{environment}-sse-streaming-lambda@sha256:{'0' * 64}"


def context(environment: str, account: Account) -> Context:
    (other,) = {*NAMES} - {environment}
    return Context(
        environment=environment,
        account=account.box.account,
        region="us-east-1",
        neighbours=(Neighbour(name=other, account=account.box.account, deployer=""),),
        stateful=config.STATEFUL,
        deployed_before=False,
        references={"sse-streaming": image(environment, account), "ingestion": HASH},
        kept_images=config.Retention().images,
        caches=(f"{environment}-sse-streaming-cache",),
    )


def judged(plan: Plan, known: Context) -> list[Finding]:
    return [found for guard in GUARDS for found in guard.findings(plan, known)]


@pytest.mark.req("R-05", "R-06", "R-10", "B-06", "B-12")
@pytest.mark.parametrize("name", NAMES)
def test_a_first_plan_opens_two_urls_and_nothing_else(plans: dict[str, Plan], account: Account, name: str) -> None:
    """And the cache of dependencies is made to go, with all that is in it."""
    found = judged(plans[name], context(name, account))
    assert sorted((one.guard, str(one.severity), one.verdict) for one in found) == [
        ("principals", "info", "not-known"),
        ("principals", "warn", "not-known"),
        ("principals", "warn", "public-invoke"),
        ("principals", "warn", "public-invoke"),
        ("principals", "warn", "public-url"),
        ("principals", "warn", "public-url"),
        ("stateful", "warn", "made-disarmed"),
    ]
    assert [one.address for one in found if one.guard == "stateful"] == ["aws_ecr_repository.cache"]


def known(plan: Plan) -> Plan:
    """As if all of it had been applied, and nothing changed since."""
    return Plan(changes={address: _kept(change) for address, change in plan.changes.items()})


def _kept(change: Change) -> Change:
    return replace(change, action=Action.NO_OP, before=change.after, unknown={})


@pytest.mark.req("R-10")
def test_one_environments_plan_is_the_others_alarm(plans: dict[str, Plan], account: Account) -> None:
    found = isolation.findings(plans["prod"], context("preprod", account))
    named = {address for address, change in plans["prod"].changes.items() if "prod" in json.dumps(dict(change.after))}
    assert len(named) > 60
    assert {one.address for one in found} == named


@pytest.mark.req("R-10")
def test_one_environments_state_is_not_the_others(plans: dict[str, Plan], account: Account) -> None:
    found = wrongstate.findings(known(plans["prod"]), context("preprod", account))
    assert [one.verdict for one in found] == ["foreign-state"]


@pytest.mark.req("R-11")
def test_preprod_and_prod_differ_in_what_is_meant(plans: dict[str, Plan], account: Account) -> None:
    ours, theirs = (Side(plan=plans[name], environment=name, account=account.box.account) for name in NAMES)
    assert parity.differences(ours, theirs, MEANT) == ()


@pytest.mark.req("R-11")
def test_an_alarm_that_only_one_has_is_found(plans: dict[str, Plan], account: Account) -> None:
    less = {address: change for address, change in plans["preprod"].changes.items() if "dead_letters" not in address}
    ours = Side(plan=Plan(changes=less), environment="preprod", account=account.box.account)
    theirs = Side(plan=plans["prod"], environment="prod", account=account.box.account)
    (found,) = parity.differences(ours, theirs, MEANT)
    assert (found.verdict, found.address) == ("missing", "aws_cloudwatch_metric_alarm.dead_letters")
