"""Who calls the box in tests: its root, and users and roles with just the policies that a test gives them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anyio.from_thread import BlockingPortal

    from awsbox import Box

REGION = "us-east-1"
# One try and short waits: a refusal is an answer here, not a thing to try again.
CONFIG = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=20, s3={"addressing_style": "path"})
_NUMBERS = count(1)

type Statement = Mapping[str, Any]


def policy(*statements: Statement) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(actions: str | Sequence[str], resources: str | Sequence[str] = "*", **condition: Any) -> Statement:
    """`allow("s3:GetObject", arn, StringEquals={"aws:PrincipalTag/env": "preprod"})`."""
    said = {"Effect": "Allow", "Action": actions, "Resource": resources}
    return said | ({"Condition": condition} if condition else {})


def deny(actions: str | Sequence[str], resources: str | Sequence[str] = "*", **condition: Any) -> Statement:
    return {**allow(actions, resources, **condition), "Effect": "Deny"}


def trusting(service: str) -> str:
    said = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return policy(said)


@dataclass(frozen=True)
class Caller:
    """Keys for the box, and boto3 clients that use them."""

    endpoint: str
    key: str
    secret: str = field(repr=False)
    arn: str = ""
    token: str | None = field(default=None, repr=False)

    def client(self, service: str, **options: Any) -> Any:
        return _client(self, service, **{"config": CONFIG} | options)


@lru_cache(maxsize=64)
def _client(caller: Caller, service: str, **options: Any) -> Any:
    """Slow to make, and tests ask for the same one again and again. Not too many: each keeps its connections."""
    make: Any = boto3.client  # its types are one overload a service
    return make(
        service,
        region_name=REGION,
        endpoint_url=caller.endpoint,
        aws_access_key_id=caller.key,
        aws_secret_access_key=caller.secret,
        aws_session_token=caller.token,
        **options,
    )


@dataclass(frozen=True)
class Account:
    """A box that runs in this process, seen as its root sees it."""

    box: Box
    portal: BlockingPortal
    """Runs a coroutine function on the box's own event loop: `account.portal.call(function, argument)`."""

    @property
    def root(self) -> Caller:
        return Caller(self.box.endpoint, self.box.key, self.box.secret, f"arn:aws:iam::{self.box.account}:root")

    def arn(self, service: str, resource: str, region: str = REGION) -> str:
        return f"arn:aws:{service}:{region}:{self.box.account}:{resource}"

    def user(self, *statements: Statement, name: str = "", boundary: str = "") -> Caller:
        """A new user whose only rights are these statements."""
        iam, name = self.root.client("iam"), name or f"user-{next(_NUMBERS)}"
        user = iam.create_user(UserName=name, **({"PermissionsBoundary": boundary} if boundary else {}))["User"]
        if statements:
            iam.put_user_policy(UserName=name, PolicyName="rights", PolicyDocument=policy(*statements))
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return Caller(self.box.endpoint, made["AccessKeyId"], made["SecretAccessKey"], user["Arn"])

    def role(self, *statements: Statement, name: str = "", trust: str = trusting("lambda.amazonaws.com")) -> str:
        """The ARN of a new role."""
        iam, name = self.root.client("iam"), name or f"role-{next(_NUMBERS)}"
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=policy(*statements))
        return str(arn)
