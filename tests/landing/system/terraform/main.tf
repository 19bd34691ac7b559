terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }

  backend "s3" {}
}

provider "aws" {
  region = "us-east-1"

  default_tags {
    tags = { project = "small", environment = var.environment }
  }
}

variable "environment" { type = string }
variable "deployers" { type = list(string) }
variable "images" { type = map(string) }
variable "retention_days" { type = number }

data "aws_caller_identity" "this" {}

locals {
  name = "${var.environment}-small"
}

resource "aws_kms_key" "data" {
  description = "${local.name}: what is secret, and what is told"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AccountRoot"
        Effect    = "Allow"
        Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.this.account_id}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        Sid       = "Administration"
        Effect    = "Allow"
        Principal = { AWS = var.deployers }
        Action    = "kms:*"
        Resource  = "*"
      },
    ]
  })
}

resource "aws_kms_alias" "data" {
  name          = "alias/${local.name}"
  target_key_id = aws_kms_key.data.key_id
}

resource "aws_ecr_repository" "app" {
  name = "${local.name}-app"

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_s3_bucket" "files" {
  bucket = "${local.name}-files"
}

resource "aws_iam_role" "app" {
  name = "${local.name}-app"

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "lambda.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_iam_role_policy" "app" {
  name = "logs"
  role = aws_iam_role.app.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.app.arn}:*"
    }]
  })
}

resource "aws_cloudwatch_log_group" "app" {
  name              = "/aws/lambda/${local.name}-app"
  retention_in_days = var.retention_days
}

resource "aws_lambda_function" "app" {
  function_name = "${local.name}-app"
  role          = aws_iam_role.app.arn
  package_type  = "Image"
  image_uri     = var.images["app"]
  depends_on    = [aws_iam_role_policy.app]
}

resource "aws_sqs_queue" "letters" {
  name = "${local.name}-dlq"
}

resource "aws_sns_topic" "news" {
  name              = "${local.name}-news"
  kms_master_key_id = aws_kms_key.data.arn
}

resource "aws_secretsmanager_secret" "token" {
  name       = "${local.name}-token"
  kms_key_id = aws_kms_key.data.arn
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "${local.name}-app-errors"
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = aws_lambda_function.app.function_name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 5
  comparison_operator = "GreaterThanThreshold"
  alarm_actions       = [aws_sns_topic.news.arn]
}

output "functions" {
  value = { app = aws_lambda_function.app.function_name }
}
