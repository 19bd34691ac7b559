"""What the box knows of AWS's permissions: every call of this stack's Terraform, its pipeline and its functions.

A row is where a call happens and the calls that happen there, by their names in the API reference. Sources: AWS's
Service Authorization Reference, and each service's own guide where that is silent. A test compares the names and the
ARNs with the published reference data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from awsbox.authority import compute, identity, messages, storage, watching
from awsbox.authority.needs import READ, USE, passing, tagging
from awsbox.authority.request import Service, anywhere, at, each, given

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from awsbox.authority.request import Also

SENT = [messages.queued(USE)]
TAKEN = [messages.queued(READ)]
DATA = [storage.table_use]
SEALED = [storage.secret_use(USE)]
OPENED = [storage.secret_use(READ)]
WRITTEN = [storage.written]


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def all_of(operations: str, also: Sequence[Also]) -> dict[str, Sequence[Also]]:
    return dict.fromkeys(operations.split(), also)


ECR = Service(
    "ecr",
    {
        at("repository/{repositoryName}"): """
            BatchCheckLayerAvailability BatchDeleteImage BatchGetImage CompleteLayerUpload CreateRepository
            DeleteLifecyclePolicy DeleteRepository DeleteRepositoryPolicy DescribeImageScanFindings DescribeImages
            GetDownloadUrlForLayer GetLifecyclePolicy GetLifecyclePolicyPreview GetRepositoryPolicy
            InitiateLayerUpload ListImages PutImage PutImageScanningConfiguration PutImageTagMutability
            PutLifecyclePolicy SetRepositoryPolicy StartImageScan StartLifecyclePolicyPreview UploadLayerPart""",
        each("repository/{}", "repositoryNames"): "DescribeRepositories",
        given("resourceArn"): "ListTagsForResource TagResource UntagResource",
        anywhere: "GetAuthorizationToken",
    },
    also={"CreateRepository": [tagging("ecr:TagResource"), compute.repository_key]},
)

LAMBDA = Service(
    "lambda",
    {
        compute.function_arn: """
            CreateAlias CreateFunction DeleteAlias DeleteFunction DeleteFunctionCodeSigningConfig
            DeleteFunctionConcurrency DeleteFunctionEventInvokeConfig GetAlias GetFunctionCodeSigningConfig
            GetFunctionConcurrency GetFunctionEventInvokeConfig GetFunctionRecursionConfig GetPolicy
            ListAliases ListFunctionEventInvokeConfigs ListFunctionUrlConfigs
            ListProvisionedConcurrencyConfigs ListVersionsByFunction PublishVersion PutFunctionConcurrency
            PutFunctionEventInvokeConfig PutFunctionRecursionConfig UpdateAlias UpdateFunctionCode
            UpdateFunctionConfiguration UpdateFunctionEventInvokeConfig""",
        compute.qualified_arn: """
            AddPermission CreateFunctionUrlConfig DeleteFunctionUrlConfig DeleteProvisionedConcurrencyConfig
            GetFunction GetFunctionConfiguration GetFunctionUrlConfig GetProvisionedConcurrencyConfig
            GetRuntimeManagementConfig Invoke InvokeAsync InvokeWithResponseStream PutProvisionedConcurrencyConfig
            PutRuntimeManagementConfig RemovePermission UpdateFunctionUrlConfig""",
        given("Resource"): "ListTags TagResource UntagResource",
        at("event-source-mapping:{UUID}"): """
            DeleteEventSourceMapping GetEventSourceMapping UpdateEventSourceMapping""",
        at("layer:{LayerName}"): "PublishLayerVersion",
        at("layer:{LayerName}:{VersionNumber}"): "DeleteLayerVersion GetLayerVersion GetLayerVersionPolicy",
        anywhere: """
            CreateEventSourceMapping GetAccountSettings ListEventSourceMappings ListFunctions ListLayerVersions
            ListLayers""",
    },
    renamed={"Invoke": "InvokeFunction", "InvokeAsync": "InvokeFunction", "InvokeWithResponseStream": "InvokeFunction"},
    also={
        "CreateFunction": [
            passing("lambda.amazonaws.com", "Role"),
            tagging("lambda:TagResource"),
            compute.code_of,
            compute.layers,
            compute.environment_key,
        ],
        "UpdateFunctionCode": [compute.code_of],
        "UpdateFunctionConfiguration": [
            passing("lambda.amazonaws.com", "Role"),
            compute.layers,
            compute.environment_key,
        ],
        "CreateEventSourceMapping": [tagging("lambda:TagResource", where=at("event-source-mapping:*"))],
    },
    keys=compute.lambda_keys,
)

IAM = Service(
    "iam",
    {
        identity.entity_arn("role", "RoleName"): """
            AttachRolePolicy CreateRole DeleteRole DeleteRolePermissionsBoundary DeleteRolePolicy DetachRolePolicy
            GetRole GetRolePolicy ListAttachedRolePolicies ListInstanceProfilesForRole ListRolePolicies ListRoleTags
            PutRolePermissionsBoundary PutRolePolicy TagRole UntagRole UpdateAssumeRolePolicy UpdateRole
            UpdateRoleDescription""",
        identity.entity_arn("user", "UserName"): """
            AttachUserPolicy CreateAccessKey CreateUser DeleteAccessKey DeleteLoginProfile DeleteUser
            DeleteUserPermissionsBoundary DeleteUserPolicy DetachUserPolicy GetLoginProfile GetUser GetUserPolicy
            ListAccessKeys ListAttachedUserPolicies ListGroupsForUser ListMFADevices ListSSHPublicKeys
            ListServiceSpecificCredentials ListSigningCertificates ListUserPolicies ListUserTags
            PutUserPermissionsBoundary PutUserPolicy TagUser UntagUser UpdateAccessKey UpdateUser""",
        identity.key_owner_arn: "GetAccessKeyLastUsed",
        identity.listing("role"): "ListRoles",
        identity.listing("user"): "ListUsers",
        identity.listing("policy"): "ListPolicies",
        identity.policy_arn: "CreatePolicy",
        given("PolicyArn"): """
            CreatePolicyVersion DeletePolicy DeletePolicyVersion GetPolicy GetPolicyVersion ListEntitiesForPolicy
            ListPolicyTags ListPolicyVersions SetDefaultPolicyVersion TagPolicy UntagPolicy""",
        identity.provider_arn: "CreateOpenIDConnectProvider",
        given("OpenIDConnectProviderArn"): """
            AddClientIDToOpenIDConnectProvider DeleteOpenIDConnectProvider GetOpenIDConnectProvider
            ListOpenIDConnectProviderTags RemoveClientIDFromOpenIDConnectProvider TagOpenIDConnectProvider
            UntagOpenIDConnectProvider UpdateOpenIDConnectProviderThumbprint""",
        given("PolicySourceArn"): "SimulatePrincipalPolicy",
        anywhere: "ListAccountAliases ListOpenIDConnectProviders",
    },
    also={
        "CreateRole": [tagging("iam:TagRole")],
        "CreateUser": [tagging("iam:TagUser")],
        "CreatePolicy": [tagging("iam:TagPolicy")],
        "CreateOpenIDConnectProvider": [tagging("iam:TagOpenIDConnectProvider")],
    },
    keys=identity.iam_keys,
)

KMS = Service(
    "kms",
    {
        identity.key_arns: """
            CancelKeyDeletion CreateGrant Decrypt DescribeKey DisableKey DisableKeyRotation EnableKey
            EnableKeyRotation Encrypt GenerateDataKey GenerateDataKeyWithoutPlaintext GetKeyPolicy
            GetKeyRotationStatus ListGrants ListKeyPolicies ListKeyRotations ListResourceTags PutKeyPolicy
            ReEncrypt RevokeGrant RotateKeyOnDemand ScheduleKeyDeletion TagResource UntagResource
            UpdateKeyDescription""",
        identity.alias_arns: "CreateAlias DeleteAlias UpdateAlias",
        anywhere: "CreateKey GenerateRandom ListAliases ListKeys",
    },
    renamed={"ReEncrypt": "ReEncryptFrom"},
    also={"CreateKey": [tagging("kms:TagResource", where=at("key/*"))], "ReEncrypt": [identity.re_encrypting]},
    keys=identity.kms_keys,
)

DYNAMODB = Service(
    "dynamodb",
    {
        storage.tables: """
            CreateBackup CreateTable DeleteItem DeleteResourcePolicy DeleteTable DescribeContinuousBackups
            DescribeContributorInsights DescribeKinesisStreamingDestination DescribeTable
            DescribeTableReplicaAutoScaling DescribeTimeToLive GetItem PutItem Query Scan
            UpdateContinuousBackups UpdateContributorInsights UpdateItem UpdateTable UpdateTimeToLive""",
        storage.batch_tables: "BatchGetItem BatchWriteItem",
        storage.nowhere: "TransactGetItems TransactWriteItems",
        given("ResourceArn"): """
            GetResourcePolicy ListTagsOfResource PutResourcePolicy TagResource UntagResource""",
        anywhere: "DescribeEndpoints DescribeLimits ListTables",
    },
    also={
        **all_of("DeleteItem GetItem PutItem Query Scan UpdateItem BatchGetItem BatchWriteItem", DATA),
        **all_of("TransactGetItems TransactWriteItems", [storage.each_item]),
        "CreateTable": [tagging("dynamodb:TagResource"), storage.new_table_key],
        "UpdateTable": [storage.new_table_key],
    },
    keys=storage.dynamodb_keys,
)

S3 = Service(
    "s3",
    {
        storage.bucket_arn: """
            CreateBucket DeleteBucket DeleteBucketCors DeleteBucketEncryption DeleteBucketLifecycle
            DeleteBucketOwnershipControls DeleteBucketPolicy DeleteBucketTagging DeletePublicAccessBlock
            GetBucketAccelerateConfiguration GetBucketAcl GetBucketCors GetBucketEncryption
            GetBucketLifecycleConfiguration GetBucketLocation GetBucketLogging GetBucketNotificationConfiguration
            GetBucketOwnershipControls GetBucketPolicy GetBucketPolicyStatus GetBucketReplication
            GetBucketRequestPayment GetBucketTagging GetBucketVersioning GetBucketWebsite
            GetObjectLockConfiguration GetPublicAccessBlock HeadBucket ListMultipartUploads ListObjectVersions
            ListObjects ListObjectsV2 PutBucketAcl PutBucketCors PutBucketEncryption
            PutBucketLifecycleConfiguration PutBucketLogging PutBucketNotificationConfiguration
            PutBucketOwnershipControls PutBucketPolicy PutBucketTagging PutBucketVersioning
            PutObjectLockConfiguration PutPublicAccessBlock""",
        storage.object_arn: """
            AbortMultipartUpload CompleteMultipartUpload CopyObject CreateMultipartUpload DeleteObject
            DeleteObjectTagging GetObject GetObjectAcl GetObjectAttributes GetObjectLegalHold GetObjectRetention
            GetObjectTagging HeadObject ListParts PutObject PutObjectAcl PutObjectTagging UploadPart
            UploadPartCopy""",
        storage.nowhere: "DeleteObjects",
        anywhere: "ListBuckets",
    },
    renamed={
        "CompleteMultipartUpload": "PutObject",
        "CopyObject": "PutObject",
        "CreateMultipartUpload": "PutObject",
        "DeleteBucketCors": "PutBucketCORS",
        "DeleteBucketEncryption": "PutEncryptionConfiguration",
        "DeleteBucketLifecycle": "PutLifecycleConfiguration",
        "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
        "DeleteBucketTagging": "PutBucketTagging",
        "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
        "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
        "GetBucketCors": "GetBucketCORS",
        "GetBucketEncryption": "GetEncryptionConfiguration",
        "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
        "GetBucketNotificationConfiguration": "GetBucketNotification",
        "GetBucketReplication": "GetReplicationConfiguration",
        "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
        "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
        "HeadBucket": "ListBucket",
        "HeadObject": "GetObject",
        "ListBuckets": "ListAllMyBuckets",
        "ListMultipartUploads": "ListBucketMultipartUploads",
        "ListObjectVersions": "ListBucketVersions",
        "ListObjects": "ListBucket",
        "ListObjectsV2": "ListBucket",
        "ListParts": "ListMultipartUploadParts",
        "PutBucketCors": "PutBucketCORS",
        "PutBucketEncryption": "PutEncryptionConfiguration",
        "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
        "PutBucketNotificationConfiguration": "PutBucketNotification",
        "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
        "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
        "UploadPart": "PutObject",
        "UploadPartCopy": "PutObject",
    },
    also={
        **all_of("CreateMultipartUpload PutObject", [storage.written, storage.with_headers]),
        **all_of("CompleteMultipartUpload UploadPart", WRITTEN),
        **all_of("CopyObject UploadPartCopy", [storage.copied, storage.written, storage.with_headers]),
        **all_of("GetObject HeadObject", [storage.read]),
        "GetObjectAttributes": [storage.attributes, storage.read],
        "DeleteObjects": [storage.each_object],
        "CreateBucket": [storage.new_bucket],
    },
    keys=storage.s3_keys,
)
VERSIONED = words("""
    DeleteObject DeleteObjectTagging GetObject GetObjectAcl GetObjectAttributes GetObjectTagging PutObjectAcl
    PutObjectTagging""")
"""S3's actions that have a name of their own when the call names a version: GetObject, GetObjectVersion."""

