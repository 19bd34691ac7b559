# The two failures that this project was started for, by terraform itself.
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  skip_metadata_api_check = true

  default_tags {
    tags = { Environment = "preprod" }
  }
}

variable "account" {
  type = string
}

# It exists: a killed run left it, and no state knows of it.
resource "aws_ecr_repository" "orphan" {
  name = "left-by-a-killed-run"
}

# Nobody but root could ever change its policy again, and root does not deploy.
resource "aws_kms_key" "root_only" {
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::${var.account}:root" }
      Action    = "kms:*"
      Resource  = "*"
    }]
  })

  # The provider takes it for a principal that is not known yet, and tries again: for 2 minutes unless told.
  timeouts {
    create = "5s"
  }
}
