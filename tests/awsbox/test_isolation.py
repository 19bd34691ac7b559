"""A preprod deployer's keys, leaked, are of no use in prod: both environments in one account, deployed side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.awsbox import setup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.awsbox.people import Account, Caller

BUCKET, TABLE, SECRET, FUNCTION = "prod-packages-111122223333", "prod-items", "prod-newsapi-key", "prod-ingestion"
REPOSITORY = "prod-sse-streaming-lambda"
DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "403"}

# Of each kind: describe, read, write, delete.
CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("secretsmanager", "describe_secret", {"SecretId": SECRET}),
    ("secretsmanager", "get_secret_value", {"SecretId": SECRET}),
    ("secretsmanager", "put_secret_value", {"SecretId": SECRET, "SecretString": "stolen"}),
    ("secretsmanager", "delete_secret", {"SecretId": SECRET}),
    ("dynamodb", "describe_table", {"TableName": TABLE}),
    ("dynamodb", "scan", {"TableName": TABLE}),
    ("dynamodb", "put_item", {"TableName": TABLE, "Item": {"id": {"S": "1"}}}),
    ("dynamodb", "update_table", {"TableName": TABLE, "DeletionProtectionEnabled": False}),
    ("dynamodb", "delete_table", {"TableName": TABLE}),
    ("s3", "head_bucket", {"Bucket": BUCKET}),
    ("s3", "list_objects_v2", {"Bucket": BUCKET}),
    ("s3", "get_object", {"Bucket": BUCKET, "Key": "key"}),
    ("s3", "put_object", {"Bucket": BUCKET, "Key": "key", "Body": b"stolen"}),
    ("s3", "delete_object", {"Bucket": BUCKET, "Key": "key"}),
    ("s3", "get_bucket_policy", {"Bucket": BUCKET}),
    ("s3", "delete_bucket", {"Bucket": BUCKET}),
    ("s3", "get_object", {"Bucket": "terraform-state-111122223333", "Key": "prod/stack.tfstate"}),
    ("s3", "put_object", {"Bucket": "terraform-state-111122223333", "Key": "prod/stack.tfstate", "Body": b"{}"}),
    ("ecr", "describe_repositories", {"repositoryNames": [REPOSITORY]}),
    ("ecr", "list_images", {"repositoryName": REPOSITORY}),
    ("ecr", "batch_get_image", {"repositoryName": REPOSITORY, "imageIds": [{"imageTag": "latest"}]}),
    ("ecr", "put_image", {"repositoryName": REPOSITORY, "imageManifest": "{}", "imageTag": "latest"}),
    ("ecr", "batch_delete_image", {"repositoryName": REPOSITORY, "imageIds": [{"imageTag": "latest"}]}),
    ("ecr", "delete_repository", {"repositoryName": REPOSITORY, "force": True}),
    ("lambda", "get_function", {"FunctionName": FUNCTION}),
    ("lambda", "get_function_configuration", {"FunctionName": FUNCTION}),
    ("lambda", "invoke", {"FunctionName": FUNCTION}),
    ("lambda", "update_function_code", {"FunctionName": FUNCTION, "ZipFile": b"stolen"}),
    ("lambda", "update_function_configuration", {"FunctionName": FUNCTION, "MemorySize": 256}),
    ("lambda", "delete_function", {"FunctionName": FUNCTION}),
    ("iam", "get_role", {"RoleName": "prod-function"}),
    ("iam", "put_role_policy", {"RoleName": "prod-function", "PolicyName": "p", "PolicyDocument": "{}"}),
]


@pytest.fixture(scope="module")
def preprod(account: Account) -> Iterator[Caller]:
    with setup.emptied(account):
        yield both(account)


def both(account: Account) -> Caller:
    """Prod as root makes it, and preprod's deployer."""
    account.root.client("secretsmanager").create_secret(Name=SECRET, SecretString="secret")
    account.root.client("dynamodb").create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    s3 = account.root.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="key", Body=b"package")
    s3.put_object(Bucket=setup.state_bucket(account), Key="prod/stack.tfstate", Body=b"{}")
    account.root.client("ecr").create_repository(repositoryName=REPOSITORY)
    role = account.role(name="prod-function")
    setup.function(account.root, FUNCTION, role)
    return setup.deployer(account, "preprod")


@pytest.mark.req("R-10")
@pytest.mark.parametrize(("service", "operation", "arguments"), CALLS, ids=lambda value: str(value)[:40])
def test_nothing_of_prod_is_open(preprod: Caller, service: str, operation: str, arguments: dict[str, Any]) -> None:
    call: Callable[..., Any] = getattr(preprod.client(service), operation)
    with pytest.raises(ClientError) as refused:
        call(**arguments)

    assert refused.value.response["Error"]["Code"] in DENIED
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403)


@pytest.mark.req("R-10")
def test_the_same_keys_work_at_home(preprod: Caller) -> None:
    """The refusals above are about prod, not about the keys."""
    preprod.client("ecr").create_repository(repositoryName=REPOSITORY.replace("prod", "preprod"))
    made = preprod.client("secretsmanager").create_secret(Name=SECRET.replace("prod", "preprod"))

    assert preprod.client("secretsmanager").describe_secret(SecretId=made["ARN"])["Name"] == "preprod-newsapi-key"
