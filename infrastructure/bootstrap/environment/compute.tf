# Functions, and their roles.
locals {
  compute = [
    {
      Sid    = "Functions"
      Effect = "Allow"
      Action = [
        "lambda:AddPermission", "lambda:CreateAlias", "lambda:CreateFunction", "lambda:CreateFunctionUrlConfig",
        "lambda:DeleteAlias", "lambda:DeleteFunction", "lambda:DeleteFunctionEventInvokeConfig",
        "lambda:DeleteFunctionUrlConfig", "lambda:GetAlias", "lambda:GetFunction",
        "lambda:GetFunctionCodeSigningConfig", "lambda:GetFunctionConfiguration",
        "lambda:GetFunctionEventInvokeConfig", "lambda:GetFunctionUrlConfig", "lambda:GetPolicy",
        # GetFunction keeps the tags to itself where this is missing.
        "lambda:ListTags",
        "lambda:ListVersionsByFunction", "lambda:PublishVersion", "lambda:PutFunctionEventInvokeConfig",
        "lambda:RemovePermission", "lambda:TagResource", "lambda:UntagResource", "lambda:UpdateAlias",
        "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration", "lambda:UpdateFunctionUrlConfig",
      ]
      Resource = local.function_arns
    },
    {
      # What was deployed is judged by the canary that was deployed with it.
      Sid      = "AsksTheCanary"
      Effect   = "Allow"
      Action   = "lambda:InvokeFunction"
      Resource = "arn:aws:lambda:${local.regional}:function:${var.environment}-canary"
    },
    {
      Sid       = "RolesOfFunctions"
      Effect    = "Allow"
      Action    = "iam:PassRole"
      Resource  = local.role_arns
      Condition = { StringEquals = { "iam:PassedToService" = "lambda.amazonaws.com" } }
    },
    {
      # Only under the boundary. What would take it off, or put a role under another, is in no policy of a deployer.
      Sid       = "BoundedRoles"
      Effect    = "Allow"
      Action    = ["iam:CreateRole", "iam:DeleteRolePolicy", "iam:PutRolePolicy"]
      Resource  = local.role_arns
      Condition = { StringEquals = { "iam:PermissionsBoundary" = local.boundary_arn } }
    },
    {
      Sid    = "Roles"
      Effect = "Allow"
      Action = [
        "iam:DeleteRole", "iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies",
        "iam:ListInstanceProfilesForRole", "iam:ListRolePolicies", "iam:TagRole", "iam:UntagRole",
      ]
      Resource = local.role_arns
    },
    {
      # Terraform asks which role a session came from, to name it in the key's policy. And whether a new policy would
      # lock its deployer out is told before the apply by what the deployer may do.
      Sid    = "Self"
      Effect = "Allow"
      Action = [
        "iam:GetRole", "iam:GetRolePolicy", "iam:GetUser", "iam:GetUserPolicy", "iam:ListAttachedRolePolicies",
        "iam:ListAttachedUserPolicies", "iam:ListGroupsForUser", "iam:ListRolePolicies", "iam:ListUserPolicies",
      ]
      Resource = [for kind in ["role", "user"] : "arn:aws:iam::${local.account}:${kind}/${local.deployer}"]
    },
    {
      Sid      = "OwnPolicies"
      Effect   = "Allow"
      Action   = ["iam:GetPolicy", "iam:GetPolicyVersion"]
      Resource = "arn:aws:iam::${local.account}:policy/${local.deployer}-*"
    },
  ]
}
