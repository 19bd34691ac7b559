from __future__ import annotations

import json
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from ferry.errors import AwsError
from ferry.outside.aws import Access, Credentials
from ferry.outside.aws.rights import Rights, rights
from tests.awsbox.people import Account, allow, deny, policy
from tests.outside.aws.small_aws import as_root, small_aws

if TYPE_CHECKING:
    from tests.awsbox.people import Caller

pytestmark = pytest.mark.anyio
NUMBERS = count(1)
READS, WRITES, NEVER, AGAIN, MOST = allow("s3:Get*"), allow("s3:Put*"), deny("s3:*"), allow("sqs:*"), allow("*")
SELF = [
    "iam:GetUser",
    "iam:ListUserPolicies",
    "iam:GetUserPolicy",
    "iam:ListAttachedUserPolicies",
    "iam:ListGroupsForUser",
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
]


def document(*statements: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(policy(*statements))
    return found


def managed(account: Account, name: str, *statements: Any) -> str:
    made = account.root.client("iam").create_policy(PolicyName=name, PolicyDocument=policy(*statements))
    return str(made["Policy"]["Arn"])


@pytest.fixture
def user(account: Account) -> str:
    """In a group, under a boundary, with a policy of each kind; one of them has been changed since."""
    iam, name = account.root.client("iam"), f"rights-{next(NUMBERS)}"
    account.user(READS, name=name, boundary=managed(account, f"{name}-most", MOST))
    attached = managed(account, f"{name}-changed", MOST)
    iam.create_policy_version(PolicyArn=attached, PolicyDocument=policy(WRITES), SetAsDefault=True)
    iam.attach_user_policy(UserName=name, PolicyArn=attached)
    iam.create_group(GroupName=name)
    iam.add_user_to_group(GroupName=name, UserName=name)
    iam.put_group_policy(GroupName=name, PolicyName="never", PolicyDocument=policy(NEVER))
    iam.attach_group_policy(GroupName=name, PolicyArn=managed(account, f"{name}-again", AGAIN))
    return name


def arn(account: Account, what: str) -> str:
    return account.arn("iam", what, "")


def in_any_order(found: Rights | None) -> list[str]:
    assert found is not None
    return sorted(json.dumps(one, sort_keys=True) for one in found.policies)


def written(*documents: dict[str, Any]) -> list[str]:
    return sorted(json.dumps(one, sort_keys=True) for one in documents)


@pytest.mark.req("P-05")
async def test_a_user_has_its_own_policies_and_those_of_its_groups_within_its_boundary(
    account: Account, user: str
) -> None:
    found = await rights(as_root(account), arn(account, f"user/{user}"))
    assert in_any_order(found) == written(*map(document, (READS, WRITES, NEVER, AGAIN)))
    assert found is not None
    assert found.boundary == document(MOST)


@pytest.mark.req("P-05")
async def test_a_role_has_its_own_whether_by_its_arn_or_by_a_sessions(account: Account) -> None:
    iam, name = account.root.client("iam"), f"rights-{next(NUMBERS)}"
    trust = policy({"Effect": "Allow", "Principal": {"AWS": account.box.account}, "Action": "sts:AssumeRole"})
    iam.create_role(RoleName=name, Path="/team/", AssumeRolePolicyDocument=trust)
    iam.put_role_policy(RoleName=name, PolicyName="reads", PolicyDocument=policy(READS))
    iam.attach_role_policy(RoleName=name, PolicyArn=managed(account, f"{name}-writes", WRITES))
    session = f"arn:aws:sts::{account.box.account}:assumed-role/{name}/run"
    for who in (arn(account, f"role/team/{name}"), session):
        found = await rights(as_root(account), who)
        assert in_any_order(found) == written(document(READS), document(WRITES))
        assert found is not None
        assert found.boundary is None


async def test_nobody_of_that_very_arn_has_none_that_are_known(account: Account, user: str) -> None:
    """IAM finds a user by name: with another path, or of another account, it is somebody else."""
    others = (
        arn(account, f"user/elsewhere/{user}"),
        f"arn:aws:iam::444455556666:user/{user}",
        f"arn:aws:sts::444455556666:assumed-role/{user}/run",
        arn(account, "user/never-made"),
        arn(account, "root"),
        "somebody",
    )
    assert [await rights(as_root(account), other) for other in others] == [None] * len(others)


def as_caller(account: Account, caller: Caller) -> Access:
    return replace(as_root(account), credentials=Credentials(key=caller.key, secret=caller.secret))


async def test_who_may_read_their_own_are_told_all_of_them(account: Account) -> None:
    name = f"rights-{next(NUMBERS)}"
    caller = account.user(allow(SELF), name=name)
    assert in_any_order(await rights(as_caller(account, caller), caller.arn)) == written(document(allow(SELF)))


@pytest.mark.req("P-05")
@pytest.mark.parametrize("hidden", SELF)
async def test_all_are_unknown_where_one_may_not_be_read(account: Account, hidden: str) -> None:
    """A Deny may be in it."""
    name = f"rights-{next(NUMBERS)}"
    caller = account.user(allow([action for action in SELF if action != hidden]), name=name)
    iam = account.root.client("iam")
    iam.attach_user_policy(UserName=name, PolicyArn=managed(account, f"{name}-reads", READS))
    assert await rights(as_caller(account, caller), caller.arn) is None


async def test_a_group_that_may_not_be_read_hides_all_of_them(account: Account) -> None:
    name, iam = f"rights-{next(NUMBERS)}", account.root.client("iam")
    caller = account.user(allow(SELF), name=name)
    iam.create_group(GroupName=name)
    iam.add_user_to_group(GroupName=name, UserName=name)
    # What the box knows nothing of it refuses, as AWS does whoever may not ask.
    assert await rights(as_caller(account, caller), caller.arn) is None


async def test_an_iam_that_does_not_answer_is_no_refusal() -> None:
    busy = "<ErrorResponse><Error><Code>ServiceFailure</Code><Message>busy</Message></Error></ErrorResponse>"
    with small_aws(GetUser=(400, busy)) as small, pytest.raises(AwsError, match="ServiceFailure") as caught:
        await rights(small.access(), "arn:aws:iam::111122223333:user/somebody")
    assert caught.value.where == "iam:GetUser somebody"
