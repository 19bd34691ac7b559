output "deployers" {
  value = concat(aws_iam_user.deployer[*].arn, aws_iam_role.deployer[*].arn)
}

output "state_bucket" {
  value = aws_s3_bucket.state.bucket
}
