# Made before the function: one that Lambda makes by itself on first invoke keeps logs for ever.
resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
}

resource "aws_iam_role" "this" {
  name                 = var.name
  permissions_boundary = var.boundary_arn

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = "own"
  role = aws_iam_role.this.name

  policy = jsonencode({
    Version = "2012-10-17"
    # Without the fields that a statement leaves out: IAM does not take null.
    Statement = [for said in local.statements : merge({ Effect = "Allow" }, { for name, value in said : name => value if value != null })]
  })
}

locals {
  own = [
    {
      Sid       = "Logs"
      Action    = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource  = ["${aws_cloudwatch_log_group.this.arn}:*"]
      Condition = null
    },
    {
      # X-Ray knows no resources: AWS leaves no choice but all.
      Sid       = "Traces"
      Action    = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
      Resource  = ["*"]
      Condition = null
    },
  ]

  dead_letters = var.asynchronous == null ? [] : [{
    Sid       = "DeadLetters"
    Action    = ["sqs:SendMessage"]
    Resource  = [var.asynchronous.queue_arn]
    Condition = null
  }]

  statements = concat(local.own, local.dead_letters, var.statements)
}

resource "aws_lambda_function" "this" {
  function_name = var.name
  description   = var.description
  role          = aws_iam_role.this.arn
  architectures = ["x86_64"]
  memory_size   = var.memory_mb
  timeout       = var.timeout_seconds
  # Every change is a version of its own, which an alias can go back to.
  publish = true

  package_type      = var.image == null ? "Zip" : "Image"
  image_uri         = var.image
  runtime           = var.image == null ? "python3.13" : null
  handler           = var.handler
  s3_bucket         = try(var.package.bucket, null)
  s3_key            = try(var.package.key, null)
  s3_object_version = try(var.package.version, null)
  source_code_hash  = try(var.package.hash, null)

  environment {
    variables = var.variables
  }

  tracing_config {
    mode = "Active"
  }

  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.this]
}

# What everybody calls: URLs, topics, schedules. A deployment moves it, and a way back moves it back.
resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.this.function_name
  function_version = aws_lambda_function.this.version
}

resource "aws_lambda_function_event_invoke_config" "this" {
  count = var.asynchronous == null ? 0 : 1

  function_name          = aws_lambda_function.this.function_name
  qualifier              = aws_lambda_alias.live.name
  maximum_retry_attempts = var.asynchronous.retries

  destination_config {
    on_failure {
      destination = var.asynchronous.queue_arn
    }
  }

  # Lambda asks whether the role may write there.
  depends_on = [aws_iam_role_policy.this]
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "${var.name}-errors"
  alarm_description   = "${var.name} failed more than 5 times in 5 minutes: read /aws/lambda/${var.name}."
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = aws_lambda_function.this.function_name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 5
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarms_topic_arn]
  ok_actions          = [var.alarms_topic_arn]
}
