"""A deploy role that GitHub's tokens open: the right ones, and no others."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from awsbox.authority.tokens import Issuer
from tests.awsbox.people import Account, Caller, allow, policy

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "token.actions.example.com"
URL = f"https://{HOST}"
SUB = "repo:team/news:environment:preprod"


@pytest.fixture(scope="module")
def deployer(account: Account) -> str:
    provider = account.root.client("iam").create_open_id_connect_provider(
        Url=URL, ClientIDList=["sts.amazonaws.com"], ThumbprintList=["0" * 40]
    )["OpenIDConnectProviderArn"]
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {f"{HOST}:aud": "sts.amazonaws.com"},
            "StringLike": {f"{HOST}:sub": "repo:team/news:environment:preprod*"},
        },
    }
    return account.role(allow("sqs:ListQueues"), name="github-preprod", trust=policy(trust))


def assume(account: Account, role: str, token: str) -> Any:
    sts = account.root.client("sts", config=Config(signature_version=UNSIGNED))
    return sts.assume_role_with_web_identity(RoleArn=role, RoleSessionName="release", WebIdentityToken=token)


def test_a_token_opens_the_role_that_trusts_it(account: Account, deployer: str) -> None:
    made = assume(account, deployer, account.box.issue_token(sub=SUB, iss=URL))["Credentials"]

    caller = Caller(account.box.endpoint, made["AccessKeyId"], made["SecretAccessKey"], token=made["SessionToken"])
    assert caller.client("sts").get_caller_identity()["Arn"].endswith("assumed-role/github-preprod/release")
    caller.client("sqs").list_queues()
    with pytest.raises(ClientError, match="not authorized"):
        caller.client("sns").list_topics()


def forged(token: str) -> str:
    """The same words about another environment, under the old signature."""
    head, claims, signature = token.split(".")
    said = json.loads(base64.urlsafe_b64decode(claims + "=="))
    changed = base64.urlsafe_b64encode(json.dumps(said | {"sub": SUB + "-x"}).encode()).rstrip(b"=").decode()
    return f"{head}.{changed}.{signature}"


def unsigned(token: str) -> str:
    head = base64.urlsafe_b64encode(b'{"alg": "none"}').rstrip(b"=").decode()
    return f"{head}.{token.split('.')[1]}."


WRONG: dict[str, tuple[str, Callable[[Account], str]]] = {
    "another environment": (
        "AccessDenied",
        lambda account: account.box.issue_token(sub="repo:team/news:environment:prod", iss=URL),
    ),
    "another repository": (
        "AccessDenied",
        lambda account: account.box.issue_token(sub="repo:evil/news:environment:preprod", iss=URL),
    ),
    "ended": ("ExpiredTokenException", lambda account: account.box.issue_token(sub=SUB, iss=URL, exp=time.time() - 1)),
    "for somebody else": (
        "InvalidIdentityToken",
        lambda account: account.box.issue_token(sub=SUB, iss=URL, aud="other"),
    ),
    "by a stranger": (
        "InvalidIdentityToken",
        lambda account: account.box.issue_token(sub=SUB, iss="https://evil.example"),
    ),
    "by another key": ("InvalidIdentityToken", lambda _: Issuer().token(sub=SUB, iss=URL)),
    "changed": ("InvalidIdentityToken", lambda account: forged(account.box.issue_token(sub=SUB, iss=URL))),
    "unsigned": ("InvalidIdentityToken", lambda account: unsigned(account.box.issue_token(sub=SUB, iss=URL))),
    "not yet": (
        "InvalidIdentityToken",
        lambda account: account.box.issue_token(sub=SUB, iss=URL, nbf=int(time.time()) + 600),
    ),
    "no token": ("InvalidIdentityToken", lambda _: "a" * 20),
}


@pytest.mark.parametrize("kind", WRONG)
def test_no_other_token_does(account: Account, deployer: str, kind: str) -> None:
    expected, token = WRONG[kind]

    with pytest.raises(ClientError) as refused:
        assume(account, deployer, token(account))

    assert refused.value.response["Error"]["Code"] == expected
