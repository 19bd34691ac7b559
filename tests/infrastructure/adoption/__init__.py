"""Adoption by the real Terraform, in the account that all tests of the infrastructure share."""
