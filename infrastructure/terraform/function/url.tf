# Open to the internet: the functions behind URLs ask for the environment's API key themselves, and say nothing of the
# data without it. Browsers cannot sign requests as AWS_IAM wants them.
resource "aws_lambda_function_url" "this" {
  count = var.url_mode == null ? 0 : 1

  function_name      = aws_lambda_function.this.function_name
  qualifier          = aws_lambda_alias.live.name
  authorization_type = "NONE"
  invoke_mode        = var.url_mode
}

resource "aws_lambda_permission" "url" {
  count = length(aws_lambda_function_url.this)

  statement_id           = "public-url"
  action                 = "lambda:InvokeFunctionUrl"
  function_name          = aws_lambda_function.this.function_name
  qualifier              = aws_lambda_alias.live.name
  principal              = "*"
  function_url_auth_type = "NONE"
}

# Since October 2025 a URL needs this one too. It should be for calls by URL alone (lambda:InvokedViaFunctionUrl), which
# provider 5.100.0 cannot say. What it opens beyond the URL: anybody with an AWS account may call the alias by Lambda's
# API, and finds the same demand for a key there.
resource "aws_lambda_permission" "url_invoke" {
  count = length(aws_lambda_function_url.this)

  statement_id  = "public-url-invoke"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this.function_name
  qualifier     = aws_lambda_alias.live.name
  principal     = "*"
}
