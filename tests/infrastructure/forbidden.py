"""Calls by which a deployer of one environment would reach another, or raise its own rights.

`{own}` and `{other}` are environments, `{key}` and `{other_key}` their keys, `{monitor}` watches the other's costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
STATE = "sentiment-analyzer-{}-state"
PACKAGES = "{}-sentiment-analyzer-packages-{{account}}"
DEPLOYER = "sentiment-analyzer-{own}-deployer"
OTHERS = "sentiment-analyzer-{other}-deployer"
POLICY = "arn:aws:iam::{account}:policy/sentiment-analyzer-{own}-"
OIDC = "arn:aws:iam::{account}:oidc-provider/token.actions.githubusercontent.com"
ANYBODY = '{{"Effect":"Allow","Principal":{{"AWS":"*"}},"Action":"sts:AssumeRole"}}'
TRUST = '{{"Version":"2012-10-17","Statement":[' + ANYBODY + "]}}"
TAGS = [{"TagKey": "project", "TagValue": "sentiment-analyzer"}, {"TagKey": "environment", "TagValue": "{other}"}]
RENAMED = [{"TagKey": "project", "TagValue": "sentiment-analyzer"}, {"TagKey": "environment", "TagValue": "{own}"}]
ZIP = b"PK\x05\x06" + b"\0" * 18

CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    # The other environment's data, and what its deployer does with it.
    ("dynamodb.get_item", {"TableName": "{other}-sentiment", "Key": {"pk": {"S": "x"}, "sk": {"S": "x"}}}),
    ("dynamodb.describe_table", {"TableName": "{other}-sentiment"}),
    ("dynamodb.update_table", {"TableName": "{other}-sentiment", "DeletionProtectionEnabled": False}),
    ("dynamodb.delete_table", {"TableName": "{other}-sentiment"}),
    ("secretsmanager.get_secret_value", {"SecretId": "{other}-newsapi-key"}),
    ("secretsmanager.describe_secret", {"SecretId": "{other}-api-key"}),
    ("secretsmanager.put_secret_value", {"SecretId": "{other}-api-key", "SecretString": "x"}),
    ("secretsmanager.delete_secret", {"SecretId": "{other}-api-key"}),
    ("s3.get_object", {"Bucket": PACKAGES.format("{other}"), "Key": "ingestion/x.zip"}),
    ("s3.put_object", {"Bucket": PACKAGES.format("{other}"), "Key": "ingestion/x.zip", "Body": b"x"}),
    ("s3.put_bucket_policy", {"Bucket": PACKAGES.format("{other}"), "Policy": "{{}}"}),
    ("ecr.describe_images", {"repositoryName": "{other}-sse-streaming-lambda"}),
    ("ecr.put_image", {"repositoryName": "{other}-sse-streaming-lambda", "imageManifest": "{{}}"}),
    ("ecr.set_repository_policy", {"repositoryName": "{other}-sse-streaming-lambda", "policyText": "{{}}"}),
    ("ecr.batch_get_image", {"repositoryName": "{other}-sse-streaming-cache", "imageIds": [{"imageTag": "x"}]}),
    ("ecr.put_image", {"repositoryName": "{other}-sse-streaming-cache", "imageManifest": "{{}}"}),
    (
        "ecr.describe_image_scan_findings",
        {"repositoryName": "{other}-sse-streaming-lambda", "imageId": {"imageTag": "latest"}},
    ),
    # The other environment's state, and its own beyond writing it.
    ("s3.list_objects_v2", {"Bucket": STATE.format("{other}")}),
    ("s3.get_object", {"Bucket": STATE.format("{other}"), "Key": "terraform.tfstate"}),
    ("s3.put_object", {"Bucket": STATE.format("{other}"), "Key": "terraform.tfstate", "Body": b"x"}),
    ("s3.put_object", {"Bucket": STATE.format("{other}"), "Key": "terraform.tfstate.tflock", "Body": b"x"}),
    ("s3.delete_object", {"Bucket": STATE.format("{other}"), "Key": "terraform.tfstate.tflock"}),
    ("s3.delete_object", {"Bucket": STATE.format("{own}"), "Key": "terraform.tfstate"}),
    ("s3.get_object", {"Bucket": STATE.format("{other}"), "Key": "terraform.tfstate.ferry/current.json"}),
    ("s3.put_object", {"Bucket": STATE.format("{other}"), "Key": "terraform.tfstate.ferry/run.json", "Body": b"x"}),
    ("s3.delete_object", {"Bucket": STATE.format("{own}"), "Key": "terraform.tfstate.ferry/run.json"}),
    ("s3.get_object", {"Bucket": STATE.format("{own}"), "Key": "bootstrap.tfstate"}),
    ("s3.put_bucket_policy", {"Bucket": STATE.format("{own}"), "Policy": "{{}}"}),
    ("s3.put_bucket_versioning", {"Bucket": STATE.format("{own}"), "VersioningConfiguration": {"Status": "Suspended"}}),
    ("s3.delete_bucket", {"Bucket": STATE.format("{own}")}),
    # The other environment's functions, and another's role for its own.
    ("lambda.get_function", {"FunctionName": "{other}-ingestion"}),
    ("lambda.update_function_code", {"FunctionName": "{other}-ingestion", "ZipFile": ZIP}),
    ("lambda.update_function_configuration", {"FunctionName": "{other}-ingestion", "Timeout": 9}),
    ("lambda.update_alias", {"FunctionName": "{other}-ingestion", "Name": "live", "FunctionVersion": "1"}),
    ("lambda.invoke", {"FunctionName": "{other}-ingestion"}),
    (
        "lambda.add_permission",
        {"FunctionName": "{other}-ingestion", "StatementId": "x", "Action": "lambda:InvokeFunction", "Principal": "*"},
    ),
    ("lambda.delete_function", {"FunctionName": "{other}-ingestion"}),
    (
        "lambda.update_function_configuration",
        {"FunctionName": "{own}-ingestion", "Role": "arn:aws:iam::{account}:role/{other}-ingestion"},
    ),
    (
        "lambda.update_function_configuration",
        {"FunctionName": "{own}-ingestion", "Role": "arn:aws:iam::{account}:role/" + DEPLOYER},
    ),
    (
        "lambda.create_function",
        {
            "FunctionName": "{own}-mine",
            "Role": "arn:aws:iam::{account}:role/{own}-ingestion",
            "Runtime": "python3.13",
            "Handler": "a.b",
            "Code": {"ZipFile": ZIP},
        },
    ),
    # Roles without the boundary, under another, or of other names.
    ("iam.create_role", {"RoleName": "{own}-ingestion", "AssumeRolePolicyDocument": TRUST}),
    (
        "iam.create_role",
        {"RoleName": "{own}-ingestion", "AssumeRolePolicyDocument": TRUST, "PermissionsBoundary": ADMIN},
    ),
    (
        "iam.create_role",
        {"RoleName": "{own}-admin", "AssumeRolePolicyDocument": TRUST, "PermissionsBoundary": POLICY + "boundary"},
    ),
    (
        "iam.create_role",
        {
            "RoleName": "{other}-ingestion",
            "AssumeRolePolicyDocument": TRUST,
            "PermissionsBoundary": POLICY + "boundary",
        },
    ),
    ("iam.delete_role_permissions_boundary", {"RoleName": "{own}-ingestion"}),
    ("iam.put_role_permissions_boundary", {"RoleName": "{own}-ingestion", "PermissionsBoundary": ADMIN}),
    ("iam.attach_role_policy", {"RoleName": "{own}-ingestion", "PolicyArn": ADMIN}),
    ("iam.update_assume_role_policy", {"RoleName": "{own}-ingestion", "PolicyDocument": TRUST}),
    ("iam.put_role_policy", {"RoleName": "{other}-ingestion", "PolicyName": "own", "PolicyDocument": "{{}}"}),
    ("iam.get_role", {"RoleName": "{other}-ingestion"}),
    ("iam.delete_role", {"RoleName": "{other}-ingestion"}),
    # Its own rights, and those of other people.
    ("iam.get_user", {"UserName": OTHERS}),
    ("iam.get_role", {"RoleName": OTHERS}),
    ("iam.list_user_policies", {"UserName": OTHERS}),
    ("iam.list_attached_role_policies", {"RoleName": OTHERS}),
    ("iam.get_policy", {"PolicyArn": "arn:aws:iam::{account}:policy/" + OTHERS + "-data"}),
    ("iam.get_policy_version", {"PolicyArn": "arn:aws:iam::{account}:policy/" + OTHERS + "-data", "VersionId": "v1"}),
    ("iam.put_user_policy", {"UserName": DEPLOYER, "PolicyName": "x", "PolicyDocument": "{{}}"}),
    ("iam.attach_user_policy", {"UserName": DEPLOYER, "PolicyArn": ADMIN}),
    ("iam.detach_user_policy", {"UserName": DEPLOYER, "PolicyArn": POLICY + "deployer-data"}),
    ("iam.put_role_policy", {"RoleName": DEPLOYER, "PolicyName": "x", "PolicyDocument": "{{}}"}),
    ("iam.attach_role_policy", {"RoleName": DEPLOYER, "PolicyArn": ADMIN}),
    ("iam.update_assume_role_policy", {"RoleName": DEPLOYER, "PolicyDocument": TRUST}),
    (
        "iam.create_policy_version",
        {"PolicyArn": POLICY + "deployer-data", "PolicyDocument": "{{}}", "SetAsDefault": True},
    ),
    ("iam.create_policy_version", {"PolicyArn": POLICY + "boundary", "PolicyDocument": "{{}}", "SetAsDefault": True}),
    ("iam.set_default_policy_version", {"PolicyArn": POLICY + "boundary", "VersionId": "v1"}),
    ("iam.delete_policy", {"PolicyArn": POLICY + "boundary"}),
    ("iam.create_policy", {"PolicyName": "{own}-mine", "PolicyDocument": "{{}}"}),
    ("iam.create_user", {"UserName": "{own}-me"}),
    ("iam.create_access_key", {"UserName": DEPLOYER}),
    ("iam.create_access_key", {"UserName": OTHERS}),
    ("iam.add_client_id_to_open_id_connect_provider", {"OpenIDConnectProviderArn": OIDC, "ClientID": "x"}),
    ("iam.delete_open_id_connect_provider", {"OpenIDConnectProviderArn": OIDC}),
    (
        "sts.assume_role",
        {"RoleArn": "arn:aws:iam::{account}:role/sentiment-analyzer-{other}-deployer", "RoleSessionName": "me"},
    ),
    ("sts.assume_role", {"RoleArn": "arn:aws:iam::{account}:role/{own}-ingestion", "RoleSessionName": "me"}),
    # Keys.
    ("kms.put_key_policy", {"KeyId": "{other_key}", "Policy": "{{}}"}),
    ("kms.get_key_policy", {"KeyId": "{other_key}"}),
    ("kms.schedule_key_deletion", {"KeyId": "{other_key}"}),
    ("kms.disable_key", {"KeyId": "{other_key}"}),
    ("kms.tag_resource", {"KeyId": "{other_key}", "Tags": RENAMED}),
    ("kms.untag_resource", {"KeyId": "{other_key}", "TagKeys": ["environment"]}),
    (
        "kms.create_grant",
        {
            "KeyId": "{other_key}",
            "GranteePrincipal": "arn:aws:iam::{account}:user/" + DEPLOYER,
            "Operations": ["Decrypt"],
        },
    ),
    ("kms.decrypt", {"KeyId": "{other_key}", "CiphertextBlob": b"x" * 64}),
    ("kms.generate_data_key", {"KeyId": "{other_key}", "KeySpec": "AES_256"}),
    ("kms.generate_data_key", {"KeyId": "{key}", "KeySpec": "AES_256"}),
    ("kms.create_alias", {"AliasName": "alias/{own}-sentiment-analyzer", "TargetKeyId": "{other_key}"}),
    ("kms.create_alias", {"AliasName": "alias/{other}-sentiment-analyzer", "TargetKeyId": "{key}"}),
    ("kms.delete_alias", {"AliasName": "alias/{other}-sentiment-analyzer"}),
    ("kms.create_key", {}),
    ("kms.create_key", {"Tags": TAGS}),
    # Messages, schedules, logs, alarms, costs of the other.
    ("sns.publish", {"TopicArn": "arn:aws:sns:us-east-1:{account}:{other}-articles", "Message": "x"}),
    (
        "sns.subscribe",
        {
            "TopicArn": "arn:aws:sns:us-east-1:{account}:{other}-alarms",
            "Protocol": "email",
            "Endpoint": "a@example.com",
        },
    ),
    (
        "sns.set_topic_attributes",
        {
            "TopicArn": "arn:aws:sns:us-east-1:{account}:{other}-alarms",
            "AttributeName": "Policy",
            "AttributeValue": "{{}}",
        },
    ),
    ("sqs.receive_message", {"QueueUrl": "https://sqs/{account}/{other}-dlq"}),
    (
        "sqs.set_queue_attributes",
        {"QueueUrl": "https://sqs/{account}/{other}-dlq", "Attributes": {"DelaySeconds": "9"}},
    ),
    (
        "events.put_targets",
        {
            "Rule": "{other}-ingestion-schedule",
            "Targets": [{"Id": "1", "Arn": "arn:aws:sqs:us-east-1:{account}:{own}-dlq"}],
        },
    ),
    ("events.disable_rule", {"Name": "{other}-ingestion-schedule"}),
    ("events.delete_rule", {"Name": "{other}-canary-schedule"}),
    ("logs.filter_log_events", {"logGroupName": "/aws/lambda/{other}-ingestion"}),
    ("logs.delete_log_group", {"logGroupName": "/aws/lambda/{other}-ingestion"}),
    ("cloudwatch.delete_alarms", {"AlarmNames": ["{other}-canary-silent"]}),
    ("cloudwatch.put_dashboard", {"DashboardName": "{other}-sentiment-analyzer", "DashboardBody": "{{}}"}),
    ("budgets.delete_budget", {"AccountId": "{account}", "BudgetName": "{other}-sentiment-analyzer-monthly"}),
    ("ce.delete_anomaly_monitor", {"MonitorArn": "{monitor}"}),
    ("ce.update_anomaly_monitor", {"MonitorArn": "{monitor}", "MonitorName": "x"}),
    ("ce.tag_resource", {"ResourceArn": "{monitor}", "ResourceTags": [{"Key": "environment", "Value": "{own}"}]}),
    # Its own data: a deploy reads and destroys none.
    ("dynamodb.get_item", {"TableName": "{own}-sentiment", "Key": {"pk": {"S": "x"}, "sk": {"S": "x"}}}),
    ("dynamodb.scan", {"TableName": "{own}-sentiment"}),
    ("dynamodb.delete_table", {"TableName": "{own}-sentiment"}),
    ("secretsmanager.get_secret_value", {"SecretId": "{own}-newsapi-key"}),
    ("secretsmanager.put_secret_value", {"SecretId": "{own}-api-key", "SecretString": "x"}),
    ("secretsmanager.delete_secret", {"SecretId": "{own}-api-key"}),
    ("s3.delete_bucket", {"Bucket": PACKAGES.format("{own}")}),
    ("s3.delete_object", {"Bucket": PACKAGES.format("{own}"), "Key": "ingestion/x.zip"}),
    ("ecr.delete_repository", {"repositoryName": "{own}-sse-streaming-lambda"}),
    ("ecr.batch_delete_image", {"repositoryName": "{own}-sse-streaming-lambda", "imageIds": [{"imageTag": "latest"}]}),
    ("sns.publish", {"TopicArn": "arn:aws:sns:us-east-1:{account}:{own}-articles", "Message": "x"}),
    ("sqs.receive_message", {"QueueUrl": "https://sqs/{account}/{own}-dlq"}),
    ("lambda.invoke", {"FunctionName": "{own}-ingestion"}),
)
"""Operation of boto3, and its arguments."""


def filled(said: Any, names: Mapping[str, str]) -> Any:
    """The same with every {name} filled in."""
    match said:
        case str():
            return said.format(**names)
        case list():
            return [filled(one, names) for one in said]
        case dict():
            return {key: filled(value, names) for key, value in said.items()}
        case _:
            return said


def calls(names: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for operation, arguments in CALLS:
        yield operation, filled(arguments, names)
