# Names that are needed before, or without, what they name.

data "aws_caller_identity" "this" {}

# Whoever applies, as key policies name them: of a session, the role that it came from.
data "aws_iam_session_context" "this" {
  arn = data.aws_caller_identity.this.arn
}

locals {
  account = data.aws_caller_identity.this.account_id

  names = {
    for function in ["ingestion", "analysis", "dashboard", "canary", "sse-streaming"] :
    function => "${var.environment}-${function}"
  }

  # A role may do no more than this, whatever its own policies say: infrastructure/bootstrap makes it.
  boundary_arn = "arn:aws:iam::${local.account}:policy/${var.project}-${var.environment}-boundary"

  deployers = length(var.deployers) > 0 ? var.deployers : [data.aws_iam_session_context.this.issuer_arn]
}
