# Messages, schedules, logs, alarms, costs.
locals {
  watch = [
    {
      Sid    = "Topics"
      Effect = "Allow"
      Action = [
        "sns:CreateTopic", "sns:DeleteTopic", "sns:GetSubscriptionAttributes", "sns:GetTopicAttributes",
        "sns:ListSubscriptionsByTopic", "sns:ListTagsForResource", "sns:SetSubscriptionAttributes", "sns:SetTopicAttributes", "sns:Subscribe",
        "sns:TagResource", "sns:Unsubscribe", "sns:UntagResource",
      ]
      # A subscription's ARN is its topic's and an id.
      Resource = flatten([for arn in local.topic_arns : [arn, "${arn}:*"]])
    },
    {
      Sid    = "Queue"
      Effect = "Allow"
      Action = [
        "sqs:CreateQueue", "sqs:DeleteQueue", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueueTags",
        "sqs:SetQueueAttributes", "sqs:TagQueue", "sqs:UntagQueue",
      ]
      Resource = local.queue_arn
    },
    {
      Sid    = "Schedules"
      Effect = "Allow"
      Action = [
        "events:DeleteRule", "events:DescribeRule", "events:ListTagsForResource", "events:ListTargetsByRule",
        "events:PutRule", "events:PutTargets", "events:RemoveTargets", "events:TagResource", "events:UntagResource",
      ]
      Resource = local.rule_arns
    },
    {
      Sid    = "Logs"
      Effect = "Allow"
      Action = [
        "logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:ListTagsForResource", "logs:PutRetentionPolicy",
        "logs:TagResource", "logs:UntagResource",
      ]
      # Calls about a group's tags name it bare, the others with its streams.
      Resource = flatten([for arn in local.log_arns : [arn, "${arn}:*"]])
    },
    {
      # A group is read by listing groups, and listing is on no group: AWS leaves no choice but all.
      Sid      = "LogGroupsAreFoundByListing"
      Effect   = "Allow"
      Action   = "logs:DescribeLogGroups"
      Resource = "arn:aws:logs:${local.regional}:log-group:*"
    },
    {
      Sid    = "Alarms"
      Effect = "Allow"
      Action = [
        "cloudwatch:DeleteAlarms", "cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource",
        "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource", "cloudwatch:UntagResource",
      ]
      Resource = "arn:aws:cloudwatch:${local.regional}:alarm:${var.environment}-*"
    },
    {
      Sid      = "Dashboard"
      Effect   = "Allow"
      Action   = ["cloudwatch:DeleteDashboards", "cloudwatch:GetDashboard", "cloudwatch:PutDashboard"]
      Resource = "arn:aws:cloudwatch::${local.account}:dashboard/${var.environment}-${var.project}"
    },
    {
      Sid    = "Budget"
      Effect = "Allow"
      Action = [
        "budgets:ListTagsForResource", "budgets:ModifyBudget", "budgets:TagResource", "budgets:UntagResource",
        "budgets:ViewBudget",
      ]
      Resource = "arn:aws:budgets::${local.account}:budget/${var.environment}-${var.project}-monthly"
    },
    {
      # What watches for unusual costs has an ARN without a name: its tag tells whose it is. AWS leaves no choice but
      # all for those that are yet to be made.
      Sid       = "NewCostWatch"
      Effect    = "Allow"
      Action    = ["ce:CreateAnomalyMonitor", "ce:CreateAnomalySubscription"]
      Resource  = "*"
      Condition = { StringEquals = { "aws:RequestTag/environment" = var.environment } }
    },
    {
      Sid      = "TagsOfNewCostWatch"
      Effect   = "Allow"
      Action   = "ce:TagResource"
      Resource = local.cost_watch_arns
      Condition = {
        StringEquals = { "aws:RequestTag/environment" = var.environment }
        Null         = { "aws:ResourceTag/environment" = "true" }
      }
    },
    {
      Sid    = "CostWatch"
      Effect = "Allow"
      Action = [
        "ce:DeleteAnomalyMonitor", "ce:DeleteAnomalySubscription", "ce:GetAnomalyMonitors",
        "ce:GetAnomalySubscriptions", "ce:ListTagsForResource", "ce:TagResource", "ce:UntagResource",
        "ce:UpdateAnomalySubscription",
      ]
      Resource  = local.cost_watch_arns
      Condition = { StringEquals = { "aws:ResourceTag/environment" = var.environment } }
    },
  ]

  cost_watch_arns = ["arn:aws:ce::${local.account}:anomalymonitor/*", "arn:aws:ce::${local.account}:anomalysubscription/*"]
}
