# State, packages, images, the table, secrets, the key.
locals {
  data = [
    {
      Sid      = "StateBucket"
      Effect   = "Allow"
      Action   = "s3:ListBucket"
      Resource = aws_s3_bucket.state.arn
    },
    {
      # Not deleted: versions of it are what is gone back to.
      Sid      = "State"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject"]
      Resource = "${aws_s3_bucket.state.arn}/terraform.tfstate"
    },
    {
      Sid      = "StateLock"
      Effect   = "Allow"
      Action   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
      Resource = "${aws_s3_bucket.state.arn}/terraform.tfstate.tflock"
    },
    {
      # Who deploys, what was deployed, and what runs. Not deleted: it is what a next run goes by.
      Sid      = "Ledger"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject"]
      Resource = "${aws_s3_bucket.state.arn}/terraform.tfstate.ferry/*"
    },
    {
      Sid    = "Packages"
      Effect = "Allow"
      Action = [
        "s3:CreateBucket", "s3:GetAccelerateConfiguration", "s3:GetBucketAcl", "s3:GetBucketCORS",
        "s3:GetBucketLogging", "s3:GetBucketObjectLockConfiguration", "s3:GetBucketPolicy",
        "s3:GetBucketPublicAccessBlock", "s3:GetBucketRequestPayment", "s3:GetBucketTagging",
        "s3:GetBucketVersioning", "s3:GetBucketWebsite", "s3:GetEncryptionConfiguration",
        "s3:GetLifecycleConfiguration", "s3:GetReplicationConfiguration", "s3:ListBucket", "s3:PutBucketPolicy",
        "s3:PutBucketPublicAccessBlock", "s3:PutBucketTagging", "s3:PutBucketVersioning",
        "s3:PutEncryptionConfiguration",
      ]
      Resource = local.packages_arn
    },
    {
      Sid      = "PackagesOfReleases"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"]
      Resource = "${local.packages_arn}/*"
    },
    {
      # The image's repository, and that of what it is built from.
      Sid    = "Repositories"
      Effect = "Allow"
      Action = [
        "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:CreateRepository",
        "ecr:DeleteLifecyclePolicy", "ecr:DeleteRepositoryPolicy", "ecr:DescribeImageScanFindings",
        "ecr:DescribeImages", "ecr:DescribeRepositories", "ecr:GetDownloadUrlForLayer", "ecr:GetLifecyclePolicy",
        "ecr:GetRepositoryPolicy", "ecr:InitiateLayerUpload", "ecr:ListTagsForResource", "ecr:PutImage",
        "ecr:PutImageScanningConfiguration", "ecr:PutLifecyclePolicy", "ecr:SetRepositoryPolicy", "ecr:TagResource",
        "ecr:UntagResource", "ecr:UploadLayerPart",
      ]
      Resource = local.repository_arn
    },
    {
      # A token opens the whole registry, and what is done with it is asked for again: ECR leaves no choice but all.
      Sid      = "RegistryToken"
      Effect   = "Allow"
      Action   = "ecr:GetAuthorizationToken"
      Resource = "*"
    },
    {
      Sid    = "Table"
      Effect = "Allow"
      Action = [
        "dynamodb:CreateTable", "dynamodb:DescribeContinuousBackups", "dynamodb:DescribeTable",
        "dynamodb:DescribeTimeToLive", "dynamodb:ListTagsOfResource", "dynamodb:TagResource",
        "dynamodb:UntagResource", "dynamodb:UpdateContinuousBackups", "dynamodb:UpdateTable",
        "dynamodb:UpdateTimeToLive",
      ]
      Resource = local.table_arn
    },
    {
      # Not their values: those are people's.
      Sid    = "Secrets"
      Effect = "Allow"
      Action = [
        "secretsmanager:CreateSecret", "secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy",
        # One that was deleted holds its name until its end: a deployment brings it back.
        "secretsmanager:RestoreSecret",
        "secretsmanager:TagResource", "secretsmanager:UntagResource", "secretsmanager:UpdateSecret",
      ]
      Resource = local.secret_arns
    },
    {
      # A new key has no ARN that could be named: AWS leaves no choice but all. It must be born with the environment's
      # tag. Everything else about it comes from its own policy.
      Sid       = "NewKey"
      Effect    = "Allow"
      Action    = "kms:CreateKey"
      Resource  = "*"
      Condition = { StringEquals = { "aws:RequestTag/project" = var.project, "aws:RequestTag/environment" = var.environment } }
    },
    {
      # Tags at birth are a right of their own. Not over keys that have an environment: theirs stays.
      Sid      = "TagsOfNewKey"
      Effect   = "Allow"
      Action   = "kms:TagResource"
      Resource = "arn:aws:kms:${local.regional}:key/*"
      Condition = {
        StringEquals = { "aws:RequestTag/project" = var.project, "aws:RequestTag/environment" = var.environment }
        Null         = { "aws:ResourceTag/environment" = "true" }
      }
    },
    {
      # The alias's half; the key's half is in the key's policy.
      Sid      = "KeyAlias"
      Effect   = "Allow"
      Action   = ["kms:CreateAlias", "kms:DeleteAlias"]
      Resource = "arn:aws:kms:${local.regional}:${local.key_alias}"
    },
    {
      # There is no other way to read an alias: AWS leaves no choice but all.
      Sid      = "KeyAliasIsFoundByListing"
      Effect   = "Allow"
      Action   = "kms:ListAliases"
      Resource = "*"
    },
    {
      # A run that died may leave a key without its alias, and cost monitors have no other name: their tags lead to
      # them. It tells tags and ARNs, of everything: AWS leaves no choice but all.
      Sid      = "WhatHasNoNameIsFoundByItsTags"
      Effect   = "Allow"
      Action   = "tag:GetResources"
      Resource = "*"
    },
    {
      # Terraform asks whether a table's key is the one that Amazon manages.
      Sid       = "WhetherTheTableHasAmazonsKey"
      Effect    = "Allow"
      Action    = "kms:DescribeKey"
      Resource  = "arn:aws:kms:${local.regional}:key/*"
      Condition = { "ForAnyValue:StringEquals" = { "kms:ResourceAliases" = "alias/aws/dynamodb" } }
    },
  ]
}
