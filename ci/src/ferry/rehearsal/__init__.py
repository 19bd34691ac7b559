"""The whole pipeline on a machine with no AWS account: the real verbs, the real terraform, an AWS in a box."""
