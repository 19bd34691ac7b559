"""The condition keys that the box sets, or knows to be absent. A condition on any other is never taken as met.

AWS sets more. To treat one of those as absent would let "unless" conditions pass, so a statement that asks for one
allows nothing, and denies whatever it is about.
"""

from __future__ import annotations

from typing import Any

SET = frozenset(
    """
    aws:CalledVia aws:CalledViaFirst aws:CalledViaLast aws:CurrentTime aws:EpochTime aws:PrincipalAccount
    aws:PrincipalArn aws:PrincipalIsAWSService aws:PrincipalOrgID aws:PrincipalServiceName aws:PrincipalType
    aws:RequestedRegion aws:ResourceAccount aws:SecureTransport aws:SourceAccount aws:SourceArn aws:SourceIp
    aws:SourceOwner aws:TagKeys aws:TokenIssueTime aws:UserAgent aws:username aws:userid aws:ViaAWSService
    cloudwatch:AlarmActions cloudwatch:namespace dynamodb:Attributes dynamodb:Select events:creatorAccount
    events:ManagedBy events:TargetArn iam:PassedToService iam:PermissionsBoundary
    iam:PolicyARN kms:BypassPolicyLockoutSafetyCheck kms:CallerAccount kms:EncryptionContextKeys
    kms:GrantIsForAWSResource kms:GrantOperations kms:GranteePrincipal kms:KeySpec kms:KeyUsage kms:RequestAlias
    kms:ResourceAliases kms:ScheduleKeyDeletionPendingWindowInDays kms:ViaService lambda:EventSourceToken
    lambda:FunctionArn lambda:FunctionUrlAuthType lambda:InvokedViaFunctionUrl lambda:Layer lambda:Principal
    s3:delimiter s3:if-match s3:if-none-match s3:max-keys s3:prefix s3:RequestObjectTagKeys s3:ResourceAccount
    s3:VersionId secretsmanager:BlockPublicPolicy secretsmanager:Description
    secretsmanager:ForceDeleteWithoutRecovery secretsmanager:KmsKeyId secretsmanager:Name
    secretsmanager:RecoveryWindowInDays secretsmanager:SecretId secretsmanager:VersionId
    secretsmanager:VersionStage sns:Endpoint sns:Protocol sts:ExternalId sts:RoleSessionName
    """.lower().split()
)
# No call in the box comes out of a VPC, from a browser's page, or with a second factor.
ABSENT = frozenset(
    """
    aws:FederatedProvider aws:MultiFactorAuthAge aws:MultiFactorAuthPresent aws:PrincipalOrgPaths aws:referer
    aws:ResourceOrgID aws:ResourceOrgPaths aws:SourceIdentity aws:SourceOrgID aws:SourceOrgPaths aws:SourceVpc
    aws:SourceVpcArn aws:SourceVpce aws:VpceAccount aws:VpceOrgID aws:VpcSourceIp ec2:SourceInstanceARN
    lambda:CodeSigningConfigArn lambda:SecurityGroupIds lambda:SourceFunctionArn lambda:SubnetIds lambda:VpcIds
    s3:AccessGrantsInstanceArn s3:AccessPointNetworkOrigin s3:DataAccessPointAccount s3:DataAccessPointArn
    """.lower().split()
)
FAMILIES = (
    "aws:principaltag/",
    "aws:requesttag/",
    "aws:resourcetag/",
    "kms:encryptioncontext:",
    "s3:existingobjecttag/",
    "s3:requestobjecttag/",
    "s3:x-amz-",
)


def known(name: str) -> bool:
    name = name.lower()
    # Every service names the tags of its resources once more: "ecr:ResourceTag/env".
    return name in SET or name in ABSENT or name.startswith(FAMILIES) or ":resourcetag/" in name


def unknown_in(conditions: Any) -> list[str]:
    """The keys of a statement's conditions that nobody here can speak for."""
    blocks = conditions.values() if isinstance(conditions, dict) else ()
    return [name for block in blocks if isinstance(block, dict) for name in block if not known(name)]
