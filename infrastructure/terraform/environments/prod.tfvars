# The model is `transformer` once its files are below models/ in the packages bucket: model_path says where, and
# model_sha256s what they are.
environment            = "prod"
log_retention_days     = 90
ingestion_schedule     = "rate(15 minutes)"
canary_schedule        = "rate(5 minutes)"
canary_silence_minutes = 15
model                  = "mock"
budget_usd             = 100
