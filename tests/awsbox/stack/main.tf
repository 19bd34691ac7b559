# One of every resource type that a deployment in here makes, as small as each can be, joined as real ones are.
terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  backend "s3" {
    use_lockfile            = true
    encrypt                 = true
    use_path_style          = true
    skip_metadata_api_check = true
  }
}

variable "environment" {
  type = string
}

variable "deployer" {
  description = "The ARN of whoever applies this: the key's administrator."
  type        = string
}

variable "image" {
  description = "repository@digest"
  type        = string
}

# What the test changes in place.
variable "retention_days" {
  type    = number
  default = 7
}

variable "memory" {
  type    = number
  default = 128
}

variable "threshold" {
  type    = number
  default = 5
}

variable "budget" {
  type    = number
  default = 10
}

provider "aws" {
  s3_use_path_style       = true
  skip_metadata_api_check = true

  default_tags {
    tags = { Environment = var.environment }
  }
}

data "aws_caller_identity" "this" {}

data "aws_region" "this" {}

locals {
  account = data.aws_caller_identity.this.account_id
  region  = data.aws_region.this.name
  # Some names are needed before what they name.
  dlq_arn       = "arn:aws:sqs:${local.region}:${local.account}:${var.environment}-dlq"
  functions_arn = "arn:aws:lambda:${local.region}:${local.account}:function:${var.environment}-*"
}

resource "aws_kms_key" "this" {
  description             = "${var.environment}: data, queue and notifications"
  enable_key_rotation     = true
  deletion_window_in_days = 7

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AccountRoot"
        Effect    = "Allow"
        Principal = { AWS = "arn:aws:iam::${local.account}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        Sid       = "Deployer"
        Effect    = "Allow"
        Principal = { AWS = var.deployer }
        Action = [
          "kms:DescribeKey", "kms:GetKey*", "kms:List*", "kms:PutKeyPolicy", "kms:Enable*", "kms:UpdateKeyDescription",
          "kms:TagResource", "kms:UntagResource", "kms:ScheduleKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias",
        ]
        Resource = "*"
      },
      {
        Sid       = "Alarms"
        Effect    = "Allow"
        Principal = { Service = ["cloudwatch.amazonaws.com", "sns.amazonaws.com", "budgets.amazonaws.com"] }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
      },
    ]
  })
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.environment}-data"
  target_key_id = aws_kms_key.this.key_id
}
