"""Asking a deployment whether it works, as a user of it would: over HTTP, and watching when things arrive."""

from ferry.outside.canary.probe import Stream, health, stream

__all__ = ["Stream", "health", "stream"]
