"""Values out of GitHub's answers, in the words of `gate.wire`: what is not there is {"unknown": why}."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ferry.gate.facts import Unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ferry.gate.facts import Fact


def unknown(why: str | Unknown) -> dict[str, str]:
    return {"unknown": why.why if isinstance(why, Unknown) else why}


def dig(data: Any, *path: str) -> Any:
    """What stands there; unknown where nothing does, or null."""
    if isinstance(data, Unknown):
        return unknown(data)
    at = data
    for key in path:
        at = at.get(key) if isinstance(at, dict) else None
    return unknown(f"GitHub's answer has no {'.'.join(path)}") if at is None else at


def listed(items: Sequence[Any], total: Any = None) -> dict[str, Any]:
    return {"items": list(items), "total": len(items) if total is None else total}


def said(fact: Fact[Any]) -> Any:
    return unknown(fact) if isinstance(fact, Unknown) else fact
