# Lambda packages, and the transformer's files under models/. Publishing makes the bucket where there is none: ferry
# adopts it. Nothing in it expires: a key holds the digest of its content, and an old package is a way back.
resource "aws_s3_bucket" "packages" {
  bucket        = "${var.environment}-${var.project}-packages-${local.account}"
  force_destroy = var.disposable
}

resource "aws_s3_bucket_versioning" "packages" {
  bucket = aws_s3_bucket.packages.bucket

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "packages" {
  bucket = aws_s3_bucket.packages.bucket

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "packages" {
  bucket                  = aws_s3_bucket.packages.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "packages" {
  bucket = aws_s3_bucket_public_access_block.packages.bucket

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyTLS"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.packages.arn, "${aws_s3_bucket.packages.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}
