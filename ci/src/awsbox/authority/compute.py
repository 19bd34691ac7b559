"""Lambda and ECR: which function, alias or version a call is about, and what code and keys need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from awsbox.authority import state
from awsbox.authority.needs import READ, through
from awsbox.authority.request import Check

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from awsbox.authority.request import Request


def function_arn(request: Request) -> Sequence[str]:
    """The function, whatever qualifier the call names."""
    return (_function(request, qualified=False),)


def qualified_arn(request: Request) -> Sequence[str]:
    """The alias or version, where the call is about one: a grant on the bare function does not cover it."""
    return (_function(request, qualified=True),)


def _function(request: Request, *, qualified: bool) -> str:
    said = str(request.get("FunctionName") or "*")
    name, _, qualifier = said.rpartition("function:")[2].partition(":") if "function:" in said else said.partition(":")
    qualifier = str(request.get("Qualifier") or qualifier)
    return request.arn(f"function:{name}" + (f":{qualifier}" if qualified and qualifier else ""))


def lambda_keys(request: Request) -> dict[str, Any]:
    layers = [str(layer) for layer in request.listed("Layers")]
    return {
        "lambda:FunctionArn": _mapped_function(request),
        "lambda:FunctionUrlAuthType": request.get("AuthType", "FunctionUrlAuthType"),
        "lambda:Principal": request.get("Principal"),
        "lambda:Layer": layers or None,
        "lambda:EventSourceToken": request.get("EventSourceToken"),
    }


def _mapped_function(request: Request) -> str | None:
    """Event source mappings are narrowed by the function that they feed."""
    if "EventSourceMapping" not in request.operation:
        return None
    if request.get("FunctionName"):
        return _function(request, qualified=True)
    mapping = state.service("lambda_svc")._esms.get(request.get("UUID")) or {}  # noqa: SLF001
    return str(mapping.get("FunctionArn", "")) or None


def code_of(request: Request) -> Iterator[Check]:
    """Lambda fetches a package as the one who deploys it."""
    code = request.get("Code") or request.arguments
    if code.get("S3Bucket"):
        action = "s3:GetObjectVersion" if code.get("S3ObjectVersion") else "s3:GetObject"
        yield Check(action, f"arn:aws:s3:::{code['S3Bucket']}/{code.get('S3Key')}")
        key = state.object_key(code["S3Bucket"], str(code.get("S3Key")))
        yield from through(request, "s3", key, READ)


def layers(request: Request) -> list[Check]:
    return [Check("lambda:GetLayerVersion", str(layer)) for layer in request.listed("Layers")]


def environment_key(request: Request) -> Sequence[Check]:
    actions = ("kms:CreateGrant", "kms:Encrypt", "kms:Decrypt")
    return through(request, "lambda", state.customer_key(request.get("KMSKeyArn")), actions)


def repository_key(request: Request) -> Sequence[Check]:
    said = (request.get("encryptionConfiguration") or {}).get("kmsKey")
    return through(request, "ecr", state.customer_key(said), ("kms:CreateGrant", "kms:DescribeKey"))
