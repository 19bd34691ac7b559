variable "project" {
  type = string
}

variable "environment" {
  type = string
}

variable "region" {
  type = string
}

variable "state_bucket" {
  type = string
}

variable "user" {
  type = bool
}

variable "teardown" {
  type = bool
}

variable "trust" {
  description = "GitHub's OIDC provider, and the ways in which tokens name the repository. Null: no role."
  type        = object({ provider_arn = string, repositories = list(string) })
}
