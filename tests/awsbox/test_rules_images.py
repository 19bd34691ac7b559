"""Lambda takes only images that it can run, pins their digest, and notices when one is deleted."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from awsbox.rules.images import ABSENT, DELETED, MALFORMED, NO_ACCESS, UNSUPPORTED
from ferry.outside.blobs import digest_of
from tests.awsbox.people import REGION, allow, policy
from tests.awsbox.pictures import INDEX, ZSTD, index, picture, push, registry
from tests.awsbox.published import refused

if TYPE_CHECKING:
    from tests.awsbox.people import Account, Caller

pytestmark = pytest.mark.slow  # many calls to the box; tests/awsbox has quicker ones

HOST = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
LAMBDA = {
    "Effect": "Allow",
    "Principal": {"Service": "lambda.amazonaws.com"},
    "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
}


def repository(account: Account, name: str, *texts: str) -> str:
    """A repository with one image a text, tagged with it. Answers its URI."""
    account.root.client("ecr").create_repository(repositoryName=name)
    for text in texts:
        push(account.root, name, picture(text), text)
    return f"{HOST}/{name}"


def create(account: Account, name: str, uri: str, caller: Caller | None = None, **more: Any) -> Any:
    functions = (caller or account.root).client("lambda")
    role = account.role()
    functions.create_function(FunctionName=name, PackageType="Image", Code={"ImageUri": uri}, Role=role, **more)
    return functions


def running(functions: Any, name: str, **which: str) -> str:
    return str(functions.get_function(FunctionName=name, **which)["Code"]["ResolvedImageUri"])


def test_image_that_is_not_there(account: Account) -> None:
    uri = repository(account, "images-absent", "a")
    functions = create(account, "images-absent", f"{uri}:a")

    for absent in (f"{uri}:b", f"{uri}@sha256:{'0' * 64}", f"{HOST}/images-no-repository:a"):
        with refused(functions, "InvalidParameterValueException", ABSENT.format(absent)):
            create(account, "images-none", absent)
        with refused(functions, "InvalidParameterValueException", ABSENT.format(absent)):
            functions.update_function_code(FunctionName="images-absent", ImageUri=absent)


@pytest.mark.parametrize("uri", ["nginx", "nginx:latest", f"{HOST}/images-absent", "docker.io/library/nginx:latest"])
def test_image_that_is_nowhere_in_ecr(account: Account, uri: str) -> None:
    functions = account.root.client("lambda")

    with refused(functions, "InvalidParameterValueException", MALFORMED.format(uri)):
        create(account, "images-none", uri)


def test_image_of_another_region(account: Account) -> None:
    functions = account.root.client("lambda")

    with refused(functions, "InvalidParameterValueException"):
        create(account, "images-none", f"{HOST.replace(REGION, 'eu-west-1')}/images-absent:a")


def test_index_is_not_an_image(account: Account) -> None:
    uri = repository(account, "images-index", "a")
    put_manifest(account, "images-index", index(picture("a")), "many")

    with refused(account.root.client("lambda"), "InvalidParameterValueException", UNSUPPORTED.format(f"{uri}:many")):
        create(account, "images-none", f"{uri}:many")


def put_manifest(account: Account, name: str, manifest: bytes, tag: str) -> None:
    async def putting() -> None:
        async with registry(account.root) as there:
            await there.put_manifest(name, tag, manifest, INDEX)

    asyncio.run(putting())


def test_layers_must_be_gzip(account: Account) -> None:
    uri = repository(account, "images-zstd")
    push(account.root, "images-zstd", picture("a", layer=ZSTD), "a")

    with refused(account.root.client("lambda"), "InvalidParameterValueException", UNSUPPORTED.format(f"{uri}:a")):
        create(account, "images-none", f"{uri}:a")


def test_tag_is_resolved_once(account: Account) -> None:
    uri = repository(account, "images-pin", "a", "b")
    functions = create(account, "images-pin", f"{uri}:a", Publish=True)

    made = functions.get_function_configuration(FunctionName="images-pin")
    assert made["CodeSha256"] == picture("a").digest.removeprefix("sha256:")
    push(account.root, "images-pin", picture("c"), "a")
    assert running(functions, "images-pin") == f"{uri}@{picture('a').digest}"

    changed = functions.update_function_code(FunctionName="images-pin", ImageUri=f"{uri}@{picture('b').digest}")
    assert changed["CodeSha256"] == picture("b").digest.removeprefix("sha256:")
    second = functions.publish_version(FunctionName="images-pin")["Version"]
    assert running(functions, "images-pin", Qualifier="1") == f"{uri}@{picture('a').digest}"
    assert running(functions, "images-pin", Qualifier=second) == f"{uri}@{picture('b').digest}"


def test_deleted_image_makes_its_version_inactive(account: Account) -> None:
    uri = repository(account, "images-lost", "a", "b")
    functions = create(account, "images-lost", f"{uri}:a", Publish=True)
    functions.get_waiter("function_active_v2").wait(FunctionName="images-lost")
    functions.update_function_code(FunctionName="images-lost", ImageUri=f"{uri}:b")
    functions.get_waiter("function_updated_v2").wait(FunctionName="images-lost")
    ecr = account.root.client("ecr")

    ecr.batch_delete_image(repositoryName="images-lost", imageIds=[{"imageTag": "a"}])

    old = functions.get_function_configuration(FunctionName="images-lost", Qualifier="1")
    assert (old["State"], old["StateReasonCode"], old["StateReason"]) == ("Inactive", "ImageDeleted", DELETED)
    assert functions.get_function_configuration(FunctionName="images-lost")["State"] == "Active"
    with refused(functions, "CodeArtifactUserDeletedException"):
        functions.invoke(FunctionName="images-lost", Qualifier="1")
    ecr.batch_delete_image(repositoryName="images-lost", imageIds=[{"imageTag": "b"}])
    with refused(functions, "ResourceConflictException", DELETED):
        functions.update_function_configuration(FunctionName="images-lost", Timeout=9)

    push(account.root, "images-lost", picture("a"), "a")
    assert functions.get_function_configuration(FunctionName="images-lost", Qualifier="1")["State"] == "Active"


def test_lambda_writes_itself_into_the_repository_policy(account: Account) -> None:
    """Only where the caller might: this is how a repository policy drifts away from Terraform's."""
    uri = repository(account, "images-policy", "a")
    ecr = account.root.client("ecr")
    account.role(name="images-policy")
    deploy = [
        allow(["lambda:CreateFunction", "lambda:GetFunction", "iam:PassRole"]),
        allow("ecr:GetRepositoryPolicy", "arn:aws:ecr:us-east-1:111122223333:repository/images-policy"),
    ]

    unable = account.user(*deploy)
    with refused(unable.client("lambda"), "AccessDeniedException", published=False):
        create(account, "images-policy", f"{uri}:a", unable)
    with refused(ecr, "RepositoryPolicyNotFoundException"):
        ecr.get_repository_policy(repositoryName="images-policy")

    create(account, "images-policy", f"{uri}:a", account.user(*deploy, allow("ecr:SetRepositoryPolicy")))
    text = json.loads(ecr.get_repository_policy(repositoryName="images-policy")["policyText"])
    assert text["Statement"][0]["Sid"] == "LambdaECRImageRetrievalPolicy"


