# Before the functions: a group that Lambda makes on first invoke keeps logs for ever.
resource "aws_cloudwatch_log_group" "functions" {
  for_each          = toset(["ingestion", "sse-streaming"])
  name              = "/aws/lambda/${var.environment}-${each.key}"
  retention_in_days = var.retention_days
}

resource "aws_lambda_function" "ingestion" {
  function_name     = "${var.environment}-ingestion"
  role              = aws_iam_role.function.arn
  runtime           = "python3.13"
  handler           = "main.handler"
  memory_size       = var.memory
  publish           = true
  s3_bucket         = aws_s3_object.ingestion.bucket
  s3_key            = aws_s3_object.ingestion.key
  s3_object_version = aws_s3_object.ingestion.version_id

  depends_on = [aws_cloudwatch_log_group.functions, aws_iam_role_policy.data]
}

resource "aws_lambda_function" "sse_streaming" {
  function_name = "${var.environment}-sse-streaming"
  role          = aws_iam_role.function.arn
  package_type  = "Image"
  image_uri     = var.image
  memory_size   = var.memory
  timeout       = 900

  environment {
    variables = { ENVIRONMENT = var.environment }
  }

  depends_on = [aws_cloudwatch_log_group.functions, aws_ecr_repository_policy.sse_streaming]
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.ingestion.function_name
  function_version = aws_lambda_function.ingestion.version
}

resource "aws_lambda_function_url" "sse_streaming" {
  function_name      = aws_lambda_function.sse_streaming.function_name
  authorization_type = "NONE"
  invoke_mode        = "RESPONSE_STREAM"
}

resource "aws_lambda_permission" "url" {
  statement_id           = "public-url"
  action                 = "lambda:InvokeFunctionUrl"
  function_name          = aws_lambda_function.sse_streaming.function_name
  principal              = "*"
  function_url_auth_type = "NONE"
}

resource "aws_lambda_permission" "schedule" {
  statement_id  = "schedule"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_alias.live.function_name
  qualifier     = aws_lambda_alias.live.name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.schedule.arn
}

resource "aws_lambda_permission" "topic" {
  statement_id  = "topic"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.ingestion.function_name
  principal     = "sns.amazonaws.com"
  source_arn    = aws_sns_topic.items.arn
}

resource "aws_lambda_function_event_invoke_config" "ingestion" {
  function_name          = aws_lambda_function.ingestion.function_name
  maximum_retry_attempts = 1

  destination_config {
    on_failure {
      destination = aws_sqs_queue.dlq.arn
    }
  }
}
