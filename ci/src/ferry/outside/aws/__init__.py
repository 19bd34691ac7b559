"""AWS as Ferry needs it: who we are, and what already exists."""

from ferry.outside.aws.access import Access, Credentials

__all__ = ["Access", "Credentials"]
