from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from ferry import model, tfdrift, tfplan, wiring
from ferry.errors import RecordError, TerraformFailed
from ferry.guards import drift as judging
from ferry.model import Release, State
from ferry.outside.terraform import words
from ferry.outside.terraform.host import HostTerraform
from ferry.outside.terraform.listener import silent
from ferry.verbs import places
from ferry.verbs.bound import nobody
from ferry.verbs.drift import NEVER, drift
from tests.awsbox import terraform as real
from tests.outside.aws.small_aws import as_root
from tests.verbs.fakes import COMMIT, CONFIG, PREPROD, FakeTerraform, World, changed, config_of, created

if TYPE_CHECKING:
    from pathlib import Path

    from ferry.guards.drift import Drift
    from ferry.verbs.drift import Answer
    from tests.awsbox.people import Account

RELEASE = Release(commit=COMMIT, dirty=False, artifacts=())
KEY = "aws_kms_key.data"


def held(address: str, **values: Any) -> dict[str, Any]:
    type, name = address.split(".")
    return {"address": address, "mode": "managed", "type": type, "name": name, "values": values}


def refreshed(*drifted: dict[str, Any], state: tuple[dict[str, Any], ...] = (), child: bool = False) -> dict[str, Any]:
    root: dict[str, Any] = {"resources": list(state)}
    values = {"root_module": {"child_modules": [root]} if child else root}
    return {"format_version": "1.2", "resource_drift": list(drifted), "prior_state": {"values": values}}


def moved(address: str, before: dict[str, Any], after: dict[str, Any], **more: Any) -> dict[str, Any]:
    return changed(address, "update", before=before, after=after, **more)


def read(*drifted: dict[str, Any], state: tuple[dict[str, Any], ...] = ()) -> Drift:
    return judging.found(tfdrift.read(json.dumps(refreshed(*drifted, state=state))))


def told(before: dict[str, Any], after: dict[str, Any], address: str = "aws_thing.one", **more: Any) -> list[str]:
    """What is told of one resource."""
    found = read(moved(address, before, after, **more)).resources
    return [str(difference) for resource in found for difference in resource.differences]


# What is told of a difference.


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({"memory_size": 256}, {"memory_size": 512}, "memory_size is 512, was 256"),
        ({"tags_all": {"a": "1"}}, {"tags_all": {"a": "1", "owner": "me"}}, "tags.owner 'me' is new"),
        ({"tags_all": {"a": "1"}, "tags": {"a": "1"}}, {"tags_all": {}, "tags": {}}, "tags.a '1' is gone"),
        ({"rule": [{"days": 1}]}, {"rule": [{"days": 2}]}, "rule.days is 2, was 1"),
        (
            {"setting": [{"name": "a", "on": True}, {"name": "b", "on": True}]},
            {"setting": [{"name": "b", "on": False}, {"name": "a", "on": True}]},
            "setting.b.on is false, was true",
        ),
        ({"zones": ["a", "b"]}, {"zones": ["c", "b"]}, "zones is 'c', was 'a'"),
        ({"zones": ["a"]}, {"zones": ["b", "a"]}, "zones 'b' is new"),
        ({"enabled": False}, {"enabled": True}, "enabled is true, was false"),
        ({"size": None}, {"size": 3}, "size 3 is new"),
    ],
)
def test_the_smallest_place_that_differs_is_named(before: dict[str, Any], after: dict[str, Any], said: str) -> None:
    assert told(before, after) == [said]


