# People put the values: `aws secretsmanager put-secret-value`. Terraform, its state and its deployer never see them.
resource "aws_secretsmanager_secret" "this" {
  for_each = { newsapi = "newsapi-key", api = "api-key" }

  name                    = "${var.environment}-${each.value}"
  kms_key_id              = aws_kms_key.data.arn
  recovery_window_in_days = var.disposable ? 0 : 30
}
