"""What is read off a root, and what is made up from that, without terraform."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ferry.errors import TerraformFailed
from ferry.outside.terraform import blocks, made_up
from ferry.outside.terraform.blocks import Block, Module
from ferry.outside.terraform.made_up import World

HERE = World(account="111122223333", region="eu-west-1", caller="arn:aws:iam::111122223333:user/me")
THERE = World(account="444455556666", region="us-east-1", caller="arn:aws:iam::444455556666:user/me")


def module(text: str, key: str = "", name: str = "main.tf") -> Module:
    return Module(key=key, folder=key or ".", files={name: text})


def text(*, computed: bool = True) -> dict[str, Any]:
    return {"type": "string", "computed": computed}


QUEUE = {
    "attributes": {"name": text(computed=False), "arn": text(), "url": text(), "size": {"type": "number"}},
    "block_types": {"rule": {"block": {"attributes": {"rule_arn": text(), "on": {"type": "bool", "computed": True}}}}},
}
SUBNETS = {"attributes": {"ids": {"type": ["list", "string"], "computed": True}, "policy": text()}}
SCHEMAS = {
    "registry.terraform.io/hashicorp/aws": {
        "resource_schemas": {"aws_sqs_queue": {"block": QUEUE}},
        "data_source_schemas": {"aws_subnets": {"block": SUBNETS}, "aws_region": {"block": {"attributes": {}}}},
    },
    "registry.terraform.io/integrations/github": {},
    "terraform.io/builtin/terraform": {},
}


def said(*modules: Module, world: World = HERE) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(made_up.test_text(modules, SCHEMAS, world))
    return found


def test_blocks_are_read_by_their_labels() -> None:
    found = blocks.objects(
        module(
            """
            resource "aws_sqs_queue" "q" { name = "# no comment" }
            # resource "aws_sqs_queue" "gone" {}
            /* data "aws_vpc" "gone" {
            } */
            data "aws_vpc" "main" { // resource "aws_sqs_queue" "gone" {}
            }
            """
        )
    )
    assert found == (Block("resource", "aws_sqs_queue", "q"), Block("data", "aws_vpc", "main"))


def test_blocks_are_read_in_json_too() -> None:
    written = {"resource": {"aws_sqs_queue": {"q": {}}}, "data": [{"aws_vpc": {"main": [{}]}}]}
    assert blocks.objects(module(json.dumps(written), name="main.tf.json")) == (
        Block("resource", "aws_sqs_queue", "q"),
        Block("data", "aws_vpc", "main"),
    )


PROVIDERS = """
terraform {
  required_providers {
    amazon = {
      source  = "hashicorp/aws"  # }
      version = "~> 5.0"
    }
    hub = { source = "registry.terraform.io/Integrations/GitHub" }
  }
}
provider "amazon" {
  default_tags { tags = { brace = "}" } }
}
provider "amazon" {
  assume_role { role_arn = "x" }
  alias = "edge"
}
"""


def test_providers_are_known_by_the_roots_names_for_them() -> None:
    mocked = said(module(PROVIDERS))["mock_provider"]
    assert {name: [one.get("alias") for one in all] for name, all in mocked.items()} == {
        "amazon": [None, "edge"],
        "hub": [None],
    }


def test_providers_in_json_have_aliases_too() -> None:
    written = {"provider": {"aws": [{"region": "x"}, {"alias": "edge"}]}}
    assert blocks.providers(module(json.dumps(written), name="p.tf.json")) == {"aws": ("edge",)}


def test_a_provider_that_the_root_cannot_name_is_left_as_it_is() -> None:
    assert list(said(module(""))["mock_provider"]) == ["aws"]


def test_every_text_that_a_provider_would_make_up_is_given_to_it() -> None:
    (mock,) = said(module('resource "aws_sqs_queue" "q" {\n}'))["mock_provider"]["aws"]
    made = mock["mock_resource"]["aws_sqs_queue"]["defaults"]
    assert mock["override_during"] == "plan"
    assert made.keys() == {"arn", "url", "rule"}
    assert made["arn"].startswith("arn:aws:sqs:eu-west-1:111122223333:sqs-queue-")
    assert made["url"].startswith("https://sqs-queue-")
    assert made["rule"].keys() == {"rule_arn"}


def test_whoever_looks_for_something_finds_one() -> None:
    (mock,) = said(module('data "aws_subnets" "all" {\n}'))["mock_provider"]["aws"]
    made = mock["mock_data"]["aws_subnets"]["defaults"]
    assert len(made["ids"]) == 1
    assert made["policy"] == "{}"


def test_two_of_a_type_are_told_apart() -> None:
    both = module('resource "aws_sqs_queue" "a" {\n}\nresource "aws_sqs_queue" "b" {\n}', key="x.y")
    made = {one["target"]: one["values"]["arn"] for one in said(module(""), both)["override_resource"]}
    assert list(made) == ["module.x.module.y.aws_sqs_queue.a", "module.x.module.y.aws_sqs_queue.b"]
    assert len(set(made.values())) == 2


@pytest.mark.req("R-11")
def test_environments_are_told_the_same_but_for_account_region_and_caller() -> None:
    root = module('resource "aws_sqs_queue" "q" {\n}\ndata "aws_region" "here" {\n}')
    here, there = (made_up.test_text([root], SCHEMAS, world) for world in (HERE, THERE))
    assert here != there
    assert here.replace(HERE.account, THERE.account).replace(HERE.region, THERE.region) == there


def test_of_another_roots_state_that_is_there_what_is_read_of_it() -> None:
    reading = 'data "terraform_remote_state" "net" {\n}\nlocals { a = data.terraform_remote_state.net.outputs.vpc_id }'
    (one,) = said(module(""), module(reading, key="app"))["override_data"]
    assert one["target"] == "module.app.data.terraform_remote_state.net"
    assert one["values"]["outputs"].keys() == {"vpc_id"}


def told(address: str, after: dict[str, Any]) -> str:
    change = {"actions": ["create"], "after": after, "after_unknown": {}}
    entry = {"address": address, "mode": "managed", "type": "any", "change": change}
    event = {"type": "test_plan", "test_plan": {"plan_format_version": "1.2", "resource_changes": [entry]}}
    return f'{{"type":"version"}}\n{json.dumps(event, separators=(",", ":"))}\n'


def test_a_copy_of_a_data_source_has_its_own_name_again() -> None:
    plan = made_up.plan(told('module.a["b"].terraform_data.ferry_copy__aws_vpc__main', {"input": {"tags": {}}}))
    (change,) = plan.changes.values()
    assert (change.address, change.after) == ('module.a["b"].data.aws_vpc.main', {"tags": {}})


@pytest.mark.parametrize(
    ("instances", "after"), [([{"a": 1}, {"a": 2}], {"0": {"a": 1}, "1": {"a": 2}}), ({"k": {"a": 1}}, {"k": {"a": 1}})]
)
def test_the_copy_of_many_shows_each_of_them(instances: Any, after: dict[str, Any]) -> None:
    plan = made_up.plan(told("terraform_data.ferry_copy__aws_vpc__my__vpc", {"input": instances}))
    assert plan.changes["data.aws_vpc.my__vpc"].after == after


def test_a_terraform_that_shows_no_plan_is_an_error() -> None:
    with pytest.raises(TerraformFailed, match="shows no plan"):
        made_up.plan('{"type":"version"}\n')