def test_a_statement_of_a_policy_is_called_by_its_sid() -> None:
    admin = {"Sid": "Admin", "Effect": "Allow", "Action": "kms:Get*"}
    wider = [{"Sid": "Two", "Effect": "Deny"}, {**admin, "Action": ["kms:Decrypt", "kms:Get*"]}]
    before, after = json.dumps({"Statement": [admin]}), json.dumps({"Statement": wider})
    assert told({"policy": before}, {"policy": after}, KEY) == [
        'policy.Statement.Admin.Action is ["kms:Decrypt", "kms:Get*"], was \'kms:Get*\'',
        'policy.Statement.Two {"Effect": "Deny", "Sid": "Two"} is new',
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"tags": None}, {"tags": {}}),
        ({"layers": None, "name": ""}, {"layers": [], "name": None}),
        ({"query": [{"id": "a", "period": None}]}, {"query": [{"id": "a", "period": 0}]}),
        ({"zones": ["a", "b"]}, {"zones": ["b", "a"]}),
        ({"policy": '{"Action": ["a"], "Version": "1"}'}, {"policy": '{"Version":"1","Action":"a"}'}),
        ({"timeouts": None}, {"timeouts": {"create": "1m"}}),
    ],
)
def test_what_means_the_same_to_aws_is_no_drift(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert told(before, after) == []


@pytest.mark.parametrize(
    ("address", "name"),
    [("aws_lambda_function.one", "last_modified"), ("aws_sns_topic_subscription.one", "pending_confirmation")],
)
def test_what_aws_does_by_itself_is_no_drift(address: str, name: str) -> None:
    assert told({name: "true"}, {name: "false"}, address) == []


# What one resource repeats of others.

VERSIONING = held("aws_s3_bucket_versioning.one", bucket="b")


def test_a_bucket_that_repeats_its_parts_has_not_drifted() -> None:
    entry = moved("aws_s3_bucket.one", {"id": "b", "versioning": []}, {"id": "b", "versioning": [{"enabled": True}]})
    assert read(entry, state=(VERSIONING,)).resources == ()
    other = held("aws_s3_bucket_versioning.other", bucket="c")
    assert [str(it) for it in read(entry, state=(other,)).resources[0].differences] == [
        'versioning {"enabled": true} is new'
    ]


def test_a_part_that_was_deleted_still_speaks_for_itself() -> None:
    gone = changed("aws_s3_bucket_versioning.one", "delete", before={"bucket": "b"}, after=None)
    entry = moved("aws_s3_bucket.one", {"id": "b", "versioning": [{"enabled": True}]}, {"id": "b", "versioning": []})
    assert [it.address for it in read(entry, gone).resources] == ["aws_s3_bucket_versioning.one"]


def test_a_policy_that_a_role_got_by_hand_is_found_beside_those_of_the_state() -> None:
    own, evil = {"name": "own", "policy": "{}"}, {"name": "evil", "policy": '{"Action": "*"}'}
    entry = moved(
        "aws_iam_role.one",
        {"name": "r", "inline_policy": [], "managed_policy_arns": []},
        {"name": "r", "inline_policy": [own, evil], "managed_policy_arns": ["arn:aws:iam::aws:policy/Admin"]},
    )
    (role,) = read(entry, state=(held("aws_iam_role_policy.own", role="r", name="own"),)).resources
    assert [str(it) for it in role.differences] == [
        'inline_policy.evil {"name": "evil", "policy": {"Action": "*"}} is new',
        "managed_policy_arns 'arn:aws:iam::aws:policy/Admin' is new",
    ]


# Secrets.

SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    ("before", "after", "masks", "said"),
    [
        ({"blob": "a"}, {"blob": SECRET}, {"after_sensitive": {"blob": True}}, "blob is another"),
        ({"blob": SECRET}, {"blob": None}, {"before_sensitive": {"blob": True}}, "blob is gone"),
        (
            {"env": [{"k": "a"}, {"k": "b"}]},
            {"env": [{"k": SECRET}, {"k": "b"}]},
            {"after_sensitive": {"env": [{"k": True}, {}]}},
            "env is another",
        ),
        ({"environment": [{"variables": {}}]}, {"environment": [{"variables": {"A": SECRET}}]}, {}, "is new"),
        ({"db_password": "a"}, {"db_password": SECRET}, {}, "db_password is another"),
        ({"list": []}, {"list": [{"name": "x", "api_key": SECRET}]}, {}, "list.x is new"),
        ({"json": "{}"}, {"json": json.dumps({"token": SECRET})}, {}, "json.token is new"),
    ],
)
def test_no_secret_is_told(before: dict[str, Any], after: dict[str, Any], masks: dict[str, Any], said: str) -> None:
    (line,) = told(before, after, **masks)
    assert said in line
    found = read(moved("aws_thing.one", before, after, **masks))
    assert SECRET not in repr(found)


def test_a_number_in_a_place_of_secrets_is_told() -> None:
    assert told({"token_hours": 1}, {"token_hours": 2}) == ["token_hours is 2, was 1"]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"resource_drift": 1}', '{"resource_drift": [{}]}'])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(RecordError, match="not the JSON of a terraform plan"):
        tfdrift.read(text)


# What a deployment does about it.


def planned(*changes: dict[str, Any]) -> tfplan.Plan:
    return tfplan.read(json.dumps({"format_version": "1.2", "resource_changes": list(changes)}))


