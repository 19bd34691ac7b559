# An account has one provider for GitHub: where another project made it, import it (docs/how-to/set-up-an-account.md).
resource "aws_iam_openid_connect_provider" "github" {
  count = var.github_repository == "" ? 0 : 1

  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

locals {
  github = var.github_repository == "" ? [] : split("/", var.github_repository)

  # How a token names the repository: by its name, or by name and numbers. Both are exact: nothing in here is a pattern.
  subjects = length(local.github) == 0 ? [] : concat(
    ["repo:${var.github_repository}"],
    var.github_ids == null ? [] : [
      "repo:${local.github[0]}@${var.github_ids.owner}/${local.github[1]}@${var.github_ids.repository}"
    ],
  )
}
