"""KMS refuses key policies that lock out or name nobody."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from awsbox.rules.keys import LOCKED_OUT, NOBODY, UNKNOWN
from tests.awsbox.people import allow, deny, policy
from tests.awsbox.published import refused

if TYPE_CHECKING:
    from tests.awsbox.people import Account, Caller, Statement

CREATE = allow(["kms:CreateKey", "kms:TagResource"])
CHANGE = allow("kms:PutKeyPolicy")


def granting(*principals: Any, actions: Any = "kms:*", **more: Any) -> dict[str, Any]:
    said = {"Effect": "Allow", "Principal": {"AWS": list(principals)}, "Action": actions, "Resource": "*"}
    return said | more


def root(account: Account) -> dict[str, Any]:
    return granting(f"arn:aws:iam::{account.box.account}:root")


def session(account: Account, role: str) -> Caller:
    """Somebody who has assumed the role."""
    user = account.user(allow("sts:AssumeRole", role))
    made = user.client("sts").assume_role(RoleArn=role, RoleSessionName="deploy")["Credentials"]
    keys = {"key": made["AccessKeyId"], "secret": made["SecretAccessKey"], "token": made["SessionToken"]}
    return type(user)(endpoint=user.endpoint, **keys)


def trusted(account: Account) -> str:
    said = {"Effect": "Allow", "Principal": {"AWS": account.box.account}, "Action": "sts:AssumeRole"}
    return policy(said)


def test_root_only_policy_locks_out_a_deployer_without_put_key_policy(account: Account) -> None:
    """The failure that started the project."""
    kms = account.user(CREATE).client("kms")

    with refused(kms, "MalformedPolicyDocumentException", LOCKED_OUT):
        kms.create_key(Policy=policy(root(account)))


@pytest.mark.parametrize(
    "statements",
    [
        pytest.param([CREATE, CHANGE, deny("kms:PutKeyPolicy")], id="denied"),
        pytest.param([CREATE, allow("kms:PutKeyPolicy", "arn:aws:kms:us-east-1:111122223333:alias/a")], id="elsewhere"),
        pytest.param([CREATE, allow("kms:PutKeyPolicy", StringEquals={"aws:ResourceTag/env": "prod"})], id="untagged"),
    ],
)
def test_identity_policy_must_reach_the_new_key(account: Account, statements: list[Statement]) -> None:
    kms = account.user(*statements).client("kms")

    with refused(kms, "MalformedPolicyDocumentException", LOCKED_OUT):
        kms.create_key(Policy=policy(root(account)), Tags=[{"TagKey": "env", "TagValue": "preprod"}])


def test_root_statement_delegates_to_the_identity_policy(account: Account) -> None:
    kms = account.user(CREATE, CHANGE).client("kms")

    assert kms.create_key(Policy=policy(root(account)))["KeyMetadata"]["KeyId"]


def test_key_policy_alone_is_enough_when_it_names_the_caller(account: Account) -> None:
    caller = account.user(CREATE)

    assert caller.client("kms").create_key(Policy=policy(granting(caller.arn)))["KeyMetadata"]["KeyId"]


def test_boundary_does_not_narrow_what_the_key_policy_gives_to_the_user_itself(account: Account) -> None:
    iam = account.root.client("iam")
    boundary = iam.create_policy(PolicyName="keys-boundary", PolicyDocument=policy(CREATE))["Policy"]["Arn"]
    caller = account.user(CREATE, CHANGE, boundary=boundary)

    with refused(caller.client("kms"), "MalformedPolicyDocumentException", LOCKED_OUT):
        caller.client("kms").create_key(Policy=policy(root(account)))
    assert caller.client("kms").create_key(Policy=policy(granting(caller.arn)))


def test_a_session_counts_as_its_role(account: Account) -> None:
    role = account.role(CREATE, trust=trusted(account))
    kms = session(account, role).client("kms")

    assert kms.create_key(Policy=policy(granting(role)))["KeyMetadata"]["KeyId"]
    with refused(kms, "MalformedPolicyDocumentException", LOCKED_OUT):
        kms.create_key(Policy=policy(root(account)))


def test_naming_somebody_else_locks_out(account: Account) -> None:
    caller, other = account.user(CREATE, CHANGE), account.user()

    with refused(caller.client("kms"), "MalformedPolicyDocumentException", LOCKED_OUT):
        caller.client("kms").create_key(Policy=policy(granting(other.arn)))


def test_root_too_can_lock_itself_out(account: Account) -> None:
    kms = account.root.client("kms")

    with refused(kms, "MalformedPolicyDocumentException", LOCKED_OUT):
        kms.create_key(Policy=policy(granting(account.user().arn)))


@pytest.mark.parametrize("dead", [{"Action": None}, {"Resource": None}])
def test_statement_without_action_or_resource_has_no_effect(account: Account, dead: dict[str, None]) -> None:
    caller = account.user(CREATE)
    statement = {key: value for key, value in granting(caller.arn).items() if key not in dead}

    with refused(caller.client("kms"), "MalformedPolicyDocumentException", LOCKED_OUT):
        caller.client("kms").create_key(Policy=policy(statement))


def test_deny_for_everybody_but_another_locks_out(account: Account) -> None:
    caller, other = account.user(CREATE, CHANGE), account.user()
    others = {"Effect": "Deny", "NotPrincipal": {"AWS": other.arn}, "Action": "kms:PutKeyPolicy", "Resource": "*"}
    spared = others | {"NotPrincipal": {"AWS": [other.arn, caller.arn]}}

    with refused(caller.client("kms"), "MalformedPolicyDocumentException", LOCKED_OUT):
        caller.client("kms").create_key(Policy=policy(root(account), others))
    assert caller.client("kms").create_key(Policy=policy(root(account), spared))


def test_deny_for_everybody_but_the_caller_locks_out_who_has_a_boundary(account: Account) -> None:
    boundary = account.root.client("iam").create_policy(PolicyName="keys-all", PolicyDocument=policy(allow("*")))
    caller = account.user(CREATE, CHANGE, boundary=boundary["Policy"]["Arn"])
    others = {"Effect": "Deny", "NotPrincipal": {"AWS": caller.arn}, "Action": "kms:PutKeyPolicy", "Resource": "*"}

    with refused(caller.client("kms"), "MalformedPolicyDocumentException", LOCKED_OUT):
        caller.client("kms").create_key(Policy=policy(root(account), others))


@pytest.mark.parametrize(
    "condition",
    [
        {"Bool": {"aws:SecureTransport": "true"}},
        {"Bool": {"aws:ViaAWSService": "false"}},
        {"Bool": {"kms:BypassPolicyLockoutSafetyCheck": "false"}},
        {"Null": {"aws:TagKeys": "true"}},
        {"Null": {"kms:ViaService": "true"}},
    ],
    ids=lambda condition: next(iter(next(iter(condition.values())))),
)
def test_what_the_later_call_will_say_of_itself(account: Account, condition: dict[str, Any]) -> None:
    caller = account.user(CREATE)
    said = policy(granting(caller.arn, Condition=condition))

    key = caller.client("kms").create_key(Policy=said)["KeyMetadata"]["KeyId"]
    assert caller.client("kms").put_key_policy(KeyId=key, Policy=said)


def test_bypass_is_taken_at_its_word(account: Account) -> None:
    kms = account.user(CREATE).client("kms")

    assert kms.create_key(Policy=policy(root(account)), BypassPolicyLockoutSafetyCheck=True)


def test_put_key_policy_is_checked_alike(account: Account) -> None:
    kms = account.user(CREATE, CHANGE, deny("kms:PutKeyPolicy", StringEquals={"aws:ResourceTag/env": "prod"}))
    key = kms.client("kms").create_key(Policy=policy(root(account)))["KeyMetadata"]["KeyId"]

    with refused(kms.client("kms"), "MalformedPolicyDocumentException", LOCKED_OUT):
        kms.client("kms").put_key_policy(KeyId=key, Policy=policy(granting(account.user().arn)))
    kms.client("kms").put_key_policy(KeyId=key, Policy=policy(granting(kms.arn)))


@pytest.mark.parametrize("bad", ["{bad", "[]", json.dumps({"Version": "2012-10-17"})])
def test_unreadable_policy(account: Account, bad: str) -> None:
    kms = account.root.client("kms")

    with refused(kms, "MalformedPolicyDocumentException"):
        kms.create_key(Policy=bad)


@pytest.mark.parametrize(
    "nobody",
    [
        {"AWS": "arn:aws:iam::111122223333:role/never-made"},
        {"AWS": "arn:aws:iam::111122223333:user/path/never-made"},
        {"AWS": "arn:aws:sts::111122223333:assumed-role/never-made/session"},
        {"AWS": "AROAEXAMPLEEXAMPLEEXA"},
        {"AWS": "deployer"},
        {"Service": "lambda"},
        {"Federated": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com/x"},
        {"Other": "x"},
    ],
    ids=lambda principal: next(iter(principal.values())),
)
def test_principal_that_does_not_exist(account: Account, nobody: dict[str, str]) -> None:
    kms = account.root.client("kms")

    with refused(kms, "MalformedPolicyDocumentException", UNKNOWN):
        kms.create_key(Policy=policy(root(account), granting() | {"Principal": nobody}))


def test_principals_that_exist(account: Account) -> None:
    iam = account.root.client("iam")
    role = iam.create_role(RoleName="keys-there", Path="/team/", AssumeRolePolicyDocument=trusted(account))["Role"]
    known = [account.user().arn, role["Arn"], role["RoleId"], "444455556666", "arn:aws:iam::444455556666:root", "*"]
    service = granting() | {"Principal": {"Service": ["lambda.amazonaws.com", "logs.us-east-1.amazonaws.com"]}}

    assert account.root.client("kms").create_key(Policy=policy(root(account), granting(*known), service))


def test_statement_without_principal(account: Account) -> None:
    kms = account.root.client("kms")

    with refused(kms, "MalformedPolicyDocumentException", NOBODY):
        kms.create_key(Policy=policy(root(account), allow("kms:*")))


def test_policy_over_32_kib(account: Account) -> None:
    kms = account.root.client("kms")

    with refused(kms, "LimitExceededException"):
        kms.create_key(Policy=policy(*[root(account)] * 400))


def test_who_may_not_ask_hears_that_first(account: Account) -> None:
    kms = account.user().client("kms")

    with refused(kms, "AccessDeniedException", published=False):
        kms.create_key(Policy="{bad")
