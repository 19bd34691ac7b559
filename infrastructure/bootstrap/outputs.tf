output "deployers" {
  description = "By environment, who may deploy: for `deployer` in ferry.toml, and for the workflow's role-to-assume."
  value       = { for name, made in module.environment : name => made.deployers }
}

output "state_buckets" {
  description = "By environment, for `state` in ferry.toml."
  value       = { for name, made in module.environment : name => made.state_bucket }
}
