resource "aws_sqs_queue" "dlq" {
  name              = "${var.environment}-dlq"
  kms_master_key_id = aws_kms_key.this.arn
}

resource "aws_sqs_queue" "work" {
  name                    = "${var.environment}-work"
  sqs_managed_sse_enabled = true

  redrive_policy = jsonencode({ deadLetterTargetArn = local.dlq_arn, maxReceiveCount = 3 })
  depends_on     = [aws_sqs_queue.dlq]
}

resource "aws_sqs_queue_redrive_allow_policy" "dlq" {
  queue_url = aws_sqs_queue.dlq.id

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = ["arn:aws:sqs:${local.region}:${local.account}:${var.environment}-work"]
  })
}

resource "aws_sqs_queue_policy" "work" {
  queue_url = aws_sqs_queue.work.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "sns.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = aws_sqs_queue.work.arn
      Condition = { ArnEquals = { "aws:SourceArn" = aws_sns_topic.items.arn } }
    }]
  })
}

resource "aws_sns_topic" "items" {
  name = "${var.environment}-items"
}

resource "aws_sns_topic" "alarms" {
  name              = "${var.environment}-alarms"
  kms_master_key_id = aws_kms_key.this.arn
}

resource "aws_sns_topic_policy" "alarms" {
  arn = aws_sns_topic.alarms.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com", "costalerts.amazonaws.com"] }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.alarms.arn
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_sns_topic_subscription" "queue" {
  topic_arn            = aws_sns_topic.items.arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.work.arn
  raw_message_delivery = true
}

resource "aws_sns_topic_subscription" "function" {
  topic_arn     = aws_sns_topic.items.arn
  protocol      = "lambda"
  endpoint      = aws_lambda_function.ingestion.arn
  filter_policy = jsonencode({ kind = ["article"] })

  redrive_policy = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dlq.arn })
}

resource "aws_cloudwatch_event_rule" "schedule" {
  name                = "${var.environment}-ingestion-schedule"
  schedule_expression = "rate(2 hours)"
}

resource "aws_cloudwatch_event_target" "ingestion" {
  rule = aws_cloudwatch_event_rule.schedule.name
  arn  = aws_lambda_alias.live.arn

  retry_policy {
    maximum_event_age_in_seconds = 300
    maximum_retry_attempts       = 2
  }

  dead_letter_config {
    arn = aws_sqs_queue.dlq.arn
  }
}