SNS = Service(
    "sns",
    {
        given("TopicArn", "TargetArn"): """
            AddPermission ConfirmSubscription DeleteTopic GetDataProtectionPolicy GetTopicAttributes
            ListSubscriptionsByTopic Publish PublishBatch RemovePermission SetTopicAttributes Subscribe""",
        at("{Name}"): "CreateTopic",
        given("ResourceArn"): "ListTagsForResource TagResource UntagResource",
        messages.subscription_topic: "GetSubscriptionAttributes SetSubscriptionAttributes Unsubscribe",
        anywhere: "ListSubscriptions ListTopics",
    },
    renamed={"PublishBatch": "Publish"},
    also={
        "CreateTopic": [tagging("sns:TagResource"), messages.feedback_roles],
        "SetTopicAttributes": [messages.feedback_roles],
        "Publish": [messages.published],
        "PublishBatch": [messages.published],
    },
    keys=messages.sns_keys,
)

SQS = Service(
    "sqs",
    {
        messages.queue_arns: """
            AddPermission ChangeMessageVisibility ChangeMessageVisibilityBatch CreateQueue DeleteMessage
            DeleteMessageBatch DeleteQueue GetQueueAttributes GetQueueUrl ListDeadLetterSourceQueues ListQueueTags
            PurgeQueue ReceiveMessage RemovePermission SendMessage SendMessageBatch SetQueueAttributes TagQueue
            UntagQueue""",
        anywhere: "ListQueues",
    },
    renamed={
        "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
        "DeleteMessageBatch": "DeleteMessage",
        "SendMessageBatch": "SendMessage",
    },
    also={
        "CreateQueue": [tagging("sqs:TagQueue")],
        "SendMessage": SENT,
        "SendMessageBatch": SENT,
        "ReceiveMessage": TAKEN,
    },
)

