"""Image registries, over the registry protocol itself: no daemon, no engine."""

from ferry.outside.registry.client import Login, Registry

__all__ = ["Login", "Registry"]
