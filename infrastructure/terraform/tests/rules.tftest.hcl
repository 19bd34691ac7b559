# The rules of this root, without an account: `terraform test`.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = {
      account_id = "111122223333"
      arn        = "arn:aws:iam::111122223333:user/somebody"
    }
  }

  mock_data "aws_iam_session_context" {
    defaults = { issuer_arn = "arn:aws:iam::111122223333:role/somebody" }
  }

  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-0000-0000-000000000000" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/some" }
  }

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:us-east-1:111122223333:some" }
  }

  mock_resource "aws_sns_topic_policy" {
    defaults = { id = "arn:aws:sns:us-east-1:111122223333:some", arn = "arn:aws:sns:us-east-1:111122223333:some" }
  }

  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:us-east-1:111122223333:some", url = "https://sqs.us-east-1.amazonaws.com/111122223333/some" }
  }

  mock_resource "aws_dynamodb_table" {
    defaults = { arn = "arn:aws:dynamodb:us-east-1:111122223333:table/some" }
  }

  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:some-abcdef" }
  }

  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::some" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:us-east-1:111122223333:log-group:some" }
  }

  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:us-east-1:111122223333:function:some", version = "1" }
  }

  mock_resource "aws_lambda_alias" {
    defaults = { arn = "arn:aws:lambda:us-east-1:111122223333:function:some:live" }
  }

  mock_resource "aws_lambda_function_url" {
    defaults = { function_url = "https://some.lambda-url.us-east-1.on.aws/" }
  }

  mock_resource "aws_cloudwatch_event_rule" {
    defaults = { arn = "arn:aws:events:us-east-1:111122223333:rule/some" }
  }

  mock_resource "aws_ce_anomaly_monitor" {
    defaults = { arn = "arn:aws:ce::111122223333:anomalymonitor/some" }
  }
}

