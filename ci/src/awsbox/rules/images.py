"""Lambda and the images of its functions: it takes only what it can run, pins the digest, and notices a deletion.

What a function's image was resolved to is kept where AWS shows it: as CodeSha256 of its configuration, which a
published version copies.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from awsbox.calls import Answer, refusal
from awsbox.rules import principals, shelves, stores

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from awsbox.behind import Rules
    from awsbox.calls import Call, Next

INVALID = "InvalidParameterValueException"
MALFORMED = "Source image {} is not valid. Provide a valid source image."
ABSENT = "Source image {} does not exist. Provide a valid source image."
UNSUPPORTED = "The image manifest, config or layer media type for the source image {} is not supported."
ELSEWHERE = "The source image {} is in another Region than the function: an image must be in the function's Region."
NO_ACCESS = "Lambda does not have permission to access the ECR image. Check the ECR permissions."
DELETED = "The function is trying to use a deleted image."

URI = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/"
    r"(?P<name>[a-z0-9._/-]+?)(?::(?P<tag>[\w.-]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
CONFIGS = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
LAYERS = (
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
)
NEEDED = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
SID = "LambdaECRImageRetrievalPolicy"


@dataclass(frozen=True, slots=True)
class Source:
    """What an ImageUri means right now."""

    uri: str
    account: str
    region: str
    name: str
    digest: str

    @property
    def arn(self) -> str:
        return f"arn:aws:ecr:{self.region}:{self.account}:repository/{self.name}"

    @property
    def pinned(self) -> str:
        return f"{self.account}.dkr.ecr.{self.region}.amazonaws.com/{self.name}@{self.digest}"


class Refused(Exception):
    def __init__(self, message: str, code: str = INVALID, status: int = 400) -> None:
        super().__init__(message)
        self.message, self.code, self.status = message, code, status


# what a function is made from


async def create(call: Call, way: Next) -> Answer:
    return await _made(call, way, call.arguments.get("Code", {}).get("ImageUri"))


async def update(call: Call, way: Next) -> Answer:
    return await _made(call, way, call.arguments.get("ImageUri"))


async def _made(call: Call, way: Next, uri: str | None) -> Answer:
    if uri is None:
        return await way(call)
    try:
        source = _accepted(call, uri)
    except Refused as why:
        return refusal(call, why.status, why.code, why.message)
    answer = await way(call)
    told = stores.told(answer)
    if answer.status >= 300 or "FunctionName" not in told:
        return answer
    pinned = {"CodeSha256": source.digest.removeprefix("sha256:"), "ResolvedImageUri": source.pinned}
    for config in _configs(told["FunctionName"], told.get("Version", "$LATEST")):
        config.update(pinned)
    return replace(answer, body=json.dumps(told | pinned).encode())


def _configs(name: str, version: str) -> list[dict[str, Any]]:
    """The function's own configuration, and that of the version which the same call published."""
    function = stores.own("lambda_svc", "functions")[name]
    published = function["versions"].get(version)
    return [function["config"]] + ([published["config"]] if published else [])


def _accepted(call: Call, uri: str) -> Source:
    found = URI.fullmatch(uri)
    if found is None or not (found["tag"] or found["digest"]):
        raise Refused(MALFORMED.format(uri))
    if found["region"] != stores.region():
        raise Refused(ELSEWHERE.format(uri))
    name = call.arguments.get("FunctionName") or _asked(call)[0]
    function = f"arn:aws:lambda:{stores.region()}:{stores.account()}:function:{name.rpartition(':')[2]}"
    caller = stores.account()
    with stores.core("responses").request_scope(found["account"], found["region"]):
        image = shelves.image(found["name"], found["digest"] or found["tag"])
        if image is None:
            # Across accounts AWS does not tell what is there from what may not be seen.
            raise Refused(ABSENT.format(uri)) if found["account"] == caller else _no_access()
        source = Source(uri, found["account"], found["region"], found["name"], image["imageDigest"])
        _runs(source, image)
        if not _readable(source, function) and not _opened(call, source, caller):
            raise _no_access()
    return source


def _no_access() -> Refused:
    return Refused(NO_ACCESS, "AccessDeniedException", 403)


def _runs(source: Source, image: dict[str, Any]) -> None:
    manifest = json.loads(image["imageManifest"])
    kinds = [layer.get("mediaType") for layer in manifest.get("layers", [])]
    right = (
        manifest.get("mediaType", image["imageManifestMediaType"]) in MANIFESTS
        and manifest.get("config", {}).get("mediaType") in CONFIGS
        and all(kind in LAYERS for kind in kinds)
    )
    if not right:
        raise Refused(UNSUPPORTED.format(source.uri))


