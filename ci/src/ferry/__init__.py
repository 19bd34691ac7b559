"""Ferry: one release of an AWS Lambda and Terraform system, from a commit to production.

Build once, publish, adopt what already exists, plan, guard, apply exactly that plan, prove it,
promote the same bytes, and go back for good when something is wrong. The same on a laptop and in CI.
"""
