# Who deploys: a role for GitHub Actions, a user for those who have no OIDC, each with the same rights.

locals {
  deployer = "${var.project}-${var.environment}-deployer"

  # IAM takes 6,144 characters a policy.
  rights = merge(
    { compute = local.compute, data = local.data, watch = local.watch },
    var.teardown ? { teardown = local.teardown } : {},
  )
}

resource "aws_iam_policy" "deployer" {
  for_each = local.rights

  name        = "${local.deployer}-${each.key}"
  description = "What deploying to ${var.environment} takes: ${each.key}"
  tags        = local.tags

  policy = jsonencode({ Version = "2012-10-17", Statement = each.value })
}

resource "aws_iam_user" "deployer" {
  count = var.user ? 1 : 0

  name = local.deployer
  tags = local.tags
}

# Its access keys are made by hand, and known to nobody's state: docs/how-to/set-up-an-account.md.
resource "aws_iam_user_policy_attachment" "deployer" {
  for_each = var.user ? aws_iam_policy.deployer : {}

  user       = aws_iam_user.deployer[0].name
  policy_arn = each.value.arn
}

resource "aws_iam_role" "deployer" {
  count = var.trust == null ? 0 : 1

  name                 = local.deployer
  max_session_duration = 3600
  tags                 = local.tags

  # A job that names the environment, of exactly this repository. Which branches may name it, and who must agree, are
  # the environment's own settings on GitHub.
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = var.trust.provider_arn }
      Condition = {
        StringEquals = {
          "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
          "token.actions.githubusercontent.com:sub" = [for repository in var.trust.repositories : "${repository}:environment:${var.environment}"]
        }
      }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "deployer" {
  for_each = var.trust == null ? {} : aws_iam_policy.deployer

  role       = aws_iam_role.deployer[0].name
  policy_arn = each.value.arn
}
