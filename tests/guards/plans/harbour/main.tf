# Another team's system, to judge plans of: berths are booked, and ships are told. The plans beside it are made of it.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "nobody"
  secret_key                  = "nothing"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  s3_use_path_style           = true
}

variable "stage" {
  type    = string
  default = "staging"
}

variable "image" {
  type    = string
  default = "222233334444.dkr.ecr.eu-west-1.amazonaws.com/staging/berths@sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
}

variable "functions" {
  description = "Whether there are any; their data comes first."
  type        = bool
  default     = true
}

variable "careless" {
  description = "Everything that a review should have found."
  type        = bool
  default     = false
}

resource "aws_dynamodb_table" "bookings" {
  name                        = "${var.stage}-bookings"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = var.careless ? "ship" : "berth"
  deletion_protection_enabled = !var.careless

  attribute {
    name = var.careless ? "ship" : "berth"
    type = "S"
  }

  point_in_time_recovery {
    enabled = !var.careless
  }
}

resource "aws_dynamodb_table" "tides" {
  name         = "${var.stage}-tides"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "hour"

  attribute {
    name = "hour"
    type = "S"
  }

  ttl {
    attribute_name = var.careless ? "hour" : "expires"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = !var.careless
  }
}

resource "aws_s3_bucket" "manifests" {
  bucket        = "harbour-${var.stage}-manifests"
  force_destroy = var.careless
}

resource "aws_s3_bucket_versioning" "manifests" {
  bucket = aws_s3_bucket.manifests.bucket

  versioning_configuration {
    status = var.careless ? "Suspended" : "Enabled"
  }
}

resource "aws_s3_bucket_policy" "manifests" {
  bucket = "harbour-${var.stage}-manifests"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Readers"
      Effect    = "Allow"
      Principal = { AWS = var.careless ? "*" : "arn:aws:iam::222233334444:role/${var.stage}-agents" }
      Action    = "s3:GetObject"
      Resource  = "arn:aws:s3:::harbour-${var.stage}-manifests/*"
    }]
  })
}

resource "aws_secretsmanager_secret" "radio" {
  name                    = "${var.stage}/radio"
  recovery_window_in_days = var.careless ? 0 : 14
}

resource "aws_kms_key" "bookings" {
  description             = "Bookings of ${var.stage}"
  deletion_window_in_days = var.careless ? 7 : 30
}

resource "aws_sqs_queue" "arrivals" {
  count = var.careless ? 0 : 1

  name = "${var.stage}-arrivals"
}

resource "aws_sqs_queue" "arrivals_dlq" {
  name = "${var.stage}-arrivals-dlq"
}

resource "aws_sns_topic" "alarms" {
  name = "${var.stage}-alarms"
}

resource "aws_ecr_repository" "berths" {
  name = "${var.stage}/berths"
}

resource "aws_ecr_lifecycle_policy" "berths" {
  repository = aws_ecr_repository.berths.name

  policy = var.careless ? jsonencode({
    rules = [{
      rulePriority = 1
      selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 1 }
      action       = { type = "expire" }
    }]
    }) : jsonencode({
    rules = [{
      rulePriority = 1
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 40 }
      action       = { type = "expire" }
    }]
  })
}

resource "aws_cloudwatch_log_group" "berths" {
  name              = "/aws/lambda/${var.stage}-berths"
  retention_in_days = var.careless ? 3 : 30
}

resource "aws_lambda_function" "berths" {
  count = var.functions ? 1 : 0

  function_name = "${var.stage}-berths"
  role          = "arn:aws:iam::222233334444:role/${var.stage}-berths"
  package_type  = "Image"
  image_uri     = var.careless ? "222233334444.dkr.ecr.eu-west-1.amazonaws.com/production/berths:latest" : var.image

  environment {
    variables = {
      BOOKINGS = var.careless ? "production-bookings" : aws_dynamodb_table.bookings.name
    }
  }
}

resource "aws_lambda_permission" "arrivals" {
  count = var.functions ? 1 : 0

  statement_id  = "arrivals"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.berths[0].function_name
  principal     = var.careless ? "*" : "sqs.amazonaws.com"
  source_arn    = var.careless ? null : "arn:aws:sqs:eu-west-1:222233334444:${var.stage}-arrivals"
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  count = var.functions && !var.careless ? 1 : 0

  alarm_name          = "${var.stage}-berths-errors"
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = aws_lambda_function.berths[0].function_name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "arrivals" {
  count = var.careless ? 0 : 1

  alarm_name          = "${var.stage}-arrivals-lost"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.arrivals_dlq.name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

resource "aws_budgets_budget" "monthly" {
  count = var.careless ? 0 : 1

  name         = "harbour-${var.stage}"
  account_id   = "222233334444"
  budget_type  = "COST"
  limit_amount = "50"
  limit_unit   = "USD"
  time_unit    = "MONTHLY"
}
