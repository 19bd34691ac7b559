variable "project" {
  description = "Part of the names that must be the project's own."
  type        = string
  default     = "sentiment-analyzer"
}

variable "region" {
  description = "Where the environments of this account are."
  type        = string
  default     = "us-east-1"
}

variable "environments" {
  description = "The environments of this account. `user`: whether an IAM user deploys, where OIDC cannot be had. `teardown`: whether the deployer may destroy data; only for as long as an environment is being taken down."
  type = map(object({
    state_bucket = optional(string)
    user         = optional(bool, true)
    teardown     = optional(bool, false)
  }))

  validation {
    condition     = alltrue([for name in keys(var.environments) : can(regex("^[a-z][a-z0-9]{1,15}$", name))])
    error_message = "An environment is 2 to 16 small letters and digits, and begins with a letter: its deployer's rights are on names that begin with it and a hyphen."
  }
}

variable "github_repository" {
  description = "OWNER/REPOSITORY whose GitHub Actions deploy with no keys at all, by OIDC. Empty: none."
  type        = string
  default     = ""

  validation {
    condition     = var.github_repository == "" || can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "A repository is OWNER/NAME."
  }
}

variable "github_ids" {
  description = "The numbers of its owner and of itself: `gh api repos/OWNER/NAME --jq '.owner.id, .id'`. Repositories made, renamed or transferred since 2026-07-15 name themselves by them."
  type        = object({ owner = number, repository = number })
  default     = null
}