SECRETS = Service(
    "secretsmanager",
    {
        storage.secret_arn: """
            CancelRotateSecret CreateSecret DeleteResourcePolicy DeleteSecret DescribeSecret GetResourcePolicy
            GetSecretValue ListSecretVersionIds PutResourcePolicy PutSecretValue RestoreSecret RotateSecret
            TagResource UntagResource UpdateSecret UpdateSecretVersionStage ValidateResourcePolicy""",
        anywhere: "GetRandomPassword ListSecrets",
    },
    also={
        "CreateSecret": [tagging("secretsmanager:TagResource"), *SEALED],
        "PutSecretValue": SEALED,
        "UpdateSecret": SEALED,
        "GetSecretValue": OPENED,
    },
    keys=storage.secret_keys,
)

EVENTS = Service(
    "events",
    {
        messages.rule_arn: """
            DeleteRule DescribeRule DisableRule EnableRule ListTargetsByRule PutRule PutTargets RemoveTargets""",
        messages.entry_buses: "PutEvents",
        at("event-bus/{Name}"): "DescribeEventBus",
        given("ResourceARN"): "ListTagsForResource TagResource UntagResource",
        anywhere: "ListEventBuses ListRuleNamesByTarget ListRules",
    },
    also={
        "PutRule": [tagging("events:TagResource"), passing("events.amazonaws.com", "RoleArn")],
        "PutTargets": [messages.target_roles],
    },
    keys=messages.events_keys,
)

