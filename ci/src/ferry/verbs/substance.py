"""What of a plan a person agrees to: every change with its values, and nothing of when or where it was planned. Pure.

Two plans of one substance do the same. So a plan that somebody looked at is never handed over, with the secrets that
lie in its file: whoever applies plans again, and goes on when the substance is still the same.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

from ferry.guards.adoption import RESULTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ferry.tfplan import Change, Plan

type Substance = Mapping[str, str]
"""Address to what happens there: in a word, and the hash of all of it. It holds no value that a plan holds."""


def substance(plan: Plan) -> Substance:
    return {change.address: f"{_word(change)} {_hash(change)}" for change in plan.touched()}


def fingerprint(of: Substance) -> str:
    return sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()[:12]


def differences(then: Substance, now: Substance) -> tuple[str, ...]:
    """What happens now that did not then, or otherwise, in words."""
    return tuple(
        _said(address, then, now) for address in sorted({*then, *now}) if then.get(address) != now.get(address)
    )


def _said(address: str, then: Substance, now: Substance) -> str:
    before, after = (side.get(address, "nothing").partition(" ")[0] for side in (then, now))
    return f"{address}: {before}, with other values" if before == after else f"{address}: {before} became {after}"


def _word(change: Change) -> str:
    if not change.imports:
        return change.action.value
    return "adopt" if change.action.value == "no-op" else f"adopt-and-{change.action.value}"


def _hash(change: Change) -> str:
    results = RESULTS.get(change.type, frozenset())
    sides = [
        {name: value for name, value in side.items() if name not in results}
        for side in (change.before, change.after, change.unknown)
    ]
    return sha256(json.dumps([change.imports, change.forgets, sides], sort_keys=True).encode()).hexdigest()
