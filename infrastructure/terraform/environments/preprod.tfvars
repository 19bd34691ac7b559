environment        = "preprod"
log_retention_days = 14
