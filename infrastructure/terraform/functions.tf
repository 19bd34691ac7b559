locals {
  memory_mb = merge({ ingestion = 256, analysis = var.model == "transformer" ? 2048 : 256, dashboard = 512, canary = 256, sse-streaming = 512 }, var.memory_mb)

  packages = { for name, package in var.packages : name => merge(package, { bucket = aws_s3_bucket.packages.bucket }) }

  table_settings = { ENVIRONMENT = var.environment, TABLE = aws_dynamodb_table.sentiment.name }
  topics         = join(",", var.topics)
  model_settings = var.model == "mock" ? { MODEL = "mock" } : {
    MODEL         = var.model
    MODEL_URI     = "s3://${aws_s3_bucket.packages.bucket}/models/${var.model_path}/"
    MODEL_SHA256S = jsonencode(var.model_sha256s)
  }
}

# What roles may do, in pieces that several of them have.
locals {
  indexes_arn = { for name in keys(local.indexes) : name => "${aws_dynamodb_table.sentiment.arn}/index/${name}" }

  # The key, through the services whose data it seals, and never by itself.
  sealed = {
    for service in ["dynamodb", "secretsmanager", "sns"] : service => {
      Sid       = "Sealed${title(service)}"
      Action    = service == "sns" ? ["kms:Decrypt", "kms:GenerateDataKey"] : ["kms:Decrypt"]
      Resource  = [aws_kms_key.data.arn]
      Condition = { StringEquals = { "kms:ViaService" = "${service}.${var.region}.amazonaws.com" } }
    }
  }

  reads_secret = {
    for name, secret in aws_secretsmanager_secret.this :
    name => { Sid = "Secret", Action = ["secretsmanager:GetSecretValue"], Resource = [secret.arn] }
  }

  reads_items = {
    Sid      = "Items"
    Action   = ["dynamodb:GetItem", "dynamodb:Query"]
    Resource = [aws_dynamodb_table.sentiment.arn, local.indexes_arn["feed"], local.indexes_arn["topic"]]
  }

  shows_items = [local.reads_items, local.reads_secret["api"], local.sealed["dynamodb"], local.sealed["secretsmanager"]]
}

module "ingestion" {
  source = "./function"
  count  = contains(keys(var.packages), "ingestion") ? 1 : 0

  name               = local.names["ingestion"]
  description        = "Fetches news and announces the new ones"
  package            = local.packages["ingestion"]
  handler            = "ingestion.handler.handle"
  memory_mb          = local.memory_mb["ingestion"]
  timeout_seconds    = 120
  boundary_arn       = local.boundary_arn
  log_retention_days = var.log_retention_days
  asynchronous       = { retries = 1, queue_arn = aws_sqs_queue.dlq.arn }
  alarms_topic_arn   = aws_sns_topic.alarms.arn

  variables = merge(local.table_settings, {
    TOPICS          = local.topics
    RETENTION_DAYS  = tostring(var.retention_days)
    NEWSAPI_SECRET  = aws_secretsmanager_secret.this["newsapi"].name
    NEWSAPI_URL     = var.newsapi_url
    ARTICLES_TOPIC  = aws_sns_topic.articles.arn
    PENDING_MINUTES = "15"
  })

  statements = [
    {
      Sid      = "Articles"
      Action   = ["dynamodb:PutItem", "dynamodb:UpdateItem"]
      Resource = [aws_dynamodb_table.sentiment.arn]
    },
    {
      Sid      = "Pending"
      Action   = ["dynamodb:Query"]
      Resource = [local.indexes_arn["pending"]]
    },
    {
      Sid      = "Announce"
      Action   = ["sns:Publish"]
      Resource = [aws_sns_topic.articles.arn]
    },
    local.reads_secret["newsapi"], local.sealed["dynamodb"], local.sealed["secretsmanager"], local.sealed["sns"],
  ]
}

module "analysis" {
  source = "./function"
  count  = contains(keys(var.packages), "analysis") ? 1 : 0

