# What an admin sets up once in an account, before anybody can deploy to it: docs/how-to/set-up-an-account.md.
# Nothing in here is for the pipeline to change: its own rights are among it.
terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { project = var.project }
  }
}

# Two environments may share an account, and be strangers to each other.
module "environment" {
  source   = "./environment"
  for_each = var.environments

  project      = var.project
  environment  = each.key
  region       = var.region
  state_bucket = coalesce(each.value.state_bucket, "${var.project}-${each.key}-state")
  user         = each.value.user
  teardown     = each.value.teardown
  trust        = length(local.subjects) == 0 ? null : { provider_arn = one(aws_iam_openid_connect_provider.github[*].arn), repositories = local.subjects }
}
