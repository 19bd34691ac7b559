"""Deployers read their own rights, and no more is needed to say whether a key's policy would lock them out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import anyio
import pytest

from ferry.guards import lockout
from ferry.guards.context import Context, Identity
from ferry.outside.aws import Access, Credentials
from ferry.outside.aws.rights import rights
from ferry.tfplan import Action, Change, Plan
from tests.awsbox.people import REGION
from tests.infrastructure.world import NAMES, PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.infrastructure.world import World


@pytest.fixture
def asking(standing: World) -> Iterator[World]:
    """What is asked here is no deployment: least privilege is shown by those."""
    standing.forget()
    yield standing
    standing.account.box.authority.audit.listeners.append(standing._hear)


def root_only(account: str) -> Plan:
    said = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "kms:*", "Resource": "*"}
    after = {"policy": json.dumps({"Version": "2012-10-17", "Statement": [said]}), "tags_all": {"project": PROJECT}}
    key = Change(address="aws_kms_key.data", type="aws_kms_key", action=Action.CREATE, after=after)
    return Plan(changes={key.address: key})


@pytest.mark.req("P-05", "P-07")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("by", ["user", "role"])
def test_a_key_that_names_only_root_is_no_key_for_a_deployer(asking: World, name: str, by: str) -> None:
    environment, account = asking.environments[name], asking.account.box.account
    caller = environment.deployer if by == "user" else environment.job()
    credentials = Credentials(key=caller.key, secret=caller.secret, token=caller.token or "")
    access = Access(region=REGION, endpoint=caller.endpoint, credentials=credentials)
    deployer = environment.deployer.arn.replace(":user/", f":{by}/")

    found = anyio.run(rights, access, deployer)

    assert found is not None
    assert len(found.policies) == 3
    identity = Identity(policies=found.policies, boundary=found.boundary)
    context = Context(account=account, region=REGION, deployer=deployer, identity=identity)
    assert lockout.findings(root_only(account), context)[0].verdict == "lockout"
