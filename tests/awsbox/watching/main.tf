# What watches a stack, in every shape that the box has to tell back: alarms, anomalies of cost, mail.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region                     = "us-east-1"
  skip_metadata_api_check    = true
  skip_region_validation     = true
  skip_requesting_account_id = false
  default_tags { tags = { stack = "watching" } }
}

variable "change" {
  type    = bool
  default = false
}

resource "aws_sns_topic" "alarms" {
  name = "watching-alarms"
}

resource "aws_sns_topic_subscription" "mail" {
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = "a@example.com"
}

resource "aws_cloudwatch_metric_alarm" "plain" {
  alarm_name                = "watching-plain"
  alarm_description         = "errors & more <of> \"them\""
  namespace                 = "AWS/Lambda"
  metric_name               = "Errors"
  dimensions                = { FunctionName = "one", Resource = "one:live" }
  statistic                 = "Sum"
  period                    = var.change ? 60 : 300
  evaluation_periods        = 3
  datapoints_to_alarm       = 2
  threshold                 = 0.25
  comparison_operator       = "GreaterThanOrEqualToThreshold"
  treat_missing_data        = var.change ? "breaching" : "notBreaching"
  alarm_actions             = [aws_sns_topic.alarms.arn]
  ok_actions                = var.change ? [] : [aws_sns_topic.alarms.arn]
  insufficient_data_actions = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "percentile" {
  alarm_name          = "watching-p90"
  namespace           = "AWS/Lambda"
  metric_name         = "Duration"
  extended_statistic  = var.change ? "p99" : "p90"
  period              = 60
  unit                = "Milliseconds"
  evaluation_periods  = 1
  threshold           = 2000
  comparison_operator = "GreaterThanThreshold"
  actions_enabled     = false
}

resource "aws_cloudwatch_metric_alarm" "math" {
  alarm_name          = "watching-rate"
  evaluation_periods  = 1
  threshold           = var.change ? 10 : 5
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "ignore"

  metric_query {
    id          = "rate"
    expression  = "IF(calls > 0, 100 * FILL(errors, 0) / calls, 0)"
    label       = "Error rate"
    return_data = true
  }
  dynamic "metric_query" {
    for_each = { errors = "Errors", calls = "Invocations" }
    content {
      id = metric_query.key
      metric {
        namespace   = "AWS/Lambda"
        metric_name = metric_query.value
        dimensions  = { FunctionName = "one" }
        period      = 300
        stat        = "Sum"
        unit        = "Count"
      }
    }
  }
}

resource "aws_cloudwatch_composite_alarm" "both" {
  alarm_name        = "watching-both"
  alarm_description = "both at once"
  alarm_rule        = "ALARM(${aws_cloudwatch_metric_alarm.plain.alarm_name}) ${var.change ? "OR" : "AND"} ALARM(${aws_cloudwatch_metric_alarm.math.alarm_name})"
  alarm_actions     = [aws_sns_topic.alarms.arn]
  ok_actions        = [aws_sns_topic.alarms.arn]

  actions_suppressor {
    alarm            = aws_cloudwatch_metric_alarm.percentile.alarm_name
    extension_period = 60
    wait_period      = 120
  }
}

resource "aws_ce_anomaly_monitor" "services" {
  name              = var.change ? "watching-more" : "watching"
  monitor_type      = "DIMENSIONAL"
  monitor_dimension = "SERVICE"
}

resource "aws_ce_anomaly_subscription" "daily" {
  name             = "watching"
  frequency        = var.change ? "WEEKLY" : "DAILY"
  monitor_arn_list = [aws_ce_anomaly_monitor.services.arn]

  subscriber {
    type    = "EMAIL"
    address = "a@example.com"
  }
  threshold_expression {
    dimension {
      key           = "ANOMALY_TOTAL_IMPACT_ABSOLUTE"
      match_options = ["GREATER_THAN_OR_EQUAL"]
      values        = [var.change ? "20" : "10"]
    }
  }
}
