# The most that a function's role can ever do, whatever policies a deployer gives it.
resource "aws_iam_policy" "boundary" {
  name        = "${var.project}-${var.environment}-boundary"
  description = "The most that the roles of functions may do"
  tags        = local.tags

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Logs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = [for arn in local.log_arns : "${arn}:*"]
      },
      {
        # X-Ray knows no resources: AWS leaves no choice but all.
        Sid      = "Traces"
        Effect   = "Allow"
        Action   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
        Resource = "*"
      },
      {
        Sid      = "Items"
        Effect   = "Allow"
        Action   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:Query"]
        Resource = [local.table_arn, "${local.table_arn}/index/*"]
      },
      {
        Sid      = "Articles"
        Effect   = "Allow"
        Action   = "sns:Publish"
        Resource = local.topic_arns[0]
      },
      {
        Sid      = "DeadLetters"
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = local.queue_arn
      },
      {
        Sid      = "Secrets"
        Effect   = "Allow"
        Action   = "secretsmanager:GetSecretValue"
        Resource = local.secret_arns
      },
      {
        Sid      = "Models"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = "${local.packages_arn}/models/*"
      },
      {
        # A key's ARN is not known before it is made: its alias tells it from the account's other keys.
        Sid       = "Key"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "arn:aws:kms:${local.regional}:key/*"
        Condition = { "ForAnyValue:StringEquals" = { "kms:ResourceAliases" = local.key_alias } }
      },
    ]
  })
}
