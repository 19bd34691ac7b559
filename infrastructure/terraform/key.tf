# One key for the environment's data: the table, the secrets, and what is told to people. In a key's policy, * is the key.
resource "aws_kms_key" "data" {
  description             = "${var.project} ${var.environment}: table, secrets, topics"
  enable_key_rotation     = true
  deletion_window_in_days = var.disposable ? 7 : 30

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # The way back in when every deployer is gone. It also lets IAM policies of this account speak of the key:
        # those of the functions' roles do, those of deployers do not.
        Sid       = "AccountRoot"
        Effect    = "Allow"
        Principal = { AWS = "arn:aws:iam::${local.account}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        # Named here, and not in IAM: a new key has no name yet that an IAM policy could be about.
        Sid       = "Administration"
        Effect    = "Allow"
        Principal = { AWS = local.deployers }
        Action = [
          "kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey",
          "kms:DisableKeyRotation", "kms:EnableKey", "kms:EnableKeyRotation", "kms:GetKeyPolicy",
          "kms:GetKeyRotationStatus", "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion",
          "kms:TagResource", "kms:UntagResource", "kms:UpdateAlias", "kms:UpdateKeyDescription",
        ]
        Resource = "*"
      },
      {
        # Who makes an encrypted table or secret must be able to use its key through that service.
        Sid       = "TablesAndSecretsOfDeployers"
        Effect    = "Allow"
        Principal = { AWS = local.deployers }
        Action    = ["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = { StringEquals = { "kms:ViaService" = [for service in ["dynamodb", "secretsmanager"] : "${service}.${var.region}.amazonaws.com"] } }
      },
      {
        # Alarms, budgets and Cost Explorer publish to a topic that is encrypted with this key.
        Sid       = "WhoTellsPeople"
        Effect    = "Allow"
        Principal = { Service = local.alarm_sources }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
      },
    ]
  })
}

resource "aws_kms_alias" "data" {
  name          = "alias/${var.environment}-${var.project}"
  target_key_id = aws_kms_key.data.key_id
}
