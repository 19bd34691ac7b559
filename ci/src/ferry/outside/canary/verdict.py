"""What a canary says, read without trust: what is no verdict is not taken for one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

HEALTHY, UNHEALTHY, UNDECIDED = "healthy", "unhealthy", "undecided"
WORDS = (HEALTHY, UNHEALTHY, UNDECIDED)
"""In the order of the exit codes that belong to them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question. `ok` is None where it could not be answered."""

    name: str
    target: str
    ok: bool | None
    what: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    word: str
    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        return self.word == HEALTHY


def read(text: str) -> Verdict | None:
    """None: it is no verdict."""
    try:
        said: dict[str, Any] = json.loads(text)
        verdict = Verdict(word=said["verdict"], checks=tuple(_check(one) for one in said["checks"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return verdict if verdict.word in WORDS else None


def _check(said: dict[str, Any]) -> Check:
    ok = said["ok"]
    if ok is not None and not isinstance(ok, bool):
        raise TypeError(ok)
    words = {name: str(said.get(name) or "") for name in ("target", "what", "why")}
    return Check(name=str(said["name"]), ok=ok, **words)
