"""parity: with a terraform that only says what it is told to, and with the real one, which gets no credentials."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from ferry import cli
from ferry import config as reading
from ferry.errors import Blocked, CredentialsError, TerraformFailed
from ferry.model import Severity
from ferry.outside.terraform.blocks import Module
from ferry.outside.terraform.offline import HostOffline
from ferry.report import Report
from ferry.verbs import parity
from tests.awsbox import terraform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ferry.config import Config
    from ferry.errors import FerryError
    from ferry.model import Finding
    from ferry.tfplan import Plan

ROOT = Path(__file__).parents[2]
ENVIRONMENT = """
[environments.{name}]
account = "{account}"
deployer = "arn:aws:iam::{account}:user/{name}"
state = {{ bucket = "{name}-state", key = "terraform.tfstate" }}
variables = "{name}.tfvars"
packages = "{name}-packages"
{more}
"""
ACCOUNTS = {"preprod": "111122223333", "prod": "444455556666", "eu": "777788889999"}
PROMOTED = {"prod": 'promote_from = "preprod"', "eu": 'promote_from = "preprod"'}


def written(*environments: str, root: str = "terraform", allow: Sequence[str] = (), promoted: bool = True) -> str:
    tables = [
        ENVIRONMENT.format(name=name, account=ACCOUNTS[name], more=PROMOTED.get(name, "") if promoted else "")
        for name in environments
    ]
    head = f'project = "small"\nregion = "eu-west-1"\n[infrastructure]\nroot = "{root}"\n'
    return f"{head}[parity]\nallow = {json.dumps(list(allow))}\n{''.join(tables)}"


@dataclass
class FakeOffline:
    """Plans queues, each with what is said of it by environment and name."""

    queues: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    fails: FerryError | None = None
    files: dict[str, str] = field(default_factory=dict)
    history: list[tuple[str, ...]] = field(default_factory=list)

    async def write(self, name: str, text: str) -> None:
        self.files[name] = text

    async def init(self) -> None:
        self.history.append(("init",))

    async def modules(self) -> tuple[Module, ...]:
        return (Module(key="", folder=".", files={}),)

    async def schemas(self) -> str:
        return "{}"

    async def planned(self, environment: str, variables: Sequence[str]) -> str:
        self.history.append((environment, *variables))
        if self.fails:
            raise self.fails
        changes = [
            {"address": address, "mode": "managed", "type": "t", "change": {"actions": ["create"], "after": after}}
            for address, after in self.queues[environment].items()
        ]
        said = {"plan_format_version": "1.2", "resource_changes": changes}
        return json.dumps({"type": "test_plan", "test_plan": said}, separators=(",", ":"))


def compared(text: str, offline: FakeOffline) -> list[tuple[str, str]]:
    found = anyio.run(parity.parity, reading.parse(text), offline, Report())
    return [(one.verdict, one.address) for one in found]


def test_without_promotion_there_is_nothing_to_compare_and_nothing_is_run() -> None:
    text, offline = written("preprod", "prod", promoted=False), FakeOffline()
    assert compared(text, offline) == []
    assert offline.history == []
    assert parity.told(reading.parse(text), ()).startswith("nothing is compared")


@pytest.mark.req("R-11")
def test_each_environment_is_compared_with_the_one_before_it() -> None:
    offline = FakeOffline({"preprod": {"a_b.c": {"size": 1}}, "prod": {"a_b.c": {"size": 2}}, "eu": {}})
    assert compared(written("preprod", "prod", "eu"), offline) == [("differs", "a_b.c"), ("missing", "a_b.c")]


def test_a_line_that_one_pair_needs_is_not_unused() -> None:
    offline = FakeOffline({"preprod": {"a_b.c": {"size": 1}}, "prod": {"a_b.c": {"size": 2}}, "eu": {}})
    allow = ["a_b.c:size", "a_b.c", "a_b.d"]
    assert compared(written("preprod", "prod", "eu", allow=allow), offline) == [("unused", "*")]


def test_what_only_one_looks_up_is_told_by_what_it_does_with_it() -> None:
    offline = FakeOffline({"preprod": {}, "prod": {'module.m["a"].data.aws_vpc.main': {"x": 1}, "a_b.data": {}}})
    assert compared(written("preprod", "prod"), offline) == [("missing", "a_b.data")]


def test_a_deployments_order_of_variables_is_kept() -> None:
    offline = FakeOffline({"preprod": {}, "prod": {}})
    compared(written("preprod", "prod"), offline)
    assert ("prod", "ferry-parity/prod.tfvars.json", "prod.tfvars") in offline.history
    assert json.loads(offline.files["ferry-parity/prod.tfvars.json"])["environment"] == "prod"


@pytest.mark.parametrize("kind", [TerraformFailed, CredentialsError])
def test_what_cannot_be_planned_cannot_be_judged(kind: type[FerryError]) -> None:
    failing = FakeOffline(fails=kind("terraform test failed", where="a.tf:3", why="no such key"))
    with pytest.raises(TerraformFailed, match="parity cannot be judged: preprod") as failed:
        compared(written("preprod", "prod"), failing)
    assert (failed.value.where, failed.value.why) == ("a.tf:3", "no such key")


def test_a_check_fails_with_every_difference() -> None:
    config = reading.parse(written("preprod", "prod"))
    offline = FakeOffline({"preprod": {"a_b.c": {"size": 1}}, "prod": {"a_b.c": {"size": 2}}})
    found = anyio.run(parity.parity, config, offline, Report())
    with pytest.raises(Blocked, match="1 difference that") as failed:
        parity.passed(config, found)
    assert "size is 1 in preprod, 2 in prod" in failed.value.why


def test_a_check_passes_with_a_line_that_is_not_used() -> None:
    config = reading.parse(written("preprod", "prod", allow=["a_b.c"]))
    found = anyio.run(parity.parity, config, FakeOffline({"preprod": {}, "prod": {}}), Report())
    assert parity.passed(config, found) == "preprod and prod: no difference but those allowed"


real = pytest.mark.skipif(bool(terraform.absent()), reason=terraform.absent())


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Plan]:
    """Of our own root: both environments, and a prod in which somebody gave a function other memory."""
    folder = tmp_path_factory.mktemp("ours")
    root = folder / "terraform"
    shutil.copytree(ROOT / "infrastructure/terraform", root, ignore=shutil.ignore_patterns(".terraform"))
    tfvars = root / "environments/prod.tfvars"
    changed = tfvars.read_text() + "memory_mb = { ingestion = 1024 }\n"
    (root / "environments/changed.tfvars").write_text(changed.replace('"prod"', '"changed"'))

    async def planned() -> dict[str, Plan]:
        config = ours(changed=True)
        return await parity.planned(config, config.environments, HostOffline(root, folder / "work"), Report())

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_PROFILE", "nobody-has-this-profile")
        return anyio.run(planned)


def ours(*, changed: bool, more: str = "") -> Config:
    """Our ferry.toml, and with `changed` one more environment that its releases are promoted to from preprod."""
    text = (ROOT / "ferry.toml").read_text().replace("[parity]\nallow = [", f"[parity]\nallow = [{more}")
    another = ENVIRONMENT.format(name="changed", account="777788889999", more=PROMOTED["prod"])
    return reading.parse(text + another.replace('"changed.tfvars"', '"environments/changed.tfvars"') * changed)


def facts(findings: Sequence[Finding]) -> list[tuple[Severity, str, str]]:
    return [(one.severity, one.address, one.what) for one in findings]


@real
@pytest.mark.slow
@pytest.mark.req("R-11")
def test_preprod_and_prod_differ_in_what_ferry_toml_allows_alone(plans: dict[str, Plan]) -> None:
    assert len(plans["prod"].changes) > 70
    assert parity.judged(ours(changed=False), plans) == ()


@real
@pytest.mark.slow
@pytest.mark.req("R-11")
def test_other_memory_in_one_environment_is_found(plans: dict[str, Plan]) -> None:
    address = "module.ingestion[0].aws_lambda_function.this"
    (one,) = facts(parity.judged(ours(changed=True), plans))
    assert one == (Severity.WARN, address, "memory_size is 256 in preprod, 1024 in changed")


@real
@pytest.mark.slow
@pytest.mark.req("R-11")
def test_a_line_that_covers_nothing_is_found(plans: dict[str, Plan]) -> None:
    (one,) = facts(parity.judged(ours(changed=False, more='"aws_sqs_queue.dlq:delay_seconds",'), plans))
    assert one == (Severity.INFO, "*", "[parity] allow: 'aws_sqs_queue.dlq:delay_seconds' covers no difference")


@real
@pytest.mark.slow
def test_everything_is_known_that_the_root_says(plans: dict[str, Plan]) -> None:
    """A policy with one ARN that only an apply knows would not be compared at all."""
    assert [address for address, change in plans["prod"].changes.items() if unknown(change.unknown)] == []


def unknown(said: object) -> bool:
    match said:
        case dict():
            return any(map(unknown, said.values()))
        case list():
            return any(map(unknown, said))
        case _:
            return said is True


ANOTHER = {
    "live/app/main.tf": """