def _readable(source: Source, function: str) -> bool:
    """Does the repository's policy let Lambda in? The rights of the caller and of the function's role do not count."""
    policy = stores.own("ecr", "repo_policies").get(source.name)
    evaluator = stores.core("iam_evaluator")
    owner = function.split(":")[4]
    for action in NEEDED:
        asked = evaluator.EvalContext(
            principal_arn="lambda.amazonaws.com",
            principal_type="AWSService",
            principal_account=owner,
            action=action,
            resource_arn=source.arn,
            region=source.region,
            service_context={"aws:sourcearn": function, "aws:sourceaccount": owner},
        )
        # A repository's policy names no resource: it is the repository's.
        statements = [{"Resource": "*"} | one for one in principals.statements(json.loads(policy or "{}"))]
        if not _allowed(evaluator, asked, statements):
            return False
    return True


def _allowed(evaluator: Any, asked: Any, statements: list[dict[str, Any]]) -> bool:
    decided = evaluator.evaluate_resource_policy({"Statement": statements}, asked, service="lambda.amazonaws.com")
    return bool(decided.decision == "Allow")


def _opened(call: Call, source: Source, caller: str) -> bool:
    """In its own account, Lambda writes itself into the policy where the caller might do that."""
    if source.account != caller:
        return False
    enforce = stores.core("iam_evaluator").enforce
    for action in ("ecr:GetRepositoryPolicy", "ecr:SetRepositoryPolicy"):
        if enforce(stores.key_of(call), action, "ecr", source.region, resource_arn=source.arn) is not None:
            return False
    policies = stores.own("ecr", "repo_policies")
    document = json.loads(policies.get(source.name) or '{"Version": "2008-10-17"}')
    statement = {
        "Sid": SID,
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": list(NEEDED),
        "Condition": {"StringLike": {"aws:sourceArn": f"arn:aws:lambda:{source.region}:{source.account}:function:*"}},
    }
    kept = [one for one in principals.statements(document) if one.get("Sid") != SID]
    policies[source.name] = json.dumps(document | {"Statement": [*kept, statement]})
    return True


# what a function runs


def gone(config: Mapping[str, Any]) -> bool:
    """Has the image been deleted that this function or version is pinned to?"""
    found = URI.fullmatch(config.get("ResolvedImageUri", ""))
    if found is None:
        return False
    with stores.core("responses").request_scope(found["account"], found["region"]):
        return shelves.image(found["name"], found["digest"]) is None


def note_deletions(name: str) -> None:
    """Inactive is every configuration of the function whose image is gone; a push of the same image brings it back."""
    function = stores.own("lambda_svc", "functions").get(name)
    if function is None:
        return
    for config in (function["config"], *(version["config"] for version in function["versions"].values())):
        if gone(config):
            config.update({"State": "Inactive", "StateReason": DELETED, "StateReasonCode": "ImageDeleted"})
        elif config.get("StateReasonCode") == "ImageDeleted":
            config.update({"State": "Active", "StateReason": "", "StateReasonCode": ""})


def _asked(call: Call) -> tuple[str, str | None]:
    """The function's name, and the version or alias that the path names with it."""
    reference = unquote(call.path).split("/")[3]
    found: tuple[str, str | None] = stores.own("lambda_svc", "resolve_request_scoped_name_and_qualifier")(reference)
    return found


async def described(call: Call, way: Next) -> Answer:
    note_deletions(_asked(call)[0])
    answer = await way(call)
    told = stores.told(answer)
    if pinned := told.get("Configuration", {}).get("ResolvedImageUri"):
        told["Code"]["ResolvedImageUri"] = pinned
        return replace(answer, body=json.dumps(told).encode())
    return answer


async def invoked(call: Call, way: Next) -> Answer:
    if _lost(call):
        return refusal(call, 409, "CodeArtifactUserDeletedException", DELETED)
    return await way(call)


async def reconfigured(call: Call, way: Next) -> Answer:
    if _lost(call):
        return refusal(call, 409, "ResourceConflictException", DELETED)
    return await way(call)


def _lost(call: Call) -> bool:
    """The version that is asked for decides: an older one may have lost its image while the newest has not."""
    name, qualifier = _asked(call)
    note_deletions(name)
    qualifier = qualifier or next(iter(parse_qs(call.query).get("Qualifier", [])), None)
    _, config = stores.own("lambda_svc", "get_func_record_for_qualifier")(name, qualifier)
    return bool(config and config.get("StateReasonCode") == "ImageDeleted")


CALLS: dict[str, Callable[[Call, Next], Any]] = {
    "CreateFunction": create,
    "UpdateFunctionCode": update,
    "GetFunction": described,
    "GetFunctionConfiguration": described,
    "ListVersionsByFunction": described,
    "Invoke": invoked,
    "InvokeWithResponseStream": invoked,
    "UpdateFunctionConfiguration": reconfigured,
}
RULES: Rules = {("lambda", operation): layer for operation, layer in CALLS.items()}
