# Keys and indexes are those of src/sentiment/table.py.
resource "aws_dynamodb_table" "sentiment" {
  name                        = "${var.environment}-sentiment"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  range_key                   = "sk"
  deletion_protection_enabled = !var.disposable

  dynamic "attribute" {
    for_each = toset(["pk", "sk", "feed", "topic", "pending", "position", "announced_at"])

    content {
      name = attribute.key
      type = "S"
    }
  }

  dynamic "global_secondary_index" {
    for_each = local.indexes

    content {
      name            = global_secondary_index.key
      hash_key        = global_secondary_index.key
      range_key       = global_secondary_index.value
      projection_type = "ALL"
    }
  }

  ttl {
    attribute_name = "expires"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = aws_kms_key.data.arn
  }
}

locals {
  indexes = { feed = "position", topic = "position", pending = "announced_at" }
}