CLOUDWATCH = Service(
    "cloudwatch",
    {
        at("alarm:{AlarmName}"): "DescribeAlarmHistory PutCompositeAlarm PutMetricAlarm SetAlarmState",
        each("alarm:{}", "AlarmNames"): "DeleteAlarms DisableAlarmActions EnableAlarmActions",
        watching.described_alarms: "DescribeAlarms",
        at("dashboard/{DashboardName}", region=""): "GetDashboard PutDashboard",
        each("dashboard/{}", "DashboardNames", region=""): "DeleteDashboards",
        given("ResourceARN"): "ListTagsForResource TagResource UntagResource",
        anywhere: """
            DescribeAlarmsForMetric GetMetricData GetMetricStatistics ListDashboards ListMetrics PutMetricData""",
    },
    also={
        "PutMetricAlarm": [tagging("cloudwatch:TagResource")],
        "PutCompositeAlarm": [tagging("cloudwatch:TagResource")],
    },
    keys=watching.cloudwatch_keys,
)

LOGS = Service(
    "logs",
    {
        watching.group_arn: """
            AssociateKmsKey CreateLogGroup DeleteLogGroup DeleteMetricFilter DeleteRetentionPolicy
            DeleteSubscriptionFilter DescribeLogStreams DescribeMetricFilters DescribeSubscriptionFilters
            DisassociateKmsKey FilterLogEvents ListTagsLogGroup PutMetricFilter PutRetentionPolicy
            PutSubscriptionFilter StartQuery TagLogGroup UntagLogGroup""",
        watching.stream_arn: "CreateLogStream DeleteLogStream GetLogEvents PutLogEvents",
        watching.no_group: "DescribeLogGroups",
        given("resourceArn"): "ListTagsForResource TagResource UntagResource",
        anywhere: "DescribeQueries GetQueryResults StopQuery TestMetricFilter",
    },
    also={
        "CreateLogGroup": [watching.tagged_group],
        "PutSubscriptionFilter": [passing("logs.amazonaws.com", "roleArn")],
    },
)

