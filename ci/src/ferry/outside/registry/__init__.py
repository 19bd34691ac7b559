"""Image registries, over the registry protocol itself: no daemon, no engine.

`client` is what the rest of Ferry sees. Below it: `upload` and `download` carry blobs, `line` asks and asks again,
`auth` says who we are, `patience` how long to try, `refusals` what a refusal means. `ecr` and `external` know whose
registry it is.
"""

from ferry.outside.registry.auth import Login
from ferry.outside.registry.client import Manifest, Registry, Sent

__all__ = ["Login", "Manifest", "Registry", "Sent"]
