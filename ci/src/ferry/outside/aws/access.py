"""Where AWS is and as whom we call it: one value that makes clients here and environments for programs."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from ferry.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Mapping

HOW = "aws configure export-credentials, and hand its output over (--aws='cmd:aws configure export-credentials')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Never printed: `repr` leaves the secrets out."""

    key: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)

    @classmethod
    def read(cls, text: str) -> Credentials:
        """From the credential-process JSON that `aws configure export-credentials` prints."""
        try:
            said = json.loads(text)
            names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
            key, secret, token = (str(said.get(name) or "").strip() for name in names)
        except (ValueError, AttributeError, RecursionError):
            key = secret = token = ""
        if not key or not secret:
            # The text itself is a secret: say what it should have been, never what it was.
            raise CredentialsError(
                "the AWS credentials are not the JSON of a credential process",
                where="--aws",
                why="expected an object with AccessKeyId, SecretAccessKey and, for a role, SessionToken",
                next=HOW,
            )
        return cls(key=key, secret=secret, token=token)

    def secrets(self) -> tuple[str, ...]:
        return tuple(text for text in (self.secret, self.token) if text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """`endpoint` stands in for AWS itself: the box, or a gateway in a closed network."""

    region: str
    credentials: Credentials
    endpoint: str = ""

    @classmethod
    def of_caller(cls, region: str) -> Access:
        """As the AWS tools on this machine would: a profile, variables, SSO, a role; AWS_ENDPOINT_URL stands in."""
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - slow, and most calls need none
        from botocore.session import Session  # noqa: PLC0415

        try:
            found = Session().get_credentials()
            known = found.get_frozen_credentials() if found else None
        except BotoCoreError as error:
            raise CredentialsError(
                "the AWS credentials of this machine cannot be used",
                where="AWS",
                why=str(error),
                next="check AWS_PROFILE and what `aws configure list-profiles` says, or log in: aws sso login",
            ) from error
        if known is None or not known.access_key or not known.secret_key:
            raise CredentialsError(
                "there are no AWS credentials",
                where="AWS",
                why="neither the environment nor a profile has any",
                next="aws configure sso, or try it out without an account: ferry box",
            )
        credentials = Credentials(key=known.access_key, secret=known.secret_key, token=known.token or "")
        return cls(region=region, credentials=credentials, endpoint=os.environ.get("AWS_ENDPOINT_URL", ""))

    def client(self, service: str, *, read_timeout: float = 10) -> Any:
        """A boto3 client; imported here because it is slow to import and most calls need none."""
        from botocore.config import Config  # noqa: PLC0415

        return _session().client(
            service,
            region_name=self.region,
            endpoint_url=self.endpoint or None,
            aws_access_key_id=self.credentials.key,
            aws_secret_access_key=self.credentials.secret,
            aws_session_token=self.credentials.token or None,
            config=Config(
                # A silent endpoint is given up within half a minute, where nobody has reason to wait longer.
                retries={"mode": "standard", "max_attempts": 3},
                connect_timeout=5,
                read_timeout=read_timeout,
                # A stand-in is near: the proxy of this machine leads away from it.
                proxies={} if self.endpoint else None,
            ),
        )

    def environment(self) -> Mapping[str, str]:
        """For a program that finds AWS by itself: everything it needs, and nothing of the caller's own."""
        said = {
            "AWS_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.credentials.key,
            "AWS_SECRET_ACCESS_KEY": self.credentials.secret,
            "AWS_SESSION_TOKEN": self.credentials.token,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        return {name: value for name, value in said.items() if value}


@cache
def _session() -> Any:
    import boto3  # noqa: PLC0415
    from botocore.session import Session  # noqa: PLC0415

    # No profile of the caller's is read, whatever AWS_PROFILE names: we are told who we are. AWS_CA_BUNDLE is.
    return boto3.Session(botocore_session=Session(session_vars={"profile": (None, None, None, None)}))


def without_aws(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment with every AWS_ variable left out: a profile in it would win over what we hand in."""
    return {name: value for name, value in environment.items() if not name.startswith("AWS_")}
