"""A deployer of preprod, with the policy that its environment's deployer has, stands before everything of prod."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.awsbox.authority_cases import arn, iam
from tests.awsbox.people import Account, Caller, allow, policy
from tests.awsbox.test_authority import DENIED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REGIONAL = (
    "dynamodb:table/{} sns:{} sqs:{} secretsmanager:secret:{} lambda:function:{} ecr:repository/{} events:rule/{}"
)
BUCKETS = ["arn:aws:s3:::preprod-*", "arn:aws:s3:::preprod-*/*"]


@pytest.fixture(scope="module")
def deployer(account: Account) -> Iterator[Caller]:
    before = account.box.snapshot()
    yield narrow(account)
    account.box.restore(before)


def narrow(account: Account) -> Caller:
    """As narrow as AWS lets a deployer be: its environment's names, wherever a call takes a resource."""
    own = [
        allow(f"{service}:*", arn(service, resource.format("preprod*")))
        for service, _, resource in (said.partition(":") for said in REGIONAL.split())
    ]
    own += [allow("s3:*", BUCKETS), allow("logs:*", arn("logs", "log-group:/aws/lambda/preprod-*"))]
    own += [allow("iam:*", [iam("role/preprod-*"), iam("policy/preprod-*")])]
    own += [allow("kms:*", "*", **{"ForAnyValue:StringLike": {"kms:ResourceAliases": "alias/preprod*"}})]
    own += [allow(["sts:GetCallerIdentity", "ecr:GetAuthorizationToken", "tag:GetResources", "events:PutEvents"])]
    person = account.root.client("iam")
    caller = account.user(name="preprod-narrow")
    made = person.create_policy(PolicyName="preprod-narrow", PolicyDocument=policy(*own))["Policy"]["Arn"]
    person.attach_user_policy(UserName="preprod-narrow", PolicyArn=made)
    return caller


@pytest.fixture(scope="module")
def key(account: Account, deployer: Caller) -> str:  # noqa: ARG001 - made, and gone, with it
    kms = account.root.client("kms")
    made = str(kms.create_key()["KeyMetadata"]["Arn"])
    kms.create_alias(AliasName="alias/prod-project", TargetKeyId=made)
    return made


PROD: Mapping[str, Mapping[str, Any]] = {
    "dynamodb.describe_table": {"TableName": "prod-items"},
    "dynamodb.get_item": {"TableName": "prod-items", "Key": {"id": {"S": "1"}}},
    "dynamodb.put_item": {"TableName": "prod-items", "Item": {"id": {"S": "1"}}},
    "dynamodb.delete_table": {"TableName": "prod-items"},
    "dynamodb.batch_get_item": {"RequestItems": {"prod-items": {"Keys": [{"id": {"S": "1"}}]}}},
    "secretsmanager.get_secret_value": {"SecretId": "prod/news"},
    "secretsmanager.describe_secret": {"SecretId": "prod/news"},
    "secretsmanager.put_secret_value": {"SecretId": "prod/news", "SecretString": "x"},
    "secretsmanager.delete_secret": {"SecretId": "prod/news"},
    "s3.list_objects_v2": {"Bucket": "prod-state"},
    "s3.get_object": {"Bucket": "prod-state", "Key": "prod.tfstate"},
    "s3.put_object": {"Bucket": "prod-state", "Key": "prod.tfstate", "Body": b""},
    "s3.put_bucket_policy": {"Bucket": "prod-state", "Policy": "{}"},
    "ecr.describe_repositories": {"repositoryNames": ["prod-sse-streaming-lambda"]},
    "ecr.list_images": {"repositoryName": "prod-sse-streaming-lambda"},
    "ecr.put_image": {"repositoryName": "prod-sse-streaming-lambda", "imageManifest": "{}"},
    "ecr.set_repository_policy": {"repositoryName": "prod-sse-streaming-lambda", "policyText": "{}"},
    "lambda.get_function": {"FunctionName": "prod-ingestion"},
    "lambda.invoke": {"FunctionName": "prod-ingestion"},
    "lambda.update_function_code": {"FunctionName": "prod-ingestion", "ZipFile": b"x"},
    "lambda.update_alias": {"FunctionName": "prod-ingestion", "Name": "live"},
    "lambda.add_permission": {
        "FunctionName": "prod-ingestion",
        "StatementId": "x",
        "Action": "lambda:InvokeFunction",
        "Principal": "*",
    },
    "sns.publish": {"TopicArn": arn("sns", "prod-items"), "Message": "x"},
    "sqs.send_message": {"QueueUrl": "https://queue/111122223333/prod-items", "MessageBody": "x"},
    "events.put_targets": {"Rule": "prod-schedule", "Targets": [{"Id": "1", "Arn": arn("sqs", "preprod-x")}]},
    "events.disable_rule": {"Name": "prod-schedule"},
    "logs.filter_log_events": {"logGroupName": "/aws/lambda/prod-ingestion"},
    "logs.delete_log_group": {"logGroupName": "/aws/lambda/prod-ingestion"},
    "kms.decrypt": {"CiphertextBlob": b"x" * 64, "KeyId": "alias/prod-project"},
    "kms.describe_key": {"KeyId": "alias/prod-project"},
    "kms.put_key_policy": {"KeyId": "<key>", "Policy": "{}"},
    "kms.create_alias": {"AliasName": "alias/preprod-mine", "TargetKeyId": "<key>"},
    "iam.get_role": {"RoleName": "prod-ingestion"},
    "iam.put_role_policy": {"RoleName": "prod-ingestion", "PolicyName": "x", "PolicyDocument": "{}"},
    "iam.update_assume_role_policy": {"RoleName": "prod-ingestion", "PolicyDocument": "{}"},
    "iam.create_access_key": {"UserName": "prod-deployer"},
    "iam.attach_user_policy": {
        "UserName": "preprod-deployer",
        "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess",
    },
    "sts.assume_role": {"RoleArn": iam("role/prod-ingestion"), "RoleSessionName": "box"},
}


@pytest.mark.parametrize("call", PROD)
def test_nothing_of_prod_is_read_written_or_described(deployer: Caller, key: str, call: str) -> None:
    service, operation = call.split(".")
    arguments = {name: key if said == "<key>" else said for name, said in PROD[call].items()}

    with pytest.raises(ClientError) as refused:
        getattr(deployer.client(service), operation)(**arguments)

    assert refused.value.response["Error"]["Code"] in DENIED


def test_its_own_it_may(deployer: Caller) -> None:
    deployer.client("ecr").create_repository(repositoryName="preprod-own")
    deployer.client("sqs").create_queue(QueueName="preprod-own")
    deployer.client("secretsmanager").create_secret(Name="preprod/own", SecretString="x")
    deployer.client("s3").create_bucket(Bucket="preprod-own")

    assert deployer.client("ecr").describe_repositories(repositoryNames=["preprod-own"])["repositories"]