WAS, NOW = {"size": 1, "tags_all": {"a": "1"}}, {"size": 2, "tags_all": {"a": "2"}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([moved("aws_thing.one", NOW, WAS)], "undoes it"),
        ([], "leaves it as it is"),
        ([changed("aws_thing.one", "no-op", before=NOW, after=NOW)], "leaves it as it is"),
        ([moved("aws_thing.one", NOW, {**NOW, "size": 1})], "undoes size; leaves tags.a"),
        ([moved("aws_thing.one", NOW, {**WAS, "size": 7})], "undoes tags.a; changes size"),
        ([changed("aws_thing.one", "delete", "create", before=NOW, after=WAS)], "replaces it"),
        ([changed("aws_thing.one", "delete", before=NOW)], "destroys it: the configuration does not name it"),
    ],
)
def test_what_a_deployment_does_about_a_change(changes: list[dict[str, Any]], said: str) -> None:
    (one,) = read(moved("aws_thing.one", WAS, NOW)).resources
    assert judging.consequence(one, planned(*changes)) == said


def test_what_a_deployment_does_about_what_was_deleted() -> None:
    (one,) = read(changed("aws_thing.one", "delete", before=WAS, after=None)).resources
    assert judging.consequence(one, planned(created("aws_thing.one"))) == "makes it again"
    assert judging.consequence(one, planned()) == "does without it: the configuration does not name it"


# The verb.


def published(world: World, release: Release = RELEASE) -> World:
    world.bucket.objects[places.latest(PREPROD)] = model.to_json(release).encode()
    return world


class Unplannable(FakeTerraform):
    async def plan(self, variables: str) -> tfplan.Plan:
        raise TerraformFailed("no such variable", where=variables)


async def looked(world: World, config: Any = CONFIG) -> Answer:
    return await drift(config, PREPROD, world.hands, world.report)


@pytest.mark.anyio
async def test_where_nothing_was_published_terraform_is_not_asked() -> None:
    world = World()
    answer = await looked(world)
    assert answer.text == f"preprod: {NEVER}"
    assert world.terraform.history == []


@pytest.mark.anyio
async def test_where_nothing_was_applied_nothing_drifted() -> None:
    world = published(World())
    world.terraform.drifted = refreshed()
    assert (await looked(world)).text == f"preprod: {NEVER}"


@pytest.mark.anyio
async def test_one_look_is_enough_where_all_is_as_it_was() -> None:
    world = published(World())
    world.terraform.drifted = refreshed(state=(VERSIONING,), child=True)
    assert (await looked(world)).text == "preprod: 1 resource as Terraform left them"
    assert world.terraform.history[-1] == "drift preprod.tfvars"


@pytest.mark.anyio
async def test_each_resource_has_one_line_with_what_a_deployment_does() -> None:
    world = published(World())
    gone = changed("aws_alarm.two", "delete", before=WAS, after=None)
    many = moved("aws_thing.three", {}, {f"a{number}": 1 for number in range(5)})
    world.terraform.drifted = refreshed(moved("aws_thing.one", WAS, NOW), gone, many, state=(VERSIONING,) * 5)
    world.terraform.plans = [[moved("aws_thing.one", NOW, WAS), created("aws_alarm.two")]]
    answer = await looked(world)
    assert answer.text.splitlines() == [
        "~ aws_thing.one: size is 2, was 1, tags.a is '2', was '1'; ferry deploy undoes it",
        "- aws_alarm.two: was deleted; ferry deploy makes it again",
        "~ aws_thing.three: a0 1 is new, a1 1 is new, a2 1 is new, and 2 more; ferry deploy leaves it as it is",
        "preprod: 3 of 6 resources changed",
    ]
    assert json.loads(json.dumps(answer.plain()))["drift"][1]["deleted"] is True
    assert "apply" not in world.terraform.history


@pytest.mark.anyio
async def test_the_configuration_here_need_not_know_the_release() -> None:
    old = model.Artifact(name="gone", kind=model.Kind.ZIP, key="k", digest=f"sha256:{'0' * 64}", size=1)
    world = published(World(), replace(RELEASE, artifacts=(old,)))
    world.terraform.drifted = refreshed(state=(VERSIONING,))
    await looked(world, config_of())
    assert world.terraform.files[words.INPUTS_FILE]["packages"] == {}


