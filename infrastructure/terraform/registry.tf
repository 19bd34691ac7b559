resource "aws_ecr_repository" "sse_streaming" {
  name = "${var.environment}-sse-streaming-lambda"

  image_scanning_configuration {
    scan_on_push = true
  }
}
