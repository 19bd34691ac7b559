"""lock: what the external images that ferry.toml names are right now, for ferry.lock."""

from __future__ import annotations

import json
import platform
import re
from typing import TYPE_CHECKING

from ferry import lockfile
from ferry.errors import BuildFailed, ConfigError, Mistake, RegistryRefused
from ferry.lockfile import FILE, Lock
from ferry.outside.builder import PYTHON

if TYPE_CHECKING:
    from pathlib import Path

    from ferry.config import Config
    from ferry.outside.builder.assemble import Base
    from ferry.outside.registry.external import Externals
    from ferry.report import Report

NOTHING = Lock()


async def lock(config: Config, externals: Externals, report: Report, *, earlier: Lock = NOTHING) -> Lock:
    """`externals` know of no lock. A registry that cannot be reached ends it: a lock has no holes."""
    with report.step("lock", "Ask what the external images are now") as step:
        pins: dict[str, str] = {}
        images: dict[str, Base] = {}
        for name in lockfile.named(config):
            # The whole image, not its digest alone: what has no variant for Lambda is refused here, not by a build.
            images[name] = await externals.image(name)
            if not lockfile.is_exact(name):
                pins[name] = await externals.resolve(name)
                step.say(f"{name} is {pins[name]}" + _moved(earlier.images.get(name), pins[name]))
        python = _python({name: images[name] for name in lockfile.bases(config)}, earlier)
        step.done(f"{len(pins)} images, Python {python}")
    return Lock(python=python, images=pins)


def check(config: Config, lock: Lock) -> None:
    """Refuse a lock that ferry.toml has left behind. No registry is asked: a tag that has moved is no mistake."""
    allowed = "what `ferry lock` writes for this ferry.toml"
    found = lockfile.stale(lock, config)
    if found:
        error = ConfigError(FILE, tuple(Mistake(file=FILE, line=1, key="", found=it, allowed=allowed) for it in found))
        error.next = "ferry lock"
        raise error


def pinned_before(folder: Path) -> Lock:
    """What was pinned before; a file that cannot be read is what `ferry lock` is there to replace."""
    try:
        return lockfile.load(folder)
    except ConfigError:
        return NOTHING


def _moved(before: str | None, now: str) -> str:
    return "" if before in {None, now} else f", it was {before}"


def _python(bases: dict[str, Base], earlier: Lock) -> str:
    """The newest that a base brings, since what it compiles runs there. A base that says nothing changes nothing."""
    found = {name: version for name, base in bases.items() if (version := _version(name, base))}
    for name, version in found.items():
        if not re.fullmatch(rf"{re.escape(PYTHON)}\.[0-9]{{1,3}}", version):
            raise BuildFailed(
                "the base image has another Python than Ferry builds for",
                where=name,
                why=f"it has Python {version}; wheels and bytecode are for {PYTHON}",
                next=f"name a base with Python {PYTHON} in ferry.toml, then: ferry lock",
            )
    newest = max(found.values(), key=lambda version: [int(part) for part in version.split(".")], default="")
    return newest or earlier.python or platform.python_version()


def _version(name: str, base: Base) -> str:
    """PYTHON_VERSION, which the official images set."""
    try:
        said = json.loads(base.config).get("config") or {}
        pairs = [pair.partition("=") for pair in said.get("Env") or []]
    except (ValueError, AttributeError, TypeError) as error:
        why = f"its config cannot be read: {type(error).__name__}: {error}"
        raise RegistryRefused("this is not an image", where=name, why=why, next="name another in ferry.toml") from error
    return next((value for key, _, value in pairs if key == "PYTHON_VERSION"), "")
