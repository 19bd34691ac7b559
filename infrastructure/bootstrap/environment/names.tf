data "aws_caller_identity" "this" {}

# The names that infrastructure/terraform gives, as ARNs. Written out wherever a name is known: a pattern would reach
# whatever else in the account begins with the environment's name.
locals {
  account  = data.aws_caller_identity.this.account_id
  regional = "${var.region}:${local.account}"
  tags     = { environment = var.environment }

  functions     = [for name in ["ingestion", "analysis", "dashboard", "canary", "sse-streaming"] : "${var.environment}-${name}"]
  function_arns = flatten([for name in local.functions : ["arn:aws:lambda:${local.regional}:function:${name}", "arn:aws:lambda:${local.regional}:function:${name}:*"]])
  role_arns     = [for name in local.functions : "arn:aws:iam::${local.account}:role/${name}"]
  log_arns      = [for name in local.functions : "arn:aws:logs:${local.regional}:log-group:/aws/lambda/${name}"]

  table_arn      = "arn:aws:dynamodb:${local.regional}:table/${var.environment}-sentiment"
  topic_arns     = [for name in ["articles", "alarms"] : "arn:aws:sns:${local.regional}:${var.environment}-${name}"]
  queue_arn      = "arn:aws:sqs:${local.regional}:${var.environment}-dlq"
  packages_arn   = "arn:aws:s3:::${var.environment}-${var.project}-packages-${local.account}"
  repository_arn = "arn:aws:ecr:${local.regional}:repository/${var.environment}-sse-streaming-*"
  rule_arns      = [for name in ["ingestion", "canary"] : "arn:aws:events:${local.regional}:rule/${var.environment}-${name}-schedule"]
  key_alias      = "alias/${var.environment}-${var.project}"
  # Secrets Manager adds a hyphen and six signs of its own.
  secret_arns = [for name in ["newsapi-key", "api-key"] : "arn:aws:secretsmanager:${local.regional}:secret:${var.environment}-${name}-??????"]

  boundary_arn = "arn:aws:iam::${local.account}:policy/${var.project}-${var.environment}-boundary"
}
