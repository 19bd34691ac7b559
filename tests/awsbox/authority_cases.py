"""The table of what AWS allows and denies: a user's only rights, one call, and the documented fact in a word.

`<key>` and the like are what the test's world calls a thing: see `world` in test_authority.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.awsbox.people import Statement, allow, deny, policy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AWS = "arn:aws:{}:us-east-1:111122223333:{}"
YES, NO = True, False


def arn(service: str, resource: str, *, world: bool = False) -> str:
    """`world`: a service whose ARNs name no region."""
    return AWS.format(service, resource).replace("us-east-1", "" if world else "us-east-1")


def iam(resource: str) -> str:
    return arn("iam", resource, world=True)


@dataclass(frozen=True)
class Case:
    fact: str
    rights: Sequence[Statement]
    call: str
    allowed: bool
    arguments: Mapping[str, Any] = field(default_factory=dict)
    boundary: Sequence[Statement] = ()


def case(allowed: bool, fact: str, rights: Sequence[Statement], call: str, **arguments: Any) -> Case:  # noqa: FBT001
    boundary = arguments.pop("boundary", ())
    return Case(fact, rights, call, allowed, arguments, boundary)


FUNCTION, LIVE = arn("lambda", "function:preprod-ingestion"), arn("lambda", "function:preprod-ingestion:live")
TOPIC, QUEUE = arn("sns", "preprod-items"), arn("sqs", "preprod-items")
RULE, GROUP = arn("events", "rule/preprod-schedule"), arn("logs", "log-group:/aws/lambda/preprod-ingestion")
REPOSITORY, BUCKET = arn("ecr", "repository/preprod-sse-streaming-lambda"), "arn:aws:s3:::preprod-packages"
TABLE, BUDGET = arn("dynamodb", "table/preprod-items"), arn("budgets", "budget/preprod", world=True)
ALARM, DASHBOARD = arn("cloudwatch", "alarm:preprod-errors"), arn("cloudwatch", "dashboard/preprod", world=True)
ROLE, WORKER = iam("role/service/preprod-ingestion"), iam("role/preprod-worker")
BOUNDARY, PROVIDER = iam("policy/preprod-boundary"), iam("oidc-provider/token.actions.githubusercontent.com")
QUEUE_URL = "<endpoint>/111122223333/preprod-items"
ASSUMED_BY_LAMBDA = policy(
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
)
NEW_FUNCTION = {
    "FunctionName": "preprod-new",
    "Runtime": "python3.13",
    "Handler": "main.handler",
    "Code": {"ZipFile": b"<zip>"},
}
CREATE = allow("lambda:CreateFunction", arn("lambda", "function:preprod-*"))
TARGET = [{"Id": "one", "Arn": FUNCTION}]
PLAIN = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
STATE = "arn:aws:s3:::preprod-packages/state/preprod.tfstate"

# One case a row or two: the formatter would give each a page.
# fmt: off
CASES = [
    # ECR
    case(YES, "DescribeRepositories takes a repository", [allow("ecr:DescribeRepositories", REPOSITORY)],
         "ecr.describe_repositories", repositoryNames=["preprod-sse-streaming-lambda"]),
    case(NO, "without names it asks for all of them", [allow("ecr:DescribeRepositories", REPOSITORY)],
         "ecr.describe_repositories"),
    case(YES, "all of them are repository/*", [allow("ecr:DescribeRepositories", arn("ecr", "repository/*"))],
         "ecr.describe_repositories"),
    case(YES, "tags are read on the repository", [allow("ecr:ListTagsForResource", REPOSITORY)],
         "ecr.list_tags_for_resource", resourceArn=REPOSITORY),
    case(NO, "another environment's repository", [allow("ecr:*", arn("ecr", "repository/prod-*"))],
         "ecr.list_images", repositoryName="preprod-sse-streaming-lambda"),
    case(NO, "GetAuthorizationToken takes no resource", [allow("ecr:*", arn("ecr", "repository/*"))],
         "ecr.get_authorization_token"),
    case(NO, "tags at creation need ecr:TagResource", [allow("ecr:CreateRepository", arn("ecr",
         "repository/*"))], "ecr.create_repository", repositoryName="preprod-tagged", tags=[{"Key": "a",
         "Value": "b"}]),
    case(YES, "and are fine with it", [allow(["ecr:CreateRepository", "ecr:TagResource"], arn("ecr",
         "repository/*"))], "ecr.create_repository", repositoryName="preprod-tagged", tags=[{"Key": "a",
         "Value": "b"}]),
    # Lambda
    case(YES, "CreateFunction takes a function, PassRole a role", [CREATE, allow("iam:PassRole", WORKER)],
         "lambda.create_function", **NEW_FUNCTION, Role=WORKER),
    case(NO, "CreateFunction needs iam:PassRole", [CREATE], "lambda.create_function", **NEW_FUNCTION, Role=WORKER),
    case(NO, "for that very role", [CREATE, allow("iam:PassRole", ROLE)], "lambda.create_function",
         **NEW_FUNCTION, Role=WORKER),
    case(NO, "iam:PassedToService is lambda", [CREATE, allow("iam:PassRole", WORKER,
         StringEquals={"iam:PassedToService": "events.amazonaws.com"})], "lambda.create_function", **NEW_FUNCTION,
         Role=WORKER),
    case(YES, "and matches when it says so", [CREATE, allow("iam:PassRole", WORKER,
         StringEquals={"iam:PassedToService": "lambda.amazonaws.com"})], "lambda.create_function",
         **{**NEW_FUNCTION, "FunctionName": "preprod-new-2"}, Role=WORKER),
    case(NO, "a new role needs PassRole on update too", [allow("lambda:UpdateFunctionConfiguration",
         FUNCTION)], "lambda.update_function_configuration", FunctionName="preprod-ingestion", Role=WORKER),
    case(YES, "no role, no PassRole", [allow("lambda:UpdateFunctionConfiguration", FUNCTION)],
         "lambda.update_function_configuration", FunctionName="preprod-ingestion", MemorySize=256),
    case(NO, "tags at creation need lambda:TagResource", [CREATE, allow("iam:PassRole", WORKER)],
         "lambda.create_function", **{**NEW_FUNCTION, "FunctionName": "preprod-new-3"}, Role=WORKER,
         Tags={"a": "b"}),
    case(NO, "Lambda fetches packages as its caller", [allow("lambda:UpdateFunctionCode", FUNCTION)],
         "lambda.update_function_code", FunctionName="preprod-ingestion", S3Bucket="preprod-packages",
         S3Key="f.zip"),
    case(YES, "who may read them", [allow("lambda:UpdateFunctionCode", FUNCTION), allow("s3:GetObject",
         f"{BUCKET}/*")], "lambda.update_function_code", FunctionName="preprod-ingestion",
         S3Bucket="preprod-packages", S3Key="f.zip"),
    case(YES, "UpdateAlias has its own name", [allow("lambda:UpdateAlias", FUNCTION)], "lambda.update_alias",
         FunctionName="preprod-ingestion", Name="live", Description="x"),
    case(NO, "ListAliases is not UpdateAlias", [allow("lambda:ListAliases", FUNCTION)], "lambda.update_alias",
         FunctionName="preprod-ingestion", Name="live", Description="y"),
    case(NO, "ListAliases is not DeleteAlias", [allow("lambda:ListAliases", FUNCTION)], "lambda.delete_alias",
         FunctionName="preprod-ingestion", Name="live"),
    case(YES, "an alias is invoked on its own ARN", [allow("lambda:InvokeFunction", LIVE)], "lambda.invoke",
         FunctionName="preprod-ingestion", Qualifier="live", InvocationType="DryRun"),
    case(NO, "a grant on the function is none on its alias", [allow("lambda:InvokeFunction", FUNCTION)],
         "lambda.invoke", FunctionName="preprod-ingestion", Qualifier="live", InvocationType="DryRun"),
    case(NO, "nor one on the alias on the function", [allow("lambda:InvokeFunction", LIVE)], "lambda.invoke",
         FunctionName="preprod-ingestion", InvocationType="DryRun"),
    case(YES, "fn:* covers aliases", [allow("lambda:InvokeFunction", f"{FUNCTION}:*")], "lambda.invoke",
         FunctionName="preprod-ingestion:live", InvocationType="DryRun"),
    case(NO, "InvokeWithResponseStream is InvokeFunction", [allow("lambda:InvokeFunctionUrl", "*")],
         "lambda.invoke_with_response_stream", FunctionName="preprod-ingestion"),
    case(NO, "reading a function is not changing its retries", [allow(["lambda:GetFunction",
         "lambda:UpdateFunctionCode"])], "lambda.put_function_event_invoke_config",
         FunctionName="preprod-ingestion", MaximumRetryAttempts=1),
    case(YES, "PutFunctionEventInvokeConfig has its own name", [allow("lambda:PutFunctionEventInvokeConfig",
         FUNCTION)], "lambda.put_function_event_invoke_config", FunctionName="preprod-ingestion",
         MaximumRetryAttempts=1),
    case(YES, "so has its reading", [allow("lambda:GetFunctionEventInvokeConfig", FUNCTION)],
         "lambda.get_function_event_invoke_config", FunctionName="preprod-ingestion"),
    case(YES, "DeleteFunctionConcurrency too", [allow("lambda:DeleteFunctionConcurrency", FUNCTION)],
         "lambda.delete_function_concurrency", FunctionName="preprod-ingestion"),
    case(NO, "a URL's kind can be demanded", [allow("lambda:CreateFunctionUrlConfig", "*",
         StringEquals={"lambda:FunctionUrlAuthType": "AWS_IAM"})], "lambda.create_function_url_config",
         FunctionName="preprod-ingestion", AuthType="NONE"),
    case(NO, "AddPermission can be held to a principal", [allow("lambda:AddPermission", "*",
         StringEquals={"lambda:Principal": "sns.amazonaws.com"})], "lambda.add_permission",
         FunctionName="preprod-ingestion", StatementId="x", Action="lambda:InvokeFunction", Principal="*"),
    case(NO, "GetAccountSettings is a permission", [], "lambda.get_account_settings"),
    case(NO, "lambda:FunctionArn narrows mappings", [allow("lambda:CreateEventSourceMapping", "*",
         ArnEquals={"lambda:FunctionArn": arn("lambda", "function:other")})], "lambda.create_event_source_mapping",
         FunctionName="preprod-ingestion", EventSourceArn=QUEUE),
    case(YES, "tags of a function", [allow("lambda:ListTags", FUNCTION)], "lambda.list_tags", Resource=FUNCTION),
    # IAM
    case(YES, "a role's ARN has its path", [allow("iam:GetRole", iam("role/service/*"))], "iam.get_role",
         RoleName="preprod-ingestion"),
    case(NO, "and is another one without", [allow("iam:GetRole", iam("role/preprod-*"))], "iam.get_role",
         RoleName="preprod-ingestion"),
    case(YES, "CreateRole with the boundary that is demanded", [deny("iam:CreateRole", "*",
         StringNotEquals={"iam:PermissionsBoundary": BOUNDARY}), allow("iam:CreateRole")], "iam.create_role",
         RoleName="bounded", AssumeRolePolicyDocument=ASSUMED_BY_LAMBDA, PermissionsBoundary=BOUNDARY),
    case(NO, "and without it", [deny("iam:CreateRole", "*",
         StringNotEquals={"iam:PermissionsBoundary": BOUNDARY}), allow("iam:CreateRole")], "iam.create_role",
         RoleName="unbounded", AssumeRolePolicyDocument=ASSUMED_BY_LAMBDA),
    case(NO, "taking a boundary off", [deny("iam:DeleteRolePermissionsBoundary", "*",
         StringEquals={"iam:PermissionsBoundary": BOUNDARY}), allow("iam:*")],
         "iam.delete_role_permissions_boundary", RoleName="preprod-limited"),
    case(NO, "iam:PolicyARN narrows what is attached", [allow("iam:AttachRolePolicy", "*",
         ArnEquals={"iam:PolicyARN": BOUNDARY})], "iam.attach_role_policy", RoleName="preprod-worker",
         PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"),
    case(YES, "and lets the one that it names", [allow("iam:AttachRolePolicy", "*",
         ArnEquals={"iam:PolicyARN": BOUNDARY})], "iam.attach_role_policy", RoleName="preprod-worker",
         PolicyArn=BOUNDARY),
    case(YES, "CreatePolicy takes a policy", [allow("iam:CreatePolicy", iam("policy/preprod-*"))],
         "iam.create_policy", PolicyName="preprod-made", PolicyDocument=policy(allow("s3:GetObject"))),
    case(NO, "of another name it does not", [allow("iam:CreatePolicy", iam("policy/prod-*"))],
         "iam.create_policy", PolicyName="preprod-made-2", PolicyDocument=policy(allow("s3:GetObject"))),
    case(YES, "OIDC providers have ARNs", [allow("iam:GetOpenIDConnectProvider", PROVIDER)],
         "iam.get_open_id_connect_provider", OpenIDConnectProviderArn=PROVIDER),
    case(YES, "GetUser without a name is about oneself", [allow("iam:GetUser", iam("user/${aws:username}"))],
         "iam.get_user"),
    case(YES, "${aws:username} is the caller", [allow("iam:ListAccessKeys", iam("user/${aws:username}"))],
         "iam.list_access_keys", UserName="<me>"),
    case(NO, "and nobody else", [allow("iam:ListAccessKeys", iam("user/${aws:username}"))],
         "iam.list_access_keys", UserName="preprod-somebody"),
    case(NO, "tags at creation need iam:TagRole", [allow("iam:CreateRole")], "iam.create_role",
         RoleName="tagged", AssumeRolePolicyDocument=ASSUMED_BY_LAMBDA, Tags=[{"Key": "a", "Value": "b"}]),
    # KMS
    case(YES, "a key behind an alias is the key", [allow("kms:DescribeKey", "<key>")], "kms.describe_key",
         KeyId="alias/preprod"),
    case(NO, "a grant on the alias is none on the key", [allow("kms:DescribeKey", arn("kms",
         "alias/preprod"))], "kms.describe_key", KeyId="alias/preprod"),
    case(YES, "kms:ResourceAliases knows the key by its alias", [allow("kms:DescribeKey", "*",
         **{"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/preprod"}})], "kms.describe_key",
         KeyId="<key>"),
    case(NO, "and other keys not", [allow("kms:DescribeKey", "*",
         **{"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/prod"}})], "kms.describe_key",
         KeyId="<key>"),
    case(NO, "CreateAlias needs alias and key", [allow("kms:CreateAlias", arn("kms", "alias/preprod-*"))],
         "kms.create_alias", AliasName="alias/preprod-new", TargetKeyId="<key>"),
    case(YES, "both of them", [allow("kms:CreateAlias", [arn("kms", "alias/preprod-*"), "<key>"])],
         "kms.create_alias", AliasName="alias/preprod-new", TargetKeyId="<key>"),
    case(NO, "the encryption context counts", [allow("kms:Encrypt", "*",
         StringEquals={"kms:EncryptionContext:env": "prod"})], "kms.encrypt", KeyId="<key>", Plaintext=b"x",
         EncryptionContext={"env": "preprod"}),
    case(YES, "when it is the one", [allow("kms:Encrypt", "*",
         StringEquals={"kms:EncryptionContext:env": "preprod"})], "kms.encrypt", KeyId="<key>", Plaintext=b"x",
         EncryptionContext={"env": "preprod"}),
    case(YES, "a new key is tagged as one of all", [
         allow("kms:CreateKey"), allow("kms:TagResource", arn("kms", "key/*"))],
         "kms.create_key", Tags=[{"TagKey": "env", "TagValue": "preprod"}]),
    case(NO, "and needs the right to", [allow("kms:CreateKey")],
         "kms.create_key", Tags=[{"TagKey": "env", "TagValue": "preprod"}]),
    case(NO, "kms:ViaService is for services", [allow("kms:Encrypt", "*",
         StringEquals={"kms:ViaService": "s3.us-east-1.amazonaws.com"})], "kms.encrypt", KeyId="<key>",
         Plaintext=b"x"),
    case(NO, "a key whose policy names others only", [allow("kms:*")], "kms.describe_key", KeyId="<sealed>"),
    # encryption by a customer's key
    case(NO, "reading an encrypted object needs the key", [allow("s3:*", [BUCKET, f"{BUCKET}/*"])],
         "s3.get_object", Bucket="preprod-packages", Key="secret.txt"),
    case(YES, "with it, it is read", [allow("s3:*", [BUCKET, f"{BUCKET}/*"]), allow("kms:Decrypt", "<key>")],
         "s3.get_object", Bucket="preprod-packages", Key="secret.txt"),
    case(YES, "through S3 alone", [allow("s3:*", [BUCKET, f"{BUCKET}/*"]), allow("kms:Decrypt", "<key>",
         StringEquals={"kms:ViaService": "s3.us-east-1.amazonaws.com"})], "s3.get_object",
         Bucket="preprod-packages", Key="secret.txt"),
    case(NO, "writing needs kms:GenerateDataKey", [allow("s3:*", [BUCKET, f"{BUCKET}/*"]),
         allow("kms:Decrypt", "<key>")], "s3.put_object", Bucket="preprod-packages", Key="new.txt", Body=b"x",
         ServerSideEncryption="aws:kms", SSEKMSKeyId="<key>"),
    case(NO, "a secret under a key needs it", [allow("secretsmanager:GetSecretValue")],
         "secretsmanager.get_secret_value", SecretId="preprod/sealed"),
    case(YES, "and is read with it", [allow("secretsmanager:GetSecretValue"), allow("kms:Decrypt", "<key>")],
         "secretsmanager.get_secret_value", SecretId="preprod/sealed"),
    case(NO, "publishing to an encrypted topic needs the key", [allow("sns:Publish", TOPIC)], "sns.publish",
         TopicArn=TOPIC, Message="x"),
    case(YES, "GenerateDataKey and Decrypt", [allow("sns:Publish", TOPIC), allow(["kms:GenerateDataKey",
         "kms:Decrypt"], "<key>")], "sns.publish", TopicArn=TOPIC, Message="x"),
    case(NO, "so do messages", [allow("sqs:SendMessage", QUEUE)], "sqs.send_message", QueueUrl=QUEUE_URL,
         MessageBody="x"),
    case(NO, "and items of a table", [allow("dynamodb:PutItem", TABLE)], "dynamodb.put_item",
         TableName="preprod-items", Item={"id": {"S": "1"}}),
    case(YES, "with kms:Decrypt they are written", [allow("dynamodb:PutItem", TABLE), allow("kms:Decrypt",
         "<key>")], "dynamodb.put_item", TableName="preprod-items", Item={"id": {"S": "1"}}),
    # DynamoDB
    case(YES, "tags of a table", [allow("dynamodb:ListTagsOfResource", TABLE)],
         "dynamodb.list_tags_of_resource", ResourceArn=TABLE),
    case(NO, "of another table", [allow("dynamodb:ListTagsOfResource", arn("dynamodb", "table/prod-*"))],
         "dynamodb.list_tags_of_resource", ResourceArn=TABLE),
    case(NO, "an index has its own ARN", [allow(["dynamodb:Query", "kms:Decrypt"], [TABLE, "<key>"])],
         "dynamodb.query", TableName="preprod-items", IndexName="by-day", KeyConditionExpression="#d = :d",
         ExpressionAttributeNames={"#d": "day"}, ExpressionAttributeValues={":d": {"S": "1"}}),
    case(NO, "a transaction is its items", [allow(["dynamodb:UpdateItem", "kms:Decrypt"])],
         "dynamodb.transact_write_items", TransactItems=[{"Put": {"TableName": "preprod-items",
         "Item": {"id": {"S": "2"}}}}]),
    case(YES, "each as its own call", [allow(["dynamodb:PutItem", "kms:Decrypt"])],
         "dynamodb.transact_write_items", TransactItems=[{"Put": {"TableName": "preprod-items",
         "Item": {"id": {"S": "2"}}}}]),
    # S3
    case(YES, "HeadBucket is ListBucket", [allow("s3:ListBucket", BUCKET)], "s3.head_bucket",
         Bucket="preprod-packages"),
    case(NO, "s3:prefix narrows listing", [allow("s3:ListBucket", BUCKET,
         StringLike={"s3:prefix": "state/*"})], "s3.list_objects_v2", Bucket="preprod-packages"),
    case(YES, "to its own prefix", [allow("s3:ListBucket", BUCKET, StringLike={"s3:prefix": "state/*"})],
         "s3.list_objects_v2", Bucket="preprod-packages", Prefix="state/preprod"),
    case(YES, "a lock is a conditional put", [allow("s3:PutObject", f"{STATE}.tflock")], "s3.put_object",
         Bucket="preprod-packages", Key="state/preprod.tfstate.tflock", Body=b"", IfNoneMatch="*"),
    case(NO, "the state of another environment", [allow("s3:*", "arn:aws:s3:::preprod-packages/state/prod*")],
         "s3.get_object", Bucket="preprod-packages", Key="state/preprod.tfstate"),
    case(NO, "GetObject is not GetObjectVersion", [allow("s3:GetObject", f"{BUCKET}/*")], "s3.get_object",
         Bucket="preprod-packages", Key="f.zip", VersionId="<version>"),
    case(YES, "which has its own name", [allow("s3:GetObjectVersion", f"{BUCKET}/*")], "s3.get_object",
         Bucket="preprod-packages", Key="f.zip", VersionId="<version>"),
    case(NO, "a missing object is a secret without ListBucket", [allow("s3:GetObject", f"{BUCKET}/*")],
         "s3.get_object", Bucket="preprod-packages", Key="nothing"),
    case(NO, "copying reads the source", [allow("s3:PutObject", f"{BUCKET}/*")], "s3.copy_object",
         Bucket="preprod-packages", Key="copy", CopySource="preprod-packages/f.zip"),
    case(NO, "deleting many is deleting each", [allow("s3:DeleteObject", f"{BUCKET}/a")], "s3.delete_objects",
         Bucket="preprod-packages", Delete={"Objects": [{"Key": "a"}, {"Key": "b"}]}),
    case(YES, "PutBucketEncryption is PutEncryptionConfiguration", [allow("s3:PutEncryptionConfiguration",
         BUCKET)], "s3.put_bucket_encryption", Bucket="preprod-packages",
         ServerSideEncryptionConfiguration=PLAIN),
    case(NO, "tagging at a put is PutObjectTagging", [allow("s3:PutObject", f"{BUCKET}/*")], "s3.put_object",
         Bucket="preprod-packages", Key="tagged", Body=b"", Tagging="a=b"),
    case(YES, "callers come by TLS", [allow("s3:GetObject", f"{BUCKET}/*",
         Bool={"aws:SecureTransport": "true"})], "s3.get_object", Bucket="preprod-packages", Key="f.zip"),
    # SNS, SQS
    case(YES, "tags of a topic", [allow("sns:ListTagsForResource", TOPIC)], "sns.list_tags_for_resource",
         ResourceArn=TOPIC),
    case(NO, "of another", [allow("sns:ListTagsForResource", arn("sns", "prod-*"))],
         "sns.list_tags_for_resource", ResourceArn=TOPIC),
    case(YES, "a subscription belongs to its topic", [allow("sns:GetSubscriptionAttributes", TOPIC)],
         "sns.get_subscription_attributes", SubscriptionArn="<subscription>"),
    case(NO, "Unsubscribe of another topic's", [allow("sns:Unsubscribe", arn("sns", "prod-*"))],
         "sns.unsubscribe", SubscriptionArn="<subscription>"),
    case(YES, "PublishBatch is Publish", [allow("sns:Publish", TOPIC), allow("kms:*")], "sns.publish_batch",
         TopicArn=TOPIC, PublishBatchRequestEntries=[{"Id": "1", "Message": "x"}]),
    case(NO, "delivery status roles are passed", [allow("sns:SetTopicAttributes", TOPIC)],
         "sns.set_topic_attributes", TopicArn=TOPIC, AttributeName="LambdaFailureFeedbackRoleArn",
         AttributeValue=WORKER),
    case(NO, "tags at creation need sns:TagResource", [allow("sns:CreateTopic")], "sns.create_topic",
         Name="preprod-tagged", Tags=[{"Key": "a", "Value": "b"}]),
    case(YES, "SendMessageBatch is SendMessage", [allow("sqs:SendMessage", QUEUE), allow("kms:*")],
         "sqs.send_message_batch", QueueUrl=QUEUE_URL, Entries=[{"Id": "1", "MessageBody": "x"}]),
    case(YES, "DeleteMessageBatch is DeleteMessage", [allow("sqs:DeleteMessage", QUEUE)],
         "sqs.delete_message_batch", QueueUrl=QUEUE_URL, Entries=[{"Id": "1", "ReceiptHandle": "x"}]),
    case(NO, "another queue", [allow("sqs:*", arn("sqs", "prod-*"))], "sqs.get_queue_attributes",
         QueueUrl=QUEUE_URL, AttributeNames=["All"]),
    # Secrets Manager
    case(YES, "a secret's ARN ends in six signs", [allow("secretsmanager:DescribeSecret",
         arn("secretsmanager", "secret:preprod/news-??????"))], "secretsmanager.describe_secret",
         SecretId="preprod/news"),
    case(NO, "the name alone is none", [allow("secretsmanager:*", arn("secretsmanager",
         "secret:preprod/news"))], "secretsmanager.describe_secret", SecretId="preprod/news"),
    case(YES, "a new secret too", [allow("secretsmanager:CreateSecret", arn("secretsmanager",
         "secret:preprod/*"))], "secretsmanager.create_secret", Name="preprod/made", SecretString="x"),
    case(NO, "of prod it is not", [allow("secretsmanager:CreateSecret", arn("secretsmanager",
         "secret:preprod/*"))], "secretsmanager.create_secret", Name="prod/made", SecretString="x"),
    case(NO, "staging labels count", [allow("secretsmanager:GetSecretValue", "*",
         StringEquals={"secretsmanager:VersionStage": "AWSPREVIOUS"})], "secretsmanager.get_secret_value",
         SecretId="preprod/news"),
    # EventBridge
    case(YES, "a rule of the default bus", [allow("events:DescribeRule", RULE)], "events.describe_rule",
         Name="preprod-schedule"),
    case(NO, "does not name that bus", [allow("events:DescribeRule", arn("events",
         "rule/default/preprod-*"))], "events.describe_rule", Name="preprod-schedule"),
    case(YES, "PutTargets is about the rule", [allow("events:PutTargets", RULE)], "events.put_targets",
         Rule="preprod-schedule", Targets=TARGET),
    case(NO, "not about the bus", [allow("events:PutTargets", arn("events", "event-bus/default"))],
         "events.put_targets", Rule="preprod-schedule", Targets=TARGET),
    case(NO, "events:TargetArn narrows targets", [allow("events:PutTargets", RULE,
         **{"ForAllValues:ArnLike": {"events:TargetArn": QUEUE}})], "events.put_targets", Rule="preprod-schedule",
         Targets=TARGET),
    case(NO, "a target's role is passed", [allow("events:PutTargets", RULE)], "events.put_targets",
         Rule="preprod-schedule", Targets=[{"Id": "two", "Arn": QUEUE, "RoleArn": WORKER}]),
    case(YES, "tags of a rule", [allow("events:ListTagsForResource", RULE)], "events.list_tags_for_resource",
         ResourceARN=RULE),
    # CloudWatch, Logs
    case(YES, "alarms by name", [allow("cloudwatch:DescribeAlarms", ALARM)], "cloudwatch.describe_alarms",
         AlarmNames=["preprod-errors"]),
    case(NO, "all alarms are more", [allow("cloudwatch:DescribeAlarms", ALARM)], "cloudwatch.describe_alarms"),
    case(NO, "composite ones need *", [allow("cloudwatch:DescribeAlarms", arn("cloudwatch", "alarm:*"))],
         "cloudwatch.describe_alarms", AlarmNames=["preprod-any"], AlarmTypes=["CompositeAlarm"]),
    case(YES, "dashboards have no region", [allow("cloudwatch:GetDashboard", DASHBOARD)],
         "cloudwatch.get_dashboard", DashboardName="preprod"),
    case(NO, "another environment's dashboard", [allow("cloudwatch:PutDashboard", arn("cloudwatch",
         "dashboard/prod*", world=True))], "cloudwatch.put_dashboard", DashboardName="preprod", DashboardBody="{}"),
    case(YES, "tags of an alarm", [allow("cloudwatch:ListTagsForResource", ALARM)],
         "cloudwatch.list_tags_for_resource", ResourceARN=ALARM),
    case(YES, "metrics by namespace", [allow("cloudwatch:PutMetricData", "*",
         StringEquals={"cloudwatch:namespace": "News"})], "cloudwatch.put_metric_data", Namespace="News",
         MetricData=[{"MetricName": "x", "Value": 1}]),
    case(NO, "of another namespace", [allow("cloudwatch:PutMetricData", "*",
         StringEquals={"cloudwatch:namespace": "News"})], "cloudwatch.put_metric_data", Namespace="Other",
         MetricData=[{"MetricName": "x", "Value": 1}]),
    case(YES, "log groups end in :*", [allow("logs:PutRetentionPolicy", f"{GROUP}:*")],
         "logs.put_retention_policy", logGroupName="/aws/lambda/preprod-ingestion", retentionInDays=7),
    case(NO, "the bare form does not cover them", [allow("logs:PutRetentionPolicy", GROUP)],
         "logs.put_retention_policy", logGroupName="/aws/lambda/preprod-ingestion", retentionInDays=7),
    case(YES, "but tags are asked for on it", [allow("logs:ListTagsForResource", GROUP)],
         "logs.list_tags_for_resource", resourceArn=GROUP),
    case(NO, "tags at creation need logs:TagResource", [allow("logs:CreateLogGroup", f"{GROUP}*:*")],
         "logs.create_log_group", logGroupName="/aws/lambda/preprod-ingestion-2", tags={"env": "preprod"}),
    case(YES, "on either form of the group", [
         allow("logs:CreateLogGroup", f"{GROUP}*:*"), allow("logs:TagResource", f"{GROUP}-2")],
         "logs.create_log_group", logGroupName="/aws/lambda/preprod-ingestion-2", tags={"env": "preprod"}),
    case(NO, "DescribeLogGroups cannot be narrowed to a name", [allow("logs:DescribeLogGroups",
         f"{GROUP}:*")], "logs.describe_log_groups", logGroupNamePrefix="/aws/lambda/preprod-ingestion"),
    # budgets, costs, tagging
    case(YES, "DescribeBudget is ViewBudget", [allow("budgets:ViewBudget", BUDGET)],
         "budgets.describe_budget", AccountId="111122223333", BudgetName="preprod"),
    case(NO, "not an action of its own", [allow("budgets:DescribeBudget")], "budgets.describe_budget",
         AccountId="111122223333", BudgetName="preprod"),
    case(NO, "DeleteBudget is ModifyBudget", [allow("budgets:ViewBudget", BUDGET)], "budgets.delete_budget",
         AccountId="111122223333", BudgetName="preprod"),
    case(NO, "Cost Explorer asks too", [], "ce.get_anomaly_monitors"),
    case(NO, "GetResources takes no resource", [allow("tag:GetResources", TABLE)],
         "resourcegroupstaggingapi.get_resources"),
    # conditions, boundaries, explicit denies
    case(YES, "aws:ResourceTag", [allow("sqs:GetQueueAttributes", "*",
         StringEquals={"aws:ResourceTag/env": "preprod"})], "sqs.get_queue_attributes", QueueUrl=QUEUE_URL,
         AttributeNames=["All"]),
    case(NO, "of another value", [allow("sqs:GetQueueAttributes", "*",
         StringEquals={"aws:ResourceTag/env": "prod"})], "sqs.get_queue_attributes", QueueUrl=QUEUE_URL,
         AttributeNames=["All"]),
    case(YES, "aws:RequestTag", [allow(["sqs:CreateQueue", "sqs:TagQueue"], "*",
         StringEquals={"aws:RequestTag/env": "preprod"})], "sqs.create_queue", QueueName="preprod-made",
         tags={"env": "preprod"}),
    case(NO, "an untagged creation", [allow(["sqs:CreateQueue", "sqs:TagQueue"], "*",
         StringEquals={"aws:RequestTag/env": "preprod"})], "sqs.create_queue", QueueName="preprod-made-2"),
    case(NO, "a boundary narrows", [allow("*")], "sqs.get_queue_attributes", QueueUrl=QUEUE_URL,
         AttributeNames=["All"], boundary=[allow("s3:*")]),
    case(YES, "to what both allow", [allow("*")], "sqs.get_queue_attributes", QueueUrl=QUEUE_URL,
         AttributeNames=["All"], boundary=[allow("sqs:*", "*", StringEquals={"aws:ResourceTag/env": "preprod"})]),
    case(NO, "an explicit deny wins", [allow("*"), deny("sqs:*", QUEUE)], "sqs.get_queue_attributes",
         QueueUrl=QUEUE_URL, AttributeNames=["All"]),
    case(NO, "a variable without value matches nothing", [
         allow("sqs:*", arn("sqs", "${aws:PrincipalTag/env}-*"))], "sqs.get_queue_attributes", QueueUrl=QUEUE_URL),
    case(YES, "unless it says what to take then", [allow("sqs:*", arn("sqs", "${aws:PrincipalTag/env, 'preprod'}-*"))],
         "sqs.get_queue_attributes", QueueUrl=QUEUE_URL),
    case(NO, "a condition key that the box does not set allows nothing", [
         allow("dynamodb:DescribeTable", TABLE, **{"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": "x"}})],
         "dynamodb.describe_table", TableName="preprod-items"),
    case(NO, "and denies whatever it is about", [
         allow("*"), deny("dynamodb:*", TABLE, StringEquals={"dynamodb:EnclosingOperation": "x"})],
         "dynamodb.describe_table", TableName="preprod-items"),
    case(YES, "MFA is absent where keys are used", [
         allow("*"), deny("dynamodb:*", TABLE, Bool={"aws:MultiFactorAuthPresent": "false"})],
         "dynamodb.describe_table", TableName="preprod-items"),
    case(YES, "everybody may ask who they are", [], "sts.get_caller_identity"),
    case(NO, "AssumeRole needs trust and right", [], "sts.assume_role", RoleArn="<trusting>",
         RoleSessionName="box"),
    case(YES, "with both", [allow("sts:AssumeRole", "<trusting>")], "sts.assume_role", RoleArn="<trusting>",
         RoleSessionName="box"),
    case(NO, "a right without trust is nothing", [allow("sts:AssumeRole", WORKER)], "sts.assume_role",
         RoleArn=WORKER, RoleSessionName="box"),
]
# fmt: on
