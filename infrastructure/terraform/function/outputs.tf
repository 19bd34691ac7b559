output "name" {
  value = aws_lambda_function.this.function_name
}

output "alias" {
  value = aws_lambda_alias.live.name
}

output "alias_arn" {
  value = aws_lambda_alias.live.arn
}

output "version" {
  value = aws_lambda_function.this.version
}

output "url" {
  description = "Without a slash at its end; null where the function has none."
  value       = one([for url in aws_lambda_function_url.this : trimsuffix(url.function_url, "/")])
}
