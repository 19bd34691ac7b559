# What ferry hands over.

variable "environment" {
  description = "preprod or prod; part of every name."
  type        = string

  validation {
    # No hyphen: a deployer's rights are on names that begin with its environment's and one.
    condition     = can(regex("^[a-z][a-z0-9]{1,15}$", var.environment))
    error_message = "An environment is 2 to 16 small letters and digits, and begins with a letter."
  }
}

variable "images" {
  description = "Artifact name to image reference by digest, handed in by ferry from the release."
  type        = map(string)

  validation {
    condition     = alltrue([for image in values(var.images) : can(regex("@sha256:[0-9a-f]{64}$", image))])
    error_message = "Images are deployed by digest: repository@sha256:…"
  }

  validation {
    condition     = contains(keys(var.images), "sse-streaming")
    error_message = "The release has no image sse-streaming."
  }
}

variable "packages" {
  description = "Artifact name to zip in the packages bucket: key, its SHA-256 in base64 and as a digest, and version where the key alone does not settle the content. A function without its zip is not made."
  type = map(object({
    key     = string
    hash    = string
    digest  = optional(string, "")
    version = optional(string)
  }))
  default = {}

  validation {
    condition     = length(setsubtract(keys(var.packages), ["ingestion", "analysis", "dashboard", "canary"])) == 0
    error_message = "Packages are: ingestion, analysis, dashboard, canary."
  }

  validation {
    condition     = alltrue([for package in values(var.packages) : can(regex("^[A-Za-z0-9+/]{43}=$", package.hash))])
    error_message = "A package's hash is its SHA-256 in base64."
  }
}

variable "deployers" {
  description = "ARNs of the users and roles that administer the environment's key. None: whoever applies."
  type        = list(string)
  default     = []
}

# What the environments' tfvars say.

variable "project" {
  description = "Part of the names that must be the project's own, and of every resource's tags."
  type        = string
  default     = "sentiment-analyzer"
}

variable "region" {
  description = "The AWS region of the environment."
  type        = string
  default     = "us-east-1"
}

variable "tags" {
  description = "More tags for everything."
  type        = map(string)
  default     = {}
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
}

variable "retention_days" {
  description = "How long articles, items and counts are kept."
  type        = number
  default     = 30
}

variable "kept_images" {
  description = "How many images the repository keeps. Never fewer than run or may be gone back to: ferry.toml's [retention] is checked against it."
  type        = number
  default     = 50

  validation {
    condition     = var.kept_images >= 20
    error_message = "Fewer than 20 images may let one expire that runs."
  }
}

variable "topics" {
  description = "What news are fetched about."
  type        = list(string)
  default     = ["energy", "markets", "technology"]
}

variable "newsapi_url" {
  description = "Where news come from."
  type        = string
  default     = "https://newsapi.org"
}

variable "memory_mb" {
  description = "Function to memory, where it is not the default of functions.tf."
  type        = map(number)
  default     = {}
}

variable "ingestion_schedule" {
  description = "How often news are fetched: a schedule expression of EventBridge."
  type        = string
}

variable "canary_schedule" {
  description = "How often the canary asks whether all is well."
  type        = string
}

variable "canary_silence_minutes" {
  description = "After how long without a word from the canary people are told; at least twice its schedule."
  type        = number
}

variable "model" {
  description = "What judges sentiment: mock, or transformer."
  type        = string

  validation {
    condition     = contains(["mock", "transformer"], var.model)
    error_message = "The model is mock or transformer."
  }

  validation {
    condition     = var.model == "mock" || (var.model_path != "" && length(var.model_sha256s) > 0)
    error_message = "A transformer needs model_path and model_sha256s."
  }
}

variable "model_path" {
  description = "Below models/ in the packages bucket: the folder that holds the transformer's files."
  type        = string
  default     = ""
}

variable "model_sha256s" {
  description = "File name to SHA-256 of the transformer's files."
  type        = map(string)
  default     = {}
}

variable "alarm_emails" {
  description = "Who gets mail when something is wrong. Each address has to confirm the first one."
  type        = set(string)
  default     = []
}

variable "budget_usd" {
  description = "What a month may cost before people are told."
  type        = number
}

variable "anomaly_usd" {
  description = "How much more than usual a day's costs must be before people are told."
  type        = number
  default     = 10
}

variable "anomalies_by" {
  description = "What unusual costs are looked for in: the environment's tag, or the account's services where the account is an organization's member."
  type        = string
  default     = "tag"

  validation {
    condition     = contains(["tag", "service"], var.anomalies_by)
    error_message = "Anomalies are looked for by tag or by service."
  }
}

variable "disposable" {
  description = "Whether a destroy may take data with it: the table, images, packages, secrets."
  type        = bool
  default     = false
}
