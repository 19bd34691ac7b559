# Both look at what is tagged with the environment: `environment` must be active as a cost allocation tag, which is
# switched on once in an account's billing console (docs/how-to/set-up-an-account.md).
resource "aws_budgets_budget" "monthly" {
  name         = "${var.environment}-${var.project}-monthly"
  budget_type  = "COST"
  limit_amount = var.budget_usd
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  cost_filter {
    name   = "TagKeyValue"
    values = ["user:environment$${var.environment}"]
  }

  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }

    content {
      notification_type         = notification.key
      threshold                 = notification.value
      threshold_type            = "PERCENTAGE"
      comparison_operator       = "GREATER_THAN"
      subscriber_sns_topic_arns = [aws_sns_topic_policy.alarms.arn]
    }
  }
}

# By tag where that can be had: an account may have one monitor of all services, which two environments cannot share,
# and which AWS often made already. An organization's member accounts can have no other.
resource "aws_ce_anomaly_monitor" "environment" {
  name              = "${var.environment}-${var.project}"
  monitor_type      = var.anomalies_by == "tag" ? "CUSTOM" : "DIMENSIONAL"
  monitor_dimension = var.anomalies_by == "tag" ? null : "SERVICE"

  monitor_specification = var.anomalies_by != "tag" ? null : jsonencode({
    And            = null
    CostCategories = null
    Dimensions     = null
    Not            = null
    Or             = null
    Tags           = { Key = "environment", MatchOptions = null, Values = [var.environment] }
  })
}

resource "aws_ce_anomaly_subscription" "environment" {
  name             = "${var.environment}-${var.project}"
  frequency        = "IMMEDIATE"
  monitor_arn_list = [aws_ce_anomaly_monitor.environment.arn]

  subscriber {
    type    = "SNS"
    address = aws_sns_topic_policy.alarms.arn
  }

  threshold_expression {
    dimension {
      key           = "ANOMALY_TOTAL_IMPACT_ABSOLUTE"
      match_options = ["GREATER_THAN_OR_EQUAL"]
      values        = [tostring(var.anomaly_usd)]
    }
  }
}
