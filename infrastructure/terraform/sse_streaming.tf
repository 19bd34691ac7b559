locals {
  sse_streaming = "${var.environment}-sse-streaming"
}

# Made before the function: one that Lambda makes by itself on first invoke keeps logs for ever.
resource "aws_cloudwatch_log_group" "sse_streaming" {
  name              = "/aws/lambda/${local.sse_streaming}"
  retention_in_days = var.log_retention_days
}

resource "aws_iam_role" "sse_streaming" {
  name = local.sse_streaming

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "sse_streaming_logs" {
  name = "logs"
  role = aws_iam_role.sse_streaming.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.sse_streaming.arn}:*"
    }]
  })
}

resource "aws_lambda_function" "sse_streaming" {
  function_name = local.sse_streaming
  role          = aws_iam_role.sse_streaming.arn
  package_type  = "Image"
  image_uri     = var.images["sse-streaming"]
  architectures = ["x86_64"]
  memory_size   = 512
  timeout       = 900

  environment {
    variables = {
      ENVIRONMENT         = var.environment
      AWS_LWA_INVOKE_MODE = "response_stream"
    }
  }

  depends_on = [aws_cloudwatch_log_group.sse_streaming, aws_iam_role_policy.sse_streaming_logs]
}
