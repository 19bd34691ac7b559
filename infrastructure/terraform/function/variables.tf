# One Lambda function with all that a function has: a role, a log group, an alias that callers use, an alarm.

variable "name" {
  type = string
}

variable "description" {
  type = string
}

variable "image" {
  description = "repository@digest; or else a package."
  type        = string
  default     = null
}

variable "package" {
  description = "A zip in S3."
  type        = object({ bucket = string, key = string, hash = string, version = optional(string) })
  default     = null
}

variable "handler" {
  description = "What Lambda calls in a package."
  type        = string
  default     = null
}

variable "memory_mb" {
  type = number
}

variable "timeout_seconds" {
  type = number
}

variable "variables" {
  description = "The function's settings."
  type        = map(string)
}

variable "statements" {
  description = "What its role may do, beside writing its own logs and traces."
  type = list(object({
    Sid       = string
    Action    = list(string)
    Resource  = list(string)
    Condition = optional(map(map(string)))
  }))
}

variable "boundary_arn" {
  type = string
}

variable "log_retention_days" {
  type = number
}

variable "url_mode" {
  description = "BUFFERED or RESPONSE_STREAM: everybody on the internet may call it. Null: it has no URL."
  type        = string
  default     = null
}

variable "asynchronous" {
  description = "For a function that events call: tries after the first, and the queue for events that still failed."
  type        = object({ retries = number, queue_arn = string })
  default     = null
}

variable "alarms_topic_arn" {
  type = string
}
