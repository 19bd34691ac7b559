"""What a request is by its address alone: a function's URL, the registry, or a plain call of a service."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from awsbox.authority import state
from awsbox.authority.request import Check
from awsbox.calls import Answer

if TYPE_CHECKING:
    from awsbox.calls import Call

FORBIDDEN = Answer(
    403,
    (("content-type", "application/json"), ("x-amzn-errortype", "AccessDeniedException")),
    b'{"Message":"Forbidden. For troubleshooting Function URL authorization issues, see: '
    b'https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"}',
)
# Hosts that stand for the whole of AWS; others are a bucket, an API or a distribution to the emulator.
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# First parts of a path that mean something else than a bucket to the emulator.
RESERVED = frozenset({"iceberg", "v20180820", "oauth2", "login", "logout", "signup", "saml2", "graphql", "event"})
PLAIN_NAMES = frozenset({"host.docker.internal"})


@dataclass(frozen=True)
class FunctionUrl:
    """`kind` is the URL's AuthType, "NONE" or "AWS_IAM"."""

    arn: str
    kind: str
    account: str
    region: str

    @property
    def checks(self) -> tuple[Check, Check]:
        """Since October 2025 a URL needs both permissions, each of which may be given for this way in only."""
        keys = {"lambda:FunctionUrlAuthType": self.kind}
        return (
            Check("lambda:InvokeFunctionUrl", self.arn, keys),
            Check("lambda:InvokeFunction", self.arn, keys | {"lambda:InvokedViaFunctionUrl": "true"}),
        )


def function_url(call: Call) -> FunctionUrl | None:
    from ministack import app  # noqa: PLC0415 - it reads its settings when it is imported
    from ministack.core import responses  # noqa: PLC0415 - as above

    address = app._parse_lambda_url(call.headers.get("host", ""), call.path)  # noqa: SLF001 - its only public face is HTTP
    found = state.service("lambda_svc").resolve_function_url(address[0]) if address else None
    if found is None:
        return None
    account, region, name, qualifier, said = found
    responses.set_request_account_id(account)
    responses.set_request_region(region)
    arn = f"arn:aws:lambda:{region}:{account}:function:{name}" + (f":{qualifier}" if qualifier else "")
    return FunctionUrl(arn, said.get("AuthType", "AWS_IAM"), account, region)


def is_registry(path: str) -> bool:
    from ministack import app  # noqa: PLC0415 - as above

    return bool(app._is_ecr_registry_path(path))  # noqa: SLF001


def is_plain(call: Call) -> bool:
    """The request is for a service, and nothing but its name, path and body says what it asks for."""
    host = call.headers.get("host", "").rpartition(":")[0] or call.headers.get("host", "")
    if call.headers.get("content-type", "").startswith("application/cbor"):
        return False
    first = call.path.lstrip("/").partition("/")[0]
    if call.service == "s3" and first and (first in RESERVED or not BUCKET.fullmatch(first)):
        return False
    # A name of one word is the box's own in some network, as a service's in a container engine: no bucket's has one.
    if "." not in host or host in PLAIN_NAMES:
        return True
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        # An endpoint of AWS itself, "kms.us-east-1.amazonaws.com"; not one of a bucket or an API.
        return host.endswith(".amazonaws.com") and host.split(".")[0] == call.service and call.service != "s3"
    return True


def inflated(call: Call) -> bytes:
    """SDKs compress large calls of CloudWatch."""
    from ministack import app  # noqa: PLC0415 - as above

    if call.service == "s3":
        return call.body
    body: bytes = app._decompress_request_body(call.body, dict(call.headers))  # noqa: SLF001
    return body