def test_repository_policy_lets_lambda_in(account: Account) -> None:
    uri = repository(account, "images-open", "a")
    said = LAMBDA | {"Condition": {"StringLike": {"aws:sourceArn": "arn:aws:lambda:us-east-1:111122223333:function:*"}}}
    account.root.client("ecr").set_repository_policy(repositoryName="images-open", policyText=policy(said))
    caller = account.user(allow(["lambda:CreateFunction", "lambda:GetFunction", "iam:PassRole"]))

    assert create(account, "images-open", f"{uri}:a", caller)


def test_image_of_another_account_needs_its_repository_policy(account: Account) -> None:
    other, uri = "444455556666", "444455556666.dkr.ecr.us-east-1.amazonaws.com/images-shared:a"
    theirs = boto3.client(
        "ecr",
        region_name=REGION,
        endpoint_url=account.box.endpoint,
        aws_access_key_id=other,
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )
    theirs.create_repository(repositoryName="images-shared")
    image = picture("a")
    for data in (image.config, *(blob.path.read_bytes() for blob in image.layers if blob.path)):
        upload = theirs.initiate_layer_upload(repositoryName="images-shared")["uploadId"]
        where = {"repositoryName": "images-shared", "uploadId": upload}
        theirs.upload_layer_part(**where, partFirstByte=0, partLastByte=len(data) - 1, layerPartBlob=data)
        theirs.complete_layer_upload(**where, layerDigests=[digest_of(data)])
    text = image.manifest.decode()
    theirs.put_image(repositoryName="images-shared", imageManifest=text, imageTag="a")

    with refused(account.root.client("lambda"), "AccessDeniedException", NO_ACCESS, published=False):
        create(account, "images-shared", uri)
    theirs.set_repository_policy(repositoryName="images-shared", policyText=policy(LAMBDA))
    assert running(create(account, "images-shared", uri), "images-shared").endswith(picture("a").digest)
