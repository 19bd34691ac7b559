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

# What images are made of: dependencies, each under the hash of all that they come from. Publishing makes this one too.
# No release is lost with it: what is not here is made again. It is not scanned: images are, with all that is in them.
resource "aws_ecr_repository" "cache" {
  name         = "${local.names["sse-streaming"]}-cache"
  force_delete = true

  image_scanning_configuration {
    scan_on_push = false
  }
}

# By age, which images must never go by. So it has a repository of its own: the other's rule would also count what is
# here, and drop an image for it. A lock that nobody has changed in all that time is installed once more.
resource "aws_ecr_lifecycle_policy" "cache" {
  repository = aws_ecr_repository.cache.name

  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "Dependencies that were not pushed again for 90 days go"
      selection    = { tagStatus = "any", countType = "sinceImagePushed", countUnit = "days", countNumber = 90 }
      action       = { type = "expire" }
    }]
  })
}