  name               = local.names["analysis"]
  description        = "Judges the sentiment of announced articles"
  package            = local.packages["analysis"]
  handler            = "analysis.handler.handle"
  memory_mb          = local.memory_mb["analysis"]
  timeout_seconds    = 60
  boundary_arn       = local.boundary_arn
  log_retention_days = var.log_retention_days
  asynchronous       = { retries = 2, queue_arn = aws_sqs_queue.dlq.arn }
  alarms_topic_arn   = aws_sns_topic.alarms.arn

  variables = merge(local.table_settings, local.model_settings, {
    RETENTION_DAYS = tostring(var.retention_days)
    DLQ_URL        = aws_sqs_queue.dlq.url
  })

  statements = concat(
    [
      {
        Sid      = "Items"
        Action   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
        Resource = [aws_dynamodb_table.sentiment.arn]
      },
      local.sealed["dynamodb"],
    ],
    var.model == "mock" ? [] : [{
      Sid      = "Model"
      Action   = ["s3:GetObject"]
      Resource = ["${aws_s3_bucket.packages.arn}/models/${var.model_path}/*"]
    }],
  )
}

module "dashboard" {
  source = "./function"
  count  = contains(keys(var.packages), "dashboard") ? 1 : 0

  name               = local.names["dashboard"]
  description        = "Shows items and their summary"
  package            = local.packages["dashboard"]
  handler            = "dashboard.handler.handle"
  memory_mb          = local.memory_mb["dashboard"]
  timeout_seconds    = 30
  boundary_arn       = local.boundary_arn
  log_retention_days = var.log_retention_days
  url_mode           = "BUFFERED"
  alarms_topic_arn   = aws_sns_topic.alarms.arn
  statements         = local.shows_items

  variables = merge(local.table_settings, {
    DIGEST         = local.packages["dashboard"].digest
    TOPICS         = local.topics
    API_KEY_SECRET = aws_secretsmanager_secret.this["api"].name
    STREAM_URL     = module.sse_streaming.url
  })
}

module "sse_streaming" {
  source = "./function"

  name               = local.names["sse-streaming"]
  description        = "Streams items as they come"
  image              = var.images["sse-streaming"]
  memory_mb          = local.memory_mb["sse-streaming"]
  timeout_seconds    = 900
  boundary_arn       = local.boundary_arn
  log_retention_days = var.log_retention_days
  url_mode           = "RESPONSE_STREAM"
  alarms_topic_arn   = aws_sns_topic.alarms.arn
  statements         = local.shows_items

  variables = merge(local.table_settings, {
    AWS_LWA_INVOKE_MODE = "response_stream"
    DIGEST              = split("@", var.images["sse-streaming"])[1]
    TOPICS              = local.topics
    API_KEY_SECRET      = aws_secretsmanager_secret.this["api"].name
    HEARTBEAT_SECONDS   = "15"
    STREAM_SECONDS      = "840"
  })

  # Lambda fetches the image by the rights that the repository gives it.
  depends_on = [aws_ecr_repository_policy.sse_streaming]
}

module "canary" {
  source = "./function"
  count  = contains(keys(var.packages), "canary") ? 1 : 0

  name               = local.names["canary"]
  description        = "Asks whether the environment works"
  package            = local.packages["canary"]
  handler            = "canary.handler.handle"
  memory_mb          = local.memory_mb["canary"]
  timeout_seconds    = 120
  boundary_arn       = local.boundary_arn
  log_retention_days = var.log_retention_days
  asynchronous       = { retries = 0, queue_arn = aws_sqs_queue.dlq.arn }
  alarms_topic_arn   = aws_sns_topic.alarms.arn
  statements         = [local.reads_secret["api"], local.sealed["secretsmanager"]]

  variables = merge(
    {
      ENVIRONMENT    = var.environment
      API_KEY_SECRET = aws_secretsmanager_secret.this["api"].name
      STREAM_URL     = module.sse_streaming.url
    },
    { for made in module.dashboard : "DASHBOARD_URL" => made.url },
  )
}

# What runs, by artifact.
locals {
  deployed = merge(
    { sse-streaming = module.sse_streaming },
    { for made in module.ingestion : "ingestion" => made },
    { for made in module.analysis : "analysis" => made },
    { for made in module.dashboard : "dashboard" => made },
    { for made in module.canary : "canary" => made },
  )
}
