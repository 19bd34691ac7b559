output "functions" {
  description = "Artifact name to function name: where the canary looks for what runs."
  value       = { "sse-streaming" = aws_lambda_function.sse_streaming.function_name }
}
