output "functions" {
  description = "Artifact name to function name: where the canary looks for what runs."
  value       = { for artifact, made in local.deployed : artifact => made.name }
}

output "versions" {
  description = "Artifact name to the version that the alias `live` has."
  value       = { for artifact, made in local.deployed : artifact => made.version }
}

output "urls" {
  description = "Artifact name to the URL that it answers at, without a slash at its end."
  value       = { for artifact, made in local.deployed : artifact => made.url if made.url != null }
}

output "api_key_secret" {
  description = "The secret that holds the key for /api."
  value       = aws_secretsmanager_secret.this["api"].name
}

output "schedules" {
  description = "Artifact name to the rule that starts it."
  value       = { for artifact, rule in aws_cloudwatch_event_rule.this : artifact => rule.name }
}

output "table" {
  value = aws_dynamodb_table.sentiment.name
}

output "packages_bucket" {
  value = aws_s3_bucket.packages.bucket
}

output "dlq_url" {
  value = aws_sqs_queue.dlq.url
}

output "alarms_topic_arn" {
  value = aws_sns_topic.alarms.arn
}