@pytest.mark.anyio
async def test_a_configuration_that_does_not_plan_hides_no_drift() -> None:
    world = published(World())
    world.terraform.drifted = refreshed(moved("aws_thing.one", WAS, NOW), state=(VERSIONING,))

    world.terraform = Unplannable(drifted=world.terraform.drifted)
    answer = await looked(world)
    assert "ferry deploy does what is not known" in answer.text
    assert "no such variable" in world.said


# With terraform, in the box.

ROOT = """
terraform {
  backend "s3" {}
}
variable "environment" {}
provider "aws" {
  default_tags { tags = { project = "drift" } }
}
resource "aws_iam_role" "one" {
  name               = "drift-one"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [
    { Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } } ] })
}
resource "aws_iam_role_policy" "own" {
  name   = "own"
  role   = aws_iam_role.one.name
  policy = jsonencode({ Version = "2012-10-17", Statement = [
    { Effect = "Allow", Action = "s3:List*", Resource = "*" } ] })
}
resource "aws_s3_bucket" "one" { bucket = "drift-one" }
resource "aws_s3_bucket_versioning" "one" {
  bucket = aws_s3_bucket.one.id
  versioning_configuration { status = "Enabled" }
}
resource "aws_kms_key" "one" {
  policy = jsonencode({ Version = "2012-10-17", Statement = [
    { Effect = "Allow", Action = "kms:*", Resource = "*", Principal = { AWS = "arn:aws:iam::ACCOUNT:root" } } ] })
}
resource "aws_cloudwatch_log_group" "one" {
  name              = "/drift/one"
  retention_in_days = 14
}
resource "aws_cloudwatch_metric_alarm" "one" {
  alarm_name          = "drift-one"
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanThreshold"
}
"""


def by_hand(account: Account) -> None:
    client = account.root.client
    client("logs").put_retention_policy(logGroupName="/drift/one", retentionInDays=1)
    client("cloudwatch").delete_alarms(AlarmNames=["drift-one"])
    client("s3").put_bucket_tagging(
        Bucket="drift-one", Tagging={"TagSet": [{"Key": "project", "Value": "drift"}, {"Key": "owner", "Value": "me"}]}
    )
    anything = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    client("iam").put_role_policy(RoleName="drift-one", PolicyName="evil", PolicyDocument=anything)
    kms = client("kms")
    for key in (it["KeyId"] for it in kms.list_keys()["Keys"]):
        if kms.list_resource_tags(KeyId=key)["Tags"] == [{"TagKey": "project", "TagValue": "drift"}]:
            policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
            policy["Statement"][0]["Action"] = ["kms:*", "kms:Decrypt"]
            kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.skipif(bool(real.absent()), reason=real.absent() or "terraform is here")
async def test_what_is_changed_by_hand_is_found_and_what_is_fresh_is_not(account: Account, tmp_path: Path) -> None:
    access = as_root(account)
    state = State(bucket="drift-state", key="drift.tfstate", region="us-east-1")
    target = replace(PREPROD, account=account.box.account, state=state, variables="", packages="drift-packages")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/main.tf").write_text(ROOT.replace("ACCOUNT", account.box.account))
    account.root.client("s3").create_bucket(Bucket="drift-state")
    terraform = HostTerraform(tmp_path / "root", tmp_path / "work", access)
    world = World()
    making = partial(wiring.hands, access, target, terraform=terraform, run=world.run, agree=nobody, stand_in=True)
    async with making() as hands:
        look = partial(drift, config_of(), target, hands, world.report)
        assert not (await look()).looked
        await hands.depot.bucket.ensure()
        await hands.depot.bucket.write(places.latest(target), model.to_json(RELEASE), once=False)
        assert (await look()).text.endswith(NEVER)
        await terraform.plan("")
        await terraform.apply(await terraform.saved(), silent)
        fresh = await look()
        assert (fresh.rows, fresh.looked) == ((), 7)
        by_hand(account)
        found = {row.address: f"{row.said}; {row.deploy}" for row in (await look()).rows}
        assert await terraform.lock_holder() is None
    assert found.pop("aws_kms_key.one").startswith("policy.Statement.Action is ")
    assert found.pop("aws_iam_role.one").startswith("inline_policy.evil")
    assert found == {
        "aws_cloudwatch_log_group.one": "retention_in_days is 1, was 14; undoes it",
        "aws_cloudwatch_metric_alarm.one": "was deleted; makes it again",
        "aws_s3_bucket.one": "tags.owner 'me' is new; undoes it",
    }