BUDGET_READS = """
    DescribeBudget DescribeBudgetNotificationsForAccount DescribeBudgetPerformanceHistory DescribeBudgets
    DescribeNotificationsForBudget DescribeSubscribersForNotification"""
BUDGET_WRITES = """
    CreateBudget CreateNotification CreateSubscriber DeleteBudget DeleteNotification DeleteSubscriber UpdateBudget
    UpdateNotification UpdateSubscriber"""
BUDGETS = Service(
    "budgets",
    {
        watching.budget_arn: f"{BUDGET_READS} {BUDGET_WRITES}",
        given("ResourceARN"): "ListTagsForResource TagResource UntagResource",
    },
    renamed={
        **dict.fromkeys(words(BUDGET_WRITES), "ModifyBudget"),
        **dict.fromkeys(words(BUDGET_READS), "ViewBudget"),
    },
    also={"CreateBudget": [tagging("budgets:TagResource")]},
)

COSTS = Service(
    "ce",
    {
        given("MonitorArn"): "DeleteAnomalyMonitor UpdateAnomalyMonitor",
        given("SubscriptionArn"): "DeleteAnomalySubscription UpdateAnomalySubscription",
        watching.listed("MonitorArnList", "anomalymonitor/*"): "GetAnomalyMonitors",
        watching.listed("MonitorArn", "anomalymonitor/*"): "GetAnomalies",
        watching.listed("SubscriptionArnList", "anomalysubscription/*"): "GetAnomalySubscriptions",
        given("ResourceArn"): "ListTagsForResource TagResource UntagResource",
        anywhere: "CreateAnomalyMonitor CreateAnomalySubscription",
    },
    also={
        "CreateAnomalyMonitor": [tagging("ce:TagResource", where=at("anomalymonitor/*", region=""))],
        "CreateAnomalySubscription": [tagging("ce:TagResource", where=at("anomalysubscription/*", region=""))],
    },
)

STS = Service(
    "sts",
    {
        given("RoleArn"): "AssumeRole AssumeRoleWithWebIdentity",
        anywhere: "GetCallerIdentity GetSessionToken",
    },
    also={"AssumeRole": [tagging("sts:TagSession", where=given("RoleArn"))]},
    keys=lambda request: {
        "sts:ExternalId": request.get("ExternalId"),
        "sts:RoleSessionName": request.get("RoleSessionName"),
    },
)

TAGGING = Service("tag", {anywhere: "GetResources GetTagKeys GetTagValues"})

SERVICES: Mapping[str, Service] = {
    "budgets": BUDGETS,
    "ce": COSTS,
    "dynamodb": DYNAMODB,
    "ecr": ECR,
    "events": EVENTS,
    "iam": IAM,
    "kms": KMS,
    "lambda": LAMBDA,
    "logs": LOGS,
    "monitoring": CLOUDWATCH,
    "s3": S3,
    "secretsmanager": SECRETS,
    "sns": SNS,
    "sqs": SQS,
    "sts": STS,
    "tagging": TAGGING,
}
"""By the emulator's names of the services."""
BY_PREFIX: Mapping[str, Service] = {service.prefix: service for service in SERVICES.values()}
