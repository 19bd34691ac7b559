environment            = "preprod"
log_retention_days     = 14
ingestion_schedule     = "rate(2 hours)"
canary_schedule        = "rate(15 minutes)"
canary_silence_minutes = 45
model                  = "mock"
budget_usd             = 20