variable "environment" { type = string }
variable "memory" { type = number }
variable "functions" { type = set(string) }

provider "aws" {
  region              = "eu-west-1"
  profile             = "nobody-has-this-profile"
  allowed_account_ids = ["000000000000"]
}

provider "aws" {
  alias  = "edge"
  region = "us-east-1"
  assume_role { role_arn = "arn:aws:iam::000000000000:role/nobody" }
}

data "aws_availability_zones" "all" {}

data "terraform_remote_state" "network" {
  backend = "s3"
  config  = { bucket = "a", key = "b", region = "eu-west-1" }
}

resource "aws_subnet" "this" {
  count             = 2
  vpc_id            = data.terraform_remote_state.network.outputs.vpc_id
  cidr_block        = "10.0.${count.index}.0/24"
  availability_zone = data.aws_availability_zones.all.names[count.index]
}

resource "aws_acm_certificate" "this" {
  provider    = aws.edge
  domain_name = "${var.environment}.example.com"
}

resource "aws_kms_key" "this" {}

module "function" {
  source   = "../../modules/function"
  for_each = var.functions
  name     = "${var.environment}-${each.key}"
  memory   = var.memory
  key_arn  = aws_kms_key.this.arn
}
""",
    "modules/function/main.tf": """
variable "name" { type = string }
variable "memory" { type = number }
variable "key_arn" { type = string }