variables {
  environment            = "staging"
  images                 = { sse-streaming = "111122223333.dkr.ecr.us-east-1.amazonaws.com/staging-sse-streaming-lambda@sha256:0000000000000000000000000000000000000000000000000000000000000000" }
  log_retention_days     = 14
  ingestion_schedule     = "rate(2 hours)"
  canary_schedule        = "rate(15 minutes)"
  canary_silence_minutes = 45
  model                  = "mock"
  budget_usd             = 20

  packages = {
    ingestion = { key = "ingestion/a.zip", hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" }
    analysis  = { key = "analysis/a.zip", hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" }
    dashboard = { key = "dashboard/a.zip", hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" }
    canary    = { key = "canary/a.zip", hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", version = "1" }
  }
}

run "everything_is_named_by_its_environment" {
  assert {
    condition     = alltrue([for name in values(output.functions) : startswith(name, "staging-")]) && length(output.functions) == 5
    error_message = "Functions: ${jsonencode(output.functions)}"
  }

  assert {
    condition = alltrue([for name in [
      aws_dynamodb_table.sentiment.name, aws_sns_topic.articles.name, aws_sns_topic.alarms.name, aws_sqs_queue.dlq.name,
      aws_s3_bucket.packages.bucket, aws_ecr_repository.sse_streaming.name, aws_ecr_repository.cache.name,
      aws_secretsmanager_secret.this["newsapi"].name,
      aws_secretsmanager_secret.this["api"].name, aws_cloudwatch_event_rule.this["ingestion"].name,
      aws_cloudwatch_event_rule.this["canary"].name, aws_budgets_budget.monthly.name, aws_ce_anomaly_monitor.environment.name,
      aws_cloudwatch_dashboard.this.dashboard_name, trimprefix(aws_kms_alias.data.name, "alias/"),
    ] : startswith(name, "staging-")])
    error_message = "A name does not begin with the environment's."
  }
}

run "urls_have_no_slash_at_their_end" {
  assert {
    condition     = output.urls == { dashboard = "https://some.lambda-url.us-east-1.on.aws", sse-streaming = "https://some.lambda-url.us-east-1.on.aws" }
    error_message = "URLs: ${jsonencode(output.urls)}"
  }
}

run "the_key_keeps_root_and_names_whoever_applies" {
  assert {
    condition     = jsondecode(aws_kms_key.data.policy).Statement[0].Principal.AWS == "arn:aws:iam::111122223333:root"
    error_message = "Without root there is no way back in."
  }

  assert {
    condition     = jsondecode(aws_kms_key.data.policy).Statement[1].Principal.AWS == ["arn:aws:iam::111122223333:role/somebody"]
    error_message = "A session is named by its role."
  }
}

run "a_release_without_packages_has_the_stream_alone" {
  variables {
    packages = {}
  }

  assert {
    condition     = output.functions == { sse-streaming = "staging-sse-streaming" } && length(aws_cloudwatch_metric_alarm.canary_silent) == 0
    error_message = "Functions: ${jsonencode(output.functions)}"
  }
}

run "data_is_kept_unless_somebody_says_otherwise" {
  assert {
    condition     = aws_dynamodb_table.sentiment.deletion_protection_enabled && !aws_s3_bucket.packages.force_destroy && !aws_ecr_repository.sse_streaming.force_delete
    error_message = "A destroy would take data with it."
  }
}

run "costs_are_watched_by_service_where_an_account_has_no_other_way" {
  variables {
    anomalies_by = "service"
  }

  assert {
    condition     = aws_ce_anomaly_monitor.environment.monitor_type == "DIMENSIONAL" && aws_ce_anomaly_monitor.environment.monitor_dimension == "SERVICE"
    error_message = "Not by service."
  }
}

run "images_are_scanned_and_kept_by_number" {
  assert {
    condition     = aws_ecr_repository.sse_streaming.image_scanning_configuration[0].scan_on_push
    error_message = "Images are not scanned."
  }

  assert {
    condition     = [for rule in jsondecode(aws_ecr_lifecycle_policy.sse_streaming.policy).rules : rule.selection] == [{ tagStatus = "any", countType = "imageCountMoreThan", countNumber = 50 }]
    error_message = "A rule other than the number of images may let one expire that runs."
  }
}

run "dependencies_have_a_repository_of_their_own_and_go_by_age" {
  assert {
    condition     = aws_ecr_repository.cache.name == "staging-sse-streaming-cache" && aws_ecr_lifecycle_policy.cache.repository == aws_ecr_repository.cache.name
    error_message = "The cache: ${aws_ecr_repository.cache.name}."
  }

  assert {
    condition     = [for rule in jsondecode(aws_ecr_lifecycle_policy.cache.policy).rules : rule.selection] == [{ tagStatus = "any", countType = "sinceImagePushed", countUnit = "days", countNumber = 90 }]
    error_message = "What is kept for good, or thrown away with what is still used, is no cache."
  }

  assert {
    condition     = !aws_ecr_repository.cache.image_scanning_configuration[0].scan_on_push && aws_ecr_lifecycle_policy.sse_streaming.repository == "staging-sse-streaming-lambda"
    error_message = "Images are scanned, and images alone."
  }
}

run "an_image_by_its_tag_is_refused" {
  command = plan

  variables {
    images = { sse-streaming = "111122223333.dkr.ecr.us-east-1.amazonaws.com/staging-sse-streaming-lambda:latest" }
  }

  expect_failures = [var.images]
}

run "a_release_without_the_stream_is_refused" {
  command = plan

  variables {
    images = {}
  }

  expect_failures = [var.images]
}

run "a_package_without_its_hash_is_refused" {
  command = plan

  variables {
    packages = { ingestion = { key = "ingestion/a.zip", hash = "latest" } }
  }

  expect_failures = [var.packages]
}

run "a_package_that_nothing_runs_is_refused" {
  command = plan

  variables {
    packages = { injection = { key = "a.zip", hash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" } }
  }

  expect_failures = [var.packages]
}

run "an_environment_with_a_hyphen_is_refused" {
  command = plan

  variables {
    environment = "prod-2"
  }

  expect_failures = [var.environment]
}

run "a_transformer_without_its_files_is_refused" {
  command = plan

  variables {
    model = "transformer"
  }

  expect_failures = [var.model]
}

run "too_few_images_are_refused" {
  command = plan

  variables {
    kept_images = 5
  }

  expect_failures = [var.kept_images]
}
