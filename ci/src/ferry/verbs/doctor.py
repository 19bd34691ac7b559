"""doctor: whether all that a deployment needs is there, on this machine, in the repository and in an environment.

Everything is looked at, although something before it is wrong, unless it cannot be. Nothing is changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferry.report import Mask
from ferry.verbs import here, there

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from ferry.config import Config
    from ferry.model import Environment
    from ferry.verbs.checks import Check

type Visit = Callable[[Config, Environment], Awaitable[list[Check]]]
"""Looks at an environment."""


async def doctor(source: Path, name: str, environment: Mapping[str, str], visit: Visit) -> tuple[Check, ...]:
    """`name` is the environment's, or empty: then AWS is not asked for anything."""
    first, config = here.configuration(source)
    target = config.environment(name) if config and name else None
    checks = [first, *await here.machine(source, config, environment)]
    if config and target:
        checks += await visit(config, target)
    elif name:
        checks += there.nothing("ferry.toml is not sound")
    return Mask().masked(tuple(checks))
