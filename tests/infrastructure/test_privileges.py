"""Least privilege of deployers, from both sides: what they may do is used, and nothing beyond it is allowed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.awsbox.test_authority import DENIED
from tests.infrastructure import forbidden
from tests.infrastructure.world import NAMES, PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.awsbox.people import Caller
    from tests.infrastructure.conftest import Life
    from tests.infrastructure.world import World

OWN = "what a key's policy leaves to IAM is judged by the deployer's own policies: test_key_policies.py shows it"
PROTOCOL = "asked for by pushes and pulls in the docker protocol, as tests/awsbox/test_registry.py shows"
# What no run here asks for as a call of its own, and a deployer may do all the same.
ARGUED: Mapping[str, str] = {
    "ecr:BatchCheckLayerAvailability": PROTOCOL,
    "ecr:BatchGetImage": PROTOCOL,
    "ecr:CompleteLayerUpload": PROTOCOL,
    "ecr:GetDownloadUrlForLayer": PROTOCOL,
    "ecr:InitiateLayerUpload": PROTOCOL,
    "ecr:PutImage": PROTOCOL,
    "ecr:UploadLayerPart": PROTOCOL,
    "iam:GetPolicy": OWN,
    "iam:GetPolicyVersion": OWN,
    "iam:GetUser": OWN,
    "iam:GetUserPolicy": "a deployer has no policy in itself; whoever gives it one wants that read too",
    "iam:ListAttachedUserPolicies": OWN,
    "iam:ListGroupsForUser": OWN,
    "iam:ListUserPolicies": OWN,
    "lambda:InvokeFunction": "the pipeline asks the deployed canary, and nothing else: tests/system shows it",
    "lambda:ListTags": "GetFunction answers with tags only to who may list them; the box does not look",
    "lambda:UpdateFunctionUrlConfig": "how a URL answers is in the configuration, and no variable",
    "secretsmanager:RestoreSecret": "a secret on its way out is restored: adoption/ shows it",
    "secretsmanager:UpdateSecret": "a secret that is adopted may have another key",
    "sns:SetSubscriptionAttributes": "where undelivered articles go is in the configuration, and no variable",
    "sqs:GetQueueUrl": "an orphan is looked for by its name: adoption/ shows it",
    "sqs:SetQueueAttributes": "how long messages stay is in the configuration, and no variable",
    "tag:GetResources": "what has no name is looked for by its tags: adoption/ shows it",
}


def statements(world: World, document: str) -> list[dict[str, Any]]:
    iam = world.account.root.client("iam")
    arn = f"arn:aws:iam::{world.account.box.account}:policy/{document}"
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    said = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    return list(said["Statement"])


def listed(said: str | list[str]) -> list[str]:
    return [said] if isinstance(said, str) else said


def granted(world: World, name: str) -> set[str]:
    policies = [statements(world, f"{PROJECT}-{name}-deployer-{part}") for part in ("compute", "data", "watch")]
    return {action for policy in policies for said in policy for action in listed(said["Action"])}


@pytest.mark.req("P-07")
@pytest.mark.parametrize("name", NAMES)
def test_every_action_of_a_deployer_is_used_or_argued_for(life: Life, name: str) -> None:
    used = set.union(*(actions for who, actions in life.world.used.items() if f"-{name}-" in who or who == "job"))
    may = granted(life.world, name)

    assert sorted(may - used - set(ARGUED)) == []
    assert sorted(set(ARGUED) & used) == []
    assert sorted(set(ARGUED) - may) == []


@pytest.fixture
def names(standing: World) -> Iterator[dict[str, dict[str, str]]]:
    """What stands for what in the list, by the environment whose deployer asks. What a call does is taken back."""
    before = standing.account.box.snapshot()
    root, account = standing.account.root, standing.account.box.account
    key = {
        name: root.client("kms").describe_key(KeyId=f"alias/{name}-{PROJECT}")["KeyMetadata"]["Arn"] for name in NAMES
    }
    monitors = root.client("ce").get_anomaly_monitors()["AnomalyMonitors"]
    monitor = {one["MonitorName"].partition("-")[0]: one["MonitorArn"] for one in monitors}
    pairs = (NAMES, tuple(reversed(NAMES)))
    yield {
        own: {
            "own": own,
            "other": other,
            "account": account,
            "key": key[own],
            "other_key": key[other],
            "monitor": monitor[other],
        }
        for own, other in pairs
    }
    standing.account.box.restore(before)


def refused(caller: Caller, operation: str, arguments: Mapping[str, Any]) -> str:
    """The code of the refusal, or what there was instead."""
    service, _, method = operation.partition(".")
    try:
        getattr(caller.client(service), method)(**arguments)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "allowed"


@pytest.mark.req("R-10", "P-04", "B-13")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("by", ["user", "role"])
def test_nothing_that_reaches_another_environment_or_raises_rights_is_allowed(
    standing: World, names: dict[str, dict[str, str]], name: str, by: str
) -> None:
    environment = standing.environments[name]
    caller = environment.deployer if by == "user" else environment.job()

    answers = [(operation, said, refused(caller, operation, said)) for operation, said in forbidden.calls(names[name])]

    assert [answer for answer in answers if answer[2] not in DENIED] == []
    assert len(answers) > 60


@pytest.mark.req("P-04")
@pytest.mark.parametrize("name", NAMES)
def test_a_key_knows_root_and_its_own_deployers_and_no_others(standing: World, name: str) -> None:
    kms, account = standing.account.root.client("kms"), standing.account.box.account
    key = kms.describe_key(KeyId=f"alias/{name}-{PROJECT}")["KeyMetadata"]["KeyId"]
    said = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])["Statement"]
    people = {who for one in said for who in listed(one["Principal"].get("AWS", []))}

    deployer = f"{PROJECT}-{name}-deployer"
    assert people == {f"arn:aws:iam::{account}:{who}" for who in ("root", f"user/{deployer}", f"role/{deployer}")}
    assert "kms:PutKeyPolicy" in said[1]["Action"]


@pytest.mark.parametrize("name", NAMES)
def test_a_teardown_is_no_right_of_a_deployer_unless_an_admin_lends_it(standing: World, name: str) -> None:
    iam = standing.account.root.client("iam")
    attached = iam.list_attached_user_policies(UserName=f"{PROJECT}-{name}-deployer")["AttachedPolicies"]

    assert {one["PolicyName"].rpartition("-")[2] for one in attached} == {"compute", "data", "watch"}


@pytest.mark.parametrize("part", ["deployer-compute", "deployer-data", "deployer-watch", "boundary"])
def test_policies_have_room_for_the_longest_name_of_an_environment(standing: World, part: str) -> None:
    said = json.dumps(statements(standing, f"{PROJECT}-preprod-{part}"), separators=(",", ":"))

    assert len(said.replace("preprod", "e" * 16)) + len('{"Version":"2012-10-17","Statement":}') <= 6144
