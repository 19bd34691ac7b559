locals {
  graphs = {
    "Calls"                       = [for name in local.names : ["AWS/Lambda", "Invocations", "FunctionName", name]]
    "Errors"                      = [for name in local.names : ["AWS/Lambda", "Errors", "FunctionName", name]]
    "Duration, ms"                = [for name in local.names : ["AWS/Lambda", "Duration", "FunctionName", name]]
    "Messages nobody dealt with"  = [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", local.dlq_name]]
    "Undelivered notifications"   = [["AWS/SNS", "NumberOfNotificationsFailed", "TopicName", aws_sns_topic.articles.name]]
    "Is all well? (canary, 1 is)" = [["SentimentAnalyzer", "CanaryHealthy", "service", "canary", "environment", var.environment]]
  }
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = "${var.environment}-${var.project}"

  dashboard_body = jsonencode({
    widgets = [
      for position, title in keys(local.graphs) : {
        type   = "metric"
        x      = position % 2 * 12
        y      = floor(position / 2) * 6
        width  = 12
        height = 6
        properties = {
          region  = var.region
          title   = title
          metrics = local.graphs[title]
          period  = 300
          stat    = startswith(title, "Duration") ? "p95" : startswith(title, "Is") ? "Minimum" : "Sum"
        }
      }
    ]
  })
}
