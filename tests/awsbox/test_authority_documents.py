"""What a resource's own policy says of a caller: NotPrincipal, statements that lack something, and who a session is.

Each row is a key's policy that keeps the root and says one thing more, and a call of somebody under it: `{me}` is the
ARN of the user or role, `{session}` what STS calls a session of that role, `{other}` somebody else.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.awsbox.people import Caller, allow, policy

if TYPE_CHECKING:
    from tests.awsbox.people import Account

NUMBERS = count(1)
ROOT = "arn:aws:iam::{account}:root"
ALL = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
KEEPS = {**ALL, "Principal": {"AWS": ROOT}}
GIVES = {**ALL, "Principal": {"AWS": "{me}"}}
OTHERS = {**ALL, "Effect": "Deny", "Action": "kms:DescribeKey"}


def without(statement: dict[str, Any], element: str) -> dict[str, Any]:
    return {name: value for name, value in statement.items() if name != element}


def where(operator: str, key: str, value: str) -> dict[str, Any]:
    return {"Condition": {operator: {key: value}}}


@dataclass(frozen=True)
class Row:
    """`rights`: whether its own policies allow everything of KMS. `bounded`: by a boundary that does too."""

    fact: str
    statement: dict[str, Any]
    allowed: bool
    role: bool = False
    rights: bool = False
    bounded: bool = False


ROWS = (
    Row("a key that says nothing more of somebody leaves it to IAM, which says nothing", KEEPS, allowed=False),
    Row("and which says yes", KEEPS, allowed=True, rights=True),
    Row("who is named is let in", GIVES, allowed=True),
    Row("a role's name lets in its sessions", GIVES, allowed=True, role=True),
    # NotPrincipal.
    Row(
        "everybody but another is denied",
        {**OTHERS, "NotPrincipal": {"AWS": "{other}"}},
        allowed=False,
        rights=True,
    ),
    Row(
        "who is listed with its account is spared",
        {**OTHERS, "NotPrincipal": {"AWS": ["{me}", ROOT]}},
        allowed=True,
        rights=True,
    ),
    Row(
        "the account alone is not its users",
        {**OTHERS, "NotPrincipal": {"AWS": ROOT}},
        allowed=False,
        rights=True,
    ),
    Row(
        "a session is spared that is listed with its role and account",
        {**OTHERS, "NotPrincipal": {"AWS": ["{session}", "{me}", ROOT]}},
        allowed=True,
        rights=True,
        role=True,
    ),
    Row(
        "another role's session is not",
        {**OTHERS, "NotPrincipal": {"AWS": ["{other}", ROOT]}},
        allowed=False,
        rights=True,
        role=True,
    ),
    Row(
        "nobody is spared who has a boundary",
        {**OTHERS, "NotPrincipal": {"AWS": ["{me}", ROOT]}},
        allowed=False,
        rights=True,
        bounded=True,
    ),
    Row(
        "a denial of other actions is none of this one",
        {**OTHERS, "Action": "kms:Decrypt", "NotPrincipal": {"AWS": "{other}"}},
        allowed=True,
        rights=True,
    ),
    # What a statement lacks.
    Row("without an action it allows nothing", without(GIVES, "Action"), allowed=False),
    Row("without a resource it allows nothing", without(GIVES, "Resource"), allowed=False),
    Row("of no actions it allows none", {**GIVES, "Action": []}, allowed=False),
    Row("of no resources it allows nothing", {**GIVES, "Resource": []}, allowed=False),
    Row(
        "without an action it denies nothing",
        without({**OTHERS, "Principal": "*"}, "Action"),
        allowed=True,
        rights=True,
    ),
    Row(
        "without a resource it denies nothing",
        without({**OTHERS, "Principal": "*"}, "Resource"),
        allowed=True,
        rights=True,
    ),
    # Who a session is.
    Row("a role is its sessions' ARN", GIVES | where("ArnEquals", "aws:PrincipalArn", "{me}"), allowed=True, role=True),
    Row(
        "as text too, its path with it",
        GIVES | where("StringEquals", "aws:PrincipalArn", "{me}"),
        allowed=True,
        role=True,
    ),
    Row(
        "what STS calls the session is not",
        GIVES | where("StringEquals", "aws:PrincipalArn", "{session}"),
        allowed=False,
        role=True,
    ),
    Row(
        "all but a role, by its ARN",
        {**OTHERS, "Principal": "*"} | where("ArnNotEquals", "aws:PrincipalArn", "{me}"),
        allowed=True,
        rights=True,
        role=True,
    ),
    Row("a user's ARN is its own", GIVES | where("StringEquals", "aws:PrincipalArn", "{me}"), allowed=True),
)


@dataclass(frozen=True)
class Somebody:
    caller: Caller
    arn: str
    session: str


def somebody(account: Account, *, role: bool, rights: bool, bounded: bool) -> Somebody:
    iam, name = account.root.client("iam"), f"documents-of-keys-{next(NUMBERS)}"
    own = [allow("kms:*")] if rights else []
    boundary = ""
    if bounded:
        boundary = iam.create_policy(PolicyName=name, PolicyDocument=policy(allow("kms:*")))["Policy"]["Arn"]
    if not role:
        user = account.user(*own, name=name, boundary=boundary)
        return Somebody(user, user.arn, user.arn)
    trust = policy({"Effect": "Allow", "Principal": {"AWS": account.box.account}, "Action": "sts:AssumeRole"})
    arn = iam.create_role(RoleName=name, Path="/team/", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    if own:
        iam.put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=policy(*own))
    made = account.user(allow("sts:AssumeRole", arn)).client("sts").assume_role(RoleArn=arn, RoleSessionName="run")
    keys, session = made["Credentials"], made["AssumedRoleUser"]["Arn"]
    caller = Caller(account.box.endpoint, keys["AccessKeyId"], keys["SecretAccessKey"], session, keys["SessionToken"])
    return Somebody(caller, arn, session)


def key(account: Account, me: Somebody, statement: dict[str, Any]) -> str:
    other = account.user(name=f"documents-other-{next(NUMBERS)}").arn
    text = policy(KEEPS, statement)
    for sign, value in {"me": me.arn, "session": me.session, "other": other, "account": account.box.account}.items():
        text = text.replace(f"{{{sign}}}", value)
    made = account.root.client("kms").create_key(Policy=text, BypassPolicyLockoutSafetyCheck=True)
    return str(made["KeyMetadata"]["KeyId"])


@pytest.mark.parametrize("row", ROWS, ids=[row.fact for row in ROWS])
def test_a_key_policy_is_read_as_aws_reads_it(account: Account, row: Row) -> None:
    me = somebody(account, role=row.role, rights=row.rights, bounded=row.bounded)
    kms, id = me.caller.client("kms"), key(account, me, row.statement)

    with nullcontext() if row.allowed else pytest.raises(ClientError, match="AccessDeniedException"):
        kms.describe_key(KeyId=id)


def test_a_bucket_lets_everybody_in_but_whom_it_does_not(account: Account) -> None:
    """And its policy need not say of which resource it speaks."""
    s3, kept, other = account.root.client("s3"), account.user(), account.user(allow("s3:*"))
    s3.create_bucket(Bucket="documents-spared")
    deny = {"Effect": "Deny", "NotPrincipal": {"AWS": kept.arn}, "Action": "s3:*"}
    lets = {"Effect": "Allow", "Principal": {"AWS": kept.arn}, "Action": "s3:ListBucket"}
    s3.put_bucket_policy(Bucket="documents-spared", Policy=policy(deny, lets))

    assert kept.client("s3").list_objects_v2(Bucket="documents-spared")["KeyCount"] == 0
    with pytest.raises(ClientError, match="explicit deny"):
        other.client("s3").list_objects_v2(Bucket="documents-spared")


def test_a_right_of_a_session_is_one_of_its_role(account: Account) -> None:
    """In IAM's own policies too."""
    iam, name = account.root.client("iam"), f"documents-of-keys-{next(NUMBERS)}"
    me = somebody(account, role=True, rights=False, bounded=False)
    right, role = allow("kms:ListAliases", StringEquals={"aws:PrincipalArn": me.arn}), me.arn.rpartition("/")[2]
    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=policy(right))

    assert "Aliases" in me.caller.client("kms").list_aliases()
