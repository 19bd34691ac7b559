# What destroys data. No deploy needs it: it is attached while an admin has `teardown = true`, and never else.
locals {
  teardown = [
    {
      Sid      = "Table"
      Effect   = "Allow"
      Action   = "dynamodb:DeleteTable"
      Resource = local.table_arn
    },
    {
      Sid      = "Packages"
      Effect   = "Allow"
      Action   = ["s3:DeleteBucket", "s3:DeleteBucketPolicy", "s3:ListBucketVersions"]
      Resource = local.packages_arn
    },
    {
      Sid      = "PackagesOfReleases"
      Effect   = "Allow"
      Action   = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
      Resource = "${local.packages_arn}/*"
    },
    {
      Sid      = "Repositories"
      Effect   = "Allow"
      Action   = "ecr:DeleteRepository"
      Resource = local.repository_arn
    },
    {
      Sid      = "Secrets"
      Effect   = "Allow"
      Action   = "secretsmanager:DeleteSecret"
      Resource = local.secret_arns
    },
  ]
}
