# Publishing comes before Terraform, and makes the repository where there is none: ferry adopts it.
resource "aws_ecr_repository" "sse_streaming" {
  name         = "${local.names["sse-streaming"]}-lambda"
  force_delete = var.disposable

  image_scanning_configuration {
    scan_on_push = true
  }
}

# ECR does not know which images run. So there is one rule, by number, and no rule about untagged images: a running
# one loses its tags as soon as the next is pushed.
resource "aws_ecr_lifecycle_policy" "sse_streaming" {
  repository = aws_ecr_repository.sse_streaming.name

  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "The newest ${var.kept_images} stay: all that run, and all that may be gone back to"
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = var.kept_images }
      action       = { type = "expire" }
    }]
  })
}

resource "aws_ecr_repository_policy" "sse_streaming" {
  repository = aws_ecr_repository.sse_streaming.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Lambda"
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      Condition = {
        StringLike = {
          "aws:sourceArn" = "arn:aws:lambda:${var.region}:${local.account}:function:${local.names["sse-streaming"]}"
        }
      }
    }]
  })
}
