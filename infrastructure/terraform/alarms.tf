locals {
  # Who publishes to the topic: alarms, the budget, Cost Explorer.
  alarm_sources = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com", "costalerts.amazonaws.com"]
}

# Where people hear of trouble. Encrypted, so its key's policy names its publishers as well (key.tf).
resource "aws_sns_topic" "alarms" {
  name              = "${var.environment}-alarms"
  kms_master_key_id = aws_kms_key.data.arn
}

resource "aws_sns_topic_policy" "alarms" {
  arn = aws_sns_topic.alarms.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Publishers"
      Effect    = "Allow"
      Principal = { Service = local.alarm_sources }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.alarms.arn
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_sns_topic_subscription" "mail" {
  for_each = var.alarm_emails

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.value
}

# Errors of functions: an alarm each, in function/main.tf.

# The table's throttles and those of its indexes, which are metrics of their own. A metric exists from its first
# throttle on: what is missing is none.
resource "aws_cloudwatch_metric_alarm" "throttles" {
  alarm_name          = "${var.environment}-table-throttles"
  alarm_description   = "DynamoDB turned requests of ${aws_dynamodb_table.sentiment.name} away: look for one hot key."
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "throttles"
    expression  = "SUM(METRICS())"
    label       = "Throttled reads and writes"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.throttles

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/DynamoDB"
        metric_name = metric_query.value.metric
        dimensions  = metric_query.value.dimensions
        period      = 300
        stat        = "Sum"
      }
    }
  }
}

locals {
  throttled = merge(
    { table = { TableName = aws_dynamodb_table.sentiment.name } },
    { for index in keys(local.indexes) : index => { TableName = aws_dynamodb_table.sentiment.name, GlobalSecondaryIndexName = index } },
  )

  throttles = merge([
    for kind in ["Read", "Write"] : {
      for what, dimensions in local.throttled :
      "${lower(kind)}_${what}" => { metric = "${kind}ThrottleEvents", dimensions = dimensions }
    }
  ]...)
}

resource "aws_cloudwatch_metric_alarm" "undelivered" {
  for_each = { articles = aws_sns_topic.articles.name, alarms = aws_sns_topic.alarms.name }

  alarm_name          = "${var.environment}-${each.key}-undelivered"
  alarm_description   = "SNS could not deliver what was published to ${each.value}."
  namespace           = "AWS/SNS"
  metric_name         = "NumberOfNotificationsFailed"
  dimensions          = { TopicName = each.value }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  alarm_name          = "${var.environment}-dlq-not-empty"
  alarm_description   = "Something could not be dealt with: read the messages in ${aws_sqs_queue.dlq.name}."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.dlq.name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# Two alarms and not one: a canary that says no, and one that says nothing, are mended in different places.
resource "aws_cloudwatch_metric_alarm" "canary_failing" {
  count = length(module.canary)

  alarm_name          = "${var.environment}-canary-failing"
  alarm_description   = "The canary found something broken: its verdict is in /aws/lambda/${module.canary[0].name}."
  namespace           = "SentimentAnalyzer"
  metric_name         = "CanaryHealthy"
  dimensions          = local.canary_dimensions
  statistic           = "Minimum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "LessThanThreshold"
  # Between two runs there is nothing to say.
  treat_missing_data = "ignore"
  alarm_actions      = [aws_sns_topic.alarms.arn]
  ok_actions         = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "canary_silent" {
  count = length(module.canary)

  alarm_name          = "${var.environment}-canary-silent"
  alarm_description   = "Nothing was heard of the canary for ${var.canary_silence_minutes} minutes: does its schedule run?"
  namespace           = "SentimentAnalyzer"
  metric_name         = "CanaryHealthy"
  dimensions          = local.canary_dimensions
  statistic           = "SampleCount"
  period              = var.canary_silence_minutes * 60
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "LessThanThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

locals {
  canary_dimensions = { service = "canary", environment = var.environment }
}
