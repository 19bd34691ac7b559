variable "environment" {
  description = "preprod or prod; part of every name."
  type        = string
}

variable "region" {
  description = "The AWS region of the environment."
  type        = string
  default     = "us-east-1"
}

variable "images" {
  description = "Artifact name to image reference by digest, handed in by ferry from the release."
  type        = map(string)

  validation {
    condition     = alltrue([for image in values(var.images) : strcontains(image, "@sha256:")])
    error_message = "Images are deployed by digest: repository@sha256:…"
  }
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
}
