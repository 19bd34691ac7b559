# Articles on their way from ingestion to analysis.
resource "aws_sns_topic" "articles" {
  name              = "${var.environment}-articles"
  kms_master_key_id = aws_kms_key.data.arn
}

resource "aws_sns_topic_subscription" "analysis" {
  count = length(module.analysis)

  topic_arn      = aws_sns_topic.articles.arn
  protocol       = "lambda"
  endpoint       = module.analysis[0].alias_arn
  redrive_policy = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dlq.arn })
}

resource "aws_lambda_permission" "articles" {
  count = length(module.analysis)

  statement_id  = "articles"
  action        = "lambda:InvokeFunction"
  function_name = module.analysis[0].name
  qualifier     = module.analysis[0].alias
  principal     = "sns.amazonaws.com"
  source_arn    = aws_sns_topic.articles.arn
}

# What nobody could deal with. SQS's own encryption: services write here when everything else has failed, and a key
# policy would be one more thing to fail.
resource "aws_sqs_queue" "dlq" {
  name                      = local.dlq_name
  message_retention_seconds = 14 * 24 * 60 * 60
  sqs_managed_sse_enabled   = true

  # Functions write with the rights of their roles; SNS and EventBridge have none.
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "UndeliveredArticles"
        Effect    = "Allow"
        Principal = { Service = "sns.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = local.dlq_arn
        Condition = { ArnEquals = { "aws:SourceArn" = aws_sns_topic.articles.arn } }
      },
      {
        Sid       = "UndeliveredSchedules"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = local.dlq_arn
        Condition = { ArnLike = { "aws:SourceArn" = "arn:aws:events:${var.region}:${local.account}:rule/${var.environment}-*-schedule" } }
      },
    ]
  })
}

locals {
  dlq_name = "${var.environment}-dlq"
  dlq_arn  = "arn:aws:sqs:${var.region}:${local.account}:${local.dlq_name}"
}