data "aws_iam_policy_document" "own" {
  statement {
    actions   = var.memory > 128 ? ["kms:*"] : ["kms:Decrypt"]
    resources = [var.key_arn]
  }
}

data "aws_subnets" "all" {}

resource "aws_iam_role" "this" {
  name               = var.name
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [] })
}

resource "aws_iam_role_policy" "own" {
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.own.json
}

resource "aws_lambda_function" "this" {
  function_name = var.name
  role          = aws_iam_role.this.arn
  filename      = "not-built.zip"
  handler       = "a.b"
  runtime       = "python3.13"
  memory_size   = var.memory

  vpc_config {
    subnet_ids         = data.aws_subnets.all.ids
    security_group_ids = []
  }
}
""",
    "live/app/somebodys.tftest.hcl": 'run "own" {\n  module {\n    source = "./nowhere"\n  }\n}\n',
    "live/app/preprod.tfvars": 'environment = "preprod"\nmemory = 128\nfunctions = ["a"]\n',
    "live/app/prod.tfvars": 'environment = "prod"\nmemory = 256\nfunctions = ["a", "b"]\n',
}


@real
@pytest.mark.slow
@pytest.mark.req("R-11")
def test_a_root_of_another_shape_is_compared_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in ANOTHER.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "ferry.toml").write_text(written("preprod", "prod", root="live/app"))

    assert cli.run(["parity", "--source", str(tmp_path), "--json"]) == 2

    said = json.loads(capsys.readouterr().out)
    assert said["compared"] == [["preprod", "prod"]]
    assert [(one["verdict"], one["address"]) for one in said["findings"]] == [
        ("differs", 'module.function["a"].aws_lambda_function.this'),
        ("differs", 'module.function["a"].data.aws_iam_policy_document.own'),
        ("missing", 'module.function["b"].aws_iam_role.this'),
        ("missing", 'module.function["b"].aws_iam_role_policy.own'),
        ("missing", 'module.function["b"].aws_lambda_function.this'),
    ]
